"""Trains a task's comparison, or takes it from the store, and keeps its results."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.proof.tasks import SEEDS, SELECT_SEEDS, Task
from stepsize.proof import Comparison, Results, compare, workloads
from stepsize.proof.arms import EVERYTHING
from stepsize.proof.environment import environment
from stepsize.proof.results import Curve, write_whole

Tell = Callable[[str], None]

_EVERY = 30.0  # seconds between two lines of progress


def train(task: Task, folder: Path, store: Path, tell: Tell) -> Comparison:
    """Make a task's comparison; write `folder/NAME.json`.

    Args:
        task: Which.
        folder: Where its results go.
        store: Where its finished runs are kept: those that are there are not made
            again.
        tell: Is given a line now and then.

    Raises:
        DataMissingError: Its data is not on this machine.
    """
    told = time.perf_counter()

    def progress(done: int, total: int) -> None:
        nonlocal told
        now = time.perf_counter()
        if now - told >= _EVERY or done == total:
            told = now
            tell(f"{task.name}: {done / total:.0%} of {total} updates")

    comparison = compare(
        task.workload,
        schedules=[EVERYTHING],
        total_steps=task.total_steps,
        lrs=task.lrs,
        default_lr=workloads.load(task.workload).default_lr,
        seeds=SEEDS,
        select_seeds=SELECT_SEEDS,
        store=store / task.name,
        on_progress=progress,
    )
    created = datetime.now(UTC).isoformat(timespec="seconds")
    results = Results(
        comparisons=(slim(comparison),), environment=environment(), created=created
    )
    write_whole(msgspec.json.encode(results) + b"\n", folder / f"{task.name}.json")
    tell(f"{task.name}: {comparison.seconds:.0f} s; {comparison.verdict[0]}")
    return comparison


def slim(comparison: Comparison) -> Comparison:
    """Return it without the curves of runs that are not reported, rounded to 5 digits.

    So the file is a fifth as long; every final metric stays as it was.
    """
    reported = set(map(id, comparison.reported_runs))
    runs = tuple(
        replace(
            run,
            curves=tuple(map(_rounded, run.curves)) if id(run) in reported else (),
        )
        for run in comparison.runs
    )
    return replace(comparison, runs=runs)


def _rounded(curve: Curve) -> Curve:
    values = tuple(v if v is None else float(f"{v:.5g}") for v in curve.values)
    return replace(curve, values=values)
