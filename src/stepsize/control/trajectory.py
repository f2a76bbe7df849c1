"""The rate that is really applied: a schedule with the events of its run folded in."""

from __future__ import annotations

import operator
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import SupportsIndex, final

from stepsize.control.events import Event, append
from stepsize.control.kinds import KINDS
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule


@final
@dataclass(frozen=True, slots=True)
class Trajectory:
    """Rate by update: a pure function of the schedule, the horizon and the events.

    With r the resolved schedule, t(u) = `step_at(u)` and f_e the factor of event e,

        lr(u) = r(t(u)) * (f_1(u) * f_2(u) * ...)

    over the events with update <= u that match, in order of (update, sequence).

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
        UnresolvedError, UnitError: See `Schedule.resolve`.

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
    _matching: tuple[Event, ...] = field(init=False, repr=False, compare=False)
    _breaks: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Resolve the schedule; order the events that match."""
        events = tuple(self.events)
        matching = sorted(
            (e for e in events if e.target.matches(self.hyperparameter, self.group)),
            key=lambda event: (event.update, event.sequence),
        )
        for one, other in pairwise(matching):
            if (one.update, one.sequence) == (other.update, other.sequence):
                rule = "differ between events of the same update"
                hint = "add events with append, which numbers them"
                raise InvalidScheduleError(
                    describe("Event.sequence", rule, one.sequence, hint=hint)
                )
        # between two breaks each factor is constant, or eases throughout
        breaks = {event.update for event in matching}
        breaks |= {event.update + _settles(event) for event in matching}
        known = self._resolved
        wanted = (self.schedule, self.horizon, self.overflow)
        if known is None or (known.schedule, known.horizon, known.overflow) != wanted:
            schedule, horizon = self.schedule, self.horizon
            resolved = schedule.resolve(horizon=horizon, overflow=self.overflow)
            object.__setattr__(self, "_resolved", resolved)
        object.__setattr__(self, "events", events)
        object.__setattr__(self, "_matching", tuple(matching))
        object.__setattr__(self, "_breaks", tuple(sorted(breaks)))

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

    def __call__(self, update: SupportsIndex) -> float:
        """Return the rate of an update.

        Args:
            update: Index of the update, from 0; any int.

        Raises:
            InvalidScheduleError: It is not an int.
        """
        u = _index(update, "Trajectory.update")
        value: float = self._resolved(self.step_at(u))
        return value * self._factor(u) if self._started(u) else value

    def step_at(self, update: int) -> int:
        """Return the position on the curve at an update; no kind of event moves it."""
        return update

    def block(self, start: int, stop: int) -> list[float]:
        """Return `[self(update) for update in range(start, stop)]`, to the bit, faster.

        Args:
            start: First update.
            stop: The one after the last.
        """
        values = self._resolved.block(self.step_at(start), self.step_at(stop))
        breaks = self._breaks
        low = start
        while low < stop:
            index = bisect_right(breaks, low)
            high = min(stop, breaks[index]) if index < len(breaks) else stop
            if self._started(low):
                part = slice(low - start, high - start)
                if self._eases(low):
                    factors = [self._factor(update) for update in range(low, high)]
                    values[part] = map(operator.mul, values[part], factors)
                else:
                    factor = self._factor(low)
                    values[part] = [value * factor for value in values[part]]
            low = high
        return values

    def with_event(self, event: Event, *, made: int) -> Trajectory:
        """Return the trajectory with one event more.

        Args:
            event: The event; its `sequence` is set here.
            made: Updates already applied.

        Raises:
            InvalidScheduleError: The event is for an update already made.
        """
        return replace(self, events=append(self.events, event, made=made))

    def _started(self, update: int) -> bool:
        return bool(self._matching) and self._matching[0].update <= update

    def _eases(self, update: int) -> bool:
        return any(
            event.update <= update < event.update + _settles(event)
            for event in self._matching
        )

    def _factor(self, update: int) -> float:
        product = 1.0
        for event in self._matching:
            if event.update > update:
                break
            age = update - event.update
            product *= KINDS[event.kind].factor(event.values, age)
        return product

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


def _settles(event: Event) -> int:
    return KINDS[event.kind].settles(event.values)


def _index(value: SupportsIndex, field: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        rule = "be an int (unit: updates)"
        raise InvalidScheduleError(describe(field, rule, value)) from None
