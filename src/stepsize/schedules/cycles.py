"""A schedule played again and again: warm restarts with any stretch and peak shrink."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.curve import FOREVER, Curve, Cycle, Leaf, Piece, constant
from stepsize.schedules.durations import LONGEST, whole
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import (
    MOST_PIECES,
    ZERO,
    Laid,
    Measure,
    Place,
    Span,
    exact,
    too_many,
    unresolved,
)
from stepsize.schedules.lowering import lower, measure
from stepsize.schedules.schedule import (
    Phase,
    Scaled,
    Schedule,
    ends_at_zero,
    leading_scale,
    parts_of,
)

MANY = 64
"""Equal cycles from which one curve is played again instead of being unrolled."""


def repeat(
    schedule: Schedule,
    n: int | None = None,
    stretch: float = 1.0,
    shrink_peak: float = 1.0,
    boundaries: str = "integer",
) -> Phase:
    """Play a schedule again and again: warm restarts.

    Cycle i = 0, 1, ... begins at T (1 + stretch + ... + stretch^(i-1)), is
    T stretch^i long, and is handed entry * shrink_peak^i. T is the length of
    `schedule`; if that is elastic, or all percentages, n cycles fill the span given.
    What percentages leave of a cycle holds its last value.

    Args:
        schedule: One cycle. Its percentages are of the cycle; its fixed durations are
            stretched with it, unless they say `fixed=True`.
        n: How many; int >= 1; None goes on until the end of the span.
        stretch: Length of a cycle relative to the one before; finite, > 0.
        shrink_peak: Entry of a cycle relative to the one before; finite, > 0.
        boundaries: "integer" rounds each boundary half up, "real" keeps it (as Keras,
            timm and fastai do; in float32, real boundaries closer than an update lose
            digits).

    Returns:
        The combinator; its exit is that of the last cycle.

    Raises:
        InvalidScheduleError: A value is outside its range, or n is None for an elastic
            cycle or (on evaluation) for cycles that shrink below one update; or the
            percentages are more than the cycle.

    Source:
        Loshchilov & Hutter 2017, arXiv:1608.03983.

    Examples:
        >>> import stepsize as ss
        >>> s = ss.repeat(ss.linear(2), 2, stretch=2.0, shrink_peak=0.5)
        >>> s(range(7))
        [1.0, 0.5, 0.5, 0.375, 0.25, 0.125, 0.0]
    """
    if not isinstance(schedule, Schedule):
        rule = "be a schedule that is not resolved yet"
        raise InvalidScheduleError(describe("repeat.schedule", rule, schedule))
    count = None if n is None else whole(n)
    if n is not None and (count is None or not 1 <= count <= LONGEST):
        raise InvalidScheduleError(describe("repeat.n", "be an int >= 1, or None", n))
    if not any(measure(schedule, _nominal())):
        rule = "have a length: it takes no update"
        raise InvalidScheduleError(describe("repeat.schedule", rule, schedule))
    if count is None and is_elastic(schedule):
        rule = "be given: the length of its cycle is elastic"
        raise InvalidScheduleError(describe("repeat.n", rule, n))
    args = (
        ("n", count),
        ("stretch", number(stretch, "repeat.stretch", open_low=True)),
        ("shrink_peak", number(shrink_peak, "repeat.shrink_peak", open_low=True)),
        ("boundaries", choice(boundaries, "repeat.boundaries", ("integer", "real"))),
    )
    return Phase("repeat", (schedule,), args)


def is_elastic(schedule: Schedule) -> bool:
    """Whether a cycle of it has no length of its own (elastic, or percentages only)."""
    size = measure(schedule, _nominal())
    return bool(size.weight) or size.pinned + size.fixed == 0


def _nominal() -> Span:
    """Return a span in which every unit converts, to ask about structure only."""
    horizon = Horizon(steps_per_epoch=1, tokens_per_step=1, samples_per_step=1)
    return Span(horizon, Fraction(1))


def _first_length(size: Measure) -> Fraction | None:
    """Return T, for a cycle with a length of its own: percentages are of the cycle."""
    if size.weight or size.pinned + size.fixed == 0:
        return None
    if size.percent >= 100:  # noqa: PLR2004 - per cent
        rule = "leave room for its fixed phases: percentages are of the cycle"
        raise InvalidScheduleError(
            describe("repeat.schedule", rule, f"{float(size.percent):g}%")
        )
    return (size.pinned + size.fixed) / (1 - size.percent / 100)


def _sum(stretch: Fraction, count: int) -> Fraction:
    """Return 1 + stretch + ... + stretch^(count - 1)."""
    if stretch == 1:
        return Fraction(count)
    return (stretch**count - 1) / (stretch - 1)


def _measure(phase: Phase, span: Span) -> Measure:
    operand = phase.operands[0]
    size = measure(operand, replace(span, whole=None))
    first, count = _first_length(size), phase["n"]
    if first is None:
        return Measure(weight=size.weight or Fraction(1))
    if count is None:
        return Measure(weight=Fraction(1))
    stretch = exact(phase["stretch"])
    if stretch != 1 and count > MOST_PIECES:
        raise too_many(count)
    return Measure(fixed=first * _sum(stretch, count))


def _lower(phase: Phase, place: Place) -> Laid:
    operand, count = phase.operands[0], phase["n"]
    stretch, shrink = exact(phase["stretch"]), phase["shrink_peak"]
    real = phase["boundaries"] == "real" or place.span.real
    size = measure(operand, replace(place.span, whole=None))
    first = _first_length(size)
    if first is None:
        if place.length is None:
            raise unresolved("the length of its cycles")
        if stretch != 1 and count > MOST_PIECES:
            raise too_many(count)
        first = place.length / _sum(stretch, count)
    if stretch == 1 and (shrink == 1 or not _has_absolutes(operand)):
        begin = place.start
        regular = real or (first.denominator == 1 and begin.denominator == 1)
        # 100/3 updates have no exact float, so d mod length would miss boundaries
        regular = regular and Fraction(float(first)) == first > 0
        if regular and (count is None or count >= MANY):
            return _play_again(phase, first, size, place, real=real)
    return _unroll(phase, first, size, place, real=real)


def _has_absolutes(schedule: Schedule) -> bool:
    """Whether a value in it does not scale with the entry."""
    for part in parts_of(schedule):
        phase = part.part if isinstance(part, Scaled) else part
        if any(name.endswith("_lr") and v is not None for name, v in phase.args):
            return True
        if any(_has_absolutes(operand) for operand in phase.operands):
            return True
    return False


def _play_again(
    phase: Phase, first: Fraction, size: Measure, place: Place, *, real: bool
) -> Laid:
    """Lay out cycles of one length as one curve that is played again and again."""
    cycle: float = int(first) if first.denominator == 1 else float(first)
    shrink, count = phase["shrink_peak"], phase["n"]
    span = replace(place.span, whole=first, real=real)
    begin, stop = span.bound(place.start), place.stop
    inner = place.changed(start=ZERO, length=first, span=span)
    laid = _cycle(phase.operands[0], size, inner)
    curve = Curve([*laid.pieces, Piece(cycle, constant(laid.exit))], cycle)
    leaf = Leaf(Cycle(curve, cycle), begin, (shrink,))
    if count is not None:
        last = laid.exit * shrink ** (count - 1)
    elif stop is None or (stop - begin) % cycle == 0:
        cycles = 1.0 if stop is None else (stop - begin) / cycle
        last = laid.exit * shrink ** (cycles - 1)
    else:  # cut off inside a cycle
        last = leaf.at(stop)
    return Laid(
        [] if stop is not None and stop <= begin else [Piece(begin, leaf)], last
    )


def _unroll(
    phase: Phase, first: Fraction, size: Measure, place: Place, *, real: bool
) -> Laid:
    operand, count = phase.operands[0], phase["n"]
    stretch, shrink = exact(phase["stretch"]), phase["shrink_peak"]
    end = None if place.length is None else place.start + place.length
    if count is None and end is None:
        if stretch <= 1:
            raise unresolved("how many cycles there are")
        end = Fraction(FOREVER)
    pieces: list[Piece] = []
    start, length, entry, index = place.start, first, place.entry, 0
    power = Fraction(1)
    last = entry
    while index < count if count is not None else start < end:  # type: ignore[operator]  # end is known then
        if count is None and length < 1:
            rule = "be given: its cycles shrink below one update before the end"
            raise InvalidScheduleError(describe("repeat.n", rule, None))
        factor = _inner_stretch(size, length, power, place)
        inner = replace(place.span, whole=length, stretch=factor, real=real)
        laid = _cycle(operand, size, Place(entry, entry, start, length, inner))
        pieces += laid.pieces
        last = laid.exit
        start, length = _trimmed(start + length), _trimmed(length * stretch)
        power, index = _trimmed(power * stretch), index + 1
        entry = place.entry * shrink**index
    if count is None and end is not None and start > end:  # cut off inside a cycle
        stop = place.span.bound(end)
        last = Curve(pieces, None).at(stop)
        pieces = [piece for piece in pieces if piece.start < stop]
    elif real:  # where the next phase begins later, by its rounding, hold
        pieces.append(
            Piece(replace(place.span, real=True).bound(start), constant(last))
        )
    return Laid(pieces, last)


def _cycle(schedule: Schedule, size: Measure, place: Place) -> Laid:
    """Lay out a cycle; what its percentages leave of it holds the last value.

    Raises:
        InvalidScheduleError: They are more than the cycle.
    """
    length = place.length
    if size.weight or size.pinned + size.fixed or length is None:
        return lower(schedule, place)
    if size.percent > 100 and not place.span.truncate:  # noqa: PLR2004 - per cent
        rule = "fit into its cycle: percentages are of the cycle"
        raise InvalidScheduleError(
            describe("repeat.schedule", rule, f"{float(size.percent):g}%")
        )
    used = length * min(size.percent / 100, Fraction(1))
    laid = lower(schedule, place.changed(length=used))
    if used == length:
        return laid
    end = place.span.bound(place.start + used)
    kept = [piece for piece in laid.pieces if piece.start < end]
    return Laid([*kept, Piece(end, constant(laid.exit))], laid.exit)


def _trimmed(value: Fraction) -> Fraction:
    """Return a value without the digits that no boundary can show.

    The exact powers of 1.003 grow by ten bits a cycle, and thousands of cycles take
    minutes with them. What is cut is below 2^-128 updates.
    """
    if value.denominator.bit_length() <= 256:  # noqa: PLR2004 - twice what is kept
        return value
    return Fraction(round(value * 2**128), 2**128)


def _inner_stretch(
    size: Measure, length: Fraction, power: Fraction, place: Place
) -> Fraction:
    """Return the factor on durations that makes a cycle as long as it must be.

    Raises:
        InvalidScheduleError: Phases that are `fixed` are longer than the cycle.
    """
    if size.weight or not size.fixed:
        return place.span.stretch * power
    room = length * (1 - size.percent / 100) - size.pinned
    if room < 0:
        rule = f"fit into a cycle of {float(length):g} updates with its fixed phases"
        raise InvalidScheduleError(
            describe("repeat.schedule", rule, float(size.pinned))
        )
    return place.span.stretch * room / size.fixed


def _ends_at_zero(phase: Phase, *, entry_zero: bool) -> bool:
    return ends_at_zero(phase.operands[0], entry_zero=entry_zero)


def _leading_scale(phase: Phase) -> float:
    return leading_scale(phase.operands[0])


KINDS = {
    "repeat": Kind(
        build=repeat,
        measure=_measure,
        lower=_lower,
        ends_at_zero=_ends_at_zero,
        leading_scale=_leading_scale,
    ),
}
