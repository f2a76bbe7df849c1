"""Journals: nothing is lost, doubled or taken from another run."""

from typing import Any

import pytest

from stepsize.control import Event
from stepsize.control.journal import Journal, decided_again, standing
from stepsize.control.sink import EventSink
from stepsize.errors import InvalidScheduleError, LedgerError


class Memory:
    """A sink that outlives a run, as a file does."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.full = False

    def append(self, event: Event) -> None:
        if self.full:
            message = "the disk is full"
            raise LedgerError(message)
        self.kept.append(event)

    def events(self) -> list[Event]:
        return list(self.kept)


def _event(update: int, source: str = "operator:ada", factor: float = 0.5) -> Event:
    values = {"factor": factor}
    return Event(update=update, kind="scale", values=values, source=source)


def _fine(events: tuple[Event, ...], event: Event) -> None:
    assert event in events


def _refuse(events: tuple[Event, ...], event: Event) -> None:
    message = "no"
    raise InvalidScheduleError(message)


def _record(journal: Journal, *events: Event, check: Any = _fine) -> None:
    for event in events:
        journal.record(event, made=event.update, check=check)


def test_a_file_in_memory_is_a_sink() -> None:
    assert isinstance(Memory(), EventSink)
    assert not isinstance([], EventSink)


def test_events_are_numbered_and_kept_before_they_count() -> None:
    sink = Memory()
    journal = Journal(sink, (), 0)
    _record(journal, _event(3), _event(3, "policy:p"))
    assert [event.sequence for event in journal.events] == [0, 1]
    assert tuple(sink.kept) == journal.events
    with pytest.raises(InvalidScheduleError, match="no"):
        _record(journal, _event(4), check=_refuse)
    sink.full = True
    with pytest.raises(LedgerError, match="full"):
        _record(journal, _event(4))
    assert tuple(sink.kept) == journal.events
    assert len(journal.events) == 2


def test_without_a_sink_it_is_a_list() -> None:
    journal = Journal(None, (_event(1),), 5)
    _record(journal, _event(6))
    assert [(e.update, e.sequence) for e in journal.events] == [(1, 0), (6, 1)]


def test_what_people_and_clocks_did_is_applied_again() -> None:
    sink = Memory()
    first = Journal(sink, (), 0)
    _record(first, _event(3), _event(8, "clock:deadline"), _event(9, "operator"))
    again = Journal(sink, first.events[:1], 5, complete=True)
    assert again.events == first.events
    assert again.awaited == []
    assert len(sink.kept) == 3


def test_what_policies_did_is_decided_again_and_not_doubled() -> None:
    sink = Memory()
    first = Journal(sink, (), 0)
    both = _event(8, "policy:plateau"), _event(8, "guard", 0.1)
    _record(first, _event(3), *both, _event(9))
    again = Journal(sink, first.events[:1], 5, complete=True)
    assert [event.update for event in again.events] == [3, 9]
    assert len(again.awaited) == 2
    _record(again, *both[::-1])
    assert again.events == first.events
    assert again.awaited == []
    assert len(sink.kept) == 4


def test_an_awaited_event_is_checked_too() -> None:
    sink = Memory()
    _record(Journal(sink, (), 0), _event(8, "guard"))
    again = Journal(sink, (), 5)
    with pytest.raises(InvalidScheduleError, match="no"):
        _record(again, _event(8, "guard"), check=_refuse)
    assert (again.events, len(again.awaited)) == ((), 1)


def test_what_is_decided_otherwise_is_reported() -> None:
    sink = Memory()
    _record(Journal(sink, (), 0), _event(8, "policy:plateau"), _event(20))
    again = Journal(sink, (), 5)
    again.settle(8)
    assert len(again.awaited) == 1
    _record(again, _event(12, "policy:plateau", 0.25))
    note, cut = again.events[1:]
    assert again.awaited == []
    assert (note.kind, note.update, note.source) == ("note", 12, "resume")
    assert note.values["withdraws"] == 0
    assert note.reason == (
        "after the resume, policy:plateau did not decide again on scale at update 8"
    )
    assert (cut.update, cut.values["factor"], cut.sequence) == (12, 0.25, 3)
    # the log of the second life, read by a third: what was withdrawn is no part of it
    third = Journal(sink, again.events, 15, complete=True)
    assert third.events == again.events
    assert third.awaited == []
    fourth = Journal(sink, (), 10)
    assert [event.update for event in fourth.awaited] == [12]
    assert [event.update for event in standing(sink.kept)] == [20, 12, 12]


def test_a_log_that_lacks_events_gets_them() -> None:
    sink = Memory()
    journal = Journal(sink, (_event(3),), 5, complete=True)
    assert tuple(sink.kept) == journal.events


def test_a_log_without_checkpoint_is_taken_as_it_is() -> None:
    sink = Memory()
    first = Journal(sink, (), 0)
    _record(first, _event(3, "policy:plateau"), _event(4))
    assert Journal(sink, (), 10).events == first.events
    with pytest.raises(LedgerError, match="be the log of this run"):
        Journal(sink, (), 10, complete=True)


def test_the_log_of_another_run_is_refused() -> None:
    sink = Memory()
    _record(Journal(sink, (), 0), _event(3))
    with pytest.raises(LedgerError, match="hint: give a new run, or a branch, a file"):
        Journal(sink, (_event(3, factor=0.1),), 5)


@pytest.mark.parametrize(
    ("source", "again"),
    [
        ("policy:plateau", True),
        ("guard", True),
        ("guard:loss", True),
        ("resume", True),
        ("operator", False),
        ("operator:policy", False),
        ("clock:deadline", False),
        ("anyone", False),
    ],
)
def test_sources(source: str, again: bool) -> None:
    assert decided_again(_event(0, source)) is again
