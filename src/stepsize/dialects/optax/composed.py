"""optax' schedules with a warmup, and those made of others."""
# ruff: noqa: PLR0917 - the order is the peer's

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from stepsize.dialects._parts import change, count, rate, times
from stepsize.dialects.optax.basic import cosine_phase, exponential_decay, transition
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.free import opaque
from stepsize.schedules.joins import join
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule, chain, scaled


def warmup_constant_schedule(
    init_value: float, peak_value: float, warmup_steps: int
) -> Schedule:
    """Rise evenly to a value, and stay there.

        lr(t) = init_value + (peak_value - init_value) * min(t, W) / W

    Args:
        init_value: First value. Unit: lr; finite, >= 0.
        peak_value: Last value. Unit: lr; finite, >= 0.
        warmup_steps: W. Unit: updates; int; <= 0 keeps *init_value* for ever, as in
            the peer: `warmup_constant_schedule(0, 1, 0)` trains at rate 0.

    Returns:
        The schedule, W long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, warmup_constant_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.warmup_constant_schedule(0.0, 0.1, 10)
        0.1 * warmup(10, start=0.0)
    """
    owner = "warmup_constant_schedule"
    return transition(owner, init_value, peak_value, 1.0, warmup_steps)


def warmup_cosine_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    decay_steps: int,
    end_value: float = 0.0,
    exponent: float = 1.0,
) -> Schedule:
    """Rise evenly to a peak, and fall from it as half a cosine.

        t < W   lr(t) = init_value + (peak_value - init_value) * t / W
        else    `cosine_decay_schedule(peak_value, decay_steps - W,
                end_value / peak_value, exponent)(t - W)`

    Args:
        init_value: First value. Unit: lr; finite, >= 0.
        peak_value: Unit: lr; finite, >= 0.
        warmup_steps: W; 0 leaves it out. Unit: updates; int >= 0.
        decay_steps: Length of *both* parts. Unit: updates; int > warmup_steps.
        end_value: Last value. Unit: lr; finite, >= 0; not read for a peak of 0.
        exponent: Of the cosine; finite, >= 0.

    Returns:
        The schedule, decay_steps long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, warmup_cosine_decay_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 100)
        warmup(10, start=0.0) >> decay(90, shape="cosine")
    """
    owner = "warmup_cosine_decay_schedule"
    first = rate(init_value, f"{owner}.init_value")
    peak = rate(peak_value, f"{owner}.peak_value")
    rise = count(warmup_steps, f"{owner}.warmup_steps")
    total = count(decay_steps, f"{owner}.decay_steps")
    if total <= rise:
        rule = f"be an int > warmup_steps ({rise}), which it includes (unit: updates)"
        raise InvalidScheduleError(describe(f"{owner}.decay_steps", rule, decay_steps))
    last = rate(end_value, f"{owner}.end_value")
    power = number(exponent, f"{owner}.exponent")
    if peak == 0:
        fallen = hold(total - rise)
        return chain(change(first, 0.0, rise), fallen) if rise else scaled(0.0, fallen)
    fall = cosine_phase(total - rise, last / peak, power)
    return chain(change(first, peak, rise), fall) if rise else scaled(peak, fall)


def warmup_exponential_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """Rise evenly to a peak, and fall from it by equal factors.

        t < W   lr(t) = init_value + (peak_value - init_value) * t / W
        else    `exponential_decay(peak_value, transition_steps, decay_rate,
                transition_begin, staircase, end_value)(t - W)`

    Args:
        init_value: First value. Unit: lr; finite, >= 0.
        peak_value: Unit: lr; finite, >= 0.
        warmup_steps: W; 0 leaves it out. Unit: updates; int >= 0.
        transition_steps: As in `exponential_decay`; counted from W.
        decay_rate: Likewise.
        transition_begin: Likewise.
        staircase: Likewise.
        end_value: Likewise.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, warmup_exponential_decay_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.warmup_exponential_decay_schedule(0.0, 0.1, 10, 100, 0.5)
        0.1 * warmup(10, start=0.0) >> geometric(factor=0.5, every=100)
    """
    owner = "warmup_exponential_decay_schedule"
    first = rate(init_value, f"{owner}.init_value")
    peak = rate(peak_value, f"{owner}.peak_value")
    rise = count(warmup_steps, f"{owner}.warmup_steps")
    rest = (transition_steps, decay_rate, transition_begin, staircase)
    if not rise:
        return exponential_decay(peak, *rest, end_value)
    warm = change(first, peak, rise)
    if peak == 0:
        return join(warm, exponential_decay(0.0, *rest, end_value), at=[rise])
    bound = None if end_value is None else rate(end_value, f"{owner}.end_value") / peak
    return chain(warm, exponential_decay(1.0, *rest, bound))


def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> Schedule:
    """Play a list of warmups and cosine decays: warm restarts.

        `join_schedules` of a `warmup_cosine_decay_schedule(**kwargs)` each, at the sums
        of their decay_steps

    Args:
        cosine_kwargs: Arguments of `warmup_cosine_decay_schedule`, one mapping a cycle;
            at least one.

    Returns:
        The schedule, as long as all cycles.

    Raises:
        InvalidScheduleError: A value is outside its range, or there is no cycle.

    Source:
        optax 0.2.8, sgdr_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> cycle = dict(init_value=0.0, peak_value=0.1, warmup_steps=2, decay_steps=10)
        >>> [dialects.optax.sgdr_schedule([cycle, cycle])(t) for t in (2, 10, 12, 20)]
        [0.1, 0.0, 0.1, 0.0]
    """
    cycles, boundaries, total = [], [], 0
    for kwargs in cosine_kwargs:
        try:
            cycles.append(warmup_cosine_decay_schedule(**kwargs))
        except TypeError as error:
            rule = "be arguments of warmup_cosine_decay_schedule"
            message = describe("sgdr_schedule.cosine_kwargs", rule, kwargs)
            raise InvalidScheduleError(message) from error
        total += int(kwargs["decay_steps"])
        boundaries.append(total)
    if not cycles:
        rule = "have at least one cycle"
        raise InvalidScheduleError(
            describe("sgdr_schedule.cosine_kwargs", rule, cosine_kwargs)
        )
    return join_schedules(cycles, boundaries[:-1])


def join_schedules(
    schedules: Sequence[Schedule | Callable[[Any], Any]], boundaries: Sequence[int]
) -> Schedule:
    """Let schedules take over from each other, each from its own step 0.

        lr(t) = schedules[i](t - boundaries[i-1])   boundaries[i-1] <= t < boundaries[i]

    The peer ignores schedules that have no boundary; here the numbers must fit.

    Args:
        schedules: At least one; a plain function becomes `opaque`.
        boundaries: Steps at which the second and the later ones begin, in order. Unit:
            updates; ints >= 0.

    Returns:
        The schedule; it ends with its last part.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, join_schedules.

    Examples:
        >>> from stepsize.dialects import optax
        >>> optax.join_schedules(
        ...     [optax.linear_schedule(0.0, 1.0, 5), optax.constant_schedule(0.5)], [5])
        join(warmup(5, start=0.0), 0.5 * hold(), at=[5])
    """
    owner = "join_schedules"
    parts = [_schedule(part, f"{owner}.schedules") for part in schedules]
    if not parts:
        rule = "have at least one schedule"
        raise InvalidScheduleError(describe(f"{owner}.schedules", rule, schedules))
    points = [count(boundary, f"{owner}.boundaries") for boundary in boundaries]
    if len(points) != len(parts) - 1 or any(b < a for a, b in pairwise(points)):
        rule = f"be {len(parts) - 1} steps in order, one less than schedules"
        raise InvalidScheduleError(describe(f"{owner}.boundaries", rule, boundaries))
    return join(*parts, at=points) if points else times(1.0, parts[0])


def _schedule(part: object, field: str) -> Schedule:
    if isinstance(part, Schedule):
        return part
    if not callable(part):
        raise InvalidScheduleError(describe(field, "be schedules or functions", part))
    return opaque(getattr(part, "__name__", type(part).__name__), part)
