"""Combinators of one schedule: jump, clip, reverse, skip; `repeat` is in cycles."""

from __future__ import annotations

import math
from fractions import Fraction

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import optional
from stepsize.schedules.curve import Combination, Leaf, Piece, constant
from stepsize.schedules.durations import LONGEST, whole
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import ZERO, Laid, Measure, Place, Span
from stepsize.schedules.lowering import lower, measure
from stepsize.schedules.schedule import (
    Phase,
    Scaled,
    Schedule,
    ends_at_zero,
    leading_scale,
    parts_of,
)


def jump(to: float | None = None, *, to_lr: float | None = None) -> Phase:
    """Set the value, in no time.

        value handed on = peak * to   (or to_lr)

    with peak the scale of the enclosing chain: 3e-4 in `3e-4 * warmup(10) >> ...`.

    Args:
        to: Fraction of the peak; finite, >= 0.
        to_lr: The value, absolute. Unit: lr; finite, >= 0. Give one of the two.

    Returns:
        A phase of no updates.

    Raises:
        InvalidScheduleError: A value is outside its range, or not exactly one is given.

    Examples:
        >>> import stepsize as ss
        >>> s = 0.1 * ss.linear(2) >> ss.jump(to=0.5) >> ss.hold(2)
        >>> s(range(4))
        [0.1, 0.05, 0.05, 0.05]
    """
    if (to is None) == (to_lr is None):
        rule = "be given, or to_lr, but not both"
        raise InvalidScheduleError(describe("jump.to", rule, to))
    args = (
        ("to", optional(to, "jump.to", unit="fraction of the peak")),
        ("to_lr", optional(to_lr, "jump.to_lr", unit="lr")),
    )
    return Phase("jump", (), args)


def clip(
    schedule: Schedule,
    low: float | None = None,
    high: float | None = None,
    *,
    low_lr: float | None = None,
    high_lr: float | None = None,
) -> Phase:
    """Keep every value within bounds.

        value(t) = min(max(schedule(t), low), high)

    Args:
        schedule: What to clip.
        low: Lower bound as a fraction of the peak; finite, >= 0.
        high: Upper bound as a fraction of the peak; finite, >= 0.
        low_lr: Lower bound, absolute, in place of `low`. Unit: lr; finite, >= 0.
        high_lr: Upper bound, absolute, in place of `high`. Unit: lr; finite, >= 0.

    Returns:
        The combinator. The peak is the scale of the enclosing chain, or that of
        `schedule` where there is no chain around.

    Raises:
        InvalidScheduleError: A bound is outside its range, both forms of one are given,
            or low > high.

    Examples:
        >>> import stepsize as ss
        >>> ss.clip(0.5 * ss.linear(4), low=0.25)(range(5))
        [0.5, 0.375, 0.25, 0.125, 0.125]
    """
    operand = _operand(schedule, "clip")
    if low is not None and low_lr is not None:
        rule = "be left out when low_lr is given"
        raise InvalidScheduleError(describe("clip.low", rule, low))
    if high is not None and high_lr is not None:
        rule = "be left out when high_lr is given"
        raise InvalidScheduleError(describe("clip.high", rule, high))
    values = {
        "low": optional(low, "clip.low", unit="fraction of the peak"),
        "high": optional(high, "clip.high", unit="fraction of the peak"),
        "low_lr": optional(low_lr, "clip.low_lr", unit="lr"),
        "high_lr": optional(high_lr, "clip.high_lr", unit="lr"),
    }
    if all(value is None for value in values.values()):
        raise InvalidScheduleError(describe("clip", "have a bound", None))
    for a, b in (("low", "high"), ("low_lr", "high_lr")):
        least, most = values[a], values[b]
        if least is not None and most is not None and least > most:
            raise InvalidScheduleError(describe(f"clip.{a}", f"be <= {b}", least))
    return Phase("clip", (operand,), tuple(values.items()))


def reverse(schedule: Schedule) -> Phase:
    """Play a schedule backwards.

        value(t) = schedule(n - t),   n its length

    Args:
        schedule: What to reverse; handed the entry.

    Returns:
        The combinator; its exit is the first value of `schedule`.

    Raises:
        InvalidScheduleError: `schedule` is no schedule.
        UnresolvedError: (on evaluation) its length is not known.

    Examples:
        >>> import stepsize as ss
        >>> ss.reverse(ss.linear(4))(range(6))
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return Phase("reverse", (_operand(schedule, "reverse"),), ())


def skip(schedule: Schedule, steps: int) -> Phase:
    """Enter a schedule some steps in.

        value(t) = schedule(t + steps)

    Args:
        schedule: What to enter; handed the entry.
        steps: How far in; negative waits at the first value. Unit: updates; int.

    Returns:
        The combinator; its length is that of `schedule` less `steps`, at least 0.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> ss.skip(ss.linear(4), 2)(range(4))
        [0.5, 0.25, 0.0, 0.0]
        >>> ss.skip(ss.linear(2), -1)(range(4))
        [1.0, 1.0, 0.5, 0.0]
    """
    operand = _operand(schedule, "skip")
    count = whole(steps)
    if count is None or abs(count) > LONGEST:
        raise InvalidScheduleError(
            describe("skip.steps", "be an int (unit: updates)", steps)
        )
    return Phase("skip", (operand,), (("steps", count),))


def _operand(schedule: object, owner: str) -> Schedule:
    if not isinstance(schedule, Schedule):
        rule = "be a schedule that is not resolved yet"
        raise InvalidScheduleError(describe(f"{owner}.schedule", rule, schedule))
    return schedule


def _no_length(phase: Phase, span: Span) -> Measure:
    return Measure()


def _of_operand(phase: Phase, span: Span) -> Measure:
    return measure(phase.operands[0], span)


def _lower_jump(phase: Phase, place: Place) -> Laid:
    absolute = phase["to_lr"]
    return Laid([], place.peak * phase["to"] if absolute is None else absolute)


def _lower_clip(phase: Phase, place: Place) -> Laid:
    laid = lower(phase.operands[0], place)
    bounds = []
    for how, name in (("maximum", "low"), ("minimum", "high")):
        absolute, fraction = phase[f"{name}_lr"], phase[name]
        if absolute is not None:
            bounds.append((how, constant(absolute)))
        elif fraction is not None:
            bounds.append((how, constant(place.peak * fraction)))
    pieces = []
    last: Leaf | Combination
    for start, inner in laid.pieces:
        expression = inner
        for how, bound in bounds:
            expression = Combination(how, (expression, bound))
        pieces.append(Piece(start, expression))
    last = constant(laid.exit)
    for how, bound in bounds:
        last = Combination(how, (last, bound))
    return Laid(pieces, last.at(0))


def _lower_reverse(phase: Phase, place: Place) -> Laid:
    begin, stop = place.begin, place.closed("reverse")
    n = stop - begin
    length = Fraction(n) if isinstance(n, int) else Fraction(repr(n))
    inner = lower(phase.operands[0], place.changed(start=ZERO, length=length))
    played = [piece for piece in inner.pieces if piece.start < n]
    if not played:
        return Laid([Piece(begin, constant(inner.exit))] if n else [], inner.exit)
    # At t = begin the operand is at its end, and from there each piece is half open on
    # its other side: it holds just after the mirrored boundary.
    pieces = [Piece(begin, constant(inner.exit))]
    ends = [*(piece.start for piece in played[1:]), n]
    for piece, end in reversed(list(zip(played, ends, strict=True))):
        mirrored = piece.expression.mirrored(begin + n)
        pieces.append(Piece(math.nextafter(begin + n - end, math.inf), mirrored))
    return Laid(pieces, played[0].expression.at(0))


def _measure_skip(phase: Phase, span: Span) -> Measure:
    size, steps = measure(phase.operands[0], span), phase["steps"]
    if size.weight:
        return size
    if span.whole is not None:
        return Measure(fixed=max(size.used(span.whole) - steps, ZERO))
    return size._replace(fixed=max(size.fixed - steps, -size.pinned))


def _lower_skip(phase: Phase, place: Place) -> Laid:
    steps = phase["steps"]
    length = None if place.length is None else place.length + steps
    if length is not None and length < 0:
        length = ZERO
    shifted = place.changed(start=place.start - steps, length=length)
    laid = lower(phase.operands[0], shifted)
    begin, stop = place.begin, place.stop
    if stop is not None and stop <= begin:
        return Laid([], laid.exit)
    pieces = [piece for piece in laid.pieces if stop is None or piece.start < stop]
    early = sum(piece.start <= begin for piece in pieces)
    if early:  # the last of them is playing when the schedule is entered
        playing = Piece(begin, pieces[early - 1].expression)
        return Laid([playing, *pieces[early:]], laid.exit)
    waiting = pieces[0].expression.at(pieces[0].start) if pieces else laid.exit
    return Laid([Piece(begin, constant(waiting)), *pieces], laid.exit)


def _jump_ends_at_zero(phase: Phase, *, entry_zero: bool) -> bool:
    return bool(phase["to"] == 0 or phase["to_lr"] == 0)


def _clip_ends_at_zero(phase: Phase, *, entry_zero: bool) -> bool:
    if phase["low"] or phase["low_lr"]:
        return False
    if phase["high"] == 0 or phase["high_lr"] == 0:
        return True
    return ends_at_zero(phase.operands[0], entry_zero=entry_zero)


def _inner_end(phase: Phase, *, entry_zero: bool) -> bool:
    return ends_at_zero(phase.operands[0], entry_zero=entry_zero)


def starts_at_zero(schedule: Schedule) -> bool:
    """Whether the declared first value is 0 for any entry."""
    first = parts_of(schedule)[0]
    if isinstance(first, Scaled):
        return first.factor == 0 or starts_at_zero(first.part)
    if first.kind == "warmup":
        return bool(first["start"] == 0)
    if first.kind == "knots":
        return bool(first["points"][0][1] == 0)
    if first.kind == "table":
        return bool(first["values"][0] == 0)
    return False


def _first_of_operand(phase: Phase, *, entry_zero: bool) -> bool:
    return entry_zero or starts_at_zero(phase.operands[0])


def _scale_of_operand(phase: Phase) -> float:
    return leading_scale(phase.operands[0])


def _never(phase: Phase) -> bool:
    return False


KINDS = {
    "jump": Kind(
        build=jump,
        measure=_no_length,
        lower=_lower_jump,
        multiplies=_never,
        ends_at_zero=_jump_ends_at_zero,
    ),
    "clip": Kind(
        build=clip,
        measure=_of_operand,
        lower=_lower_clip,
        ends_at_zero=_clip_ends_at_zero,
        leading_scale=_scale_of_operand,
    ),
    "reverse": Kind(
        build=reverse,
        measure=_of_operand,
        lower=_lower_reverse,
        ends_at_zero=_first_of_operand,
        leading_scale=_scale_of_operand,
    ),
    "skip": Kind(
        build=skip,
        measure=_measure_skip,
        lower=_lower_skip,
        ends_at_zero=_inner_end,
        leading_scale=_scale_of_operand,
    ),
}
