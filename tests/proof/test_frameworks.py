"""Training functions in three frameworks, as the examples write them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stepsize.proof import Comparison, compare

EXAMPLES = Path(__file__).parents[2] / "examples"
SLOW = pytest.param("keras", marks=pytest.mark.slow)  # its import and compilation
FRAMEWORKS = ["torch", SLOW, "sklearn"]


def small(script: Path | str, **more: Any) -> Comparison:
    settings: dict[str, Any] = {
        "schedules": ["wsd"],
        "total_steps": 30,
        "seeds": 2,
        "lrs": [0.01],
        "jobs": 2,
    }
    return compare(f"{script}:train", **(settings | more))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_processes_train_any_framework(framework: str) -> None:
    comparison = small(EXAMPLES / f"compare_{framework}.py")
    assert [run.reason for run in comparison.runs] == [""] * 4
    assert {run.updates for run in comparison.runs} == {30}
    # A seed is the same start for every arm, and another for another seed.
    assert len({run.val for run in comparison.runs}) > 1
    assert comparison.arms[1].reach is not None
    assert comparison.arms[1].cost is not None
    assert comparison == small(EXAMPLES / f"compare_{framework}.py", jobs=1)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_ray_gives_the_same_to_the_bit(framework: str) -> None:
    script = EXAMPLES / f"compare_{framework}.py"
    by_ray, here = (small(script, engine=name) for name in ("ray", "processes"))
    assert by_ray == replace(here, repeat=by_ray.repeat)


def test_an_exception_in_a_framework_is_a_result_with_its_traceback(
    tmp_path: Path,
) -> None:
    text = (EXAMPLES / "compare_torch.py").read_text()
    wrong = text.replace("nn.Linear(64, 10)", "nn.Linear(64 - seed, 10)")
    assert wrong != text
    (tmp_path / "mine.py").write_text(wrong)
    comparison = small(tmp_path / "mine.py")
    good, bad = (
        [run for run in comparison.runs if run.seed == seed] for seed in range(2)
    )
    assert {run.status for run in good} == {"finished"}
    assert {run.status for run in bad} == {"error"}
    assert "mat1 and mat2 shapes cannot be multiplied" in bad[0].reason
    trace = bad[0].traceback
    assert trace.startswith("Traceback (most recent call last):")
    assert 'File "mine.py", line' in trace
    assert 'File "linear.py", line' in trace
    assert str(tmp_path) not in trace


def test_a_framework_that_goes_to_nan_is_a_result(tmp_path: Path) -> None:
    text = (EXAMPLES / "compare_torch.py").read_text()
    (tmp_path / "mine.py").write_text(text.replace("accuracy(val),", "loss.item(),"))
    comparison = small(tmp_path / "mine.py", lrs=[0.01, 1e30])
    statuses = {run.peak_lr: run.status for run in comparison.runs}
    assert statuses == {0.01: "finished", 1e30: "diverged"}
    assert all(arm.chosen_lr == 0.01 for arm in comparison.arms)
    assert [arm.diverged for arm in comparison.arms] == [0.5, 0.5]
