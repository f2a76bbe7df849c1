"""Where phases lie: exact lengths, the place given to each, and the rounding.

Lengths are exact fractions. They are summed first, and each *boundary* is rounded half
up: rounding the parts one by one misses the total for half of all horizons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, final

from stepsize.errors import InvalidScheduleError, UnresolvedError, describe
from stepsize.schedules.durations import PERCENT, Length
from stepsize.schedules.durations import of as duration_of

if TYPE_CHECKING:
    from stepsize.schedules.curve import Piece
    from stepsize.schedules.horizon import Horizon

ZERO = Fraction(0)
HALF = Fraction(1, 2)


MOST_PIECES = 100_000


@final
class Budget:
    """Counts the pieces laid out, so that nested repeats end before memory does."""

    __slots__ = ("spent",)

    def __init__(self) -> None:
        """Begin at none."""
        self.spent = 0

    def spend(self, pieces: int) -> None:
        """Count pieces.

        Raises:
            InvalidScheduleError: There are too many.
        """
        self.spent += pieces
        if self.spent > MOST_PIECES:
            raise too_many(self.spent)


@final
@dataclass(frozen=True, slots=True)
class Span:
    """What a phase knows of its surroundings.

    Attributes:
        horizon: Converts units to updates.
        whole: Updates that percentages are of: the horizon's or the cycle's; None
            where that is not known.
        stretch: What a stretched cycle multiplies durations by.
        real: Whether boundaries stay real numbers (cycles of some peers).
        truncate: Whether parts beyond the end are cut instead of refused.
        budget: What counts the pieces of the whole schedule.
    """

    horizon: Horizon
    whole: Fraction | None
    stretch: Fraction = Fraction(1)
    real: bool = False
    truncate: bool = False
    budget: Budget = field(default_factory=Budget, compare=False)

    def updates(self, length: Length, *, fixed: bool = False) -> Fraction:
        """Convert a duration to updates, here.

        Raises:
            UnresolvedError: It is a percentage and the whole is not known.
            UnitError: Its unit lacks its conversion.
        """
        duration = duration_of(length)
        if duration.unit == PERCENT:
            if self.whole is None:
                raise unresolved(f'the length of "{length}"')
            return duration.amount * self.whole / 100
        updates = self.horizon.updates(duration)
        return updates if fixed else updates * self.stretch

    def bound(self, position: Fraction) -> float:
        """Round a boundary half up (or keep it, where boundaries are real)."""
        if not self.real:
            return math.floor(position + HALF)
        return int(position) if position.denominator == 1 else float(position)


class Measure(NamedTuple):
    """A length before elastic parts are known: pinned + fixed + percent * whole / 100.

    Attributes:
        pinned: Updates that a stretched cycle does not stretch (`fixed=True`).
        fixed: Updates, stretched already.
        percent: Share of the enclosing span. Unit: %.
        weight: Share of what is left over; 0 for a phase that is not elastic.
    """

    pinned: Fraction = ZERO
    fixed: Fraction = ZERO
    percent: Fraction = ZERO
    weight: Fraction = ZERO

    def plus(self, other: Measure) -> Measure:
        """Return the measure of the two, one after the other."""
        return Measure(*(a + b for a, b in zip(self, other, strict=True)))

    def used(self, whole: Fraction | None) -> Fraction:
        """Return the updates that do not depend on what is left over.

        Raises:
            UnresolvedError: Part of it is a percentage and `whole` is None.
        """
        if self.percent and whole is None:
            raise unresolved("a length in percent")
        return self.pinned + self.fixed + self.percent * (whole or 0) / 100


def measure_duration(
    length: Length | None, span: Span, *, weight: float = 1.0, fixed: bool = False
) -> Measure:
    """Return the measure of a phase with that duration; None is elastic."""
    if length is None:
        return Measure(weight=exact(weight))
    duration = duration_of(length)
    if duration.unit == PERCENT:
        return Measure(percent=duration.amount)
    updates = span.updates(length, fixed=fixed)
    return Measure(pinned=updates) if fixed else Measure(fixed=updates)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where and with what a phase is laid out.

    Attributes:
        entry: The value handed to it.
        peak: The scale of the enclosing chain, which `jump` and `clip` refer to.
        start: Where it begins, exactly. Unit: updates.
        length: How long it is, exactly; None for without end.
        span: Its surroundings.
    """

    entry: float
    peak: float
    start: Fraction
    length: Fraction | None
    span: Span

    @property
    def begin(self) -> float:
        """The first step, rounded."""
        return self.span.bound(self.start)

    @property
    def stop(self) -> float | None:
        """The step after the last, rounded; None for without end."""
        if self.length is None:
            return None
        return self.span.bound(self.start + self.length)

    def closed(self, what: str) -> float:
        """Return `stop`, for a phase whose shape needs it.

        Raises:
            UnresolvedError: The phase has no end.
        """
        stop = self.stop
        if stop is None:
            raise unresolved(f"the length of {what}")
        return stop

    def changed(self, **values: object) -> Place:
        """Return this place with other values."""
        return replace(self, **values)  # type: ignore[arg-type]  # names are checked


class Laid(NamedTuple):
    """A phase laid out.

    Attributes:
        pieces: Its pieces in order, none of them empty.
        exit: The value handed on.
    """

    pieces: list[Piece]
    exit: float


def exact(value: float) -> Fraction:
    """Return the decimal that a number was written as: 0.1 is 1/10."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def unresolved(what: str) -> UnresolvedError:
    """Return the error for a schedule that lacks its total_steps."""
    hint = "call schedule.resolve(total_steps=...) and evaluate what it returns"
    rule = f"be given to know {what}"
    return UnresolvedError(describe("resolve.total_steps", rule, None, hint=hint))


def finite(value: float, field: str) -> float:
    """Return a value that a phase reaches, if it is a finite number >= 0.

    Raises:
        InvalidScheduleError: It is not.
    """
    if not 0 <= value < math.inf:
        raise InvalidScheduleError(
            describe(field, "reach only finite values >= 0", value)
        )
    return value


def too_many(count: int) -> InvalidScheduleError:
    """Return the error for a schedule that unrolls into too many pieces."""
    rule = f"unroll into at most {MOST_PIECES} pieces"
    hint = "use longer cycles, or cycles of one whole length without absolute rates"
    return InvalidScheduleError(describe("repeat", rule, count, hint=hint))
