"""optax' schedules of one formula."""
# ruff: noqa: PLR0917 - the order is the peer's

from __future__ import annotations

from collections.abc import Mapping

from stepsize.dialects._parts import change, count, rate, times
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import reverse, skip
from stepsize.schedules.drops import geometric, step
from stepsize.schedules.durations import LONGEST, whole
from stepsize.schedules.knots import knots
from stepsize.schedules.phases import decay, hold
from stepsize.schedules.pointwise import maximum, minimum
from stepsize.schedules.schedule import Scaled, Schedule, scaled


def constant_schedule(value: float) -> Schedule:
    """Keep one value.

        lr(t) = value

    Args:
        value: Unit: lr; finite, >= 0.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: `value` is outside its range.

    Source:
        optax 0.2.8, constant_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.constant_schedule(0.1)
        0.1 * hold()
    """
    return scaled(rate(value, "constant_schedule.value"), hold())


def polynomial_schedule(
    init_value: float,
    end_value: float,
    power: float,
    transition_steps: int,
    transition_begin: int = 0,
) -> Schedule:
    """Go from one value to another as a power of the steps left.

    With c = clip(t - transition_begin, 0, transition_steps):

        lr(t) = (init_value - end_value) * (1 - c / transition_steps)^power + end_value

    Args:
        init_value: First value. Unit: lr; finite, >= 0.
        end_value: Last value. Unit: lr; finite, >= 0.
        power: Finite, >= 0; 0 keeps init_value.
        transition_steps: Length. Unit: updates; int; <= 0 keeps init_value for ever,
            as in the peer.
        transition_begin: Updates before it; a negative one is 0, as in the peer.

    Returns:
        The schedule, transition_begin + transition_steps long.

    Raises:
        InvalidScheduleError: A value is outside its range. The peer takes negative
            values, for rates that are already negated: here negate the update.

    Source:
        optax 0.2.8, polynomial_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.polynomial_schedule(0.1, 0.001, 2.0, 100, 20)
        0.1 * hold(20) >> decay(100, to=0.01, shape="polynomial")
    """
    return transition(
        "polynomial_schedule",
        init_value,
        end_value,
        power,
        transition_steps,
        transition_begin,
    )


def linear_schedule(
    init_value: float,
    end_value: float,
    transition_steps: int,
    transition_begin: int = 0,
) -> Schedule:
    """Go from one value to another, evenly: `polynomial_schedule` with power 1.

        lr(t) = (init_value - end_value) * (1 - c / transition_steps) + end_value

    Args:
        init_value: First value. Unit: lr; finite, >= 0.
        end_value: Last value. Unit: lr; finite, >= 0.
        transition_steps: Length. Unit: updates; int; <= 0 keeps init_value for ever,
            as in the peer.
        transition_begin: Updates before it; a negative one is 0, as in the peer.

    Returns:
        The schedule, transition_begin + transition_steps long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, linear_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.linear_schedule(0.0, 0.1, 10)
        0.1 * warmup(10, start=0.0)
    """
    return transition(
        "linear_schedule",
        init_value,
        end_value,
        1.0,
        transition_steps,
        transition_begin,
    )


def piecewise_constant_schedule(
    init_value: float, boundaries_and_scales: Mapping[int, float] | None = None
) -> Schedule:
    """Multiply at given steps, each time by a factor of its own.

        lr(t) = init_value * product of the scales whose boundary is <= t

    Args:
        init_value: First value. Unit: lr; finite, >= 0.
        boundaries_and_scales: Step -> factor >= 0; None for none. Unit: updates.

    Returns:
        The schedule, as long as its last boundary.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, piecewise_constant_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.piecewise_constant_schedule(0.8, {2: 0.5, 4: 0.25})(range(6))
        [0.8, 0.8, 0.4, 0.4, 0.1, 0.1]
    """
    owner = "piecewise_constant_schedule"
    first = rate(init_value, f"{owner}.init_value")
    points = {0: 1.0}
    value = 1.0
    for boundary, scale in sorted((boundaries_and_scales or {}).items()):
        position = integer(boundary, f"{owner}.boundaries_and_scales")
        value *= number(scale, f"{owner}.boundaries_and_scales")
        points[max(position, 0)] = value
    if len(points) == 1:
        return times(first * points[0], hold())
    return times(first, knots(list(points.items()), "step"))


def exponential_decay(
    init_value: float,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """Multiply by the same factor in every interval, smoothly or at its end.

    With d = max(t - transition_begin, 0):

        lr(t) = init_value * decay_rate^(d / transition_steps)     (floor: staircase)

    and not below end_value (decay_rate < 1), or not above it.

    Args:
        init_value: First value. Unit: lr; finite, >= 0.
        transition_steps: Interval. Unit: updates; int; <= 0 keeps init_value, as in the
            peer.
        decay_rate: Factor; finite, >= 0; 0 keeps init_value, as in the peer.
        transition_begin: Updates before it; a negative one is 0, as in the peer.
        staircase: Whether the value changes at whole intervals only.
        end_value: Bound. Unit: lr; finite, >= 0; None for none.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, exponential_decay.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.exponential_decay(0.1, 100, 0.96)
        0.1 * geometric(factor=0.96, every=100)
        >>> dialects.optax.exponential_decay(0.1, 9, 0.5, 0, True, end_value=1e-3)
        maximum(0.1 * step(9, factor=0.5), 1e-3 * hold())
    """
    owner = "exponential_decay"
    first = rate(init_value, f"{owner}.init_value")
    every = integer(transition_steps, f"{owner}.transition_steps")
    factor = number(decay_rate, f"{owner}.decay_rate")
    begin = max(integer(transition_begin, f"{owner}.transition_begin"), 0)
    if every <= 0 or factor == 0:
        return scaled(first, hold())
    curve: Schedule = step(every, factor) if staircase else geometric(factor, every)
    curve = times(first, hold(begin) >> curve if begin else curve)
    if end_value is None:
        return curve
    bound = scaled(rate(end_value, f"{owner}.end_value"), hold())
    return maximum(curve, bound) if factor < 1 else minimum(curve, bound)


def cosine_decay_schedule(
    init_value: float, decay_steps: int, alpha: float = 0.0, exponent: float = 1.0
) -> Schedule:
    """Fall to a fraction of the value as half a cosine, and stay there.

    With c = min(t, decay_steps):

        lr(t) = init_value * ((1 - alpha) * (1/2 + cos(pi c / decay_steps) / 2)^exponent
                              + alpha)

    Args:
        init_value: First value. Unit: lr; finite, >= 0.
        decay_steps: Length. Unit: updates; int >= 1.
        alpha: Last value as a fraction of the first; finite, >= 0.
        exponent: Finite, >= 0; 0 keeps init_value.

    Returns:
        The schedule, decay_steps long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, cosine_decay_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.cosine_decay_schedule(0.1, 100, alpha=0.05)
        0.1 * decay(100, to=0.05, shape="cosine")
    """
    owner = "cosine_decay_schedule"
    first = rate(init_value, f"{owner}.init_value")
    steps = count(decay_steps, f"{owner}.decay_steps", 1)
    last = number(alpha, f"{owner}.alpha")
    power = number(exponent, f"{owner}.exponent")
    return times(first, cosine_phase(steps, last, power))


def cosine_phase(steps: int, last: float, power: float) -> Schedule:
    """Return a cosine raised to a power, with peak 1."""
    if power == 0:
        return hold(steps)
    return decay(steps, last, "cosine", power=power)


def transition(
    owner: str,
    init_value: object,
    end_value: object,
    power: object,
    transition_steps: object,
    transition_begin: object = 0,
) -> Schedule:
    """Return the checked way from one value to another."""
    first = rate(init_value, f"{owner}.init_value")
    last = rate(end_value, f"{owner}.end_value")
    exponent = number(power, f"{owner}.power")
    steps = integer(transition_steps, f"{owner}.transition_steps")
    begin = max(integer(transition_begin, f"{owner}.transition_begin"), 0)
    if steps <= 0:
        return scaled(first, hold())
    if exponent == 0:
        return scaled(max((first - last) + last, 0.0), hold())  # the peer's rounding
    if exponent == 1 or first == last:
        way = change(first, last, steps)
    elif first > last:
        way = scaled(first, decay(steps, last / first, "polynomial", power=exponent))
    else:
        # 1 - p^k backwards is 1 - (1 - p)^k: it rises fast and then slowly
        fall = decay(steps, first / last, "polynomial", power=1.0, k=exponent)
        way = reverse(scaled(last, fall))
    if not begin:
        return way
    if isinstance(way, Scaled) and way.factor == first:
        return scaled(first, hold(begin) >> way.part)
    return skip(way, -begin)  # it waits at its first value


def integer(value: object, field: str) -> int:
    """Return a whole number of updates, of any sign.

    Raises:
        InvalidScheduleError: It is none.
    """
    found = whole(value)
    if found is None and isinstance(value, float) and value.is_integer():
        found = int(value)
    if found is None or abs(found) > LONGEST:
        rule = "be an int (unit: updates)"
        raise InvalidScheduleError(describe(field, rule, value))
    return found
