"""`JsonlStore`: the records of a run as lines of a file in its folder."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import IO, Any, Literal, final

from stepsize.errors import ConflictError, LedgerError, UnavailableError, describe
from stepsize.ledger.chain import START, Entry, check, corrupt, entry, seal
from stepsize.ledger.files import locked, sync_folder
from stepsize.ledger.records import AnyRecord, Note

NAME = "ledger.jsonl"
_CHUNK = 1 << 20
_END = 1 << 16  # bytes at each end that `ends` reads
Sync = Literal["lasting", "always", "never"]


@final
class JsonlStore:
    """The records of one run in `ledger.jsonl`, one JSON object a line.

    Lines are written in one piece under a lock, then synced. What a crash left of a
    last line is no record: reading skips it, and the next `append` cuts it off and says
    so in a `Note`. Damage anywhere else is an error.

    Args:
        folder: The run's folder; it, and the file, are made by the first `append`. The
            path of a file that ends in ".jsonl" is taken as it is.
        sync: What is waited for until it is on disk: "lasting", all records but
            metrics; "always", all; "never", none (a power failure may then lose what
            the system has not written yet; a crash of the process does not).

    Raises:
        LedgerError: The folder is no path, or `sync` none of the three.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = JsonlStore(folder.name)
        >>> entries = store.append(Note(text="it began"), expected_n=0)
        >>> [(entry.n, entry.record.text) for entry in store.read()]
        [(0, 'it began')]
        >>> folder.cleanup()
    """

    __slots__ = ("_ends", "_guard", "_last", "path", "sync")

    def __init__(self, folder: str | os.PathLike[str], sync: Sync = "lasting") -> None:
        if not isinstance(folder, (str, os.PathLike)):
            rule = "be the path of a run's folder"
            raise LedgerError(describe("JsonlStore.folder", rule, folder))
        if sync not in ("lasting", "always", "never"):
            rule = 'be "lasting", "always" or "never"'
            raise LedgerError(describe("JsonlStore.sync", rule, sync))
        path = Path(folder)
        self.path = path if path.suffix == ".jsonl" else path / NAME
        self.sync = sync
        self._guard = Lock()
        # where lines are known to end: after n lines, at that byte
        self._ends: list[tuple[int, int]] = [(0, 0)]
        self._last = START  # digest of the last of them

    def append(
        self, *records: AnyRecord, expected_n: int | None = None
    ) -> tuple[Entry, ...]:
        """See `Store.append`."""
        try:
            with self._guard:
                new = not self.path.exists()
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a+b", buffering=0) as file, locked(file):
                    found = self._append(file, records, expected_n)
                if new:
                    sync_folder(self.path.parent)
                return found
        except OSError as error:
            raise self._failed("be writable", error) from error

    def _append(
        self, file: IO[bytes], records: tuple[AnyRecord, ...], expected_n: int | None
    ) -> tuple[Entry, ...]:
        n, end, last, torn = self._catch_up(file)
        if expected_n is not None and expected_n != n:
            rule = f"be {n}, the next place"
            hint = "read what was written meanwhile, and decide again"
            raise ConflictError(
                describe("append.expected_n", rule, expected_n, hint=hint)
            )
        lead: list[AnyRecord] = []
        if torn:
            said = (
                f"{torn} bytes of a last line were cut off: torn by a crash, or edited"
            )
            lead.append(Note(text=said, source="ledger"))
        lines, entries = [], []
        for record in (*lead, *records):
            line, made = seal(n, record, last)
            lines.append(line + b"\n")
            entries.append(made)
            n, last = n + 1, made.sha256
        if not lines:
            return ()
        if torn:
            file.truncate(end)
        content = b"".join(lines)
        try:
            _write(file, content)
            wanted = any(record.lasting for record in (*lead, *records))
            if self.sync == "always" or (self.sync == "lasting" and wanted):
                os.fsync(file.fileno())
        except OSError:
            self._take_back(file, end)
            raise
        self._ends.append((n, end + len(content)))
        self._last = last
        return tuple(entries[len(lead) :])

    def _take_back(self, file: IO[bytes], end: int) -> None:
        """Leave nothing of lines that could not be written in whole."""
        try:
            os.ftruncate(file.fileno(), end)
        except OSError:
            return  # then it is a torn line, as after a crash

    def _catch_up(self, file: IO[bytes]) -> tuple[int, int, str, int]:
        """Read what others wrote since.

        Returns:
            Number of lines, the byte where they end, the digest of the last, and the
            number of bytes of a torn line after them.
        """
        n, end = self._ends[-1]
        last = self._last
        size = file.seek(0, os.SEEK_END)
        if size < end:
            why = f"it has {size} bytes, and had {end}: lines were taken out"
            raise corrupt(str(self.path), b"", why)
        file.seek(end)
        known, rest = n, b""
        while chunk := file.read(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                last = self._read(line, n).sha256
                n, end = n + 1, end + len(line) + 1
        if rest and self._lacks_its_end(rest, n, last):
            _write(file, b"\n")
            last = self._read(rest, n).sha256
            n, end, rest = n + 1, end + len(rest) + 1, b""
        if n > known:
            self._ends.append((n, end))
            self._last = last
        torn = len(rest)
        return n, end, last, torn

    def _lacks_its_end(self, line: bytes, n: int, last: str) -> bool:
        """Whether all of a line is there but its newline."""
        return check(line, last) and self._read(line, n).n == n

    def _read(self, line: bytes, n: int) -> Entry:
        try:
            found = entry(line)
            if found.n != n:
                message = f"its place is {n}, it says {found.n}"
                raise ValueError(message)
        except (ValueError, RecursionError) as error:
            raise corrupt(f"{self.path}, line {n + 1},", line, str(error)) from error
        return found

    def read(self, from_n: int = 0) -> Iterator[Entry]:
        """See `Store.read`."""
        # the last known end that is not behind the place asked for
        with self._guard:
            index = bisect_right(self._ends, (from_n, 1 << 62)) - 1
            n, offset = self._ends[max(index, 0)]
        decode = entry
        for line in self._lines(offset, torn=False):
            if n >= from_n:
                try:
                    found = decode(line)
                except (ValueError, RecursionError) as error:
                    where = f"{self.path}, line {n + 1},"
                    raise corrupt(where, line, str(error)) from error
                if found.n != n:
                    why = f"its place is {n}, it says {found.n}"
                    raise corrupt(f"{self.path}, line {n + 1},", line, why)
                yield found
            n += 1

    def ends(self) -> tuple[Entry, ...]:
        """See `HasEnds.ends`."""
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                head = file.read(_END)
                file.seek(max(size - _END, 0))
                tail = file.read()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._failed("be readable", error) from error
        lines = tail[: tail.rfind(b"\n") + 1].splitlines()
        if size > _END:
            del lines[:1]  # it began before
            if b"\n" in head:
                lines.insert(0, head.partition(b"\n")[0])
        try:
            return tuple(entry(line) for line in lines)
        except (ValueError, RecursionError) as error:
            raise corrupt(
                f"{self.path}, at one of its ends,", b"", str(error)
            ) from error

    def lines(self) -> Iterator[bytes]:
        """See `Store.lines`; what follows the last newline is a line of its own."""
        yield from self._lines(0, torn=True)

    def _lines(self, offset: int, *, torn: bool) -> Iterator[bytes]:
        rest = b""
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                while chunk := file.read(_CHUNK):
                    *whole, rest = (rest + chunk).split(b"\n")
                    yield from whole
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed("be readable", error) from error
        if rest and torn:
            yield rest

    def _failed(self, rule: str, error: OSError) -> UnavailableError:
        hint = str(error.strerror or error)
        where = str(self.path)
        return UnavailableError(describe("JsonlStore.path", rule, where, hint=hint))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the place: what stands there is read again."""
        return JsonlStore, (self.path, self.sync)

    def __repr__(self) -> str:
        """Return the place."""
        return f"JsonlStore({str(self.path)!r})"


def _write(file: IO[bytes], content: bytes) -> None:
    """Write all of it, without a buffer that would be written later after a failure."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
