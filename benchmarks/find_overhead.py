"""What the finder costs beside the updates it makes: time and memory.

python -m benchmarks.find_overhead
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.measure import cpu
from benchmarks.results import Aim, Cell, Column, Part, Table
from benchmarks.show import console, show
from stepsize.adapters.torch.finder_block import finding

MOST_SHARE = 5.0  # % of the updates' own time
MOST_MEMORY = 10.0  # % of a snapshot
MEGA = 2.0**20
# Otherwise glibc keeps holes of up to 32 MB, more or fewer by chance.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}

NOTES = (
    "Time: CPU time of the whole search (snapshots, restoring, analysis) minus that "
    "inside the updates, as a share of the latter; median over the rounds. Batches are "
    "tensors in memory.",
    "Memory: peak resident memory of a process that searches, minus that of one that "
    "makes 20 updates, minus one snapshot (parameters, optimizer state, gradients), as "
    "a share of the snapshot. Memory that is freed goes back to the system at once.",
)


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32 * 49, 10),
    )


def _mlp() -> nn.Module:
    layers = [nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))


def _wide() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Linear(4096, 10),
    )  # fmt: skip


class _Training:
    """A model, its optimizer and batches of noise with labels that can be learned."""

    def __init__(
        self, network: Callable[[], nn.Module], adam: bool, batch: int
    ) -> None:
        torch.manual_seed(0)
        self.model = network()
        of = self.model.parameters()
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(of, lr=1e-3)
            if adam
            else torch.optim.SGD(of, lr=1e-2, momentum=0.9)
        )
        inputs = [torch.randn(batch, 1, 28, 28) for _ in range(20)]
        self.batches = [(one, one[:, 0, :10, 0].argmax(1)) for one in inputs]

    def update(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        self.optimizer.zero_grad()
        loss = cross_entropy(self.model(batch[0]), batch[1])
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def search(self, fast: bool) -> tuple[float, float, int]:
        """Return the seconds in all, those inside the updates, and their number."""
        inside = 0.0
        start = cpu()
        with finding(self.model, self.optimizer, batches=self.batches) as finder:

            def step() -> Tensor:
                nonlocal inside
                batch = next(finder.batches)
                begin = cpu()
                loss = self.update(batch)
                inside += cpu() - begin
                return loss

            found = finder.run(step, fast=fast)
        return cpu() - start, inside, found.steps


def run(*, rounds: int = 5) -> Part:
    """Measure time and memory.

    Args:
        rounds: Searches of each training, after one that is not counted.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: list[tuple[Cell, ...]] = []
    aims: list[Aim] = []
    try:
        for title, network, adam, batch in (
            ("CNN, SGD with momentum, batch 32", _cnn, False, 32),
            ("CNN, Adam, batch 32", _cnn, True, 32),
            ("MLP 784-64-64-10, SGD with momentum, batch 32", _mlp, False, 32),
            ("MLP 784-64-64-10, Adam, batch 32", _mlp, True, 32),
        ):
            training = _Training(network, adam, batch)
            for fast in (False, True):
                training.search(fast)
                found = [training.search(fast) for _ in range(rounds)]
                share = median(100 * (whole / own - 1) for whole, own, _ in found)
                updates = found[0][2]
                each = median(own / steps for _, own, steps in found)
                name = f"{title}{', fast' if fast else ''}"
                rows.append((name, float(updates), each * 1e3, share))
                aims.append(Aim(f"time, {name}", share, MOST_SHARE, "%"))
    finally:
        torch.set_num_threads(before)
    times = Table(
        "Time",
        (
            Column("training"),
            Column("updates", ".0f"),
            Column("an update, ms", ".3f"),
            Column("added, %", ".2f"),
        ),
        tuple(rows),
    )
    memory, more = _memory()
    title = "What the finder adds to its updates"
    return Part("find_overhead", title, (times, memory), (*aims, *more), NOTES)


# --- memory -----------------------------------------------------------------------


def _memory() -> tuple[Table, list[Aim]]:
    rows: list[tuple[Cell, ...]] = []
    aims: list[Aim] = []
    for trained in (False, True):
        plain, searched = (_peak(what, trained) for what in ("train", "search"))
        snapshot = searched["snapshot"]
        added = searched["peak"] - plain["peak"]
        beyond = 100 * (added - snapshot) / snapshot
        name = f"20M parameters, Adam, {'in training' if trained else 'at first'}"
        megas = (one / MEGA for one in (plain["peak"], snapshot, added))
        rows.append((name, *megas, beyond))
        aims.append(Aim(f"memory, {name}", beyond, MOST_MEMORY, "%"))
    columns = (
        Column("training"),
        Column("without, MB", ".0f"),
        Column("a snapshot, MB", ".0f"),
        Column("added, MB", ".0f"),
        Column("beyond, %", ".1f"),
    )
    return Table("Memory", columns, tuple(rows)), aims


def _peak(what: str, trained: bool) -> dict[str, float]:
    """Measure in a process of its own: a peak does not go down again."""
    command = [sys.executable, "-m", "benchmarks.find_overhead", what, str(trained)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | _MALLOC
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measured(what: str, trained: bool) -> dict[str, float]:
    torch.set_num_threads(1)
    training = _Training(_wide, True, 8)
    if trained:
        for batch in training.batches[:3]:
            training.update(batch)
    state: Any = training.optimizer.state
    held = list(training.model.parameters())
    held += [one.grad for one in held if one.grad is not None]  # type: ignore[misc]
    held += [one for each in state.values() for one in each.values()]
    snapshot = float(sum(one.numel() * one.element_size() for one in held))
    if what == "train":
        for batch in training.batches:
            training.update(batch)
    else:
        training.search(fast=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 if sys.platform == "darwin" else 1024
    return {"peak": float(peak * scale), "snapshot": snapshot}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_measured(sys.argv[1], sys.argv[2] == "True")))
    else:
        show(run(), console())
