import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stepsize.errors import InvalidScheduleError, ProofError
from stepsize.proof import Comparison, Results, compare, workloads
from stepsize.proof.results import dumps, loads


def small(script: str, **changes: Any) -> Comparison:
    """Compare two arms of a real function on two rates and two seeds."""
    settings: dict[str, Any] = {
        "schedules": ["wsd"],
        "total_steps": 40,
        "seeds": 2,
        "lrs": [0.03, 1.0],
        "jobs": 2,
    }
    return compare(script, **(settings | changes))


@pytest.fixture(scope="module")
def digits() -> Comparison:
    return compare(
        "digits", schedules=["wsd"], total_steps=60, seeds=2, lrs=[0.01, 0.1]
    )


def test_a_workload_end_to_end(digits: Comparison) -> None:
    assert [arm.arm for arm in digits.arms] == ["constant", "wsd"]
    assert len(digits.runs) == 2 * 2 * 2
    assert digits.subject.metric == "accuracy"
    for run in digits.runs:
        assert run.status == "finished"
        assert run.updates == 60
        assert [curve.metric for curve in run.curves] == ["train_loss", "val"]
        chosen = next(a.chosen_lr for a in digits.arms if a.arm == run.arm)
        assert (run.test is not None) == (run.peak_lr == chosen)
    assert max(run.val or 0 for run in digits.runs) > 60  # ten classes: it learned
    assert digits.arms[1].at_default is not None  # 0.01 is its default, on the grid


def test_the_same_seeds_give_the_same_comparison(digits: Comparison) -> None:
    again = compare(
        "digits", schedules=["wsd"], total_steps=60, seeds=2, lrs=[0.1, 0.01]
    )
    assert replace(again, seconds=0.0, repeat="") == replace(
        digits, seconds=0.0, repeat=""
    )


def test_tuned_rates_are_trained_alone_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {"constant": 0.1, "cosine": 0.3, "wsd": 0.03}
    tuned = replace(workloads.load("digits"), tuned_lrs=found)
    monkeypatch.setattr(workloads, "load", lambda name: tuned)
    settings: dict[str, Any] = {"tuned": True, "total_steps": 60, "seeds": 2}
    comparison = compare("digits", schedules=["warmup_cosine", "wsd"], **settings)
    rates = {run.arm: run.peak_lr for run in comparison.runs}
    assert rates == {"constant": 0.1, "warmup_cosine": 0.3, "wsd": 0.03}
    assert len(comparison.runs) == 6
    assert comparison.tuning == "given"
    assert all(run.test is not None for run in comparison.runs)
    assert all(
        (arm.at_edge, arm.grid_mean, arm.failed) == (None, None, None)
        for arm in comparison.arms
    )
    assert any("found beforehand" in sentence for sentence in comparison.verdict)
    assert comparison.repeat.endswith("--tuned")
    with pytest.raises(ProofError, match=r"rate is known.*got \['step'\]"):
        compare("digits", schedules=["step"], **settings)


def test_results_of_a_workload_come_back_from_json(digits: Comparison) -> None:
    results = Results(comparisons=(digits,))
    assert loads(dumps(results)) == results


def test_a_function_end_to_end_repeats_and_does_not_depend_on_processes(
    script: str,
) -> None:
    calls: list[tuple[int, int]] = []
    first = small(script, on_progress=lambda done, total: calls.append((done, total)))
    second = small(script, jobs=1)
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    assert sorted(set(calls)) == [(40 * done, 320) for done in range(9)]
    assert first.subject.direction == "min"
    assert [len(run.curves) for run in first.runs] == [1] * 8
    texts = {run.schedule for run in first.runs if run.arm == "wsd"}
    assert len(texts) == 2  # the peak rate is part of the text
    assert any(text.startswith("0.03 * warmup") for text in texts)


def test_a_default_rate_off_the_grid_is_trained_but_never_chosen(script: str) -> None:
    comparison = small(script, default_lr=0.5)
    assert {run.peak_lr for run in comparison.runs} == {0.03, 0.5, 1.0}
    assert comparison.lrs == (0.03, 1.0)
    assert all(arm.chosen_lr in (0.03, 1.0) for arm in comparison.arms)
    assert comparison.arms[1].at_default is not None
    assert comparison.arms[1].runs == 4


TEST_IS_A_TRAP = """
def train(schedule, *, total_steps, seed, policies=(), report):
    lr = schedule.resolve(total_steps=total_steps)(total_steps // 2)
    good = lr < 0.1
    return {"val": 0.9 + seed / 100 if good else 0.5, "direction": "max",
            "test": 0.8 + seed / 50 if good else 1.0, "updates": total_steps}
"""


def test_test_of_other_rates_is_neither_used_nor_stored(tmp_path: Path) -> None:
    path = tmp_path / "trap.py"
    path.write_text(TEST_IS_A_TRAP)
    comparison = small(f"{path}:train")
    assert [arm.chosen_lr for arm in comparison.arms] == [0.03, 0.03]
    stored = json.loads(dumps(Results(comparisons=(comparison,))))
    tests = {run["peak_lr"]: run["test"] for run in stored["comparisons"][0]["runs"]}
    assert tests[1.0] is None
    assert tests[0.03] == pytest.approx(0.82)


MIXED = """
def train(schedule, *, total_steps, seed, policies=(), report):
    if seed == 0:
        raise RuntimeError("no data")
    lr = schedule.resolve(total_steps=total_steps)(0)
    updates = total_steps - (seed == 1)
    val = float("nan") if seed == 2 else 1.0 + lr + seed
    return {"val": val, "test": val, "direction": "min", "updates": updates}
"""


def test_runs_that_go_wrong_are_kept_with_their_reasons(tmp_path: Path) -> None:
    path = tmp_path / "mixed.py"
    path.write_text(MIXED)
    seen: list[str] = []
    comparison = small(
        f"{path}:train",
        seeds=5,
        lrs=[0.1],
        on_failed_run=lambda run: seen.append(run.status),
    )
    by_seed = {run.seed: run for run in comparison.runs if run.arm == "wsd"}
    statuses = [by_seed[seed].status for seed in range(5)]
    assert statuses == ["error", "unequal_budget", "diverged", "finished", "finished"]
    assert by_seed[0].reason.startswith("RuntimeError: no data\n  mixed.py:4 in train")
    assert by_seed[1].reason == "made 39 updates instead of 40"
    assert sorted(seen) == sorted(["error", "unequal_budget", "diverged"] * 2)
    wsd = comparison.arms[1]
    assert (wsd.unequal, wsd.runs, wsd.diverged) == (1, 4, 0.25)
    assert wsd.outcome == "no claim"
    assert any("Unequal budget" in sentence for sentence in comparison.verdict)


def test_all_runs_failing_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(MIXED)
    with pytest.raises(ProofError, match=r"all 4 runs failed.*RuntimeError: no data"):
        small(f"{path}:train", seeds=1)


def test_opposite_directions_are_an_error_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "turning.py"
    path.write_text(TEST_IS_A_TRAP.replace('"max"', '"min" if seed else "max"'))
    comparison = small(f"{path}:train")
    assert comparison.subject.direction == "max"
    wrong = [run for run in comparison.runs if run.status == "error"]
    assert {run.seed for run in wrong} == {1}
    assert all("direction must be that of the first run" in r.reason for r in wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_steps": 0}, r"compare\.total_steps must be an int in \[1,"),
        ({"total_steps": 1.5}, r"compare\.total_steps must be an int"),
        ({"seeds": -1}, r"compare\.seeds must be an int"),
        ({"seeds": True}, r"compare\.seeds must be an int"),
        ({"lrs": []}, r"compare\.lrs must be finite numbers > 0"),
        ({"lrs": [0.1, float("nan")]}, r"compare\.lrs must be finite numbers > 0"),
        ({"lrs": [0.1, 0.1]}, r"compare\.lrs must be each named once"),
        ({"default_lr": float("inf")}, r"compare\.default_lr must be finite and > 0"),
        ({"jobs": 0}, r"compare\.jobs must be an int >= 1"),
        ({"tuned": True}, r"compare\.tuned must be for built-in workloads"),
    ],
)
def test_arguments_out_of_range(
    script: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProofError, match=message):
        small(script, **changes)


def test_an_unknown_workload_lists_those_there_are() -> None:
    with pytest.raises(ProofError, match=r"be one of digits, .*; got 'imagenet'"):
        compare("imagenet")


def test_a_bad_expression_is_found_before_anything_is_trained(script: str) -> None:
    with pytest.raises(InvalidScheduleError, match="schedule 'mine'"):
        small(script, schedules=["mine=__import__('os')"])
