"""Composer's schedulers without a warmup."""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Unpack

from stepsize.dialects._real import ZERO, Build, lay
from stepsize.dialects.composer.times import Clock, Run, Time
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import jump
from stepsize.schedules.cycles import repeat
from stepsize.schedules.drops import geometric, multistep, step
from stepsize.schedules.joins import join
from stepsize.schedules.knots import knots
from stepsize.schedules.phases import cosine, decay, hold
from stepsize.schedules.schedule import Schedule, scaled

FAR = 2**31
"""Updates that no run reaches: cycles are laid out up to here."""
MOST_DROPS = 256
MOST_CYCLES = 400


def StepScheduler(step_size: str, gamma: float = 0.1, **run: Unpack[Run]) -> Schedule:
    """Multiply at equal intervals.

        factor(t) = gamma^floor(t / step_size)

    Args:
        step_size: Interval, a time.
        gamma: Finite, >= 0.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule, without end; an interval of no simple fraction of updates, or
        one with gamma > 1, makes at most 256 drops and needs max_duration.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.StepScheduler("2ba", 0.5, base_lr=0.1)
        0.1 * step(2, factor=0.5)
    """
    clock = Clock("StepScheduler", run)
    every = clock.length(step_size, "step_size")
    factor = number(gamma, "StepScheduler.gamma")
    return scaled(clock.base_lr, _steps(every, factor, clock, step_size))


def MultiStepScheduler(
    milestones: Sequence[str], gamma: float = 0.1, **run: Unpack[Run]
) -> Schedule:
    """Multiply at given times.

        factor(t) = gamma^(number of milestones <= t)

    Args:
        milestones: Times, in any order and in any mixture of units.
        gamma: Finite, >= 0.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule, without end.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.MultiStepScheduler(["0.9dur", "4ba"], max_duration="10ba")
        multistep([4, 9])
    """
    clock = Clock("MultiStepScheduler", run)
    return scaled(clock.base_lr, drops(clock, milestones, gamma))


def ConstantScheduler(
    alpha: float = 1.0, t_max: str = "1dur", **run: Unpack[Run]
) -> Schedule:
    """Keep a factor for a time, then 1.

        factor(t) = alpha   t < t_max
        factor(t) = 1       t >= t_max

    Args:
        alpha: The factor; finite, >= 0.
        t_max: For how long, a time.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.ConstantScheduler(0.5, "2ba")(range(4))
        [0.5, 0.5, 1.0, 1.0]
    """
    clock = Clock("ConstantScheduler", run)
    first = number(alpha, "ConstantScheduler.alpha")
    until = math.ceil(clock.updates(clock.convert(t_max, "t_max")))
    if until == 0 or first == 1:
        return scaled(clock.base_lr, hold())
    return scaled(clock.base_lr, knots([(0, first), (until, 1.0)], "step"))


def LinearScheduler(
    alpha_i: float = 1.0,
    alpha_f: float = 0.0,
    t_max: str = "1dur",
    **run: Unpack[Run],
) -> Schedule:
    """Go evenly from one factor to another.

        factor(t) = alpha_i + min(1, t / t_max) * (alpha_f - alpha_i)

    Args:
        alpha_i: First factor; finite, >= 0.
        alpha_f: Last factor; finite, >= 0.
        t_max: For how long, a time; not 0.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.LinearScheduler(max_duration="4ba")(range(6))
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    owner = "LinearScheduler"
    clock = Clock(owner, run)
    first = number(alpha_i, f"{owner}.alpha_i")
    last = number(alpha_f, f"{owner}.alpha_f")
    length = clock.length(t_max, "t_max")
    return scaled(clock.base_lr, lay([(line(first, last), length)]))


def ExponentialScheduler(
    gamma: float, decay_period: str = "1ep", **run: Unpack[Run]
) -> Schedule:
    """Multiply by the same factor in every period, smoothly.

        factor(t) = gamma^(t / decay_period)

    Args:
        gamma: Finite, >= 0.
        decay_period: A time; not 0.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule, without end.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.ExponentialScheduler(0.5, dataloader_len=2)([0, 2, 4])
        [1.0, 0.5, 0.25]
    """
    owner = "ExponentialScheduler"
    clock = Clock(owner, run)
    factor = number(gamma, f"{owner}.gamma")
    every = clock.length(decay_period, "decay_period")
    if factor == 0:
        return scaled(clock.base_lr, knots([(0, 1.0), (1, 0.0)], "step"))
    # gamma^(q t / p) for a period of p / q updates
    updates, power = every.numerator, factor
    if every.denominator > 1:
        power = _power(factor, every.denominator)
        if not 0 < power < math.inf:
            updates, power = 1, factor ** float(1 / every)
    return scaled(clock.base_lr, geometric(power, updates))


def CosineAnnealingScheduler(
    t_max: str = "1dur", alpha_f: float = 0.0, **run: Unpack[Run]
) -> Schedule:
    """Fall as half a cosine.

        factor(t) = alpha_f + (1 - alpha_f) * (1 + cos(pi min(1, t / t_max))) / 2

    Args:
        t_max: For how long, a time; not 0.
        alpha_f: Last factor; finite, >= 0.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.CosineAnnealingScheduler("10ba", 0.1, base_lr=0.5)
        0.5 * decay(10, to=0.1, shape="cosine")
    """
    clock = Clock("CosineAnnealingScheduler", run)
    last = number(alpha_f, "CosineAnnealingScheduler.alpha_f")
    length = clock.length(t_max, "t_max")
    return scaled(clock.base_lr, lay([(half_cosine(last), length)]))


def CosineAnnealingWarmRestartsScheduler(
    t_0: str, t_mult: float = 1.0, alpha_f: float = 0.0, **run: Unpack[Run]
) -> Schedule:
    """Fall as half a cosine, again and again.

    Cycle i takes T_0 = t_0, T_{i+1} = int(t_mult * T_i) units, and begins where the one
    before it ends; with c the time since then:

        factor(t) = alpha_f + (1 - alpha_f) * (1 + cos(pi c / T_i)) / 2

    Args:
        t_0: Length of the first cycle, a time; not 0.
        t_mult: Of each next cycle; finite, >= 0.
        alpha_f: Lowest factor; finite, >= 0.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule. Where cycles have shrunk to nothing the peer raises, in the middle
        of the run; here the lowest factor holds.

    Raises:
        InvalidScheduleError: A value is outside its range, or there would be too many
            cycles of different lengths (a max_duration limits them).

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.CosineAnnealingWarmRestartsScheduler("10ba", base_lr=0.5)
        0.5 * repeat(decay(10, shape="cosine"))
    """
    owner = "CosineAnnealingWarmRestartsScheduler"
    clock = Clock(owner, run)
    growth = number(t_mult, f"{owner}.t_mult")
    low = number(alpha_f, f"{owner}.alpha_f")
    first = clock.convert(t_0, "t_0")
    length = clock.length(t_0, "t_0")
    if growth == int(growth) > 1 and length.denominator == 1:
        curve: Schedule = repeat(cosine(int(length), low), stretch=growth)
    else:
        curve = _restarts(clock, first, growth, low)
    return scaled(clock.base_lr, curve)


def PolynomialScheduler(
    power: float, t_max: str = "1dur", alpha_f: float = 0.0, **run: Unpack[Run]
) -> Schedule:
    """Fall as a power of the time that is left.

        factor(t) = alpha_f + (1 - alpha_f) * (1 - min(1, t / t_max))^power

    Args:
        power: Finite, >= 0.
        t_max: For how long, a time; not 0.
        alpha_f: Last factor; finite, >= 0.
        run: What is known of the run; see `times.Run`.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        composer 64051888, optim/scheduler.py.

    Examples:
        >>> from stepsize.dialects import composer
        >>> composer.PolynomialScheduler(2.0, "4ba")(range(6))
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """
    owner = "PolynomialScheduler"
    clock = Clock(owner, run)
    exponent = number(power, f"{owner}.power")
    last = number(alpha_f, f"{owner}.alpha_f")
    length = clock.length(t_max, "t_max")
    return scaled(clock.base_lr, lay([(polynomial(last, exponent), length)]))


def line(first: float, last: float) -> Build:
    """Return what builds a straight line between two factors."""
    if first == 1:
        return lambda steps: decay(steps, last)
    return lambda steps: knots([(0, first), (steps, last)])


def half_cosine(last: float) -> Build:
    """Return what builds half a cosine from 1."""
    return lambda steps: decay(steps, last, "cosine")


def polynomial(last: float, power: float) -> Build:
    """Return what builds a power from 1; power 0 stays there."""
    if power == 0:
        return hold
    return lambda steps: decay(steps, last, "polynomial", power=power)


def drops(clock: Clock, milestones: object, gamma: object) -> Schedule:
    """Return the factors of a multistep schedule."""
    field = f"{clock.owner}.milestones"
    if isinstance(milestones, str) or not isinstance(milestones, Sequence):
        raise InvalidScheduleError(describe(field, "be a list of times", milestones))
    factor = number(gamma, f"{clock.owner}.gamma")
    times = [clock.convert(one, "milestones") for one in milestones]
    points = sorted(math.ceil(clock.updates(time)) for time in times)
    return _at(points, factor)


def _at(points: Sequence[int], factor: float) -> Schedule:
    if not points or factor == 1:
        return hold()
    if factor == 0:
        if points[0] == 0:
            return scaled(0.0, hold())
        return knots([(0, 1.0), (points[0], 0.0)], "step")
    return multistep(points, factor)


def _steps(every: Fraction, factor: float, clock: Clock, given: object) -> Schedule:
    """Return drops at equal real intervals p / q: p updates hold q of them."""
    updates, count = every.numerator, every.denominator
    if factor in (0.0, 1.0):
        return _at([math.ceil(every)], factor)
    if count == 1:
        return step(updates, factor)
    shrink = _power(factor, count)
    if count <= MOST_DROPS and 0 < shrink < 1:  # endless growth leaves the floats
        points = [-(-index * updates // count) for index in range(1, count)]
        inside = [point for point in points if point < updates]
        cycle = multistep(inside, factor, updates) if inside else hold(updates)
        return repeat(cycle, shrink_peak=shrink)
    end = clock.end()
    if end is None or end / every > MOST_DROPS:
        rule = "be a whole number of updates, or of simple fractions of them"
        hint = f"give max_duration, with at most {MOST_DROPS} intervals in it"
        message = describe("StepScheduler.step_size", rule, given, hint=hint)
        raise InvalidScheduleError(message)
    most = MOST_DROPS
    if factor > 1:
        most = min(most, int(300 / math.log10(factor)))
    return _at([math.ceil(index * every) for index in range(1, most + 1)], factor)


def _restarts(clock: Clock, first: Time, growth: float, low: float) -> Schedule:
    """Return cycles of truncated lengths, as far as they differ or the run goes."""
    value = first.value
    if int(growth * value) == value:
        return _again(clock.updates(first), low)
    end = clock.end() or Fraction(FAR)
    parts: list[tuple[Build, Fraction]] = []
    begun = ZERO
    while value and begun <= end:
        following = int(growth * value)
        if following == value and begun.denominator == 1:
            forever = _again(clock.updates(Time(value, first.unit)), low)
            return join(lay(parts), forever, at=[int(begun)])
        if len(parts) == MOST_CYCLES:
            rule = f"make at most {MOST_CYCLES} cycles of different lengths"
            hint = "give max_duration, or a t_mult that is whole"
            message = describe(f"{clock.owner}.t_mult", rule, growth, hint=hint)
            raise InvalidScheduleError(message)
        length = clock.updates(Time(value, first.unit))
        parts.append((_cycle(low, back=bool(parts)), length))
        begun, value = begun + length, following
    return lay(parts)


def _cycle(low: float, *, back: bool) -> Build:
    def build(steps: int | str) -> Schedule:
        fall = cosine(steps, low)
        return jump(1.0) >> fall if back else fall

    return build


def _again(length: Fraction, low: float) -> Schedule:
    """Return cycles of one length without end."""
    if length.denominator == 1:
        return repeat(cosine(int(length), low))
    # p updates hold q cycles for a length of p / q
    filled = repeat(cosine(None, low), length.denominator, boundaries="real")
    return repeat(hold(length.numerator) * filled)


def _power(base: float, exponent: int) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
