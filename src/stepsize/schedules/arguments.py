"""Checks of constructors' numbers, with one wording; not of durations (durations)."""

from __future__ import annotations

import math

from stepsize.errors import InvalidScheduleError, describe


def number(
    value: object,
    field: str,
    *,
    low: float = 0.0,
    high: float = math.inf,
    open_low: bool = False,
    unit: str = "",
) -> float:
    """Return a finite number in [low, high] (or (low, high]) as a built-in float.

    Raises:
        InvalidScheduleError: `value` is no such number.
    """
    result = _float(value)
    if (
        result is None
        or not math.isfinite(result)
        or not low <= result <= high
        or (open_low and result == low)
    ):
        bound = f"{'>' if open_low else '>='} {low:g}"
        if high < math.inf:
            bound += f" and <= {high:g}"
        suffix = f" (unit: {unit})" if unit else ""
        rule = f"be a finite number {bound}{suffix}"
        raise InvalidScheduleError(describe(field, rule, value))
    return result + 0.0  # -0.0 becomes 0.0


def optional(
    value: object,
    field: str,
    *,
    low: float = 0.0,
    high: float = math.inf,
    open_low: bool = False,
    unit: str = "",
) -> float | None:
    """Return None for None, otherwise `number`."""
    if value is None:
        return None
    return number(value, field, low=low, high=high, open_low=open_low, unit=unit)


def choice(value: object, field: str, allowed: tuple[str, ...]) -> str:
    """Return a value that is one of the names allowed.

    Raises:
        InvalidScheduleError: It is none of them.
    """
    if not isinstance(value, str) or value not in allowed:
        rule = "be one of " + ", ".join(f'"{name}"' for name in allowed)
        raise InvalidScheduleError(describe(field, rule, value))
    return value


def flag(value: object, field: str) -> bool:
    """Return a bool.

    Raises:
        InvalidScheduleError: It is none.
    """
    if not isinstance(value, bool):
        raise InvalidScheduleError(describe(field, "be True or False", value))
    return value


def ending(to: object, to_lr: object, owner: str) -> tuple[float, float | None]:
    """Return the checked pair of `to` (fraction of the entry) and `to_lr` (absolute).

    Raises:
        InvalidScheduleError: One is out of range, or both are given.
    """
    fraction = number(to, f"{owner}.to", unit="fraction of the entry")
    absolute = optional(to_lr, f"{owner}.to_lr", unit="lr")
    if absolute is not None and fraction != 0:
        raise InvalidScheduleError(
            describe(f"{owner}.to", "be left out when to_lr is given", to)
        )
    return fraction, absolute


def _float(value: object) -> float | None:
    if isinstance(value, (bool, str, bytes)) or "bool" in type(value).__name__:
        return None
    convert = getattr(value, "__float__", None)
    if convert is None or getattr(value, "shape", ()) != ():
        return None
    try:
        return float(convert())
    except OverflowError:
        return None
