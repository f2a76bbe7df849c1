"""Composer's schedulers with a warmup.

All take `scale_warmup`: whether scale_schedule_ratio r also scales the warmup. As in
the peer it then scales the slope only: the warmup rises over r W and ends at W, so that
it stays at its end (r < 1) or is cut off (r > 1).
"""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Unpack

from stepsize.dialects._real import Build, lay
from stepsize.dialects.composer.plain import drops, half_cosine, line, polynomial
from stepsize.dialects.composer.times import Clock, Run
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import flag, number
from stepsize.schedules.combinators import skip
from stepsize.schedules.joins import join
from stepsize.schedules.phases import hold, warmup
from stepsize.schedules.schedule import Schedule, scaled


def MultiStepWithWarmupScheduler(
    t_warmup: str,
    milestones: Sequence[str],
    gamma: float = 0.1,
    scale_warmup: bool = False,
    **run: Unpack[Run],
) -> Schedule:
    """Warm up from 0, then multiply at given times, counted from the start of the run.

        factor(t) = t / t_warmup                           t < t_warmup
        factor(t) = gamma^(number of milestones <= t)      t >= t_warmup

    Args:
        t_warmup: Length of the warmup, a time.
        milestones: Times, in any order.
        gamma: Finite, >= 0.
        scale_warmup: See the module.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule, without end.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.MultiStepWithWarmupScheduler("2ba", ["3ba"])(range(5))
        [0.0, 0.5, 1.0, 0.1, 0.1]
    """
    clock = Clock("MultiStepWithWarmupScheduler", run)
    warm = _Warmup(clock, t_warmup, scale_warmup)
    rest = drops(clock, milestones, gamma)
    if warm.until:
        rest = join(warm.rise(), skip(rest, warm.until), at=[warm.until])
    return scaled(clock.base_lr, rest)


def ConstantWithWarmupScheduler(
    t_warmup: str,
    alpha: float = 1.0,
    t_max: str = "1dur",
    scale_warmup: bool = False,
    **run: Unpack[Run],
) -> Schedule:
    """Warm up from 0 to a factor, and stay.

        factor(t) = alpha * min(1, t / t_warmup)

    Args:
        t_warmup: Length of the warmup, a time.
        alpha: The factor; finite, >= 0.
        t_max: Checked as in `LinearWithWarmupScheduler`; the peer's class text says the
            factor is 1 after it, its code does not.
        scale_warmup: See the module.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.ConstantWithWarmupScheduler("2ba", 0.5, "9ba")(range(4))
        [0.0, 0.25, 0.5, 0.5]
    """
    owner = "ConstantWithWarmupScheduler"
    clock = Clock(owner, run)
    top = number(alpha, f"{owner}.alpha")

    def stay(steps: int | str) -> Schedule:
        return scaled(float(top > 0), hold(steps))

    return _warmed(clock, t_warmup, t_max, scale_warmup, top, stay)


def LinearWithWarmupScheduler(
    t_warmup: str,
    alpha_i: float = 1.0,
    alpha_f: float = 0.0,
    t_max: str = "1dur",
    scale_warmup: bool = False,
    **run: Unpack[Run],
) -> Schedule:
    """Warm up from 0, then go evenly from one factor to another.

        factor(t) = alpha_i * t / t_warmup                            t < t_warmup
        factor(t) = alpha_i + min(1, f) * (alpha_f - alpha_i)         t >= t_warmup
        f = (t - t_warmup) / (t_max - t_warmup), 0 where t_max <= t_warmup

    Args:
        t_warmup: Length of the warmup, a time.
        alpha_i: Factor after the warmup; finite, >= 0.
        alpha_f: Last factor; finite, >= 0.
        t_max: End, warmup included; a time of the same unit as t_warmup, not before
            max_duration.
        scale_warmup: See the module.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.LinearWithWarmupScheduler("2ba", t_max="6ba", base_lr=0.1)
        0.1 * warmup(2, start=0.0) >> decay(4)
    """
    owner = "LinearWithWarmupScheduler"
    clock = Clock(owner, run)
    first = number(alpha_i, f"{owner}.alpha_i")
    last = number(alpha_f, f"{owner}.alpha_f")
    if first == 0:  # there is nothing to fall from: the line itself begins at 0
        from_zero = line(0.0, last)
        return _warmed(clock, t_warmup, t_max, scale_warmup, 0.0, from_zero)
    fall = line(1.0, last / first)
    return _warmed(clock, t_warmup, t_max, scale_warmup, first, fall)


def CosineAnnealingWithWarmupScheduler(
    t_warmup: str,
    t_max: str = "1dur",
    alpha_f: float = 0.0,
    scale_warmup: bool = False,
    **run: Unpack[Run],
) -> Schedule:
    """Warm up from 0 to 1, then fall as half a cosine.

        factor(t) = t / t_warmup                                            t < t_warmup
        factor(t) = alpha_f + (1 - alpha_f) * (1 + cos(pi min(1, f))) / 2   later
        f = (t - t_warmup) / (t_max - t_warmup), 0 where t_max <= t_warmup

    Args:
        t_warmup: Length of the warmup, a time.
        t_max: As in `LinearWithWarmupScheduler`.
        alpha_f: Last factor; finite, >= 0.
        scale_warmup: See the module.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.CosineAnnealingWithWarmupScheduler(
        ...     "10ba", "1ep", alpha_f=0.1, dataloader_len=100, base_lr=0.5)
        0.5 * warmup(10, start=0.0) >> decay(90, to=0.1, shape="cosine")
    """
    owner = "CosineAnnealingWithWarmupScheduler"
    clock = Clock(owner, run)
    last = number(alpha_f, f"{owner}.alpha_f")
    return _warmed(clock, t_warmup, t_max, scale_warmup, 1.0, half_cosine(last))


def PolynomialWithWarmupScheduler(
    t_warmup: str,
    power: float = 2.0,
    t_max: str = "1dur",
    alpha_f: float = 0.0,
    scale_warmup: bool = False,
    **run: Unpack[Run],
) -> Schedule:
    """Warm up from 0 to 1, then fall as a power of the time that is left.

        factor(t) = t / t_warmup                                     t < t_warmup
        factor(t) = alpha_f + (1 - alpha_f) * (1 - min(1, f))^power  later
        f = (t - t_warmup) / (t_max - t_warmup), 0 where t_max <= t_warmup

    Args:
        t_warmup: Length of the warmup, a time.
        power: Finite, >= 0.
        t_max: As in `LinearWithWarmupScheduler`.
        alpha_f: Last factor; finite, >= 0.
        scale_warmup: See the module.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.PolynomialWithWarmupScheduler("2ba", t_max="4ba")(range(6))
        [0.0, 0.5, 1.0, 0.25, 0.0, 0.0]
    """
    owner = "PolynomialWithWarmupScheduler"
    clock = Clock(owner, run)
    exponent = number(power, f"{owner}.power")
    last = number(alpha_f, f"{owner}.alpha_f")
    fall = polynomial(last, exponent)
    return _warmed(clock, t_warmup, t_max, scale_warmup, 1.0, fall)


class _Warmup:
    """A checked warmup: it rises over `slope` updates and is left at `until`."""

    def __init__(self, clock: Clock, given: object, scale_warmup: object) -> None:
        scale = flag(scale_warmup, f"{clock.owner}.scale_warmup")
        self.time = clock.convert(given, "t_warmup", scale=False)
        self.length = clock.updates(self.time)
        self.until = math.ceil(self.length)
        self.slope = clock.updates(clock.convert(given, "t_warmup", scale=scale))
        if self.length and not self.slope:
            rule = "be at least one whole unit after scaling: the peer divides by it"
            message = describe(f"{clock.owner}.t_warmup", rule, given)
            raise InvalidScheduleError(message)

    def rise(self) -> Schedule:
        """Return the rise from 0 to 1; it stays there."""
        return lay([(_from_zero, self.slope)])


def _from_zero(steps: int | str) -> Schedule:
    return warmup(steps, 0.0)


def _warmed(  # noqa: PLR0917 - the parts of one curve
    clock: Clock,
    t_warmup: object,
    t_max: object,
    scale_warmup: object,
    top: float,
    fall: Build,
) -> Schedule:
    """Return a warmup to `top`, then a fall handed `top` (1 if that is 0)."""
    warm = _Warmup(clock, t_warmup, scale_warmup)
    end = clock.convert(t_max, "t_max")
    if end.unit != warm.time.unit:
        rule = f"have the unit of t_warmup after conversion ({warm.time.unit})"
        raise InvalidScheduleError(describe(f"{clock.owner}.t_max", rule, t_max))
    clock.check_covers(end, t_max)
    length = max(clock.updates(end) - warm.length, Fraction(0))
    if top == 0:
        rest = lay([(fall, length)], warm.until - warm.length)
        if not length:
            rest = scaled(0.0, hold())
        elif warm.until:
            rest = join(scaled(0.0, hold()), rest, at=[warm.until])
        return scaled(clock.base_lr, rest)
    if warm.slope == warm.length:
        curve = lay([(_from_zero, warm.length), (fall, length)])
    else:
        rest = lay([(fall, length)], warm.until - warm.length)
        curve = join(warm.rise(), rest, at=[warm.until])
    return scaled(clock.base_lr * top, curve)
