"""What a run prints, C code and child processes included, is kept in a file."""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import IO

_TAIL = 10_000
"""Bytes that are read of what was printed."""


@contextmanager
def kept_off() -> Iterator[IO[bytes]]:
    """Send what this process prints into a file, and not to the terminal.

    It is for a process that does nothing else meanwhile: the streams are everybody's.

    Yields:
        The file; `tail` reads it.
    """
    with tempfile.TemporaryFile() as file:
        _flush()
        saved: dict[int, int] = {}
        for stream in (1, 2):
            with suppress(OSError):  # a process without a terminal may lack it
                saved[stream] = os.dup(stream)
        raw = io.FileIO(file.fileno(), "wb", closefd=False)
        printed = io.TextIOWrapper(
            io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True
        )
        try:
            for stream in saved:
                os.dup2(file.fileno(), stream)
            with redirect_stdout(printed), redirect_stderr(printed):
                yield file
        finally:
            with suppress(OSError, ValueError):  # no space left, or closed by the run
                printed.close()
            _flush()
            for stream, before in saved.items():
                os.dup2(before, stream)
                os.close(before)


def tail(file: IO[bytes]) -> str:
    """Return the end of what was printed so far."""
    _flush()
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
    return file.read().decode("utf-8", "replace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, AttributeError):  # closed, or None
            stream.flush()  # type: ignore[union-attr]
