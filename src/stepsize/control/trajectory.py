"""The rate that is really applied: a schedule with the events of its run folded in."""

from __future__ import annotations

import operator
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, final, overload

from stepsize.control.events import Event, append
from stepsize.control.fold import Segment, fold, lay_out
from stepsize.control.kinds import KINDS
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule


@final
@dataclass(frozen=True, slots=True)
class Trajectory:
    """Rate by update: a pure function of the schedule, the horizon and the events.

    Without events, lr(u) is the schedule's value at step u. Each event that matches, in
    order of (update, sequence), replaces what follows it, by the formula of its kind in
    `stepsize.control.effects`; what was before it never changes.

    Two counters: an *update* u never goes back; t(u) = `step_at(u)` is the position on
    the curve, which a hold stops and a rewind may take back.

    Attributes:
        schedule: The schedule, in absolute rates or as a factor.
        horizon: What gives its durations their lengths.
        events: The changes so far, in any order; those of other targets have no effect.
        hyperparameter: Which hyperparameter this is; see `Target`.
        group: Which param group this is, by name; None: one that only the pattern "*"
            matches.
        overflow: As in `Schedule.resolve`.

    Raises:
        InvalidScheduleError: Two events have the same update and sequence.
        UnresolvedError, UnitError: See `Schedule.resolve`; or an event is relative to
            a horizon that was not given.

    Examples:
        >>> import stepsize as ss
        >>> half = Event(update=2, kind="scale", values={"factor": 0.5})
        >>> lr = Trajectory(ss.constant(0.1), ss.Horizon(), (half,))
        >>> [lr(update) for update in range(4)]
        [0.1, 0.1, 0.05, 0.05]
    """

    schedule: Schedule
    horizon: Horizon = field(default_factory=Horizon)
    events: tuple[Event, ...] = ()
    hyperparameter: str = "lr"
    group: str | None = None
    overflow: str = "error"
    _resolved: ResolvedSchedule = field(
        default=None,  # type: ignore[assignment]  # set in __post_init__
        repr=False,
        compare=False,
        kw_only=True,
    )
    _segments: tuple[Segment, ...] = field(init=False, repr=False, compare=False)
    _firsts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Resolve the schedule; lay out what follows from the events that match."""
        object.__setattr__(self, "events", tuple(self.events))
        matching = self._matching()
        for one, other in pairwise(matching):
            if (one.update, one.sequence) == (other.update, other.sequence):
                rule = "differ between events of the same update"
                hint = "add events with append, which numbers them"
                raise InvalidScheduleError(
                    describe("Event.sequence", rule, one.sequence, hint=hint)
                )
        known = self._resolved
        wanted = (self.schedule, self.horizon, self.overflow)
        if known is None or (known.schedule, known.horizon, known.overflow) != wanted:
            schedule, horizon = self.schedule, self.horizon
            known = schedule.resolve(horizon=horizon, overflow=self.overflow)
            object.__setattr__(self, "_resolved", known)
        segments = tuple(lay_out(fold(known, matching)))
        object.__setattr__(self, "_segments", segments)
        object.__setattr__(self, "_firsts", tuple(one.first for one in segments))

    def _matching(self) -> list[Event]:
        return sorted(
            (
                event
                for event in self.events
                if event.target.matches(self.hyperparameter, self.group)
            ),
            key=lambda event: (event.update, event.sequence),
        )

    @classmethod
    def of(
        cls,
        resolved: ResolvedSchedule,
        events: tuple[Event, ...] = (),
        hyperparameter: str = "lr",
        group: str | None = None,
    ) -> Trajectory:
        """Return the trajectory of a resolved schedule, without resolving it again."""
        return cls(
            resolved.schedule,
            resolved.horizon,
            events,
            hyperparameter,
            group,
            resolved.overflow,
            _resolved=resolved,
        )

    @overload
    def __call__(self, update: int) -> float: ...

    @overload
    def __call__(self, update: Any) -> Any: ...

    def __call__(self, update: Any) -> Any:
        """Return the rate of an update, or of each in an array.

        Args:
            update: Index of the update, from 0; any int, or a NumPy array of ints of
                any shape.

        Returns:
            A float for an int; a float64 array of the same shape for an array, equal
            to the floats within rounding.

        Raises:
            InvalidScheduleError: It is neither.
        """
        if type(update) is not int:
            if getattr(update, "shape", ()) and hasattr(update, "astype"):
                return self._array(update)
            update = _index(update, "Trajectory.update")
        return self._segments[bisect_right(self._firsts, update) - 1].at(update)

    def _array(self, updates: Any) -> Any:
        if getattr(updates.dtype, "kind", "") not in ("i", "u"):
            rule = "be an int or an array of ints (unit: updates)"
            raise InvalidScheduleError(
                describe("Trajectory.update", rule, updates.dtype)
            )
        updates = updates.astype("int64")
        values = updates * 0.0
        segments = self._segments
        for index, segment in enumerate(segments):
            inside = updates >= segment.first
            if index + 1 < len(segments):
                inside &= updates < segments[index + 1].first
            if inside.any():
                values[inside] = segment.array(updates[inside])
        return values

    def _segment(self, update: int) -> Segment:
        return self._segments[bisect_right(self._firsts, update) - 1]

    def step_at(self, update: int) -> int:
        """Return the position on the curve at an update."""
        return self._segment(update).step_at(update)

    def left_at(self, update: int) -> int | None:
        """Return the updates up to the end of the horizon, as planned at an update.

        Returns:
            An int >= 0; None where there is no horizon.
        """
        segment = self._segment(update)
        if segment.total is None:
            return None
        return max(segment.total - segment.step_at(update), 0)

    def held_at(self, update: int) -> bool:
        """Return whether a hold stops the clock at an update."""
        return self._segment(update).held

    def place_at(self, update: int) -> tuple[int, int | None]:
        """Return the position on the curve at an update, and its length as planned."""
        segment = self._segment(update)
        return segment.step_at(update), segment.total

    @property
    def total_steps(self) -> int | None:
        """Steps of the curve in all after every event, None without a horizon."""
        return self._segments[-1].total

    def block(self, start: int, stop: int) -> list[float]:
        """Return `[self(update) for update in range(start, stop)]`, to the bit, faster.

        Args:
            start: First update.
            stop: The one after the last.
        """
        firsts, segments = self._firsts, self._segments
        index = bisect_right(firsts, start)
        if index == len(firsts) or stop <= firsts[index]:
            return segments[index - 1].block(start, stop)
        values: list[float] = []
        while start < stop:
            index = bisect_right(firsts, start)
            high = min(stop, firsts[index]) if index < len(firsts) else stop
            values += segments[index - 1].block(start, high)
            start = high
        return values

    def admit(self, event: Event) -> None:
        """Raise if an event makes no sense after those there are.

        Events of other targets are admitted: they have no effect here.

        Raises:
            InvalidScheduleError: It does not: see its kind.
            UnresolvedError, UnitError: It needs a horizon, or a conversion, that was
                not given.
        """
        if not event.target.matches(self.hyperparameter, self.group):
            return
        place = (event.update, event.sequence)
        before = [e for e in self._matching() if (e.update, e.sequence) < place]
        line = fold(self._resolved, before)[-1]
        line.advance(event.update)
        KINDS[event.kind].admit(line, event)

    def with_event(self, event: Event, *, made: int) -> Trajectory:
        """Return the trajectory with one event more.

        Args:
            event: The event; its `sequence` is set here.
            made: Updates already applied.

        Raises:
            InvalidScheduleError: The event is for an update already made, or makes no
                sense there.
            UnresolvedError, UnitError: See `admit`.
        """
        events = append(self.events, event, made=made)
        self.admit(events[-1])
        return replace(self, events=events)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the content only."""
        return Trajectory, (
            self.schedule,
            self.horizon,
            self.events,
            self.hyperparameter,
            self.group,
            self.overflow,
        )


def _index(value: Any, field: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        rule = "be an int (unit: updates)"
        raise InvalidScheduleError(describe(field, rule, value)) from None
