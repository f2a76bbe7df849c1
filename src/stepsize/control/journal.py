"""The events of a run: each kept before it counts, and gone through again on resume.

Not here: what an event does, and where a sink keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from stepsize.control.events import Event, append
from stepsize.control.sink import EventSink
from stepsize.errors import LedgerError, describe

AGAIN = ("policy", "guard", "resume")
"""Sources whose events a resumed run decides again; all others are applied again."""

Check = Callable[[tuple[Event, ...], Event], None]


def decided_again(event: Event) -> bool:
    """Return whether a resumed run comes to this event again by itself."""
    return event.source.split(":")[0] in AGAIN


def standing(events: Sequence[Event]) -> list[Event]:
    """Return the events that no `note` among them withdraws."""
    gone = {e.values["withdraws"] for e in events if e.kind == "note"}
    return [event for event in events if event.sequence not in gone]


@final
class Journal:
    """What happened in a run so far, in memory and, where there is a sink, on disk.

    A resume from update c finds in the sink the events that the checkpoint has, and
    later ones. Of those, what people and clocks did is applied again at its recorded
    update. What policies, the guard and the resume itself did is expected to be decided
    again, and is then not written a second time; what is not decided again is withdrawn
    by a `note`.

    Attributes:
        events: The events so far, in order of their sequence.
        awaited: Events of the sink that are to be decided again.
        sink: Where they are kept; None: nowhere.
    """

    __slots__ = ("_last", "awaited", "events", "sink")

    def __init__(
        self,
        sink: EventSink | None,
        events: Sequence[Event],
        update: int,
        *,
        complete: bool = False,
    ) -> None:
        """Begin, or go on from a checkpoint.

        Args:
            sink: Where events are kept.
            events: Those of the checkpoint.
            update: Updates made up to it.
            complete: Whether `events` has all up to there; otherwise those of the sink
                are taken.

        Raises:
            LedgerError: The sink is of another run, or cannot be read or written.
        """
        self.sink = sink
        self.awaited: list[Event] = []
        kept = list(events)
        self._last = max((event.sequence for event in kept), default=-1)
        if sink is not None:
            kept += self._later(sink, kept, update, complete=complete)
        self.events = tuple(sorted(kept, key=_sequence))

    def _later(
        self, sink: EventSink, known: list[Event], update: int, *, complete: bool
    ) -> list[Event]:
        """Return what the sink has besides the events known."""
        logged = sink.events()
        found = {event.sequence: event for event in logged}
        self._last = max([self._last, *found])
        for event in known:
            if event.sequence not in found:
                sink.append(event)
            elif found[event.sequence] != event:
                raise _other_run(event)
        have = {event.sequence for event in known}
        later = []
        for event in standing(logged):
            if event.sequence in have:
                continue
            if event.values.get("withdraws") is not None:
                later.append(event)
            elif event.update < update:
                if complete and event.kind != "note":
                    raise _other_run(event)
                later.append(event)
            elif decided_again(event):
                self.awaited.append(event)
            else:
                later.append(event)
        return later

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain, without its sink: for other processes of the run."""
        return {
            "events": [event.to_dict() for event in self.events],
            "awaited": [event.to_dict() for event in self.awaited],
            "last": self._last,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Journal:
        """Return the journal that `to_dict` gave this mapping: one that keeps nothing.

        Raises:
            InvalidScheduleError: An event is damaged.
        """
        journal = cls(None, [Event.from_dict(one) for one in plain["events"]], 0)
        journal.awaited = [Event.from_dict(one) for one in plain["awaited"]]
        journal._last = plain["last"]
        return journal

    def record(self, event: Event, *, made: int, check: Check) -> Event:
        """Add an event.

        Args:
            event: The event; its sequence is set here.
            made: Updates already applied.
            check: Called with all events and the new one, before it is kept; raises
                if it cannot be applied.

        Returns:
            The event as it was kept.

        Raises:
            InvalidScheduleError: It is for an update already made.
            LedgerError: It could not be kept; then it has no effect either.
        """
        self.settle(made)
        for again in self.awaited:
            if _same(event, again):
                events = tuple(sorted((*self.events, again), key=_sequence))
                check(events, again)
                self.awaited.remove(again)
                self.events = events
                return again
        return self._add(event, made, check)

    def settle(self, made: int) -> None:
        """Withdraw what was expected to be decided again before an update, and was not.

        Args:
            made: Updates already applied.

        Raises:
            LedgerError: The note could not be kept.
        """
        missed = [event for event in self.awaited if event.update < made]
        for event in missed:
            if event.kind == "note":  # it has no effect to withdraw
                self.awaited.remove(event)
                self.events = tuple(sorted((*self.events, event), key=_sequence))
                continue
            note = Event(
                update=made,
                kind="note",
                values={"withdraws": event.sequence},
                source="resume",
                reason=(
                    f"after the resume, {event.source} did not decide again on "
                    f"{event.kind} at update {event.update}"
                ),
                target=event.target,
            )
            self.awaited.remove(event)
            self._add(note, made, _anything)

    def _add(self, event: Event, made: int, check: Check) -> Event:
        added = append(self.events, event, made=made)[-1]
        kept = replace(added, sequence=self._last + 1)
        events = (*self.events, kept)
        check(events, kept)
        if self.sink is not None:
            self.sink.append(kept)
        self._last = kept.sequence
        self.events = events
        return kept


def _sequence(event: Event) -> int:
    return event.sequence


def _same(one: Event, other: Event) -> bool:
    return (one.update, one.kind, one.values, one.source, one.target) == (
        other.update,
        other.kind,
        other.values,
        other.source,
        other.target,
    )


def _anything(events: tuple[Event, ...], event: Event) -> None:
    """Allow it."""


def _other_run(event: Event) -> LedgerError:
    rule = "be the log of this run: the checkpoint and the log disagree on an event"
    hint = "give a new run, or a branch, a file of its own"
    return LedgerError(describe("ledger", rule, event.to_dict(), hint=hint))
