"""The search is never worse than named schedules, and keeps its constraints."""

from typing import Any

import numpy as np
import pytest
from tests.planner.fit.curves import TRUTH, curve

import stepsize as ss
from stepsize.errors import FitError
from stepsize.planner import FittedLaw, fit
from stepsize.planner.best.candidates import candidates
from stepsize.planner.best.optimum import Constraints, optimum
from stepsize.planner.laws.law import Floats


@pytest.fixture(scope="module")
def law() -> FittedLaw:
    return fit([curve("constant"), curve("0.2")])


def rates(schedule: ss.Schedule, steps: int) -> Floats:
    return np.array(schedule.resolve(total_steps=steps).block(0, steps))


@pytest.mark.parametrize("steps", [300, 5000, 40_000])
def test_never_worse_than_fifty_named_schedules(steps: int) -> None:
    found = optimum(TRUTH, Constraints(steps=steps, peak_lr=1e-3, warmup=20))
    assert len(found.tried) >= 50
    for one in found.tried:
        loss = TRUTH.loss(rates(one.schedule, steps), [steps])[0]
        assert one.loss == pytest.approx(loss, rel=1e-12)
        assert found.loss <= one.loss
    best = TRUTH.loss(rates(found.schedule, steps), [steps])[0]
    assert found.loss == pytest.approx(best, rel=1e-12)
    assert found.simple == found.tried[0]
    assert found.cost_of_simplicity >= 0


def test_a_small_change_of_the_optimum_does_not_help() -> None:
    steps = 5000
    found = optimum(TRUTH, Constraints(steps=steps, peak_lr=1e-3, warmup=20))
    made = rates(found.schedule, steps)
    t = np.arange(steps)
    for centre in (1500, 3000, 4000, 4700):
        bump = np.exp(-(((t - centre) / 300) ** 2))
        for size in (-0.05, 0.05):
            other = made * (1 + size * bump)
            if other.max() > 1e-3 * (1 + 1e-9):
                continue
            assert TRUTH.loss(other, [steps])[0] > found.loss - 2e-4


def test_the_schedule_keeps_peak_and_falls(law: FittedLaw) -> None:
    made = rates(law.optimize(steps=8000, peak_lr=7e-4, warmup=100), 8000)
    assert made.max() == pytest.approx(7e-4, rel=1e-12)
    assert np.argmax(made >= 7e-4 * (1 - 1e-12)) == 100
    assert (np.diff(made[100:]) <= 1e-18).all()
    assert made[-1] < 0.05 * 7e-4


def test_floor_and_slope(law: FittedLaw) -> None:
    schedule = law.optimize(
        steps=8000, peak_lr=1e-3, warmup=100, floor=0.1, max_slope=2.0
    )
    made = rates(schedule, 8000)[100:]
    assert made.min() >= 0.1e-3 * (1 - 1e-9)
    steepest = -np.diff(made).min() * len(made) / 1e-3
    assert steepest <= 2.0 * (1 + 1e-9)


@pytest.mark.parametrize("slope", [0.3, 2.5, 19.5])
def test_a_short_run_keeps_its_slope_at_whole_updates(slope: float) -> None:
    found = optimum(
        TRUTH, Constraints(steps=200, peak_lr=1e-3, warmup=10, max_slope=slope)
    )
    for one in (found.schedule, *(named.schedule for named in found.tried)):
        made = rates(one, 200)[10:]
        assert -np.diff(made).min() * len(made) / 1e-3 <= slope * (1 + 1e-9)


def test_without_monotony_it_may_do_better(law: FittedLaw) -> None:
    free = law.optimum(steps=6000, warmup=50, monotone=False)
    held = law.optimum(steps=6000, warmup=50)
    assert free.loss <= held.loss + 3e-4


def test_the_peak_is_chosen_among_those_seen() -> None:
    law = fit([curve("0.2", peak=5e-4), curve("0.2", peak=2e-3)])
    made = rates(law.optimize(steps=10_000), 10_000)
    assert made.max() * (1 + 1e-9) >= 5e-4
    assert made.max() <= 2e-3 * (1 + 1e-9)


def test_candidates_keep_the_constraints() -> None:
    part = np.linspace(0, 1, 500)
    some = list(candidates(0.2, 3.0, after=499))
    assert 10 < len(some) < len(list(candidates(0.0, None, after=499)))
    for one in some:
        shares = one.shares(part)
        assert shares.min() >= 0.2 - 1e-12
        assert (-np.diff(shares) * 499).max() <= 3.0 + 1e-9


def test_candidates_are_the_schedules_they_name() -> None:
    part = np.arange(1000) / 1000
    for one in candidates(0.0, None, after=1000):
        made = rates(one.schedule(1000), 1000)
        assert made == pytest.approx(one.shares(part), abs=2e-2), one.name


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"steps": 4}, r"optimize\.steps must be an int >= 16"),
        ({"warmup": 100}, r"optimize\.warmup must be an int in 0\.\.92 .*if none"),
        ({"peak_lr": 0.0}, r"optimize\.peak_lr must be a finite number > 0"),
        ({"peak_lr": (1e-3,)}, r"optimize\.peak_lr must be .* two of them, rising"),
        ({"peak_lr": (1e-3, 1e-4)}, r"optimize\.peak_lr must be .* rising"),
        ({"monotone": "no"}, r"optimize\.monotone must be True or False"),
        ({"floor": 1.0}, r"optimize\.floor must be >= 0 and < 1"),
        ({"max_slope": 0.0}, r"optimize\.max_slope must be > 0"),
    ],
)
def test_constraints_are_checked(change: dict[str, Any], match: str) -> None:
    with pytest.raises(FitError, match=match):
        Constraints(**{"steps": 100, "peak_lr": 1e-3, "warmup": 5} | change)
