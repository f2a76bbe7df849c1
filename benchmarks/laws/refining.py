"""`python -m benchmarks.laws.refining`: schedules refined from a pilot run's gradients.

A pilot of a fifth of the updates at the tuned constant rate, the norms of its
gradients, the refined schedule over the whole run, its peak tuned on two seeds as that
of a linear decay is; both told on eight fresh seeds. Writes the file that is checked
in.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import stepsize as ss
from benchmarks.laws.training import TASKS, TOLD, TUNED_ON, Task, difference
from stepsize.planner.laws.law import Floats
from stepsize.planner.refinement import refine

FILE = Path(__file__).parent / "data" / "refining.json"
PILOT = 0.2


def measure(task: Task, optimizer: str) -> dict[str, Any]:
    """Refine and compare; JSON-plain."""
    updates, grid = task.updates, task.grid["wsd 20 %"]
    pilot = int(PILOT * updates)
    rise = np.minimum(1.0, np.arange(1, updates + 1) / task.warmup)
    lr, _ = _best(task, rise, task.grid["constant"])
    norms: list[Floats] = []
    task.train(np.stack([lr * rise[:pilot]] * len(TUNED_ON)), TUNED_ON, norms)
    seen = np.stack(norms)[task.warmup :].mean(axis=1)
    arms = {
        "linear": np.array(ss.linear().resolve(total_steps=updates).block(0, updates)),
        **{
            method: np.array(
                refine(seen, optimizer=optimizer, steps=updates, method=method)(
                    np.arange(updates)
                )
            )
            for method in ("closed form", "bound")
        },
    }
    told: dict[str, list[float]] = {}
    tuned: dict[str, float] = {}
    for name, arm in arms.items():
        shape = arm * rise
        tuned[name], _ = _best(task, shape, grid)
        _, losses = task.train(np.stack([tuned[name] * shape] * len(TOLD)), TOLD, None)
        told[name] = [float(x) for x in losses[:, -1]]
    return {
        "name": task.name,
        "pilot": pilot,
        "tuned": tuned,
        "losses": told,
        "against_linear": {
            name: difference(told[name], told["linear"])
            for name in told
            if name != "linear"
        },
    }


def _best(task: Task, shape: Floats, grid: Any) -> tuple[float, float]:
    cells = [(lr, seed) for lr in grid for seed in TUNED_ON]
    _, losses = task.train(
        np.stack([lr * shape for lr, _ in cells]), [seed for _, seed in cells], None
    )
    means = losses[:, -1].reshape(len(grid), len(TUNED_ON)).mean(axis=1)
    at = int(np.nanargmin(means))
    return float(grid[at]), float(means[at])


OPTIMIZERS = {"regression": "sgd", "digits": "adamw", "characters": "adamw"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the tasks named, or all, and write the file after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws.refining")
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(OPTIMIZERS))
    parser.add_argument("--output", type=Path, default=FILE)
    given = parser.parse_args(arguments)
    known: dict[str, Any] = {}
    if given.output.exists():
        known = json.loads(given.output.read_text(encoding="utf-8"))
    for name in given.tasks or OPTIMIZERS:
        known[name] = measure(TASKS[name], OPTIMIZERS[name])
        given.output.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        print(name, known[name]["tuned"], known[name]["against_linear"])


if __name__ == "__main__":
    main()
