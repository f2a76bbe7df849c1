from collections.abc import Callable
from dataclasses import replace

import pytest

from stepsize.proof.effort import cost, reach
from stepsize.proof.results import Curve, Reach, Run, Subject

Build = Callable[..., Subject]


def run(arm: str, seed: int, *vals: float | None, seconds: float | None = None) -> Run:
    """One run with "val" read every second update of 10; the last is its metric."""
    updates = tuple(2 * (i + 1) for i in range(len(vals)))
    return Run(
        arm=arm,
        schedule="0.1 * hold()",
        peak_lr=0.1,
        seed=seed,
        status="finished",
        val=vals[-1] if vals else None,
        updates=10,
        curves=(Curve("val", updates, vals),) if vals else (),
        seconds=seconds,
    )


def test_reach_is_the_first_reading_as_good_as_the_constants_last(
    subject: Build,
) -> None:
    constant = {s: run("constant", s, 50.0, 90.0, 80.0, 70.0, 80.0) for s in range(3)}
    own = {
        # as good is enough, and later dips take nothing away
        0: run("wsd", 0, 10.0, None, 80.0, 60.0, 95.0),
        1: run("wsd", 1, 10.0, 20.0, 30.0, 40.0, 81.0),
        2: run("wsd", 2, 10.0, 20.0, 30.0, 40.0, 79.0),
    }
    assert reach(own, constant, subject()) == Reach(share=0.8, never=1, n=3)
    itself = reach({0: constant[0]}, constant, subject())
    assert itself == Reach(share=0.4, never=0, n=1)
    assert reach({2: own[2]}, constant, subject()) == Reach(share=None, never=1, n=1)


def test_reach_of_a_loss_goes_down(subject: Build) -> None:
    constant = {0: run("constant", 0, 3.0, 2.0)}
    own = {0: run("wsd", 0, 2.5, 1.9)}
    found = reach(own, constant, subject("min"))
    assert found == Reach(share=0.4, never=0, n=1)


def test_reach_needs_a_curve_and_a_constant(subject: Build) -> None:
    constant = {0: run("constant", 0, 3.0)}
    assert reach({0: run("wsd", 0)}, constant, subject()) is None
    assert reach({1: run("wsd", 1, 3.0)}, constant, subject()) is None
    gone = {0: replace(constant[0], status="diverged", val=None)}
    assert reach({0: run("wsd", 0, 3.0)}, gone, subject()) is None


def test_cost_is_paired_by_rate_and_seed() -> None:
    runs = [
        *(run("constant", seed, 1.0, seconds=10.0 * (seed + 1)) for seed in range(3)),
        *(run("wsd", seed, 1.0, seconds=11.0 * (seed + 1)) for seed in range(3)),
        replace(run("wsd", 3, 1.0, seconds=1000.0), status="diverged"),
    ]
    found = cost("wsd", runs)
    assert found is not None
    assert found.seconds == pytest.approx(2.2)
    assert found.extra is not None
    assert found.extra.mean == pytest.approx(0.1)
    assert found.n == 3
    baseline = cost("constant", runs)
    assert baseline is not None
    assert baseline.seconds == pytest.approx(2.0)
    assert baseline.extra is None
    assert cost("wsd", [run("wsd", 0, 1.0)]) is None
