"""Schedules combined step by step: product, sum, smallest, largest, average.

Operands see the same span: the longest of the fixed lengths, or, where all are elastic,
the span given; a shorter one holds its last value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.curve import (
    Combination,
    Expression,
    Leaf,
    Piece,
    constant,
)
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import Laid, Measure, Place, Span
from stepsize.schedules.lowering import lower, measure
from stepsize.schedules.schedule import (
    Phase,
    Schedule,
    ends_at_zero,
    leading_scale,
)


def minimum(*schedules: Schedule) -> Phase:
    """Take the smallest value at each step.

        value(t) = min over i of schedules[i](t)

    Args:
        schedules: At least two; each is handed the entry.

    Returns:
        The combinator.

    Raises:
        InvalidScheduleError: There are fewer than two, or one is no schedule.

    Examples:
        >>> import stepsize as ss
        >>> ss.minimum(ss.hold(4) * ss.hold(), 0.5 * ss.hold())(2)
        0.5
    """
    return Phase("minimum", checked_operands(schedules, "minimum"), ())


def maximum(*schedules: Schedule) -> Phase:
    """Take the largest value at each step.

        value(t) = max over i of schedules[i](t)

    Args:
        schedules: At least two; each is handed the entry.

    Returns:
        The combinator.

    Raises:
        InvalidScheduleError: There are fewer than two, or one is no schedule.

    Examples:
        >>> import stepsize as ss
        >>> ss.maximum(ss.linear(4), 0.4 * ss.hold())(range(5))
        [1.0, 0.75, 0.5, 0.4, 0.4]
    """
    return Phase("maximum", checked_operands(schedules, "maximum"), ())


def average(*schedules: Schedule, weights: Sequence[float] | None = None) -> Phase:
    """Take the weighted mean at each step.

        value(t) = sum_i w_i schedules[i](t) / sum_i w_i

    Args:
        schedules: At least two; each is handed the entry.
        weights: One a schedule; finite, > 0; None for equal ones.

    Returns:
        The combinator.

    Raises:
        InvalidScheduleError: There are fewer than two schedules, or weights do not fit.

    Examples:
        >>> import stepsize as ss
        >>> ss.average(ss.linear(4), ss.hold(4), weights=[1.0, 3.0])(2)
        0.875
    """
    operands = checked_operands(schedules, "average")
    given = [1.0] * len(operands) if weights is None else list(weights)
    if len(given) != len(operands):
        rule = f"be {len(operands)} numbers, one a schedule"
        raise InvalidScheduleError(describe("average.weights", rule, weights))
    checked = tuple(number(w, "average.weights", open_low=True) for w in given)
    return Phase("average", operands, (("weights", checked),))


def checked_operands(schedules: Sequence[object], owner: str) -> tuple[Schedule, ...]:
    """Return schedules as a tuple.

    Raises:
        InvalidScheduleError: There are fewer than two, or one is no schedule.
    """
    for one in schedules:
        if not isinstance(one, Schedule):
            rule = "be schedules that are not resolved yet"
            raise InvalidScheduleError(describe(f"{owner}.schedules", rule, one))
    if len(schedules) < 2:  # noqa: PLR2004 - nothing to combine
        rule = "be at least two"
        raise InvalidScheduleError(describe(f"{owner}.schedules", rule, len(schedules)))
    return tuple(schedules)  # type: ignore[arg-type]  # checked above


def _product(first: Schedule, second: Schedule) -> Schedule:
    return first * second


def _sum(first: Schedule, second: Schedule) -> Schedule:
    return first + second


def _measure(phase: Phase, span: Span) -> Measure:
    """Return the longest fixed length, or the share of an elastic one."""
    sizes = [measure(operand, span) for operand in phase.operands]
    fixed = [size for size in sizes if not size.weight]
    if not fixed:
        # the largest operand speaks for all: their spans are the same
        weight = max(size.weight for size in sizes)
        return max(
            sizes, key=lambda size: size.used(span.whole or Fraction(1))
        )._replace(weight=weight)
    alike = len({size.percent for size in fixed}) == 1
    whole = Fraction(0) if alike and span.whole is None else span.whole
    return max(fixed, key=lambda size: size.used(whole))


def _lower(phase: Phase, place: Place) -> Laid:
    how = "sum" if phase.kind == "average" else phase.kind
    scales = _entries(phase, place.entry)
    laid = [
        _operand(operand, entry, place)
        for operand, entry in zip(phase.operands, scales, strict=True)
    ]
    begin, stop = place.begin, place.stop
    columns = [[piece.start for piece in one.pieces] for one in laid]
    starts = sorted({start for column in columns for start in column})
    pieces = []
    for start in starts:
        if stop is not None and not begin <= start < stop:
            continue
        parts = tuple(
            one.pieces[bisect_right(column, start) - 1].expression
            for one, column in zip(laid, columns, strict=True)
        )
        pieces.append(Piece(start, _folded(how, parts)))
    last = _folded(how, tuple(constant(one.exit) for one in laid)).at(0)
    return Laid(pieces, last)


def _entries(phase: Phase, entry: float) -> list[float]:
    if phase.kind == "product":
        return [entry] + [1.0] * (len(phase.operands) - 1)
    if phase.kind == "average":
        weights = phase["weights"]
        total = sum(weights)
        return [entry * (weight / total) for weight in weights]
    return [entry] * len(phase.operands)


def _operand(operand: Schedule, entry: float, place: Place) -> Laid:
    """Lay out an operand; beyond its own length it holds its last value."""
    size = measure(operand, place.span)
    length = place.length if size.weight else size.used(place.span.whole)
    laid = lower(operand, place.changed(entry=entry, length=length))
    if length is None:
        return laid
    end = place.span.bound(place.start + length)
    pieces = [piece for piece in laid.pieces if piece.start < end]
    return Laid([*pieces, Piece(end, constant(laid.exit))], laid.exit)


def _folded(how: str, parts: tuple[Expression, ...]) -> Expression:
    """Combine expressions, at once where all are constants."""
    combination = Combination(how, parts)
    if all(isinstance(part, Leaf) and part.shape == "constant" for part in parts):
        return constant(combination.at(0))
    return combination


def _any_zero(phase: Phase, *, entry_zero: bool) -> bool:
    first, *rest = phase.operands
    if phase.kind == "product":
        return ends_at_zero(first, entry_zero=entry_zero) or any(
            map(ends_at_zero, rest)
        )
    return any(ends_at_zero(one, entry_zero=entry_zero) for one in phase.operands)


def _all_zero(phase: Phase, *, entry_zero: bool) -> bool:
    return all(ends_at_zero(one, entry_zero=entry_zero) for one in phase.operands)


def _first_scale(phase: Phase) -> float:
    return leading_scale(phase.operands[0])


def _sum_of_scales(phase: Phase) -> float:
    return sum(leading_scale(one) for one in phase.operands)


def _average_of_scales(phase: Phase) -> float:
    weights = phase["weights"]
    pairs = zip(weights, phase.operands, strict=True)
    return float(sum(w * leading_scale(one) for w, one in pairs) / sum(weights))


def _smallest_scale(phase: Phase) -> float:
    return min(leading_scale(one) for one in phase.operands)


def _largest_scale(phase: Phase) -> float:
    return max(leading_scale(one) for one in phase.operands)


KINDS = {
    "product": Kind(
        build=_product,
        measure=_measure,
        lower=_lower,
        ends_at_zero=_any_zero,
        leading_scale=_first_scale,
    ),
    "sum": Kind(
        build=_sum,
        measure=_measure,
        lower=_lower,
        ends_at_zero=_all_zero,
        leading_scale=_sum_of_scales,
    ),
    "minimum": Kind(
        build=minimum,
        measure=_measure,
        lower=_lower,
        ends_at_zero=_any_zero,
        leading_scale=_smallest_scale,
    ),
    "maximum": Kind(
        build=maximum,
        measure=_measure,
        lower=_lower,
        ends_at_zero=_all_zero,
        leading_scale=_largest_scale,
    ),
    "average": Kind(
        build=average,
        measure=_measure,
        lower=_lower,
        ends_at_zero=_all_zero,
        leading_scale=_average_of_scales,
    ),
}
