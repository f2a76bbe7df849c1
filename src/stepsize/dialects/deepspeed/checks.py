"""Checks that the dialect's files share; no schedule."""

from __future__ import annotations

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.durations import whole


def length(value: object, field: str, least: int) -> int:
    """Return a number of updates, an int >= least.

    Raises:
        InvalidScheduleError: It is none.
    """
    count = whole(value)
    if count is None or count < least:
        rule = f"be an int >= {least} (unit: updates)"
        raise InvalidScheduleError(describe(field, rule, value))
    return count
