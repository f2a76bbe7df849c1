"""A PostgreSQL server of the tests' own, where its binaries are installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def binary(name: str) -> str | None:
    """Return the path of one of its programs; Debian keeps them out of PATH."""
    found = shutil.which(name)
    if found is not None:
        return os.path.realpath(found)
    usual = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(usual[-1]) if usual else None


def call(name: str, *arguments: object, **options: Any) -> None:
    """Run one of its programs."""
    program = binary(name)
    assert program is not None
    words = [program, *map(str, arguments)]
    subprocess.run(words, check=True, **options)


@contextmanager
def server() -> Iterator[str]:
    """Run one in a folder of its own; gives the address of a database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="stepsize-pg-"))
    other: dict[str, Any] = {}
    if os.getuid() == 0:  # it refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        other = {"user": "postgres", "group": "postgres"}
    data = folder / "data"
    quiet = {"capture_output": True, "cwd": folder, **other}
    try:
        call("initdb", "-D", data, "-U", "ada", "-A", "trust", "-N", **quiet)
        options = f"-p {port} -h 127.0.0.1 -k {folder}"
        start = ("-D", data, "-o", options, "-w", "-t", 120, "-l", folder / "log")
        call("pg_ctl", *start, "start", cwd=folder, **other)
        try:
            yield f"postgresql+psycopg://ada@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "stop", **quiet)
    finally:
        shutil.rmtree(folder)
