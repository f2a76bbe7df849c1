"""Schedules that take over from each other at fixed steps, each with its own start.

`a >> b` hands a's last value on; `join(a, b, at=[n])` hands both the same value and
lets b begin at its own step 0, as torch's SequentialLR and optax' join_schedules do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.curve import Curve, Piece, constant
from stepsize.schedules.durations import Length, duration
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import ZERO, Laid, Measure, Place, Span, measure_duration
from stepsize.schedules.lowering import lower, measure
from stepsize.schedules.pointwise import checked_operands
from stepsize.schedules.schedule import (
    Phase,
    Schedule,
    ends_at_zero,
    leading_scale,
)


def join(*schedules: Schedule, at: Sequence[Length]) -> Phase:
    """Let schedules take over from each other at given steps.

        value(t) = schedules[i](t - at[i-1])   for at[i-1] <= t < at[i],  at[-1] = 0

    Args:
        schedules: At least two; each is handed the entry and begins at its own step 0.
            A schedule that is shorter than its window holds its last value.
        at: Where the second and the later ones begin, in order; a window may be empty.
            Unit: updates, or texts with a unit.

    Returns:
        The combinator; it ends with its last schedule.

    Raises:
        InvalidScheduleError, UnitError: There are fewer than two schedules, or `at`
            does not fit, or (on evaluation) is not in order.

    Examples:
        >>> import stepsize as ss
        >>> ss.join(0.5 * ss.hold(), ss.linear(4), at=[2])(range(6))
        [0.5, 0.5, 1.0, 0.75, 0.5, 0.25]
    """
    operands = checked_operands(schedules, "join")
    if isinstance(at, (str, bytes)) or not isinstance(at, Sequence):
        raise InvalidScheduleError(describe("join.at", "be a list of durations", at))
    if len(at) != len(operands) - 1:
        rule = f"be {len(operands) - 1} durations, one less than schedules"
        raise InvalidScheduleError(describe("join.at", rule, list(at)))
    points = tuple(duration(point, "join.at", zero=True) for point in at)
    return Phase("join", operands, (("at", points),))


def faithful(schedule: Schedule) -> Phase:
    """Mark a schedule that reproduces a peer's defect: its `lawful` is False.

    Args:
        schedule: What to mark; it is evaluated as it is.

    Returns:
        The combinator.

    Examples:
        >>> import stepsize as ss
        >>> from stepsize.schedules.joins import faithful
        >>> faithful(ss.repeat(ss.wave(20))).lawful, ss.cosine(10).lawful
        (False, True)
    """
    if not isinstance(schedule, Schedule):
        rule = "be a schedule that is not resolved yet"
        raise InvalidScheduleError(describe("faithful.schedule", rule, schedule))
    return Phase("faithful", (schedule,), ())


def _measure_join(phase: Phase, span: Span) -> Measure:
    before = measure_duration(phase["at"][-1], span)
    return before.plus(measure(phase.operands[-1], span))


def _lower_join(phase: Phase, place: Place) -> Laid:
    bounds = [ZERO, *(place.span.updates(point) for point in phase["at"])]
    if bounds != sorted(bounds):
        raise InvalidScheduleError(
            describe("join.at", "be in order", list(phase["at"]))
        )
    pieces: list[Piece] = []
    cut = replace(place.span, truncate=True)  # a window ends what is longer
    for operand, (low, high) in zip(phase.operands, pairwise(bounds), strict=False):
        window = place.changed(start=place.start + low, span=cut)
        pieces += _window(operand, window, high - low)
    last = phase.operands[-1]
    start = place.start + bounds[-1]
    left = None if place.length is None else max(place.length - bounds[-1], ZERO)
    laid = lower(last, place.changed(start=start, length=left))
    return Laid([*pieces, *laid.pieces], laid.exit)


def _window(operand: Schedule, place: Place, length: object) -> list[Piece]:
    """Lay an operand out over a window, cut or held at its end."""
    whole = place.changed(length=length)
    begin, stop = whole.begin, whole.closed("join")
    if stop <= begin:
        return []
    size = measure(operand, place.span)
    own = length if size.weight else size.used(place.span.whole)
    laid = lower(operand, place.changed(length=own))
    end = place.changed(length=own).closed("join")
    held = Curve([*laid.pieces, Piece(end, constant(laid.exit))], end)
    pairs = zip(held.starts, held.expressions, strict=True)
    return [Piece(start, expression) for start, expression in pairs if start < stop]


def _last_ends_at_zero(phase: Phase, *, entry_zero: bool) -> bool:
    return ends_at_zero(phase.operands[-1], entry_zero=entry_zero)


def _first_scale(phase: Phase) -> float:
    return leading_scale(phase.operands[0])


def _measure_operand(phase: Phase, span: Span) -> Measure:
    return measure(phase.operands[0], span)


def _lower_operand(phase: Phase, place: Place) -> Laid:
    return lower(phase.operands[0], place)


KINDS = {
    "join": Kind(
        build=join,
        measure=_measure_join,
        lower=_lower_join,
        ends_at_zero=_last_ends_at_zero,
        leading_scale=_first_scale,
    ),
    "faithful": Kind(
        build=faithful,
        measure=_measure_operand,
        lower=_lower_operand,
        ends_at_zero=_last_ends_at_zero,
        leading_scale=_first_scale,
    ),
}
