"""Processes that are killed and started again, and the notes that they leave."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def note(path: Path, *values: Any) -> None:
    """Add a line to a file, whose last may be torn: a kill can come within a write."""
    with path.open("a") as file:
        file.write(f"\n{json.dumps(values)}\n")


def notes(path: Path) -> list[list[Any]]:
    """Return the lines that were written whole."""
    found: list[list[Any]] = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # no beginning of a list is JSON
            continue
    return found


def live(train: Callable[[Path], object], folder: Path, seconds: float | None) -> bool:
    """Let a process train, and kill it after a time; whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(folder)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status) != 0:
        message = "a life ended by itself"
        raise RuntimeError(message)
    return not os.WIFSIGNALED(status)


def lives(train: Callable[[Path], object], folder: Path, kills: int, seed: int) -> None:
    """Train in FOLDER/whole, then in run0, run1, ..., killed 1 to 8 times each.

    The kills come at random moments of a life as long as the first: machines differ.
    """
    draw = random.Random(seed)
    (folder / "whole").mkdir()
    begin = time.monotonic()
    live(train, folder / "whole", None)
    usual = time.monotonic() - begin
    done = count = 0
    while done < kills:
        run = folder / f"run{count}"
        run.mkdir()
        count += 1
        for _ in range(draw.randint(1, 8)):
            if done == kills or live(train, run, usual * draw.uniform(0.05, 0.7)):
                break
            done += 1
        live(train, run, None)
