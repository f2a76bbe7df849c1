"""A schedule as numbers to be drawn and listed; no drawing."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from stepsize.cli.inputs import Subject

if TYPE_CHECKING:
    from stepsize.schedules.schedule import ResolvedSchedule

POINTS = 2000
NOMINAL = 1000
DECADES = 2.5
"""Spread of positive values from which an axis is logarithmic."""
MOST_ROWS = 14
"""Key steps that a table lists."""


@final
@dataclass(frozen=True, slots=True)
class Curve:
    """A schedule over the updates that are shown.

    Attributes:
        label: What it is called.
        text: Its expression.
        resolved: The schedule laid out.
        total: Updates that are shown.
        steps: Updates that were evaluated, in order; both sides of each boundary.
        values: Its values there.
    """

    label: str
    text: str
    resolved: "ResolvedSchedule"
    total: int
    steps: tuple[int, ...]
    values: tuple[float, ...]

    def every(self) -> list[float]:
        """Return the value of every update that is shown."""
        return self.resolved.block(0, self.total)


def curves_of(subjects: Sequence[Subject]) -> list[Curve]:
    """Evaluate schedules over the same updates.

    Raises:
        UnresolvedError: One needs a horizon and has none.
    """
    resolved = [one.resolve() for one in subjects]
    total = max(_extent(one) for one in resolved)
    steps = _sampled(resolved, total)
    return [
        Curve(
            subject.label,
            str(subject.schedule),
            one,
            total,
            steps,
            tuple(one(t) for t in steps),
        )
        for subject, one in zip(subjects, resolved, strict=True)
    ]


def spans_decades(curves: Sequence[Curve]) -> bool:
    """Whether rates spread so far that a linear axis would hide most of them."""
    for curve in curves:
        positive = sorted(value for value in curve.values if value > 0)
        # the tail of a decay to zero spans decades too, but is not worth a log axis
        typical = positive[len(positive) // 5 :]
        if typical and math.log10(typical[-1] / typical[0]) >= DECADES:
            return True
    tops = [top for curve in curves if (top := max(curve.values)) > 0]
    return bool(tops) and math.log10(max(tops) / min(tops)) >= DECADES


def key_steps(curves: Sequence[Curve]) -> list[int]:
    """Return the updates worth a row: the ends, the peaks, and where phases begin."""
    total = curves[0].total
    marks = {0, total - 1, total // 2}
    for curve in curves:
        marks.add(curve.steps[curve.values.index(max(curve.values))])
    starts = {math.ceil(b) for curve in curves for b in curve.resolved.boundaries()}
    starts = {step for step in starts if step < total}
    if len(starts) + len(marks) <= MOST_ROWS:
        return sorted(marks | starts)
    even = {i * (total - 1) // 8 for i in range(9)}
    return sorted(marks | even)


def round_ticks(high: float, about: int = 5) -> list[float]:
    """Return round numbers from 0 to `high`, about as many as asked for."""
    if high <= 0:
        return [0.0]
    raw = high / about
    power = 10.0 ** math.floor(math.log10(raw))
    width = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    return [i * width for i in range(int(high / width * 1.0001) + 1)]


def rows(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Return every update with the values of all curves, JSON-plain."""
    columns = [curve.every() for curve in curves]
    labels = [curve.label for curve in curves]
    return [
        {"update": t, **dict(zip(labels, values, strict=True))}
        for t, values in enumerate(zip(*columns, strict=True))
    ]


def at(curve: Curve, step: int) -> float:
    """Return a curve's value at an update."""
    index = bisect_left(curve.steps, step)
    if index < len(curve.steps) and curve.steps[index] == step:
        return curve.values[index]
    return float(curve.resolved(step))


def _extent(resolved: "ResolvedSchedule") -> int:
    if resolved.total_steps is not None:
        return resolved.total_steps
    if resolved.end is not None:
        return max(math.ceil(resolved.end), 1)
    return max(NOMINAL, math.ceil(4 * max(resolved.boundaries())))


def _sampled(resolved: "Sequence[ResolvedSchedule]", total: int) -> tuple[int, ...]:
    last = total - 1
    chosen = {i * last // POINTS for i in range(POINTS + 1)}
    for one in resolved:
        starts = [math.ceil(b) for b in one.boundaries() if 0 < b <= last]
        if len(starts) <= POINTS:
            chosen |= {t for b in starts for t in (b - 1, b)}
    return tuple(sorted(chosen))
