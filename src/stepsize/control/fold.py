"""Events folded over a schedule, laid out once as segments: a look-up is a search.

A pure function of the resolved schedule and the events that match.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from stepsize.control.curves import Source
from stepsize.control.events import Event
from stepsize.control.kinds import KINDS
from stepsize.control.line import Line, factor_of, settled_at
from stepsize.schedules.schedule import ResolvedSchedule

BEFORE_ALL = -(2**62)
"""The update from which the first segment holds."""


@final
@dataclass(frozen=True, slots=True)
class Segment:
    """Updates over which one formula gives the rate.

        lr(u) = source(t) * (factor * the scales in `easing`),  t = step + (u - update)

    Attributes:
        first: The update from which it holds.
        update: An update, at which its step is `step`.
        step: See `update`.
        held: Whether the clock stands still: then t = step.
        source: The curve.
        factor: What multiplies it; constant.
        easing: Scales that are not in it, of which at least one still eases.
        total: Steps of the curve in all, None where there is no horizon.
    """

    first: int
    update: int
    step: int
    held: bool
    source: Source
    factor: float
    easing: tuple[Event, ...]
    total: int | None

    def step_at(self, update: int) -> int:
        """Return the position on the curve."""
        return self.step if self.held else self.step + (update - self.update)

    def at(self, update: int) -> float:
        """Return the rate of an update."""
        value: float = self.source(self.step_at(update))
        if self.easing:
            return value * factor_of(self.factor, self.easing, update)
        return value * self.factor

    def block(self, start: int, stop: int) -> list[float]:
        """Return the rates of the updates start, ..., stop - 1."""
        if self.held:
            values = [self.source(self.step)] * (stop - start)
        else:
            values = self.source.block(self.step_at(start), self.step_at(stop))
        if self.easing:
            return [
                value * factor_of(self.factor, self.easing, update)
                for update, value in enumerate(values, start)
            ]
        factor = self.factor
        return values if factor == 1 else [value * factor for value in values]

    def array(self, updates: Any) -> Any:
        """Return the rates of an array of updates, all of this segment."""
        shift = self.step - self.update
        steps = updates * 0 + self.step if self.held else updates + shift
        values = self.source(steps) * self.factor
        for event in self.easing:
            factor: Any = event.values["factor"]
            over: Any = event.values["over"]
            if self.first >= settled_at(event):
                values = values * factor
            else:
                values = values * factor ** ((updates - event.update) / over)
        return values


def fold(resolved: ResolvedSchedule, events: Sequence[Event]) -> list[Line]:
    """Apply events in order.

    Args:
        resolved: The schedule.
        events: Those that match, in order of (update, sequence).

    Returns:
        Where the trajectory stands at the beginning and just after each event.
    """
    line = Line.of(resolved)
    lines = [copy.copy(line)]
    made: list[tuple[Event, int]] = []  # with the step that each was made at
    for event in events:
        line.advance(event.update)
        if event.kind == "rewind":
            to: Any = event.values["to"]
            kept = [(e, t) for e, t in made if not _voided(e, to <= t < line.step)]
            if len(kept) < len(made):
                line = _again(resolved, kept, line)
            made = kept
        else:
            made.append((event, line.step))
        KINDS[event.kind].apply(line, event)
        lines.append(copy.copy(line))
    return lines


def _voided(event: Event, inside: bool) -> bool:
    return inside and event.source.split(":")[0] == "policy"


def _again(
    resolved: ResolvedSchedule, kept: Sequence[tuple[Event, int]], now: Line
) -> Line:
    """Apply the events that stay, each at the step where it was made."""
    line = Line.of(resolved)
    for event, step in kept:
        line.update, line.step = event.update, step
        KINDS[event.kind].apply(line, event)
    line.update, line.step = now.update, now.step
    return line


def lay_out(lines: Sequence[Line]) -> list[Segment]:
    """Return the segments of a folded trajectory, in order."""
    segments: list[Segment] = []
    for index, line in enumerate(lines):
        first = BEFORE_ALL if index == 0 else line.update
        stop = lines[index + 1].update if index + 1 < len(lines) else None
        if stop is None or stop > first:
            segments += _segments_of(line, first, stop)
    return segments


def _segments_of(line: Line, first: int, stop: int | None) -> list[Segment]:
    parts = line.tail.parts(line.step)
    if line.held is not None:
        parts = parts[:1]
    # where the formula changes: at the start of a later part, at the end of an easing
    starts = [first]
    starts += [line.update + part.start - line.step for part in parts[1:]]
    ends = {settled_at(event) for event in line.scales}
    found = []
    for at in sorted({*starts, *ends}):
        if at < first or (stop is not None and at >= stop):
            continue
        place = sum(start <= at for start in starts) - 1
        _, source, lead = parts[place]
        eases = any(at < settled_at(event) for event in line.scales)
        gain = lead * line.gain
        found.append(
            Segment(
                first=at,
                update=line.update,
                step=line.step,
                held=line.held is not None,
                source=source,
                factor=gain if eases else factor_of(gain, line.scales, at),
                easing=line.scales if eases else (),
                total=line.total,
            )
        )
    return found
