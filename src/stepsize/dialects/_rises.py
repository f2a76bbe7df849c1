"""Checks and warmups that several dialects share; no peer's names."""

from __future__ import annotations

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.durations import LONGEST, whole
from stepsize.schedules.phases import decay, warmup
from stepsize.schedules.schedule import Schedule, chain


def base_rate(value: object, owner: str) -> float:
    """Return the rate that the peer would read from its optimizer: finite, > 0.

    Raises:
        InvalidScheduleError: It is no such number.
    """
    return number(value, f"{owner}.base_lr", open_low=True, unit="lr")


def count(value: object, field: str, *, low: int = 0) -> int:
    """Return a number of steps as an int >= low; a float that is whole counts.

    Raises:
        InvalidScheduleError: It is no such number.
    """
    steps = whole(value)
    if steps is None and isinstance(value, float) and value.is_integer():
        steps = int(value)
    if steps is None or not low <= steps <= LONGEST:
        raise InvalidScheduleError(
            describe(field, f"be an int >= {low} (unit: steps)", value)
        )
    return steps


def rise(steps: int, start_lr: float, end_lr: float) -> Schedule:
    """Go evenly from one rate to another, both absolute; steps >= 1.

    It scales with a number in front unless the way is down, or from 0 to 0.
    """
    if end_lr > 0 and start_lr <= end_lr:
        return end_lr * warmup(steps, start_lr / end_lr)
    return start_lr * decay(steps, to_lr=end_lr)


def after_warmup(
    steps: int, start_lr: float, base_lr: float, rest: Schedule
) -> Schedule:
    """Warm up to the base rate, if at all, and hand it to the rest."""
    if not steps:
        return base_lr * rest
    return chain(rise(steps, start_lr, base_lr), rest)
