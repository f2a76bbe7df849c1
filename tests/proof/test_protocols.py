from pathlib import Path
from typing import Any

import pytest

import stepsize as ss
from stepsize.errors import ProofError
from stepsize.proof import Comparison, compare
from stepsize.proof.arms import Arm, select
from stepsize.proof.protocols import Design

ARMS = select(["wsd"])


def design(**changes: Any) -> Design:
    settings: dict[str, Any] = {
        "arms": ARMS,
        "total_steps": 20,
        "lrs": (0.1, 1.0),
        "seeds": (2, 3, 4),
        "select_seeds": (0, 1),
    }
    return Design(**(settings | changes))


def cells(plan: tuple[Any, ...]) -> list[tuple[str, float, int]]:
    return [(planned.arm.name, planned.peak_lr, planned.seed) for planned in plan]


def test_the_grid_is_trained_on_the_seeds_that_choose() -> None:
    assert cells(design().grid()) == [
        (arm, lr, seed)
        for arm in ("constant", "wsd")
        for lr in (0.1, 1.0)
        for seed in (0, 1)
    ]
    left = {"constant": (0.1,), "wsd": (1.0,)}
    assert cells(design(default_lr=0.5).grid(left)) == [
        (arm, lr, seed)
        for arm, lrs in (("constant", (0.1, 0.5)), ("wsd", (1.0, 0.5)))
        for lr in lrs
        for seed in (0, 1)
    ]


def test_only_chosen_rates_are_trained_on_fresh_seeds() -> None:
    chosen = {"constant": 0.1, "wsd": None}
    assert cells(design().fresh(chosen)) == [("constant", 0.1, s) for s in (2, 3, 4)]
    assert design(select_seeds=()).fresh(chosen) == ()
    # A default rate counts as chosen where it is asked for.
    asked = design(default_lr=0.1, default_on_fresh=True)
    assert cells(asked.fresh({"constant": 0.1, "wsd": 1.0})) == [
        *(("constant", 0.1, seed) for seed in (2, 3, 4)),
        *(("wsd", lr, seed) for lr in (1.0, 0.1) for seed in (2, 3, 4)),
    ]


@pytest.mark.parametrize(
    ("changes", "runs"),
    [
        ({}, 2 * 2 * 2 + 2 * 3),
        ({"select_seeds": ()}, 2 * 2 * 3),
        ({"default_lr": 0.5}, 2 * 3 * 2 + 2 * 3),
        ({"default_lr": 0.5, "default_on_fresh": True}, 2 * 3 * 2 + 2 * 2 * 3),
        ({"given": {"constant": 0.1, "wsd": 0.2}, "select_seeds": ()}, 2 * 3),
    ],
)
def test_runs_are_counted_beforehand(changes: dict[str, Any], runs: int) -> None:
    assert design(**changes).most_runs == runs


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("warmup(30) >> hold()", "schedule 'mine'"),
        ("0.0001 * hold()", "schedule 'mine' must be a factor"),
    ],
)
def test_what_cannot_be_trained_is_found_first(schedule: str, message: str) -> None:
    with pytest.raises(ProofError, match=message):
        design(arms=(*ARMS, Arm("mine", ss.parse(schedule))))


# On the seeds that choose, wsd at 1.0 is the best by far, on the others the worst.
# Test says more yet of every run that may not be read.
LUCK = """
def train(schedule, *, total_steps, seed, policies=(), report):
    peak = schedule(total_steps // 2)
    warm = schedule(0) < peak
    lucky = seed < 2 and warm and peak > 0.5
    val = 0.99 if lucky else 0.5 + 0.1 * (peak < 0.5) + seed / 1000
    if warm and seed >= 2:
        val = 0.3 + seed / 100
    return {"val": val, "test": val - 0.1 if seed >= 2 else 9.0, "direction": "max",
            "updates": total_steps}
"""


@pytest.fixture
def luck(tmp_path: Path) -> str:
    (tmp_path / "luck.py").write_text(LUCK)
    return f"{tmp_path}/luck.py:train"


def small(source: str, **changes: Any) -> Comparison:
    settings: dict[str, Any] = {
        "schedules": ["wsd"],
        "total_steps": 20,
        "lrs": [0.1, 1.0],
        "jobs": 2,
    }
    return compare(source, **(settings | changes))


def test_luck_on_the_choosing_seeds_is_not_reported(luck: str) -> None:
    done = small(luck, select_seeds=2, seeds=3)
    assert (done.select_seeds, done.seeds) == ((0, 1), (2, 3, 4))
    constant, wsd = done.arms
    assert (constant.chosen_lr, wsd.chosen_lr) == (0.1, 1.0)
    assert constant.test is not None
    assert wsd.test is not None
    assert constant.test.mean == pytest.approx(0.503)
    assert wsd.test.mean == pytest.approx(0.23)
    assert wsd.test.n == wsd.val.n == 3 if wsd.val else False
    assert wsd.outcome == "worse"
    # The grid's numbers are of the grid: equal seeds in every cell.
    assert wsd.runs == 4
    assert wsd.grid_mean == pytest.approx((0.99 * 2 + 0.6 + 0.601) / 4)
    assert len(done.runs) == 2 * 2 * 2 + 2 * 3
    assert {run.seed for run in done.grid_runs} == {0, 1}
    assert {(r.arm, r.peak_lr, r.seed) for r in done.reported_runs} == {
        (arm, lr, seed)
        for arm, lr in (("constant", 0.1), ("wsd", 1.0))
        for seed in (2, 3, 4)
    }
    read = {run.seed for run in done.runs if run.test is not None}
    assert read == {2, 3, 4}
    order = [(run.arm, run.peak_lr, run.seed) for run in done.runs]
    assert order == sorted(order)
    assert done.repeat.endswith("--seeds 3 --select-seeds 2 --lrs 0.1,1.0")


def test_the_default_rate_is_compared_on_all_seeds_that_have_it(luck: str) -> None:
    on_grid = small(luck, select_seeds=2, seeds=3, default_lr=0.1)
    for arm in on_grid.arms[1:]:
        assert arm.at_default is not None
        assert arm.at_default.n == 5
    assert on_grid.arms[1].chosen_lr == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"select_seeds": 0}, r"compare\.select_seeds must be an int in \[1,"),
        ({"select_seeds": 1.5}, r"compare\.select_seeds must be an int"),
        ({"tuned": True, "select_seeds": 2}, r"select_seeds must be left out with tun"),
        ({"tuned": True, "halving": True}, r"compare\.halving must be left out with t"),
    ],
)
def test_protocols_that_cannot_be(
    luck: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProofError, match=message):
        small(luck, **changes)


def test_an_arm_needs_the_keywords_that_it_comes_with(luck: str) -> None:
    with pytest.raises(ProofError, match=r"must take the keyword average, which arm"):
        small(luck, schedules=["constant_ema"])


def test_a_function_gets_what_an_arm_comes_with(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def train(schedule, *, total_steps, seed, policies, average, report):\n"
        "    val = len(policies) + (average or 0) + seed / 10\n"
        "    return {'val': val, 'test': val, 'direction': 'min', 'updates': 20}\n"
    )
    done = small(
        f"{tmp_path}/mine.py:train",
        schedules=["constant_ema", "plateau"],
        lrs=[0.1],
        seeds=1,
    )
    assert [run.val for run in done.runs] == [0.0, 0.99, 1.0]
    assert [arm.besides[:8] for arm in done.arms] == ["", "weights ", "Plateau("]
