"""What an arm spends: updates until it is as good as the constant, time per update.

Not here: how good it is in the end (summary.py).
"""

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from stepsize.proof.arms import CONSTANT
from stepsize.proof.results import Cost, Reach, Run, Subject
from stepsize.proof.statistics import paired

_CURVE = "val"


def reach(
    runs: Mapping[int, Run], constant: Mapping[int, Run], subject: Subject
) -> Reach | None:
    """How soon an arm's validation curve is as good as the constant's final value.

    Args:
        runs: Seed -> run of the arm at its chosen rate.
        constant: The same of the constant.
        subject: Says what is better, and the budget.

    Returns:
        The mean over seeds; None where no run reports a curve "val".
    """
    shares, never = list[float](), 0
    for seed, run in runs.items():
        target = constant[seed].val if seed in constant else None
        points = [
            point
            for curve in run.curves
            if curve.metric == _CURVE
            for point in zip(curve.updates, curve.values, strict=True)
        ]
        if target is None or not points:
            continue
        there = [
            update
            for update, value in points
            if value is not None and subject.sign * (value - target) >= 0
        ]
        if there:
            shares.append(there[0] / subject.total_steps)
        else:
            never += 1
    if not shares and not never:
        return None
    return Reach(
        share=fmean(shares) if shares else None, never=never, n=len(shares) + never
    )


def cost(arm: str, runs: Sequence[Run]) -> Cost | None:
    """Time of an update, and what it is more than the constant's.

    Pairs have equal rate and seed, so that they train under like load; still, runs
    made side by side disturb each other: a difference of a few percent is noise.

    Args:
        arm: Name of the arm.
        runs: All runs that were made.

    Returns:
        The cost; None where runs were not timed one by one.
    """
    own, baseline = _times(arm, runs), _times(CONSTANT, runs)
    if not own:
        return None
    pairs = sorted(own.keys() & baseline.keys())
    ratios = {number: own[at] / baseline[at] for number, at in enumerate(pairs)}
    extra = None if arm == CONSTANT else paired(ratios, dict.fromkeys(ratios, 1.0))
    return Cost(seconds=median(own.values()), extra=extra, n=len(own))


def _times(arm: str, runs: Sequence[Run]) -> dict[tuple[float, int], float]:
    """(rate, seed) -> seconds per update of the finished runs of an arm."""
    return {
        (run.peak_lr, run.seed): run.seconds / run.updates
        for run in runs
        if run.arm == arm
        and run.status == "finished"
        and run.seconds is not None
        and run.updates
    }
