"""What several dialects build from: a change of rate, lengths, a rate that is zero."""

from __future__ import annotations

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.durations import LONGEST, whole
from stepsize.schedules.phases import decay, hold, warmup
from stepsize.schedules.schedule import Schedule, scaled


def rate(value: object, field: str) -> float:
    """Return a learning rate: finite, >= 0."""
    return number(value, field, unit="lr")


def count(value: object, field: str, least: int = 0, *, unit: str = "updates") -> int:
    """Return a whole number, also one written as a float.

    Raises:
        InvalidScheduleError: It is none, or is below `least` or beyond 2^53.
    """
    found = whole(value)
    if found is None and isinstance(value, float) and value.is_integer():
        found = int(value)
    if found is None or not least <= found <= LONGEST:
        rule = f"be an int >= {least} (unit: {unit})"
        hint = "round it" if isinstance(value, float) else ""
        raise InvalidScheduleError(describe(field, rule, value, hint=hint))
    return found


def change(first: float, last: float, steps: int, shape: str = "linear") -> Schedule:
    """Return the way from one rate to another, relative to the higher of the two.

    Args:
        first: Rate at step 0. Unit: lr; >= 0.
        last: Rate from step `steps` on. Unit: lr; >= 0.
        steps: How long; 0 gives the last rate at once. Unit: updates.
        shape: "linear" or "cosine".

    Returns:
        The schedule, `steps` long.
    """
    if steps == 0:
        return scaled(last, hold())
    if first == last:
        return scaled(first, hold(steps))
    if first > last:
        return scaled(first, decay(steps, last / first, shape))
    return scaled(last, warmup(steps, first / last, shape))


def times(factor: float, schedule: Schedule) -> Schedule:
    """Return factor * schedule; for 0 a schedule that stays there."""
    return scaled(factor, schedule) if factor else scaled(0.0, hold())
