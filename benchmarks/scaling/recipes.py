"""Recipes as they are advised, and with the peak that a grid gives, against the grid.

The built-in workloads take everything from the recipe. The finder's tasks take its rate
and its schedule; their optimizers' other values are those of the finder's benchmark.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np

import stepsize as ss
from benchmarks.find.grid import measure as measure_truth
from benchmarks.find.member import Member
from benchmarks.find.own import own
from benchmarks.find.stack import train
from benchmarks.find.task import Task
from benchmarks.scaling.cases import GRIDS, NAMES, Case, Training, chance, trained
from stepsize.finder import find

SEEDS = range(500, 508)  # those of the truth, so that runs are paired
OPTIMIZERS = {
    "sgd": "SGD + momentum",
    "adam": "Adam",
    "lion": "Lion",
    "rmsprop": "RMSprop",
}
TASKS = (
    "digits-mlp",
    "mnist-cnn",
    "char-attention",
    "flower",
    "diabetes",
    "digits-finetune",
    "digits-vae",
)
GOOD, TEN = 0.05, 10.0
LANGUAGE = {"char-attention", "char-gru", "bigram", "charlm"}
VISION = {"mnist-cnn"}
PRETRAINED = {"digits-finetune"}
# At the batch and length that `stepsize compare` has.
BUILT_IN = tuple(
    Case(workload=name, optimizer=optimizer, batch=batch, steps=steps, few=steps)
    for name, batch, steps in (
        ("digits", 32, 560),
        ("mnist5k", 32, 600),
        ("charlm", 8, 2000),
    )
    for optimizer in ("sgd", "adamw")
)
SIZES = {"digits": 8_970, "mnist5k": 55_050, "charlm": 65_952}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One recipe.

    Attributes:
        task: Name of the workload or task.
        optimizer: Its name.
        advised_lr: The recipe's peak.
        best_lr: The grid's best, under 5 % warmup and half a cosine.
        found_lr: What the finder suggests after 500 updates; None: nothing.
        inside: Whether the recipe's range contains it.
        regret: What the recipe loses, untouched, of what training gains; 0 to 1.
        with_best: What it loses with the grid's best rate as its peak.
        with_found: What it loses with the finder's.
    """

    task: str
    optimizer: str
    advised_lr: float
    best_lr: float
    found_lr: float | None
    inside: bool
    regret: float
    with_best: float
    with_found: float

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(only: tuple[str, ...] = ()) -> Iterator[Row]:
    """Train everything, or what is named; give each row when it is known."""
    for case in BUILT_IN:
        if not only or case.workload in only:
            yield _timed(partial(_built_in, case))
    for task in own():
        for optimizer in task.optimizers:
            if optimizer in OPTIMIZERS and task.name in (only or TASKS):
                yield _timed(partial(_of_the_finder, task, optimizer))


def _timed(work: Callable[[], Row]) -> Row:
    begin = time.perf_counter()
    row = work()
    said = f"{row.task} {row.optimizer}: {time.perf_counter() - begin:.0f} s"
    print(said, file=sys.stderr, flush=True)
    return row


def _advice(
    name: str, optimizer: str, steps: int, batch: int, size: int
) -> tuple[ss.Advice, ss.Schedule]:
    """Return the advice, and its schedule with a peak of 1."""
    task = "language" if name in LANGUAGE else "vision" if name in VISION else "general"
    made = ss.recipe(
        task,
        optimizer=optimizer,
        horizon=steps,
        batch=batch,
        model=size,
        pretrained=name in PRETRAINED,
    )
    return made, ss.parse(str(made["schedule"].value))


def _built_in(case: Case) -> Row:
    grid = GRIDS[case.optimizer]
    losses = trained(case, [case.recipe(lr, case.steps) for lr in grid]).mean(1)
    best, at = float(losses.min()), float(grid[int(losses.argmin())])
    made, shape = _advice(
        case.workload,
        NAMES[case.optimizer],
        case.steps,
        case.batch,
        SIZES[case.workload],
    )
    training = Training(case, made.recipe)
    found = find(training.step, training.again, horizon=case.steps)
    peaks = [float(made["lr"].value), at, found.suggestion]
    runs = [replace(made.recipe, lr=lr * shape) for lr in peaks if lr is not None]
    ends = trained(case, runs).mean(1).tolist()
    gains = chance(case.workload) - best
    regrets = [(end - best) / gains for end in ends]
    return _row(case.workload, case.optimizer, made, peaks, regrets)


def _of_the_finder(task: Task, optimizer: str) -> Row:
    truth = measure_truth(task, optimizer)
    made, shape = _advice(
        task.name,
        OPTIMIZERS[optimizer],
        task.steps,
        task.batch,
        sum(task.sizes()),
    )
    member = Member(task, optimizer, 0)
    found = find(member.step, member.again, horizon=task.steps)
    peaks = [float(made["lr"].value), 10.0**truth.best_log_lr, found.suggestion]
    factors = np.array(shape.resolve(total_steps=task.steps).rates())
    known = [lr for lr in peaks if lr is not None]
    rates = np.concatenate([lr * factors[None] for lr in known for _ in SEEDS])
    each = [*SEEDS] * len(known)
    ends, _ = train(task, optimizer, rates, each, each)
    losses = np.where(np.isfinite(ends), np.minimum(ends, truth.initial), truth.initial)
    gains = truth.initial - truth.best
    means = losses.reshape(len(known), -1).mean(1).tolist()
    return _row(
        task.name, optimizer, made, peaks, [(one - truth.best) / gains for one in means]
    )


def _row(
    name: str,
    optimizer: str,
    made: ss.Advice,
    peaks: list[float | None],
    regrets: list[float],
) -> Row:
    top, best, found = made["lr"], peaks[1] or 0.0, peaks[2]
    low, high = top.low or 0.0, top.high or float("inf")
    return Row(
        task=name,
        optimizer=optimizer,
        advised_lr=float(top.value),
        best_lr=best,
        found_lr=found,
        inside=low <= best <= high,
        regret=regrets[0],
        with_best=regrets[1],
        with_found=1.0 if found is None else regrets[2],
    )


def tables(rows: list[Row]) -> str:
    """Return a table in Markdown, and a sentence that counts."""
    heads = ["workload", "optimizer", "advised", "best of grid", "finder"]
    heads += ["untouched, %", "grid's peak, %", "finder's peak, %"]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for row in rows:
        found = "-" if row.found_lr is None else f"{row.found_lr:.2g}"
        cells = [row.task, row.optimizer, f"{row.advised_lr:.2g}", f"{row.best_lr:.2g}"]
        regrets = (row.regret, row.with_best, row.with_found)
        cells += [found, *(f"{100 * one:.1f}" for one in regrets)]
        lines.append("| " + " | ".join(cells) + " |")
    far = [max(r.best_lr / r.advised_lr, r.advised_lr / r.best_lr) for r in rows]
    said = (
        f"{len(rows)} pairs. Within 5 % regret: "
        f"{sum(row.with_best <= GOOD for row in rows)} with the grid's peak, "
        f"{sum(row.with_found <= GOOD for row in rows)} with the finder's, "
        f"{sum(row.regret <= GOOD for row in rows)} untouched. The grid's best rate is "
        f"in the recipe's range for {sum(row.inside for row in rows)}, within a factor "
        f"of 10 for {sum(one <= TEN for one in far)}; median factor "
        f"{np.median(far):.2g}, largest {max(far):.3g}."
    )
    return "\n".join([*lines, "", said])
