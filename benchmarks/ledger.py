"""What a ledger costs: to write, to read, to verify, and inside a training step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

import stepsize as ss
from benchmarks.measure import cpu, interleaved, quantile, wall
from benchmarks.results import Aim, Cell, Column, Part, Table
from stepsize.adapters.torch import Scheduler
from stepsize.adapters.torch.remote import Remote
from stepsize.ledger import JsonlStore, Ledger
from stepsize.ledger.history import spec_from
from stepsize.ledger.records import Metric, Note
from stepsize.ledger.verify import verify

MICRO = 1e6
STEP_SECONDS = 1e-3
MOST_READ, MOST_POLL, MOST_SHARE = 5.0, 1.0, 1.0

NOTES = (
    "Read: each record of a file decoded and checked for its place, CPU time, scaled "
    "to a million records; the file is cached. Verified: every digest, and every rate "
    "against spec and events, likewise. Synced: wall time.",
    "Inside a step: CPU time of optimizer.step() and scheduler.step() of one small "
    "layer, minus that of a Scheduler without a ledger in the same round, median over "
    "the rounds. The clock of the looks is set to 1 ms an update: a look every 1000 "
    "updates, rates and loss recorded every 10, written every 5000.",
    "A share is of a step of 1 ms.",
)


def run(*, records: int = 200_000, updates: int = 5000, rounds: int = 15) -> Part:
    """Measure the store, then a training.

    Args:
        records: Metrics in the file.
        updates: Updates in a round.
        rounds: Rounds at most.
    """
    rows, aims = _store(records)
    added, more = _training(updates, rounds)
    columns = (Column("what"), Column("time", ".3g"), Column("unit"))
    tables = (
        Table("A file of metrics", columns, rows),
        Table("Added to an update", columns, added),
    )
    title = "The ledger"
    return Part("ledger", title, tables, (*aims, *more), NOTES)


def _store(records: int) -> tuple[tuple[tuple[Cell, ...], ...], tuple[Aim, ...]]:
    resolved = (0.1 * ss.warmup(100) >> ss.cosine()).resolve(total_steps=records)
    with tempfile.TemporaryDirectory() as folder:
        store = JsonlStore(folder)
        rates = {"lr": [(resolved, 1.0, "float64")]}
        store.append(spec_from(0, ["0"], rates))
        begin = cpu()
        for start in range(0, records, 1000):
            store.append(
                *(
                    Metric.of(u, {"lr": [resolved(u)]}, {"loss": 0.5})
                    for u in range(start, min(start + 1000, records))
                )
            )
        written = cpu() - begin
        begin = cpu()
        read = sum(1 for _ in JsonlStore(folder).read())
        spent = cpu() - begin
        begin = cpu()
        found = verify(JsonlStore(folder))
        verified = cpu() - begin
        if read != records + 1 or found.findings:
            message = f"read {read} of {records}; {found.findings}"
            raise RuntimeError(message)
        notes = []
        for number in range(200):
            begin = wall()
            store.append(Note(text=f"note {number}"))
            notes.append(wall() - begin)
    million = MICRO / records
    rows: tuple[tuple[Cell, ...], ...] = (
        ("written in thousands, a record", written / records * MICRO, "us"),
        ("a million read", spent * million, "s"),
        ("a million verified", verified * million, "s"),
        ("one record, synced: median", median(notes) * 1e3, "ms"),
        ("one record, synced: p99", quantile(notes, 0.99) * 1e3, "ms"),
    )
    return rows, (Aim("a million records read", spent * million, MOST_READ, "s"),)


def _training(
    updates: int, rounds: int
) -> tuple[tuple[tuple[Cell, ...], ...], tuple[Aim, ...]]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            loops = {
                "alone": _loop(None, updates),
                "polls": _loop(Path(folder) / "polls", updates, every=10**9),
                "everything": _loop(Path(folder) / "all", updates, every=10),
            }
            times = interleaved(
                {name: one[0] for name, one in loops.items()},
                rounds=rounds,
                seconds=30.0,
                clock=cpu,
            )
            for _, remote in loops.values():
                if remote is not None:
                    remote.close()
    finally:
        torch.set_num_threads(before)
    found = {
        name: median(a - b for a, b in zip(times[name], times["alone"], strict=True))
        / updates
        for name in ("polls", "everything")
    }
    share = 100 * found["everything"] / STEP_SECONDS
    rows: tuple[tuple[Cell, ...], ...] = (
        ("looks for commands", found["polls"] * MICRO, "us"),
        ("looks, rates and losses", found["everything"] * MICRO, "us"),
        ("the same, of a step of 1 ms", share, "%"),
    )
    aims = (
        Aim("looks for commands", found["polls"] * MICRO, MOST_POLL, "us an update"),
        Aim("ledger and looks, of a step of 1 ms", share, MOST_SHARE, "%"),
    )
    return rows, aims


def _loop(
    folder: Path | None, updates: int, every: int = 10
) -> tuple[Callable[[], None], Remote | None]:
    weights = torch.nn.Parameter(torch.ones(10))
    weights.grad = torch.zeros(10)
    optimizer = torch.optim.SGD([weights], lr=0.1)
    ledger = None
    if folder is not None:
        ledger = Ledger(folder, metrics_every=every, flush_seconds=0.1)
    scheduler = Scheduler(optimizer, lr=0.1 * ss.warmup(10) >> ss.hold(), ledger=ledger)
    remote = None if ledger is None else Remote.of(scheduler, ledger)
    if remote is not None:
        remote._pace._clock = lambda: scheduler.update * STEP_SECONDS
    loss = torch.tensor(0.5)

    def run() -> None:
        for _ in range(updates):
            optimizer.step()
            scheduler.step()
            if remote is not None:
                remote.loss(loss)

    return run, remote
