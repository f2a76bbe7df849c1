"""Reads a recorded ramp, whoever made it; makes no update."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stepsize.errors import FinderError, describe
from stepsize.finder.curve import Curve
from stepsize.finder.found import Found, Status
from stepsize.finder.rules import suggested
from stepsize.schedules.durations import whole

# No divisor is right for every training: see docs/finder.md.
_BELOW = 10.0
_WIDE = 3.0


def analyse(
    lrs: Sequence[float], losses: Sequence[float], *, steps: int | None = None
) -> Found:
    """Return what a recorded ramp can tell: a tenth of its blow-up rate.

    That is an order of magnitude, not more; `find` makes probes too.

    Args:
        lrs: Rates, rising. Unit: lr; finite, > 0.
        losses: Loss before the update at each rate; may be NaN or infinite, of any
            sign. What follows the first that is not finite is not read.
        steps: Updates that the ramp took; None is one a rate.

    Raises:
        FinderError: There is no rate, a value is no number, the lengths differ, the
            rates do not rise, or `steps` is below the number of rates.

    Examples:
        >>> lrs = [10.0 ** (i / 10 - 6) for i in range(60)]
        >>> losses = [2 - min(1, lr * 100) + (lr * 5) ** 2 for lr in lrs]
        >>> found = analyse(lrs, losses)
        >>> found.status, found.suggestion == found.blowup / 10
        ('ok', True)
    """
    curve = Curve.of(lrs, losses)
    used = len(curve.lrs) if steps is None else whole(steps)
    if used is None or used < len(curve.lrs):
        rule = f"be at least the number of rates, {len(curve.lrs)} (int; unit: updates)"
        raise FinderError(describe("analyse.steps", rule, steps))
    return read(curve, used)


def read(curve: Curve, steps: int, *, whole: bool = False) -> Found:
    """Return a tenth of a ramp's blow-up rate.

    Args:
        curve: The ramp.
        steps: Updates that it took.
        whole: Whether it spans all rates that come into question. Then its last rate
            stands for the blow-up if there is none, and a loss that does not clearly
            fall leaves the suggestion as it is.
    """
    shape = curve.shape()
    ceiling: float | None = None
    status: Status
    if not math.isfinite(curve.losses[0]):
        status, reason = "nonfinite_at_start", f"The first loss is {curve.losses[0]}."
    elif shape is None:
        status = "too_few_steps"
        reason = f"A shape needs 8 finite losses in a row; these are {curve.sound()}."
    elif not shape.falls:
        status = "no_descent"
        reason = "The loss does not clearly fall at any rate."
        ceiling = shape.blowup if whole else None
    elif shape.blowup is None:
        status = "no_blowup"
        reason = (
            f"The loss is still low at the last rate, {curve.lrs[-1]:.3g}: how high a "
            "rate may be is not seen. "
        )
        if whole:
            ceiling = curve.lrs[-1]
            reason += "A tenth of it is taken. hint: a search with probes."
        else:
            reason += "hint: a ramp that goes further."
    else:
        status, ceiling = "ok", shape.blowup
        reason = (
            f"The loss leaves its minimum for good at {shape.blowup:.3g}; a tenth of "
            "that is an order of magnitude, not more: in the benchmark the best rate "
            "lay anywhere from above the blow-up to hundreds of times below it."
        )
    suggestion = None if ceiling is None else ceiling / _BELOW
    return Found(
        suggestion=suggestion,
        low=None if suggestion is None else suggestion / _WIDE,
        high=None if suggestion is None else suggestion * _WIDE,
        status=status,
        steps=steps,
        spread=None,
        blowup=None if shape is None else shape.blowup,
        curve=curve,
        probes=(),
        rules=suggested(curve),
        reasons=(reason,),
    )
