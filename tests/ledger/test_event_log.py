"""The event log: what a crash leaves, what damage is, and two writers at once."""

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepsize.control import Event, EventSink
from stepsize.errors import CorruptRecordError, LedgerError
from stepsize.ledger import EventLog


def _event(update: int, reason: str = "because\nof 5 > 3, \u00fcber") -> Event:
    values = {"factor": 0.1}
    return Event(update=update, kind="scale", values=values, reason=reason, time=1.5)


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / "run" / "events.jsonl")


def test_events_come_back_as_they_were(log: EventLog) -> None:
    assert isinstance(log, EventSink)
    assert log.events() == []
    written = [_event(update) for update in range(3)]
    for event in written:
        log.append(event)
    assert log.events() == written
    lines = log.path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [e.to_dict() for e in written]
    assert EventLog(str(log.path)) == log


@given(st.data())
def test_a_torn_last_line_is_no_event(data: Any) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(folder + "/events.jsonl")
        for update in range(3):
            log.append(_event(update))
        content = log.path.read_bytes()
        last = content.rindex(b"\n", 0, -1) + 1
        cut = data.draw(st.integers(last, len(content)))
        log.path.write_bytes(content[:cut])
        whole = cut >= len(content) - 1
        left = [_event(update) for update in range(3 if whole else 2)]
        assert log.events() == left
        log.append(_event(9))
        assert log.events() == [*left, _event(9)]
        assert log.path.read_bytes().count(b"\n") == len(left) + 1


def test_zeros_after_a_power_failure_are_no_event(log: EventLog) -> None:
    log.append(_event(1))
    with log.path.open("ab") as file:
        file.write(b"\0" * 100)
    assert log.events() == [_event(1)]
    log.append(_event(2))
    assert log.events() == [_event(1), _event(2)]


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (b"{", r"events\.jsonl, line 2, must be an event; got '\{'"),
        (b"", r"line 2, must be an event; got ''"),
        (b"\xff", r"line 2, must be an event"),
        (b"[]", r"hint: Event\.from_dict must be a mapping with version 1"),
        (b'{"version":2}', r"hint: Event\.from_dict must be a mapping with version 1"),
        (b"[" * 100_000, r"line 2, must be an event"),
    ],
)
def test_damage_before_the_end_is_an_error(
    log: EventLog, line: bytes, match: str
) -> None:
    log.append(_event(1))
    with log.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(CorruptRecordError, match=match):
        log.events()
    with pytest.raises(CorruptRecordError, match=match):
        log.append(_event(2))


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    folder = EventLog(tmp_path)
    with pytest.raises(LedgerError, match=r"EventLog\.path must be readable"):
        folder.events()
    with pytest.raises(LedgerError, match=r"EventLog\.path must be writable"):
        folder.append(_event(1))
    with pytest.raises(LedgerError, match=r"EventLog\.path must be the path of a file"):
        EventLog(3)  # type: ignore[arg-type]  # the point of the test


def _write_many(path: Path, first: int) -> None:
    log = EventLog(path)
    for update in range(first, first + 20):
        log.append(_event(update))


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_two_writers_do_not_mix_their_lines(log: EventLog) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_many, args=(log.path, first))
        for first in (0, 100)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    updates = sorted(event.update for event in log.events())
    assert updates == [*range(20), *range(100, 120)]
