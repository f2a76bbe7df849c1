"""Free shapes: values at given points, interpolated (knots) or step by step (table)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.curve import Leaf, Piece, constant
from stepsize.schedules.durations import PERCENT, Length, duration, whole
from stepsize.schedules.durations import of as duration_of
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import Laid, Measure, Place, Span, exact, finite
from stepsize.schedules.schedule import Phase

PIECES = ("linear", "cosine", "step")


def knots(points: Sequence[tuple[float | str, float]], pieces: str = "linear") -> Phase:
    """Pass through given points.

    Between knots (x, v) and (y, w), with p = (d - x) / (y - x):

        linear   value(d) = entry * ((1 - p) * v + p * w)
        cosine   value(d) = entry * (w + (v - w) * (1 + cos(pi p)) / 2)
        step     value(d) = entry * v

    Args:
        points: (position, value) pairs; at least one. Positions are counted from the
            start of the phase and increase. Unit: updates (any real >= 0), or a text
            with a unit. Values are fractions of the entry; finite, >= 0.
        pieces: "linear", "cosine" or "step".

    Returns:
        The phase, as long as its last position; its exit is the last value. Before the
        first position it has the first value.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range, or positions do
            not increase.

    Examples:
        >>> import stepsize as ss
        >>> ss.knots([(0, 0.0), (2, 1.0), (4, 0.5)])(range(6))
        [0.0, 0.5, 1.0, 0.75, 0.5, 0.5]
    """
    choice(pieces, "knots.pieces", PIECES)
    rows = _rows(points)
    if not rows:
        raise InvalidScheduleError(describe("knots.points", "not be empty", points))
    pairs = tuple((_position(row[0]), number(row[1], "knots.points")) for row in rows)
    numbers = [x for x, _ in pairs if not isinstance(x, str)]
    if any(b <= a for a, b in pairwise(numbers)):
        rule = "have positions that increase"
        raise InvalidScheduleError(describe("knots.points", rule, numbers))
    return Phase("knots", (), (("points", pairs), ("pieces", pieces)))


def table(values: Sequence[float]) -> Phase:
    """Take a value for each step.

        value(d) = entry * values[min(d, len(values) - 1)]

    Args:
        values: Fractions of the entry, one a step; at least one; finite, >= 0.

    Returns:
        The phase, len(values) updates long; its exit is the last value.

    Raises:
        InvalidScheduleError: A value is outside its range, or there is none.

    Examples:
        >>> import stepsize as ss
        >>> (0.5 * ss.table([1.0, 0.5, 0.25]))(range(5))
        [0.5, 0.25, 0.125, 0.125, 0.125]
    """
    listed = _plain_list(values, "table.values")
    if not listed:
        raise InvalidScheduleError(describe("table.values", "not be empty", values))
    checked = tuple(number(value, "table.values") for value in listed)
    return Phase("table", (), (("values", checked),))


def _plain_list(values: Any, field: str) -> list[Any]:
    """Return any one-dimensional sequence or array as a list."""
    convert = getattr(values, "tolist", None)
    listed = convert() if convert is not None else values
    if isinstance(listed, (str, bytes)) or not isinstance(listed, Sequence):
        raise InvalidScheduleError(describe(field, "be a list of numbers", values))
    return list(listed)


def _rows(points: Any) -> list[tuple[Any, Any]]:
    rows = _plain_list(points, "knots.points")
    for row in rows:
        pair = isinstance(row, Sequence) and not isinstance(row, (str, bytes))
        if not pair or len(row) != 2:  # noqa: PLR2004 - a pair
            rule = "be (position, value) pairs"
            raise InvalidScheduleError(describe("knots.points", rule, row))
    return rows


def _position(value: object) -> float | str:
    if isinstance(value, str):
        return duration(value, "knots.points", zero=True)
    steps = whole(value)
    if steps is not None and steps >= 0:
        return duration(steps, "knots.points", zero=True)
    return number(value, "knots.points", high=2.0**53, unit="updates")


def _exactly(position: float | Length, span: Span) -> Fraction:
    if isinstance(position, float):
        return exact(position) * span.stretch
    return span.updates(position)


def _measure_knots(phase: Phase, span: Span) -> Measure:
    last = phase["points"][-1][0]
    if isinstance(last, str) and duration_of(last).unit == PERCENT:
        return Measure(percent=duration_of(last).amount)
    return Measure(fixed=_exactly(last, span))


def _measure_table(phase: Phase, span: Span) -> Measure:
    return Measure(fixed=len(phase["values"]) * span.stretch)


def _lower_knots(phase: Phase, place: Place) -> Laid:
    entry, origin = place.entry, place.start
    points = [
        (_exactly(x, place.span), finite(entry * v, "knots"))
        for x, v in phase["points"]
    ]
    places = [x for x, _ in points]
    if any(b <= a for a, b in pairwise(places)):
        rule = "have positions that increase"
        got = [x for x, _ in phase["points"]]
        raise InvalidScheduleError(describe("knots.points", rule, got))
    pieces = [Piece(place.begin, constant(points[0][1]))]
    for (x, a), (y, b) in pairwise(points):
        start = _real(origin + x)
        if phase["pieces"] == "step":
            pieces.append(Piece(start, constant(a)))
            continue
        shape = "half-cosine" if phase["pieces"] == "cosine" else "linear"
        pieces.append(Piece(start, Leaf(shape, start, (_real(y - x), a, b))))
    end, last = _real(origin + places[-1]), points[-1][1]
    # where the next phase begins later, by its rounding, the last value holds
    return Laid([*pieces, Piece(end, constant(last))], last)


def _lower_table(phase: Phase, place: Place) -> Laid:
    values = [finite(place.entry * value, "table") for value in phase["values"]]
    bound, stretch = place.span.bound, place.span.stretch
    pieces = [
        Piece(bound(place.start + index * stretch), constant(value))
        for index, value in enumerate(values)
    ]
    stop = place.stop
    return Laid([p for p in pieces if stop is None or p.start < stop], values[-1])


def _real(value: Fraction) -> float:
    return int(value) if value.denominator == 1 else float(value)


def _knots_end_at_zero(phase: Phase, *, entry_zero: bool) -> bool:
    return entry_zero or bool(phase["points"][-1][1] == 0)


def _table_ends_at_zero(phase: Phase, *, entry_zero: bool) -> bool:
    return entry_zero or bool(phase["values"][-1] == 0)


KINDS = {
    "knots": Kind(
        build=knots,
        measure=_measure_knots,
        lower=_lower_knots,
        ends_at_zero=_knots_end_at_zero,
    ),
    "table": Kind(
        build=table,
        measure=_measure_table,
        lower=_lower_table,
        ends_at_zero=_table_ends_at_zero,
    ),
}
