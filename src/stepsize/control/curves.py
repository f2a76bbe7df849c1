"""What follows an event on the curve: tails, each with a step from which it holds.

A source gives a value at any step, a tail says from which step on it holds, and what
was there before. Steps are those of the whole run. Nothing here knows an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final

from stepsize.schedules.schedule import ResolvedSchedule


class Source(Protocol):
    """A value at every step."""

    def __call__(self, step: Any) -> Any:
        """Return the value at a step, or at an array of steps."""

    def block(self, start: int, stop: int) -> list[float]:
        """Return `[self(step) for step in range(start, stop)]`, to the bit."""


@final
@dataclass(frozen=True, slots=True)
class Placed:
    """A resolved schedule r that begins at a step: r(t - origin).

    Attributes:
        resolved: The schedule.
        origin: The step at which its own step is 0.
    """

    resolved: ResolvedSchedule
    origin: int = 0

    def __call__(self, step: Any) -> Any:
        """See `Source.__call__`."""
        return self.resolved(step - self.origin)

    def block(self, start: int, stop: int) -> list[float]:
        """See `Source.block`."""
        return self.resolved.block(start - self.origin, stop - self.origin)


@final
@dataclass(frozen=True, slots=True)
class Retimed:
    """A source played faster or slower from a step s on.

        value(t) = source(s + (t - s) * old / new)

    Attributes:
        source: What is played; itself not retimed.
        maps: (s, old, new) of each change, the first one first: from s on, `old` steps
            of it take `new`.
    """

    source: Source
    maps: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, source: Source, start: int, old: int, new: int) -> Retimed:
        """Retime a source, which may be retimed already."""
        change = (start, old, new)
        if isinstance(source, Retimed):
            return cls(source.source, (*source.maps, change))
        return cls(source, (change,))

    def __call__(self, step: Any) -> Any:
        """See `Source.__call__`."""
        for start, old, new in reversed(self.maps):
            # the product of ints is exact, so the end is met exactly
            step = start + (step - start) * old / new
        return self.source(step)

    def block(self, start: int, stop: int) -> list[float]:
        """See `Source.block`."""
        return [self(step) for step in range(start, stop)]


@final
@dataclass(frozen=True, slots=True)
class Blend:
    """From a value to a source, over n steps from s on.

        value(t) = w * value + (1 - w) * source(t),   w = (n - (t - s)) / n

    Attributes:
        value: Where it begins.
        source: Where it ends.
        start: s.
        steps: n; >= 1.
    """

    value: float
    source: Source
    start: int
    steps: int

    def __call__(self, step: Any) -> Any:
        """See `Source.__call__`."""
        weight = (self.steps - (step - self.start)) / self.steps
        return weight * self.value + (1 - weight) * self.source(step)

    def block(self, start: int, stop: int) -> list[float]:
        """See `Source.block`."""
        return [self(step) for step in range(start, stop)]


class Part(NamedTuple):
    """A piece of the curve: from `start` on it is lead * source(t)."""

    start: int
    source: Source
    lead: float


@final
@dataclass(frozen=True, slots=True)
class Tail:
    """The curve from a step on, and what was there before.

        value(t) = source(t)            from `start` on
        value(t) = lead * before(t)     before it

    Only a clock that is taken back comes to `before`.

    Attributes:
        source: Its values.
        plan: The schedule that a new horizon is given to.
        start: Step from which it holds.
        origin: Step at which the plan's own step is 0.
        before: The curve that it replaced; None: it holds everywhere.
        lead: What scaled that curve when it was replaced.
    """

    source: Source
    plan: ResolvedSchedule
    start: int = 0
    origin: int = 0
    before: Tail | None = None
    lead: float = 1.0

    def parts(self, step: int) -> list[Part]:
        """Return the pieces of the curve from a step on, in order."""
        found = [Part(self.start, self.source, 1.0)]
        tail, lead = self, 1.0
        while found[-1].start > step and tail.before is not None:
            lead *= tail.lead
            tail = tail.before
            if tail.start < found[-1].start:  # else replaced before it began
                found.append(Part(tail.start, tail.source, lead))
        return found[::-1]

    def __call__(self, step: int) -> float:
        """Return the value at a step."""
        _, source, lead = self.parts(step)[0]
        value: float = source(step)
        return value * lead
