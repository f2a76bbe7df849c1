"""The truth file: every cell's losses by rate, made once and checked in."""

from __future__ import annotations

import json
import time
from pathlib import Path

from benchmarks.find.grid import GRID, Truth, measure
from benchmarks.find.own import own
from benchmarks.find.task import Task
from benchmarks.find.unseen import unseen

FILE = Path(__file__).with_name("truth.json")

# Tasks by set, a cell is a task with one of its optimizers.
SETS = {"own": own, "unseen": unseen}


def load() -> dict[tuple[str, str], Truth]:
    """Return what is known, by names of task and optimizer."""
    plain = json.loads(FILE.read_text(encoding="utf-8"))
    truths = [Truth.from_dict(cell) for cell in plain["cells"]]
    return {(truth.task, truth.optimizer): truth for truth in truths}


def make() -> None:
    """Train every grid, and write the file after each task."""
    truths: list[Truth] = []
    for name, tasks in SETS.items():
        for task in tasks():
            begin = time.perf_counter()
            truths += [measure(task, optimizer) for optimizer in task.optimizers]
            spent = time.perf_counter() - begin
            places = [truth.best_log_lr for truth in truths[-len(task.optimizers) :]]
            shown = ", ".join(f"{place:.2f}" for place in places)
            print(f"{name} {task.name}: best log10(lr) {shown}; {spent:.0f} s")
            save(truths)


def save(truths: list[Truth]) -> None:
    """Write the file, a line per cell."""
    lines = ",\n".join(json.dumps(truth.to_dict()) for truth in truths)
    grid = json.dumps(GRID.tolist())
    text = f'{{"version": 1,\n"log_lr": {grid},\n"cells": [\n{lines}\n]}}\n'
    FILE.write_text(text, encoding="utf-8")


def cells(name: str) -> list[tuple[Task, str]]:
    """Return the cells of a set."""
    return [(task, each) for task in SETS[name]() for each in task.optimizers]
