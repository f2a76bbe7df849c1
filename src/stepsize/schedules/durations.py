"""How long a phase lasts, in its own words; not how a run converts them (horizon).

A duration is an int (updates), a text with a unit, or None (elastic: what is left):

    500 | "500 steps" | "5%" | "3 epochs" | "1e6 samples" | "2e9 tokens" | None

Schedules store the canonical form: an int for updates, otherwise a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import final

from stepsize.errors import InvalidScheduleError, UnitError, describe

LONGEST = 2**53
"""Longest duration in updates: beyond it a float64 no longer counts exactly."""

PERCENT = "%"
UNITS = {
    "step": "steps",
    "steps": "steps",
    "update": "steps",
    "updates": "steps",
    PERCENT: PERCENT,
    "epoch": "epochs",
    "epochs": "epochs",
    "sample": "samples",
    "samples": "samples",
    "token": "tokens",
    "tokens": "tokens",
}
_HINT = 'write 500, "5%", "3 epochs", "1e6 samples" or "2e9 tokens"'
# Digits and exponent are bounded: "1e999999999 tokens" must not fill the memory.
_TEXT = re.compile(
    r"\s*([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?)"
    r"\s*(%|[A-Za-z]+)\s*"
)


@final
@dataclass(frozen=True, slots=True)
class Duration:
    """An exact amount of one unit.

    Attributes:
        amount: How many, exactly; > 0.
        unit: One of "steps" (optimizer updates), "%" (of the nearest enclosing span),
            "epochs", "samples", "tokens".
    """

    amount: Fraction
    unit: str

    def __str__(self) -> str:
        """Return the canonical text, as in "20%" or "1 epoch"."""
        number = _decimal(self.amount)
        if self.unit == PERCENT:
            return number + PERCENT
        unit = self.unit[:-1] if self.amount == 1 else self.unit
        return f"{number} {unit}"


Length = int | str
"""A canonical duration: updates as an int, anything else as a text with its unit."""


def duration(value: object, field: str, *, zero: bool = False) -> Length:
    """Return `value` in canonical form.

    Args:
        value: An int (updates) or a text "NUMBER UNIT".
        field: Owner and field, for the error.
        zero: Whether 0 is a duration here (positions of knots and milestones).

    Returns:
        An int, or a text that equals that of any other spelling of the same duration.

    Raises:
        InvalidScheduleError: `value` is neither, is not positive, or is too long.
        UnitError: The unit is unknown.
    """
    if isinstance(value, str):
        parsed = read(value, field)
        _check_amount(parsed.amount, value, field, zero=zero)
        if parsed.unit != "steps":
            return str(parsed)
        if parsed.amount.denominator != 1:
            raise InvalidScheduleError(
                describe(field, "be a whole number of updates", value, hint=_HINT)
            )
        return int(parsed.amount)
    steps = whole(value)
    if steps is None:
        rule = "be an int >= 1 (unit: updates) or a text with a unit"
        raise InvalidScheduleError(describe(field, rule, value, hint=_HINT))
    _check_amount(Fraction(steps), value, field, zero=zero)
    return steps


def whole(value: object) -> int | None:
    """Return `value` as a built-in int, or None if it is no integer (bool is none)."""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return None
    index = getattr(type(value), "__index__", None)
    if index is None:
        return None
    try:
        return int(index(value))
    except TypeError:  # arrays have the method, but only some may use it
        return None


@lru_cache(maxsize=4096)
def read(text: str, field: str = "duration") -> Duration:
    """Read "NUMBER UNIT" exactly, without rounding through a float.

    Raises:
        InvalidScheduleError: `text` is not a number and a unit.
        UnitError: The unit is unknown.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        rule = "be an int >= 1 (unit: updates) or a text with a number and a unit"
        raise InvalidScheduleError(describe(field, rule, text, hint=_HINT))
    unit = UNITS.get(match[2].lower())
    if unit is None:
        known = "steps, %, epochs, samples, tokens"
        raise UnitError(describe(field, f"have a unit of {known}", text, hint=_HINT))
    return Duration(Fraction(match[1]), unit)


@lru_cache(maxsize=4096)
def of(length: Length) -> Duration:
    """Return the `Duration` of a canonical form."""
    if isinstance(length, int):
        return Duration(Fraction(length), "steps")
    return read(length)


def _check_amount(amount: Fraction, got: object, field: str, *, zero: bool) -> None:
    if amount < 0 or (amount == 0 and not zero):
        least = "0" if zero else "1"
        rule = f"be positive: an int >= {least} (unit: updates) or a text with a unit"
        hint = "leave the phase out to have none of it"
        raise InvalidScheduleError(describe(field, rule, got, hint=hint))
    if amount > LONGEST * 10**9:
        raise InvalidScheduleError(describe(field, "be shorter", got, hint=_HINT))
    if isinstance(got, int) and amount > LONGEST:
        rule = f"be an int <= {LONGEST} (unit: updates)"
        raise InvalidScheduleError(describe(field, rule, got))


def _decimal(amount: Fraction) -> str:
    """Return the shortest decimal text that reads back as exactly `amount`."""
    text = f"{float(amount):.15g}"
    if Fraction(text) == amount:
        return text
    scaled, places = amount, 0
    while scaled.denominator != 1:  # amounts come from decimal texts, so this ends
        scaled, places = scaled * 10, places + 1
    digits = str(int(scaled)).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits
