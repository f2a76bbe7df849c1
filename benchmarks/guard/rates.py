"""The best rate of each task, from a grid in half decades, kept in a file.

python -m benchmarks.guard.rates
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import fmean

from benchmarks.guard.functions import TASKS as FUNCTIONS
from benchmarks.guard.images import TASKS as IMAGES
from benchmarks.guard.running import train
from benchmarks.guard.sequences import TASKS as SEQUENCES
from benchmarks.guard.task import Task

FILE = Path(__file__).with_name("rates.json")
SEEDS = (100, 101)

TASKS: tuple[Task, ...] = (*IMAGES, *FUNCTIONS, *SEQUENCES)


def grid(task: Task) -> dict[float, float]:
    """Return the mean score of each rate of the grid."""
    low, high = task.rates
    found = {}
    for step in range(round(2 * (high - low)) + 1):
        rate = 10 ** (low + step / 2)
        scores = [train(task, seed, rate).last for seed in SEEDS]
        mean = fmean(scores)
        found[float(f"{rate:.3g}")] = mean if math.isfinite(mean) else math.inf
    return found


def best(name: str) -> float:
    """Return the kept best rate of a task."""
    kept: dict[str, float] = json.loads(FILE.read_text())
    return kept[name]


def main() -> None:
    """Look for the best rates again and write the file."""
    kept = {}
    for task in TASKS:
        scores = grid(task)
        kept[task.name] = min(scores, key=scores.__getitem__)
        shown = "  ".join(f"{rate:g}: {score:.4g}" for rate, score in scores.items())
        print(f"{task.name:32s} {kept[task.name]:<8g} {shown}", flush=True)
    FILE.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
