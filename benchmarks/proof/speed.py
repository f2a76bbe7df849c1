"""How fast the engines train each workload, on one core and on all of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.proof.tasks import Task
from benchmarks.proof.training import Tell
from stepsize.proof import compare, workloads
from stepsize.proof.engines import EngineName
from stepsize.proof.environment import count_cores, environment
from stepsize.proof.population import measure_throughput

_REPEATS = 3
_QUICK = frozenset({"digits", "mnist5k", "letters", "diamonds"})
_LONG, _SHORT = (42, 300), (16, 100)  # members and updates, of quick ones and others

_ONE = """
import sys
import numpy as np
from stepsize.proof import workloads
from stepsize.proof.population import train_one
workload = workloads.load(sys.argv[1])
train_one(workload, np.full(int(sys.argv[2]), workload.default_lr), 0)
"""


def measure(tasks: Sequence[Task], file: Path, tell: Tell) -> list[dict[str, Any]]:
    """Measure every workload of the tasks that has data here; write the file."""
    rows = []
    for name in dict.fromkeys(task.workload for task in tasks):
        members, updates = _LONG if name in _QUICK else _SHORT
        workload = replace(workloads.load(name), total_steps=updates)
        found = measure_throughput(workload, members=members, repeats=_REPEATS)
        row = {
            **asdict(found),
            "ratio": found.ratio,
            "most_cores": found.most_cores,
            **_whole(name),
        }
        rows.append(row)
        tell(
            f"{found}; the grid {row['grid_population']:.0f} s, in processes "
            f"{row['grid_processes']:.0f} s, each run in its own {row['grid_own']:.0f}"
        )
    content = {"environment": environment(), "rows": rows}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return rows


def _whole(name: str) -> dict[str, float]:
    """Time a small grid of whole runs, on all cores, start to end.

    Returns:
        `runs`; the seconds of `grid_population` and of `grid_processes`, whose workers
        are used again; and of `grid_own`, a new process for every run, as many at a
        time as there are cores, from the time of one.
    """
    workload = workloads.load(name)
    seeds = 32 if name in _QUICK else 8
    cores = count_cores()

    def seconds(engine: EngineName) -> float:
        return compare(
            name,
            schedules=["wsd"],
            lrs=[workload.default_lr],
            seeds=seeds,
            engine=engine,
        ).seconds

    started = time.perf_counter()
    command = [sys.executable, "-c", _ONE, name, str(workload.total_steps)]
    subprocess.run(command, check=True)
    own = time.perf_counter() - started
    runs = 2 * seeds  # wsd and the constant
    return {
        "runs": runs,
        "grid_population": seconds("population"),
        "grid_processes": seconds("processes"),
        "grid_own": own * runs / cores,
    }
