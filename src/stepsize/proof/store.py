"""What finished runs gave, on disk: a comparison that starts again makes none twice.

A folder per subject with two files of JSON lines, to which lines are only ever added:
`runs.jsonl` and, sealed until a rate is chosen, `tests.jsonl`. Not here: what is in a
key (fingerprint.py).
"""

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, final

import msgspec

from stepsize.errors import ProofError, describe
from stepsize.ledger.files import locked, sync_folder
from stepsize.proof.cells import Returned, usable

SCHEMA = "stepsize.runs/1"
"""Name and version of a line; lines of another are left alone and not read."""

RUNS, TESTS = "runs.jsonl", "tests.jsonl"


Sealed = tuple[float | None, float | None]
"""Test metric, and that of what the model was trained on before."""


@final
@dataclass(frozen=True, slots=True)
class _Line:
    """One line: what the run with this key gave."""

    schema: str
    key: str
    about: dict[str, str]
    returned: Returned


@final
@dataclass(frozen=True, slots=True)
class _Test:
    """One line of the sealed file."""

    key: str
    test: float | None
    retained: float | None = None


@final
class Store:
    """The finished runs of one subject.

    Lines are added in one piece under a lock and synced, so several comparisons may
    share a folder; of lines with the same key the last counts. What a crash left of a
    last line is cut off by the next `add`.

    Args:
        folder: Where all subjects' folders are; made by `prepare` or the first `add`.
        subject: Name of the subject; its folder has the name, made fit for a file.

    Raises:
        ProofError: `folder` is a file, or cannot be read.
    """

    def __init__(self, folder: str | os.PathLike[str], subject: str) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", subject).strip(".-") or "subject"
        self.folder = Path(folder) / name
        try:
            if Path(folder).exists() and not Path(folder).is_dir():
                rule = "be a folder, or a name that is free"
                raise ProofError(describe("compare.store", rule, os.fspath(folder)))
        except OSError as error:
            raise self._failed(error) from error

    def prepare(self) -> None:
        """Make the folder, so that a wrong place is known before hours of training.

        Raises:
            ProofError: It cannot be made, or written to.
        """
        try:
            self._make()
        except OSError as error:
            raise self._failed(error) from error
        if not os.access(self.folder, os.W_OK):
            raise self._failed(PermissionError(errno.EACCES, "Permission denied"))

    def runs(self, keys: Sequence[str]) -> dict[str, Returned]:
        """Return what the store has of these runs, without their test metrics.

        Raises:
            ProofError: The file cannot be read, or a line of it is damaged.
        """
        wanted, found = set(keys), dict[str, Returned]()
        for line in self._lines(RUNS):
            read = _decode(line, _Line, self.folder / RUNS)
            if read is not None and read.key in wanted:
                found[read.key] = _counted(read.returned)
        return found

    def tests(self, keys: Sequence[str]) -> dict[str, Sealed]:
        """Unseal the test metrics of these runs, and of no others.

        Raises:
            ProofError: The file cannot be read, or a line of it is damaged.
        """
        wanted, found = set(keys), dict[str, Sealed]()
        for line in self._lines(TESTS):
            read = _decode(line, _Test, self.folder / TESTS)
            if read is not None and read.key in wanted:
                test, retained = read.test, read.retained
                found[read.key] = (
                    test if usable(test) else None,
                    retained if usable(retained) else None,
                )
        return found

    def add(
        self, runs: Mapping[str, Returned], about: Mapping[str, dict[str, str]]
    ) -> None:
        """Add what runs gave, all of them or, after a crash, the first few.

        Args:
            runs: Key -> what the run gave.
            about: Key -> words for whoever reads the file.

        Raises:
            ProofError: The folder cannot be written to.
        """
        tests = [_Test(key, run.test, run.retained) for key, run in runs.items()]
        lines = [
            _Line(SCHEMA, key, about[key], replace(run, test=None, retained=None))
            for key, run in runs.items()
        ]
        # The sealed ones first: a run counts as made when it is among the runs.
        for name, records in ((TESTS, tests), (RUNS, lines)):
            content = b"".join(
                msgspec.json.encode(record) + b"\n" for record in records
            )
            self._append(name, content)

    def _append(self, name: str, content: bytes) -> None:
        try:
            self._make()
            path = self.folder / name
            new = not path.exists()
            with path.open("a+b", buffering=0) as file, locked(file):
                _cut_torn_line(file)
                rest = memoryview(content)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            if new:
                sync_folder(self.folder)
        except OSError as error:
            raise self._failed(error) from error

    def _make(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / ".gitignore").write_text("*\n")

    def _lines(self, name: str) -> Iterator[bytes]:
        """Yield the whole lines of a file; none if there is no file."""
        try:
            with (self.folder / name).open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield line
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> ProofError:
        hint = "name another folder with --store DIR"
        rule = f"be a folder to read and write ({error.strerror or error})"
        return ProofError(
            describe("compare.store", rule, os.fspath(self.folder), hint=hint)
        )


def _decode(line: bytes, kind: type[Any], path: Path) -> Any:
    """Read a line; None if it has another schema.

    Raises:
        ProofError: It is damaged.
    """
    try:
        plain = msgspec.json.decode(line)
        if kind is _Line and plain["schema"] != SCHEMA:
            return None
        return msgspec.convert(plain, kind)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        hint = "take the line out, or start a new store with --store DIR"
        raise ProofError(
            describe(f"{path}", f"hold whole records ({error})", line, hint=hint)
        ) from error


def _counted(returned: Returned) -> Returned:
    """Return what a run gave, its metric judged as of a run made today."""
    val = returned.val
    if val is None or usable(val):
        return returned
    return replace(returned, status="diverged", reason=f"val is {val:g}", val=None)


def _cut_torn_line(file: IO[bytes]) -> None:
    """Cut off what follows the last newline: half a line that a crash left."""
    end = file.seek(0, os.SEEK_END)
    at = end
    while at:
        start = max(0, at - 4096)
        file.seek(start)
        newline = file.read(at - start).rfind(b"\n")
        if newline >= 0:
            at = start + newline + 1
            break
        at = start
    if at < end:
        file.truncate(at)
