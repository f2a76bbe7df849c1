"""`Follower`: what was appended to a store since the last look; nothing is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, final

from stepsize.errors import UnavailableError, describe
from stepsize.ledger.chain import Entry
from stepsize.ledger.jsonl_store import JsonlStore
from stepsize.ledger.records import Metric
from stepsize.ledger.store import Store

_CHUNK = 1 << 20
_METRIC = b'"record":{"kind":"metric"'
_PLACE = 40  # bytes in which a line says what it is


@final
class Follower:
    """Reads each line of a run once.

    Of a file it remembers the byte where whole lines end, so that a look that finds
    nothing new is one call of the operating system.

    Args:
        store: The run's records.
        metrics: Whether metrics are wanted; if not, only the last of a row of them is
            read, without being slowed down by the others.
    """

    __slots__ = ("_file", "_metrics", "_offset", "_store", "n")

    def __init__(self, store: Store, *, metrics: bool = True) -> None:
        self._store = store
        self._metrics = metrics
        self._offset = 0
        self._file: int | None = None  # which file it is
        self.n = 0

    def replaced(self) -> bool:
        """Whether what was read is no longer what stands there: begin again."""
        if not isinstance(self._store, JsonlStore) or self._file is None:
            return False
        try:
            found = self._store.path.stat()
        except FileNotFoundError:
            return True
        except OSError as error:
            raise _unreadable(self._store, error) from error
        return found.st_ino != self._file or found.st_size < self._offset

    def entries(self) -> Iterator[Entry]:
        """Return what is new.

        Raises:
            CorruptRecordError: A line is damaged.
            UnavailableError: It could not be read.
        """
        if isinstance(self._store, JsonlStore):
            yield from self._appended(self._store)
            return
        held: Entry | None = None
        for found in self._store.read(self.n):
            self.n = found.n + 1
            if not self._metrics and isinstance(found.record, Metric):
                held = found
                continue
            if held is not None:
                yield held
                held = None
            yield found
        if held is not None:
            yield held

    def _appended(self, store: JsonlStore) -> Iterator[Entry]:
        try:
            with store.path.open("rb") as file:
                found = os.fstat(file.fileno())
                self._file = found.st_ino
                if found.st_size == self._offset:
                    return
                file.seek(self._offset)
                yield from self._lines(store, file)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unreadable(store, error) from error

    def _lines(self, store: JsonlStore, file: IO[bytes]) -> Iterator[Entry]:
        rest, held = b"", None
        while chunk := file.read(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                n = self.n
                self.n, self._offset = n + 1, self._offset + len(line) + 1
                if not self._metrics and _METRIC in line[:_PLACE]:
                    held = (line, n)
                    continue
                if held is not None:
                    yield store._read(*held)
                    held = None
                yield store._read(line, n)
        if held is not None:
            yield store._read(*held)


def _unreadable(store: JsonlStore, error: OSError) -> UnavailableError:
    hint = str(error.strerror or error)
    where = str(store.path)
    return UnavailableError(
        describe("JsonlStore.path", "be readable", where, hint=hint)
    )
