"""Successive halving over an arm's rates, by short trainings that are complete.

Cutting long runs short and dropping the worst favours whoever is ahead early: a
constant over a schedule that still warms up, a low rate over a high one that pays off
once it falls. So here a rung

    - compares the rates of one arm with each other, never arms;
    - trains each rate on a shorter horizon to its end, warmup and decay included;
    - is long enough for what an arm's schedule gives in updates (a warmup of 500), and
      for at least as many updates after its peak as before.

What is left is a bias of its own: the best rate of a short training may not be that of
a long one. Half of the rates survive each rung.
"""

from collections.abc import Mapping
from statistics import fmean

from stepsize.errors import StepsizeError
from stepsize.proof.arms import Arm
from stepsize.proof.cells import Planned
from stepsize.proof.protocols import Design
from stepsize.proof.results import Run, Rung
from stepsize.proof.training import Training

SHARES = (1 / 8, 1 / 4)
"""Length of the rungs, as shares of the budget."""

FEWEST = 2
"""Rates that always go on: with one, validation would choose nothing."""


def narrow(
    training: Training, design: Design
) -> tuple[dict[str, tuple[float, ...]], tuple[Rung, ...]]:
    """Drop rates of each arm, rung by rung.

    Args:
        training: Makes the runs.
        design: The whole comparison; the seeds that choose rates choose here too.

    Returns:
        What is left of the grid, by arm, and what every rung saw.
    """
    left = {arm.name: tuple(design.lrs) for arm in design.arms}
    rungs = list[Rung]()
    for share in SHARES:
        steps = {arm.name: rung_steps(arm, design, share) for arm in design.arms}
        plan = tuple(
            Planned(arm, lr, seed, length)
            for arm in design.arms
            if (length := steps[arm.name]) is not None and len(left[arm.name]) > FEWEST
            for lr in left[arm.name]
            for seed in design.choosing_seeds
        )
        runs = training.train(plan)
        sign = -1 if training.direction == "min" else 1
        for arm in design.arms:
            own = [run for run in runs if run.arm == arm.name]
            length = steps[arm.name]
            if own and length is not None:
                rung = _rung(arm.name, length, own, sign, left[arm.name])
                left[arm.name] = rung.kept
                rungs.append(rung)
    return left, tuple(rungs)


def updates_of(design: Design) -> int:
    """Return the updates of all runs, rungs included, if every arm gets a rate."""
    seeds, total = len(design.choosing_seeds), 0
    for arm in design.arms:
        rates = len(design.lrs)
        for share in SHARES:
            steps = rung_steps(arm, design, share)
            if steps is not None and rates > FEWEST:
                total += rates * seeds * steps
                rates = _survivors(rates)
        whole = len(design.rates_of(arm)) - len(design.lrs) + rates
        total += whole * seeds * design.total_steps
    fresh = design.most_runs - sum(len(design.rates_of(a)) for a in design.arms) * seeds
    return total + fresh * design.total_steps


def rung_steps(arm: Arm, design: Design, share: float) -> int | None:
    """Return the length of an arm's rung; None if only the whole budget will do.

    The schedule must fit, and at most half of the rung may come before its peak.
    Unit: updates.
    """
    total = design.total_steps
    steps = max(2, round(share * total))
    while steps <= total // 2:
        try:
            rates = arm.rates(1.0, steps)
        except StepsizeError:
            rates = []
        full = max(arm.rates(1.0, total))
        if rates and max(rates) >= 0.99 * full and 2 * rates.index(max(rates)) <= steps:
            return steps
        steps *= 2
    return None


def _rung(
    arm: str, steps: int, runs: list[Run], sign: int, lrs: tuple[float, ...]
) -> Rung:
    """Keep the better half of an arm's rates, rounded up."""
    vals: Mapping[float, list[float]] = {
        lr: [
            run.val
            for run in runs
            if run.peak_lr == lr and run.status == "finished" and run.val is not None
        ]
        for lr in lrs
    }
    most = max(len(found) for found in vals.values())
    order = sorted(
        lrs,
        key=lambda lr: (
            -len(vals[lr]),
            -sign * fmean(vals[lr]) if vals[lr] else 0.0,
            lr,
        ),
    )
    kept = order[: _survivors(len(lrs))]
    return Rung(
        arm=arm,
        total_steps=steps,
        scores=tuple(
            (lr, fmean(vals[lr]) if len(vals[lr]) == most and most else None)
            for lr in lrs
        ),
        kept=tuple(sorted(kept)),
    )


def _survivors(rates: int) -> int:
    return max(FEWEST, -(-rates // 2))
