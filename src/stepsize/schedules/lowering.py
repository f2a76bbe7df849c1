"""From a schedule to its curve: lengths first, then each phase in its place."""

from __future__ import annotations

import math
from fractions import Fraction

from stepsize.errors import InvalidScheduleError, UnitError, describe
from stepsize.schedules import kinds
from stepsize.schedules.curve import Curve, Piece, constant
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.layout import (
    ZERO,
    Laid,
    Measure,
    Place,
    Span,
    finite,
    unresolved,
)
from stepsize.schedules.schedule import (
    Chain,
    Phase,
    Scaled,
    Schedule,
    leading_scale,
    parts_of,
)


def compile_curve(
    schedule: Schedule, horizon: Horizon, *, overflow: str = "error"
) -> Curve:
    """Return the curve of a schedule over a horizon.

    Args:
        schedule: The schedule.
        horizon: What gives durations their lengths; `Horizon()` for none.
        overflow: "error" or "truncate", for durations that exceed the horizon.

    Raises:
        InvalidScheduleError: The durations exceed the horizon, or a value overflows.
        UnresolvedError: A length needs a horizon and there is none.
        UnitError: A unit lacks its conversion.
    """
    if overflow not in ("error", "truncate"):
        rule = 'be "error" or "truncate"'
        raise InvalidScheduleError(describe("resolve.overflow", rule, overflow))
    total = None if horizon.total_steps is None else Fraction(horizon.total_steps)
    span = Span(horizon, total, truncate=overflow == "truncate")
    try:
        size = measure(schedule, span)
        used = size.used(total)
        if total is not None and used > total and not span.truncate:
            raise _overflow(schedule, size, total, used)
        length = total if size.weight else used
        place = Place(entry=1.0, peak=1.0, start=ZERO, length=length, span=span)
        laid = lower(schedule, place)
    except UnitError as error:
        if horizon == Horizon():
            raise unresolved("the updates of its durations") from error
        raise
    return _close(laid, length, total)


def _close(laid: Laid, length: Fraction | None, total: Fraction | None) -> Curve:
    pieces, last = laid
    if length is None:
        return Curve(pieces, None)
    end = length
    if total is not None and end > total:  # cut: only with overflow="truncate"
        end = total
        last = Curve(pieces, None).at(int(total))
    stop: float = math.floor(end + Fraction(1, 2))
    if pieces and stop < pieces[-1].start <= float(
        end
    ):  # real boundaries reach beyond it
        stop = pieces[-1].start
    kept = [piece for piece in pieces if piece.start < stop]
    return Curve([*kept, Piece(stop, constant(last))], stop)


def measure(schedule: Schedule, span: Span) -> Measure:
    """Return the length of a schedule, as far as it is known before elastic parts."""
    total = Measure()
    for part in parts_of(schedule):
        phase = part.part if isinstance(part, Scaled) else part
        total = total.plus(kinds.of(phase.kind).measure(phase, span))
    return total


def lower(schedule: Schedule, place: Place) -> Laid:
    """Lay a schedule out at a place; it is a chain of its own, so it has its own peak.

    Raises:
        InvalidScheduleError: Its parts do not fit, or a value overflows.
        UnresolvedError: A length is not known.
    """
    peak = finite(place.entry * leading_scale(schedule), "schedule")
    parts = parts_of(schedule)
    if not isinstance(schedule, Chain):
        return _lower_part(parts[0], place.changed(peak=peak))
    sizes = [measure(part, place.span) for part in parts]
    lengths = _lengths(schedule, sizes, place)
    pieces: list[Piece] = []
    entry, start = place.entry, place.start
    for part, length in zip(parts, lengths, strict=True):
        here = Place(entry, peak, start, length, place.span)
        laid = _lower_part(part, here)
        pieces += laid.pieces
        entry = laid.exit
        if length is None:
            break
        start += length
    return Laid(pieces, entry)


def _lower_part(part: Phase | Scaled, place: Place) -> Laid:
    if isinstance(part, Scaled):
        entry = finite(place.entry * part.factor, "scale")
        return _lower_part(part.part, place.changed(entry=entry))
    laid = kinds.of(part.kind).lower(part, place)
    if not part.operands:
        place.span.budget.spend(max(len(laid.pieces), 1))
    finite(laid.exit, part.kind)
    return Laid(_fitted(laid, place), laid.exit)


def _fitted(laid: Laid, place: Place) -> list[Piece]:
    """Return the pieces, cut at the end of the place and covering its begin."""
    pieces, begin, stop = laid.pieces, place.begin, place.stop
    if stop is not None and place.length is not None:
        end = max(float(stop), float(place.start + place.length))
        if pieces and pieces[-1].start > end:  # only with overflow="truncate"
            pieces = [piece for piece in pieces if piece.start <= end]
    if stop is not None and stop <= begin:
        return pieces
    if not pieces:
        return [Piece(begin, constant(laid.exit))]
    first = pieces[0]
    if first.start <= begin:
        return pieces
    waiting = constant(first.expression.at(first.start))
    return [Piece(begin, waiting), *pieces]


def _lengths(
    schedule: Schedule, sizes: list[Measure], place: Place
) -> list[Fraction | None]:
    whole = place.span.whole
    weights = sum(size.weight for size in sizes)
    if not weights:
        return [size.used(whole) for size in sizes]
    if place.length is None:
        elastic = [index for index, size in enumerate(sizes) if size.weight]
        if elastic != [len(sizes) - 1]:
            raise unresolved("the length of its elastic phases")
        return [*(size.used(whole) for size in sizes[:-1]), None]
    used = sum((size.used(whole) for size in sizes), ZERO)
    left = place.length - used
    if left < 0:
        if not place.span.truncate:
            raise _overflow(schedule, Measure(), place.length, used)
        left = ZERO
    return [size.used(whole) + left * size.weight / weights for size in sizes]


def _overflow(
    schedule: Schedule, size: Measure, total: Fraction, used: Fraction
) -> InvalidScheduleError:
    rule = f"fit into {_number(total)} updates with their fixed and relative lengths"
    got = f"{_number(used)} updates in {schedule}"
    hint = (
        'make phases shorter, give more total_steps, or resolve(overflow="truncate") '
        "to cut the schedule there"
    )
    message = describe("phases", rule, got, hint=hint)
    return InvalidScheduleError(message.replace(repr(got), got))


def _number(value: Fraction) -> str:
    return str(int(value)) if value.denominator == 1 else f"{float(value):.6g}"
