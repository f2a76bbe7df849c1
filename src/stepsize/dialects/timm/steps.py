"""timm's step and multi-step schedulers: drops that go on without end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from stepsize.dialects._rises import after_warmup, base_rate, count
from stepsize.dialects.timm.noise import Range, with_noise
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import skip
from stepsize.schedules.cycles import repeat
from stepsize.schedules.drops import multistep, step
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule

MOST_DROPS = 4096
"""Drops listed for an interval that is no whole number, nor a short decimal one."""
NEGLIGIBLE = 1e-16
"""Share of the base rate below which further drops change nothing."""


def StepLRScheduler(  # noqa: N802, PLR0917 - timm's name and order
    decay_t: float,
    decay_rate: float = 1.0,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = True,
    t_in_epochs: bool = True,
    noise_range_t: Range = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = 42,
    initialize: bool = True,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Multiply at equal intervals, without end.

        t < warmup_t: warmup_lr_init + t * (base_lr - warmup_lr_init) / warmup_t
        else:         base_lr * decay_rate^floor(t' / decay_t)

    with t' = t - warmup_t, or t' = t where `warmup_prefix` is False.

    Args:
        decay_t: Interval; finite, > 0, not only whole. Unit: steps.
        decay_rate: Factor of a drop; finite, >= 0.
        warmup_t: Length of the warmup; int >= 0. Unit: steps.
        warmup_lr_init: First rate of the warmup; finite, >= 0. Unit: lr.
        warmup_prefix: Whether the drops are counted from the end of the warmup.
        t_in_epochs: No effect: the step is whatever timm is given.
        noise_range_t: (start, stop), the steps with noise. Unit: steps.
        noise_pct: Largest relative change by noise; in (0, 1].
        noise_std: Standard deviation of the noise; finite, >= 0.
        noise_seed: Seed of the noise; int.
        initialize: No effect.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule. An interval of many digits (as 3002.3999999999996) is played for
        4096 drops, or until the rate is 1e-16 of the base.

    Raises:
        InvalidScheduleError: A value is outside its range, or noise has no end.
        FrameworkMissingError: Noise is asked for and torch is not installed.

    Source:
        timm 1.0.31, `StepLRScheduler`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.timm.StepLRScheduler(2, 0.5, warmup_t=1, base_lr=0.1)
        >>> s
        0.1 * warmup(1, start=0.0) >> step(2, factor=0.5)
        >>> s(range(5))
        [0.0, 0.1, 0.1, 0.05, 0.05]
    """
    owner = "StepLRScheduler"
    every = number(decay_t, f"{owner}.decay_t", open_low=True, unit="steps")
    rate = number(decay_rate, f"{owner}.decay_rate")
    steps = count(warmup_t, f"{owner}.warmup_t")
    rest = _at_intervals(every, rate)
    schedule = after_warmup(
        steps,
        number(warmup_lr_init, f"{owner}.warmup_lr_init", unit="lr"),
        base_rate(base_lr, owner),
        rest if warmup_prefix or not steps else skip(rest, steps),
    )
    return with_noise(schedule, owner, noise_range_t, noise_pct, noise_std, noise_seed)


def MultiStepLRScheduler(  # noqa: N802, PLR0917 - timm's name and order
    decay_t: Sequence[float],
    decay_rate: float = 1.0,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = True,
    t_in_epochs: bool = True,
    noise_range_t: Range = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = 42,
    initialize: bool = True,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Multiply at given steps, each one step early, as timm does on purpose.

        base_lr * decay_rate^(number of decay_t <= t' + 1)

    after a warmup as in `StepLRScheduler`: the milestone 10 acts at t' = 9.

    Args:
        decay_t: Milestones in order; finite, >= 0. Unit: steps.
        decay_rate: Factor of a drop; finite, >= 0.
        warmup_t: See `StepLRScheduler`, also for the arguments that follow.
        warmup_lr_init: First rate of the warmup. Unit: lr.
        warmup_prefix: Whether milestones are counted from the end of the warmup.
        t_in_epochs: No effect.
        noise_range_t: (start, stop), the steps with noise. Unit: steps.
        noise_pct: Largest relative change by noise; in (0, 1].
        noise_std: Standard deviation of the noise; finite, >= 0.
        noise_seed: Seed of the noise; int.
        initialize: No effect.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range, milestones are not in order
            (timm's bisection would be wrong then), or noise has no end.
        FrameworkMissingError: Noise is asked for and torch is not installed.

    Source:
        timm 1.0.31, `MultiStepLRScheduler`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.timm.MultiStepLRScheduler([2, 4], 0.5)
        >>> s
        multistep([1, 3], factor=0.5)
        >>> s(range(5))
        [1.0, 0.5, 0.5, 0.25, 0.25]
    """
    owner = "MultiStepLRScheduler"
    field = f"{owner}.decay_t"
    if isinstance(decay_t, str) or not isinstance(decay_t, Sequence):
        raise InvalidScheduleError(describe(field, "be a list of steps", decay_t))
    points = [number(point, field, unit="steps") for point in decay_t]
    if any(b < a for a, b in pairwise(points)):
        raise InvalidScheduleError(describe(field, "be in order", list(decay_t)))
    steps = count(warmup_t, f"{owner}.warmup_t")
    rest = _at_points(
        [max(math.ceil(point) - 1, 0) for point in points],
        number(decay_rate, f"{owner}.decay_rate"),
    )
    schedule = after_warmup(
        steps,
        number(warmup_lr_init, f"{owner}.warmup_lr_init", unit="lr"),
        base_rate(base_lr, owner),
        rest if warmup_prefix or not steps else skip(rest, steps),
    )
    return with_noise(schedule, owner, noise_range_t, noise_pct, noise_std, noise_seed)


def _at_points(points: list[int], rate: float) -> Schedule:
    """Multiply at steps in order."""
    if not points or rate == 1:
        return hold()
    if rate == 0:
        gone = 0.0 * hold()
        return hold(points[0]) >> gone if points[0] else gone
    return multistep(points, rate)


def _at_intervals(every: float, rate: float) -> Schedule:
    """Multiply whenever a real interval is over.

    Drop k is active from the first t with t >= k * every, for `every` as the float that
    it is: 1.1 is a little more than 11/10, so that ten of them are over at t = 12.
    """
    exact = Fraction(every)
    if exact.denominator == 1 and rate > 0:
        return hold() if rate == 1 else step(int(exact), rate)
    written = Fraction(repr(every))
    drops, steps = written.denominator, written.numerator
    if 0 < rate != 1 and max(drops, steps / 64) <= MOST_DROPS / 4:
        late = exact > written
        inner = [
            math.floor(k * written) if late else math.ceil(k * written)
            for k in range(1, drops)
        ]
        cycle = multistep(inner, rate, steps)
        again = repeat(cycle, shrink_peak=rate**drops)
        return hold(1) >> again if late else again
    enough = MOST_DROPS
    if 0 < rate < 1:
        enough = min(enough, math.ceil(math.log(NEGLIGIBLE) / math.log(rate)) + 1)
    return _at_points([math.ceil(k * exact) for k in range(1, enough + 1)], rate)
