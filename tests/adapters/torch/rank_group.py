"""Processes that form a group of torch.distributed, and what becomes of them.

They are forked from a process that imported torch but never used it.
"""

import datetime
import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed

warnings.simplefilter("error")  # as in the tests


def together(
    size: int, work: Callable[[int], Any], folder: Path, seconds: float = 60.0
) -> list[Any]:
    """Run `work(rank)` in a group of `size` processes.

    Returns what each returned, JSON-plain; {"error": type, "text": message} of one that
    raised; "SIGKILL" of one that was killed, and "stuck" of one killed for being late.
    """
    folder.mkdir(parents=True)
    children = [_fork(size, rank, work, folder) for rank in range(size)]
    deadline = time.monotonic() + seconds
    return [
        _outcome(child, folder / f"{rank}.json", deadline)
        for rank, child in enumerate(children)
    ]


def _fork(size: int, rank: int, work: Callable[[int], Any], folder: Path) -> int:
    child = os.fork()
    if child:
        return child
    torch.set_num_threads(1)
    try:
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{folder}/meet",
            rank=rank,
            world_size=size,
            timeout=datetime.timedelta(seconds=30),
        )
        found = work(rank)
    except Exception as error:
        found = caught(error)
    finally:
        sys.stderr.flush()
    (folder / f"{rank}.json").write_text(json.dumps(found))
    os._exit(0)


def _outcome(child: int, path: Path, deadline: float) -> Any:
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "stuck"
        time.sleep(0.01)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return json.loads(path.read_text())


def caught(error: Exception) -> dict[str, str]:
    return {"error": type(error).__name__, "text": str(error)}


def tried(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or what it raised."""
    try:
        return call()
    except Exception as error:
        return caught(error)
