"""Checks of the numbers that a search is given, with one wording."""

from __future__ import annotations

from stepsize.errors import FinderError, InvalidScheduleError, describe
from stepsize.schedules.arguments import number


def as_rate(value: object, field: str) -> float:
    """Return a rate as a built-in float.

    Raises:
        FinderError: It is no finite number > 0.
    """
    try:
        return number(value, field, open_low=True)
    except InvalidScheduleError as error:
        rule = "be finite and > 0 (unit: lr)"
        raise FinderError(describe(field, rule, value)) from error


def as_float(value: object, field: str, rule: str = "be a number") -> float:
    """Return a number as a built-in float; it may be NaN or infinite.

    Raises:
        FinderError: It is no number.
    """
    try:
        return float(value)  # type: ignore[arg-type]  # whatever was given
    except (TypeError, ValueError, RuntimeError) as error:  # the last is a tensor's
        raise FinderError(describe(field, rule, value)) from error
