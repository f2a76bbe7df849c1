"""Processes that take snapshots until they are killed, each at a random moment.

    python snapshot_kills.py FOLDER KILLS SEED

Every value of a snapshot is its label. After each kill the folder's snapshots are
restored, and compared with that. Prints the kills, how many came while a file was being
written, and the snapshots taken.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from stepsize.adapters.torch.snapshots import DiskSnapshots, Subject

SIZE = 20_000


def subject() -> Subject:
    weight = torch.nn.Parameter(torch.zeros(SIZE))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.state[weight] = {"moment": torch.zeros(SIZE)}
    return Subject(None, optimizer)


def live(folder: Path, told: int) -> None:
    """Keep a ring of two, and tell of the first."""
    made = subject()
    snapshots = DiskSnapshots(folder, made)
    label = max(snapshots.labels(), default=-1)
    while True:
        label += 1
        weight = made.optimizer.param_groups[0]["params"][0]
        weight.data.fill_(label)
        made.optimizer.state[weight]["moment"].fill_(label)
        for old in snapshots.labels()[:-1]:
            snapshots.drop(old)
        snapshots.take(label, {"label": label})
        if told:
            os.write(told, b".")
            told = 0


def look(folder: Path) -> int:
    """Restore every snapshot in a folder; return the highest label."""
    made = subject()
    snapshots = DiskSnapshots(folder, made)
    labels = snapshots.labels()
    for label in labels:
        extra = snapshots.restore(label, everything=True)
        weight = made.optimizer.param_groups[0]["params"][0]
        moment = made.optimizer.state[weight]["moment"]
        whole = bool((weight == label).all() and (moment == label).all())
        if not whole or extra != {"label": label} or len(labels) > 3:
            message = f"snapshot {label} of {labels} is not whole"
            raise RuntimeError(message)
    return max(labels, default=-1)


def main(folder: Path, kills: int, seed: int) -> None:
    torch.set_num_threads(1)  # no threads that a fork would lose
    draw = random.Random(seed)
    before, halves = -1, 0
    for _ in range(kills):
        reading, told = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                live(folder, told)
            finally:
                os._exit(1)
        os.close(told)
        os.read(reading, 1)  # it has begun, however busy the machine is
        os.close(reading)
        time.sleep(draw.uniform(0.0, 0.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            message = "a life ended by itself"
            raise RuntimeError(message)
        halves += bool(list(folder.glob(".snapshot-*")))
        after = look(folder)
        if after < before:
            message = f"snapshot {before} is lost"
            raise RuntimeError(message)
        before = after
    sys.stdout.write(f"{kills} {halves} {before}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
