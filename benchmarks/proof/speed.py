"""How fast each workload trains, one by one and as a population, on one core."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.proof.tasks import Task
from benchmarks.proof.training import Tell
from stepsize.proof import workloads
from stepsize.proof.environment import environment
from stepsize.proof.population import measure_throughput

_REPEATS = 3
_QUICK = frozenset({"digits", "mnist5k", "letters", "diamonds"})
_LONG, _SHORT = (42, 300), (16, 100)  # members and updates, of quick ones and others


def measure(tasks: Sequence[Task], file: Path, tell: Tell) -> list[dict[str, Any]]:
    """Measure every workload of the tasks that has data here; write the file."""
    rows = []
    for name in dict.fromkeys(task.workload for task in tasks):
        members, updates = _LONG if name in _QUICK else _SHORT
        workload = replace(workloads.load(name), total_steps=updates)
        found = measure_throughput(workload, members=members, repeats=_REPEATS)
        rows.append({**asdict(found), "ratio": found.ratio})
        tell(str(found))
    content = {"environment": environment(), "rows": rows}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return rows
