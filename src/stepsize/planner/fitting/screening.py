"""Which points of a curve a law is fitted to, and which curves it refuses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.laws.law import Floats, Ints

_SKIPPED = 0.01
"""Share of a run, besides its warmup, that is no power law yet."""
_SETTLED = 1.1
"""Lengths of the warmup after which the loss follows the law: just behind a warmup of
2160 updates it is 1 % off, a tenth later no more than anywhere."""
_FEWEST = 5
_POINTS = 200
"""Most points of a curve that are used; neighbours are averaged beyond."""
_REWARM = 0.05
"""Rise after the warmup, as a share of the peak, that no law here has seen."""
_SPIKE = 0.03
_NOISES = 8.0
_WINDOW = 5


class Screened(NamedTuple):
    """What a fit uses of a curve.

    Attributes:
        steps: Where, shape (n,).
        losses: The loss there, or its mean around.
        noise: Robust relative deviation of neighbouring points.
    """

    steps: Ints
    losses: Floats
    noise: float


def screen(curve: Curve) -> Screened:
    """Return the points that a fit uses.

    Raises:
        FitError: Fewer than 5 are left, the rate rises again after its warmup, or the
            loss jumps without the rate.
    """
    end = warmup_end(curve.rates)
    _refuse_rewarm(curve, end)
    last = int(curve.steps[-1])
    kept = curve.steps >= max(int(_SETTLED * end), int(_SKIPPED * last))
    steps, losses = curve.steps[kept], curve.losses[kept]
    if len(steps) < _FEWEST:
        rule = (
            f"be at least {_FEWEST} after the warmup, which ends at update {end}, and "
            "the first 1 % of the run"
        )
        raise FitError(describe(f"{curve.name}.losses", rule, len(steps)))
    noise = _noise(np.log(losses))
    _refuse_jumps(curve, steps, losses, noise)
    if len(steps) > _POINTS:
        groups = np.array_split(np.arange(len(steps)), _POINTS)
        # geometric, as the fit is to the logarithm; at the step nearest to the mean
        log_losses = np.log(losses)
        losses = np.exp([log_losses[one].mean() for one in groups])
        steps = np.array([round(float(steps[one].mean())) for one in groups])
        noise /= np.sqrt(len(kept) / _POINTS)
    # after the last update the loss is that of the last rate: see `Law.loss`
    steps = np.minimum(steps.astype(np.int64), len(curve.rates) - 1)
    return Screened(steps, losses, noise)


def warmup_end(rates: Floats) -> int:
    """Return the first update of (nearly) the highest rate."""
    return int(np.argmax(rates >= 0.999 * rates.max()))


def _noise(log_losses: Floats) -> float:
    """Return the deviation of points, from fourth differences, which curves leave."""
    fourth = np.diff(log_losses, 4)
    if len(fourth) < _FEWEST:
        return 0.0
    return float(1.4826 * np.median(np.abs(fourth)) / np.sqrt(70.0))


def _refuse_rewarm(curve: Curve, end: int) -> None:
    used = curve.rates[end : int(curve.steps[-1])]
    if not len(used):
        return
    rise = used - np.minimum.accumulate(used)
    at = int(np.argmax(rise))
    if rise[at] > _REWARM * curve.rates.max():
        first = end + int(np.argmax(rise > _REWARM * curve.rates.max()))
        rule = f"not rise again after the warmup; at update {first} it has"
        hint = (
            "a law is fitted on one warmup and falls after it: give the part before, "
            f"curve.first({first})"
        )
        raise FitError(
            describe(f"{curve.name}.rates", rule, float(used[at]), hint=hint)
        )


def _refuse_jumps(curve: Curve, steps: Ints, losses: Floats, noise: float) -> None:
    """Refuse spikes, and falls that no fall of the rate explains."""
    log_losses = np.log(losses)
    limit = max(_SPIKE, _NOISES * noise)
    highest = curve.rates.max()
    for at in range(_WINDOW, len(steps)):
        recent = log_losses[at - _WINDOW : at]
        jump = log_losses[at] - float(np.median(recent))
        trend = abs(recent[-1] - recent[0])
        if abs(jump) <= limit + 2 * trend:
            continue
        between = curve.rates[steps[at - _WINDOW] : steps[at]]
        fell = len(between) > 0 and np.ptp(between) > _SPIKE * highest
        if jump < 0 and (fell or steps[at] < steps[-1] / 5):
            continue  # a decay, or the steep start
        what = "a spike, or a new task" if jump > 0 else "other data or another batch"
        rule = (
            f"change with the rate only; at step {steps[at]} the loss is "
            f"{np.expm1(jump):+.1%} off its neighbours ({what})"
        )
        hint = f"give the part before, curve.first({int(steps[at - 1])})"
        raise FitError(
            describe(f"{curve.name}.losses", rule, float(losses[at]), hint=hint)
        )
