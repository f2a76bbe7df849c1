"""DeepSpeed's range test and one-cycle, with its momentum."""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

import math
from typing import Any

from stepsize.dialects.deepspeed.checks import length
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import flag, number
from stepsize.schedules.combinators import skip
from stepsize.schedules.cycles import repeat
from stepsize.schedules.drops import inverse_time
from stepsize.schedules.joins import faithful as marked
from stepsize.schedules.joins import join
from stepsize.schedules.knots import knots
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule, scaled

FAR = 2**30
"""Updates after which a rate that rises without end may hold: no run is as long, and
integers of 32 bits count further."""


def LRRangeTest(
    lr_range_test_min_lr: float = 1e-3,
    lr_range_test_step_size: int = 2000,
    lr_range_test_step_rate: float = 1.0,
    lr_range_test_staircase: bool = False,
) -> Schedule:
    """Rise evenly, for a range test.

        lr(t) = min_lr * (1 + step_rate * t / step_size)      floor(t / step_size) for a
                                                              staircase

    Args:
        lr_range_test_min_lr: First rate. Unit: lr; finite, >= 0.
        lr_range_test_step_size: Unit: updates; int >= 1.
        lr_range_test_step_rate: What a step adds, in first rates; finite, >= 0.
        lr_range_test_staircase: Whether to rise at whole steps only.

    Returns:
        The schedule; it rises for at least 2^26 updates.

    Raises:
        InvalidScheduleError: A value is outside its range. A negative step_rate is
            refused: the peer's rates become negative.

    Source:
        DeepSpeed edaa7221, runtime/lr_schedules.py.

    Examples:
        >>> from stepsize.dialects import deepspeed
        >>> deepspeed.LRRangeTest(1.0, 2)(range(5))
        [1.0, 1.5, 2.0, 2.5, 3.0]
        >>> deepspeed.LRRangeTest(1.0, 2, lr_range_test_staircase=True)(range(5))
        [1.0, 1.0, 2.0, 2.0, 3.0]
    """
    owner = "LRRangeTest"
    low = number(lr_range_test_min_lr, f"{owner}.lr_range_test_min_lr", unit="lr")
    size = length(lr_range_test_step_size, f"{owner}.lr_range_test_step_size", 1)
    rate = number(lr_range_test_step_rate, f"{owner}.lr_range_test_step_rate")
    stairs = flag(lr_range_test_staircase, f"{owner}.lr_range_test_staircase")
    if low == 0 or rate == 0:
        return scaled(low, hold())
    if stairs:
        return scaled(low, _stairs_up(size, rate))
    return scaled(low, _line_up(size, rate))


def OneCycle(  # noqa: PLR0917 - the peer's order
    cycle_min_lr: float,
    cycle_max_lr: float,
    decay_lr_rate: float = 0.0,
    cycle_first_step_size: int = 2000,
    cycle_second_step_size: int | None = None,
    cycle_first_stair_count: int = 0,
    cycle_second_stair_count: int | None = None,
    decay_step_size: int = 0,
    cycle_momentum: bool = True,
    cycle_min_mom: float = 0.8,
    cycle_max_mom: float = 0.9,
    decay_mom_rate: float = 0.0,
) -> Schedule:
    """Rise and fall evenly once, then decay with the inverse of time.

    With a = cycle_first_step_size, c = a + cycle_second_step_size:

        t <= a   lr = min + (max - min) * t / a
        t <= c   lr = min + (max - min) * (c - t) / (c - a)
        t > c    lr = min / (1 + decay_lr_rate * (t - c) / decay_step_size)

    With k = a stair count > 0 the fraction x of a half becomes floor(k x) / k.

    Args:
        cycle_min_lr: Rate at both ends. Unit: lr; finite, >= 0.
        cycle_max_lr: Rate in the middle. Unit: lr; finite, >= 0.
        decay_lr_rate: Of the decay after the cycle; finite, >= 0; 0 for none.
        cycle_first_step_size: a. Unit: updates; int >= 1.
        cycle_second_step_size: Length of the fall. Unit: updates; int >= 0; None is a.
        cycle_first_stair_count: Stairs of the rise; int >= 0; 0 for a smooth one.
        cycle_second_stair_count: Stairs of the fall; None is as many as of the rise.
        decay_step_size: Interval of the decay. Unit: updates; int >= 0; 0 for no decay.
        cycle_momentum: Belongs to the momentum, as do the last three; see
            `OneCycle_momentum`.
        cycle_min_mom: Likewise.
        cycle_max_mom: Likewise.
        decay_mom_rate: Likewise.

    Returns:
        The learning rate. Differences: float step sizes are refused; stairs are those
        of releases that implement them (before, the counts had no effect).

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        DeepSpeed edaa7221 (stairs: 22779f2c), runtime/lr_schedules.py.

    Examples:
        >>> from stepsize.dialects import deepspeed
        >>> s = deepspeed.OneCycle(1.0, 3.0, 1.0, 2, decay_step_size=1)
        >>> s(range(7))
        [1.0, 2.0, 3.0, 2.0, 1.0, 0.5, 0.3333333333333333]
    """
    owner = "OneCycle"
    low = number(cycle_min_lr, f"{owner}.cycle_min_lr", unit="lr")
    high = number(cycle_max_lr, f"{owner}.cycle_max_lr", unit="lr")
    rate = number(decay_lr_rate, f"{owner}.decay_lr_rate")
    shape = _cycle(
        cycle_first_step_size,
        cycle_second_step_size,
        cycle_first_stair_count,
        cycle_second_stair_count,
    )
    size = length(decay_step_size, f"{owner}.decay_step_size", 0)
    _check_momentum(cycle_momentum, cycle_min_mom, cycle_max_mom, decay_mom_rate)
    tail: Schedule = hold()
    if rate and size and low:
        tail = inverse_time(rate, size)
    return join(_between(low, high, shape), scaled(low, tail), at=[shape[1]])


def OneCycle_momentum(  # noqa: PLR0917 - the peer's order
    cycle_min_lr: float,
    cycle_max_lr: float,
    decay_lr_rate: float = 0.0,
    cycle_first_step_size: int = 2000,
    cycle_second_step_size: int | None = None,
    cycle_first_stair_count: int = 0,
    cycle_second_stair_count: int | None = None,
    decay_step_size: int = 0,
    cycle_momentum: bool = True,
    cycle_min_mom: float = 0.8,
    cycle_max_mom: float = 0.9,
    decay_mom_rate: float = 0.0,
    *,
    faithful: bool = False,
) -> Schedule:
    """Lower and raise the momentum (`betas[0]`) while the rate rises and falls.

    With h in [0, 1] the height of the rate in its cycle of c updates:

        t = 0    momentum = cycle_min_mom       (the constructor writes it)
        t <= c   momentum = cycle_max_mom - (cycle_max_mom - cycle_min_mom) * h
        t > c    momentum = cycle_max_mom * (1 + decay_mom_rate * (t - c) / decay_size)

    After the cycle the peer lets the momentum grow past 1; here it holds the last value
    below 1. The peer also sets `betas[1]` to 0.99.

    Args:
        cycle_min_lr: See `OneCycle`, as for the next seven.
        cycle_max_lr: Likewise.
        decay_lr_rate: Likewise.
        cycle_first_step_size: Likewise.
        cycle_second_step_size: Likewise.
        cycle_first_stair_count: Likewise.
        cycle_second_stair_count: Likewise.
        decay_step_size: Likewise.
        cycle_momentum: Must be True here: otherwise no momentum is scheduled.
        cycle_min_mom: Momentum in the middle of the cycle; in [0, 1).
        cycle_max_mom: Momentum at its ends; in [0, 1).
        decay_mom_rate: Of the growth after the cycle; finite, >= 0; 0 for none.
        faithful: Whether to let the momentum grow past 1.

    Returns:
        The momentum.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        DeepSpeed edaa7221, runtime/lr_schedules.py.

    Examples:
        >>> from stepsize.dialects import deepspeed
        >>> s = deepspeed.OneCycle_momentum(
        ...     1.0, 3.0, 0.0, 2, cycle_min_mom=0.5, cycle_max_mom=0.75)
        >>> s(range(6))
        [0.5, 0.625, 0.5, 0.625, 0.75, 0.75]
    """
    owner = "OneCycle_momentum"
    OneCycle(
        cycle_min_lr,
        cycle_max_lr,
        decay_lr_rate,
        cycle_first_step_size,
        cycle_second_step_size,
        cycle_first_stair_count,
        cycle_second_stair_count,
        decay_step_size,
    )
    if not cycle_momentum:
        rule = "be True: otherwise no momentum is scheduled"
        message = describe(f"{owner}.cycle_momentum", rule, cycle_momentum)
        raise InvalidScheduleError(message)
    low, high, rate = _check_momentum(
        cycle_momentum, cycle_min_mom, cycle_max_mom, decay_mom_rate
    )
    shape = _cycle(
        cycle_first_step_size,
        cycle_second_step_size,
        cycle_first_stair_count,
        cycle_second_stair_count,
    )
    first = scaled(low, hold())
    cycle = skip(_between(high, low, shape), 1)
    grows = bool(rate and decay_step_size and high)
    tail: Schedule = hold()
    if grows and faithful:
        tail = _line_up(decay_step_size, rate)
    elif grows:
        tail = _line_below_one(decay_step_size, rate, high)
    result = join(first, cycle, scaled(high, tail), at=[1, shape[1]])
    return marked(result) if grows and faithful else result


def _check_momentum(
    cycled: object, low: object, high: object, rate: object
) -> tuple[float, float, float]:
    owner = "OneCycle"
    flag(cycled, f"{owner}.cycle_momentum")
    pair = []
    for name, value in (("cycle_min_mom", low), ("cycle_max_mom", high)):
        momentum = number(value, f"{owner}.{name}", high=1.0)
        if momentum == 1:
            message = describe(f"{owner}.{name}", "be a finite number < 1", value)
            raise InvalidScheduleError(message)
        pair.append(momentum)
    return pair[0], pair[1], number(rate, f"{owner}.decay_mom_rate")


Shape = tuple[list[tuple[int, float]], int, list[tuple[int, float]], bool, bool]
"""Rise and fall as (step, height) pairs, the cycle's length, and which are stairs."""


def _cycle(first: Any, second: Any, up: Any, down: Any) -> Shape:
    """Return the heights of a cycle: at which step which share of the way is made."""
    owner = "OneCycle"
    a = length(first, f"{owner}.cycle_first_step_size", 1)
    b = length(a if second is None else second, f"{owner}.cycle_second_step_size", 0)
    m = length(up, f"{owner}.cycle_first_stair_count", 0)
    n = length(m if down is None else down, f"{owner}.cycle_second_stair_count", 0)
    rise: dict[int, float] = {0: 0.0, a: 1.0}
    for j in range(1, m):
        rise[-(-j * a // m)] = j / m
    # at step a + 1 a stair of the fall is on already: the first half has its end
    fall: dict[int, float] = {a: 1.0, a + b: 0.0}
    for j in reversed(range(n)):
        fall[a + b - (-(-(j + 1) * b // n)) + 1] = j / n
    if n:
        fall[a] = 1.0
    if m:
        rise[a] = 1.0
    return sorted(rise.items()), a + b, sorted(fall.items()), bool(m), bool(n)


def _between(low: float, high: float, shape: Shape) -> Schedule:
    """Return one cycle from `low` up (or down) to `high` and back."""
    rise, total, fall, stairs_up, stairs_down = shape
    middle = rise[-1][0]

    def values(points: list[tuple[int, float]], origin: int) -> list[tuple[int, float]]:
        return [(x - origin, h * high + (1 - h) * low) for x, h in points]

    up = knots(values(rise, 0), "step" if stairs_up else "linear")
    if total == middle:
        return up
    down = knots(values(fall, middle), "step" if stairs_down else "linear")
    return join(up, down, at=[middle])


def _line_up(size: int, rate: float, until: int = FAR) -> Schedule:
    """Return 1 + rate * d / size: knots at doubling distances, each piece a line."""
    places = [0]
    while places[-1] < until:
        places.append(min(max(2 * places[-1], size), until))
    return knots([(x, 1.0 + rate * (x / size)) for x in places])


def _line_below_one(size: int, rate: float, high: float) -> Schedule:
    """Return the same line up to the last step at which `high` times it is below 1."""
    last = math.ceil(min((1 / high - 1) * size / rate, FAR))
    while last and high * (1 + rate * (last / size)) >= 1:
        last -= 1
    return _line_up(size, rate, last) if last else hold()


def _stairs_up(size: int, rate: float) -> Schedule:
    """Return 1 + rate * floor(d / size), by the digits of the floor to base 16."""
    result: Schedule = hold()
    weight, width = 1, size
    while weight == 1 or 16 * width <= FAR:
        points = [(digit * width, float(digit)) for digit in range(16)]
        digits = knots([*points, (16 * width, 15.0)], "step")
        result = result + scaled(rate * weight, repeat(digits))
        weight, width = 16 * weight, 16 * width
    return result
