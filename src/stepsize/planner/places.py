"""Where each phase of a schedule lies in a run; no judgement of it.

The curve of a schedule knows pieces and no intent. Here the expression is walked: each
phase with the updates it got, and what stands around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import final

from stepsize.schedules.cycles import is_elastic
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.layout import Measure, Span, exact
from stepsize.schedules.lowering import measure
from stepsize.schedules.schedule import Phase, Scaled, Schedule, parts_of


@final
@dataclass(frozen=True, slots=True)
class Placed:
    """A phase and the updates it got.

    Attributes:
        phase: The phase, without the number it may be scaled by.
        factor: That number; 1 for none.
        start: Where it begins. Unit: updates, exact.
        length: How long it is; None for without end. Not cut at the run's end.
        index: Its position in its chain; 0 for the first.
        within: Kinds of the combinators around it, the outermost first.
    """

    phase: Phase
    factor: float
    start: Fraction
    length: Fraction | None
    index: int
    within: tuple[str, ...]

    @property
    def begin(self) -> int:
        """The first update, rounded as schedules round."""
        return _half_up(self.start)

    @property
    def stop(self) -> int | None:
        """The update after the last; None for without end."""
        return None if self.length is None else _half_up(self.start + self.length)

    @property
    def updates(self) -> int | None:
        """How many updates it makes; None for without end."""
        return None if self.stop is None else self.stop - self.begin


def places(schedule: Schedule, horizon: Horizon) -> tuple[Placed, ...]:
    """Return every phase in its place, combinators before their operands.

    Inside `repeat` the first cycle stands for all.

    Raises:
        UnitError, UnresolvedError: A length is not known.
    """
    total = horizon.total_steps
    whole = None if total is None else Fraction(total)
    span = Span(horizon, whole, truncate=True)
    size = measure(schedule, span)
    length = whole if size.weight else size.used(whole)
    return tuple(_walk(schedule, span, Fraction(0), length, ()))


def _walk(
    schedule: Schedule,
    span: Span,
    start: Fraction,
    length: Fraction | None,
    within: tuple[str, ...],
) -> Iterator[Placed]:
    parts = parts_of(schedule)
    sizes = [measure(part, span) for part in parts]
    for index, (part, own) in enumerate(
        zip(parts, _lengths(sizes, span, length), strict=True)
    ):
        factor, phase = 1.0, part
        if isinstance(phase, Scaled):
            factor, phase = phase.factor, phase.part
        placed = Placed(phase, factor, start, own, index, within)
        yield placed
        yield from _operands(placed, span)
        if own is None:
            return
        start += own


def _lengths(
    sizes: list[Measure], span: Span, length: Fraction | None
) -> list[Fraction | None]:
    weights = sum(size.weight for size in sizes)
    used = [size.used(span.whole) for size in sizes]
    if not weights:
        return list(used)
    if length is None:
        pairs = zip(used, sizes, strict=True)
        return [None if size.weight else own for own, size in pairs]
    left = max(length - sum(used), Fraction(0))
    return [
        own + left * size.weight / weights
        for own, size in zip(used, sizes, strict=True)
    ]


def _operands(placed: Placed, span: Span) -> Iterator[Placed]:
    phase, start, length = placed.phase, placed.start, placed.length
    within = (*placed.within, phase.kind)
    if phase.kind == "repeat":
        first = cycle_length(placed, span)
        if first is not None:
            inner = replace(span, whole=first)
            yield from _walk(phase.operands[0], inner, start, first, within)
    elif phase.kind == "join":
        bounds = [Fraction(0), *(span.updates(point) for point in phase["at"])]
        for operand, (low, high) in zip(phase.operands, pairwise(bounds), strict=False):
            yield from _walk(
                operand, span, start + low, _own(operand, span, high - low), within
            )
        left = None if length is None else max(length - bounds[-1], Fraction(0))
        last = phase.operands[-1]
        yield from _walk(last, span, start + bounds[-1], _own(last, span, left), within)
    elif phase.kind == "skip":
        moved = start - phase["steps"]
        rest = None if length is None else max(length + phase["steps"], Fraction(0))
        yield from _walk(phase.operands[0], span, moved, rest, within)
    else:
        for operand in phase.operands:
            yield from _walk(operand, span, start, _own(operand, span, length), within)


def _own(operand: Schedule, span: Span, offered: Fraction | None) -> Fraction | None:
    """Return the length an operand takes of what it is offered."""
    size = measure(operand, span)
    return offered if size.weight else size.used(span.whole)


def cycle_length(placed: Placed, span: Span) -> Fraction | None:
    """Return the length of a repeat's first cycle; None where it has none."""
    phase = placed.phase
    operand, count = phase.operands[0], phase["n"]
    if not is_elastic(operand):
        size = measure(operand, replace(span, whole=None))
        return (size.pinned + size.fixed) / (1 - size.percent / 100)
    if placed.length is None or count is None:
        return None
    stretch = exact(phase["stretch"])
    cycles = Fraction(count) if stretch == 1 else (stretch**count - 1) / (stretch - 1)
    return placed.length / cycles


def _half_up(value: Fraction) -> int:
    return (value + Fraction(1, 2)).__floor__()
