"""What the guard rescues, against doing nothing, clipping, skipping and restarting.

python -m benchmarks.guard [--quick] [--half build|check] [--json FILE]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.results import Part


def run() -> Part:
    """Make the quick runs: one seed of each task, against doing nothing."""
    from benchmarks.guard.measuring import measure
    from benchmarks.guard.rates import TASKS
    from benchmarks.guard.table import part

    return part(measure(TASKS, (0,)), "What the guard rescues, one seed a task")
