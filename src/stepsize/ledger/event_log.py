"""The event log: a run's events as JSON lines, on disk before they count.

Not here: what an event does, and which events a resumed run takes from it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from stepsize.control.events import Event
from stepsize.errors import (
    CorruptRecordError,
    InvalidScheduleError,
    LedgerError,
    describe,
)
from stepsize.ledger.files import locked, sync_folder


@final
@dataclass(frozen=True, slots=True)
class EventLog:
    """The events of one run in a file, one JSON object a line; an `EventSink`.

    A line is `Event.to_dict()`. It is written whole, flushed and synced under a lock
    before `append` returns. What a crash left of a last line is no event: reading skips
    it, the next `append` cuts it off. Damage anywhere else is an error.

    Attributes:
        path: The file; it, and its folder, are made by the first `append`.

    Raises:
        LedgerError: The path is no text and no path.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> log = EventLog(folder.name + "/events.jsonl")
        >>> log.append(Event(update=5, kind="scale", values={"factor": 0.5}))
        >>> [event.kind for event in log.events()]
        ['scale']
        >>> folder.cleanup()
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Take the file's path."""
        if not isinstance(path, (str, os.PathLike)):
            rule = "be the path of a file"
            raise LedgerError(describe("EventLog.path", rule, path))
        object.__setattr__(self, "path", Path(path))

    def append(self, event: Event) -> None:
        """Write an event; it is on disk when this returns.

        Raises:
            CorruptRecordError: What stands there before is damaged.
            LedgerError: The file could not be written.
        """
        line = json.dumps(event.to_dict(), allow_nan=False, separators=(",", ":"))
        try:
            new = not self.path.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file, locked(file):
                file.seek(0)
                content = file.read()
                _, end = _parsed(content, self.path)
                if end < len(content):
                    file.truncate(end)
                start = b"" if end == 0 or content[end - 1 : end] == b"\n" else b"\n"
                file.write(start + line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_folder(self.path.parent)
        except OSError as error:
            raise self._failed("be writable", error) from error

    def events(self) -> list[Event]:
        """Return every event of the file, [] if there is none yet.

        Raises:
            CorruptRecordError: A line is damaged; the message says which.
            LedgerError: The file could not be read.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed("be readable", error) from error
        return _parsed(content, self.path)[0]

    def _failed(self, rule: str, error: OSError) -> LedgerError:
        hint = str(error.strerror or error)
        return LedgerError(describe("EventLog.path", rule, str(self.path), hint=hint))


def _parsed(content: bytes, path: Path) -> tuple[list[Event], int]:
    """Return the events, and where the last whole line ends."""
    events: list[Event] = []
    end = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        last = number == len(lines)
        if last and not line:
            break
        try:
            plain: Any = json.loads(line.decode())
        except (ValueError, RecursionError) as error:
            if last:
                break  # torn: a crash came before the line's end
            raise _corrupt(path, number, line, str(error)) from error
        try:
            events.append(Event.from_dict(plain))
        except InvalidScheduleError as error:
            raise _corrupt(path, number, line, str(error)) from error
        end += len(line) + (not last)
    return events, end


def _corrupt(path: Path, number: int, line: bytes, why: str) -> CorruptRecordError:
    field = f"{path}, line {number},"
    text = line.decode(errors="replace")
    return CorruptRecordError(describe(field, "be an event", text, hint=why))
