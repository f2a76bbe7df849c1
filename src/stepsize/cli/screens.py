"""Where data and messages go: stdout, stderr, or a file that was named."""

import os
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stepsize.errors import StepsizeError

_PLAIN_WIDTH = 100
"""Width where the terminal does not say: a pipe or a file."""


def console() -> Console:
    """Return stdout, 100 columns wide where nothing says how wide it is."""
    out = Console(highlight=False, soft_wrap=True)
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        out.width = _PLAIN_WIDTH
    return out


def say(message: str) -> None:
    """Print a message to stderr."""
    sys.stderr.write(f"{message}\n")


def table(*headers: str, left: tuple[int, ...] = ()) -> Table:
    """Return an empty table: columns to the right, unless listed as `left`."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for index, header in enumerate(headers):
        text = index in left  # which is never cut, not even a word of it
        justify: Any = "left" if text else "right"
        overflow: Any = "fold" if text else "ellipsis"
        made.add_column(
            Text(header), justify=justify, overflow=overflow, no_wrap=not text
        )
    return made


def write_data(text: str, output: Path | None) -> None:
    """Write data to stdout, or to the file that was named, and then say so.

    Raises:
        StepsizeError: The file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        return
    write_file(output, text.encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file and say where it is.

    Raises:
        StepsizeError: It cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StepsizeError(
            f"{os.fspath(path)!r} cannot be written: {error.strerror}. hint: name a "
            "file in a folder that exists and is writable"
        ) from error
    say(f"wrote {path}")


def check_writable(*paths: Path | None) -> None:
    """Refuse a file that could not be written, before the work for it is done.

    Raises:
        StepsizeError: Its folder is missing or read-only, or it is a folder.
    """
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            problem = "is a folder"
        elif not path.parent.is_dir():
            problem = "cannot be written: No such file or directory"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            problem = "cannot be written: Permission denied"
        else:
            continue
        raise StepsizeError(
            f"{os.fspath(path)!r} {problem}. hint: name a file in a folder that exists "
            "and is writable"
        )


def to_json(value: Any) -> str:
    """Return JSON text, two spaces deep, with its newline."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def is_plain(stream: Any = None) -> bool:
    """Whether only ASCII may be printed."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    return not encoding.lower().replace("-", "").startswith("utf")
