"""`python -m benchmarks.guard [--quick] [--half HALF] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.guard.conditions import HARMED, HEALTHY
from benchmarks.guard.measuring import Row, measure
from benchmarks.guard.rates import TASKS
from benchmarks.guard.remedies import REMEDIES
from benchmarks.guard.table import part
from benchmarks.results import environment
from benchmarks.show import console, show

SEEDS = (0, 1, 2)
HEALTHY_SEEDS = (3, 4)
"""Seeds of which only the healthy runs are made."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make all runs, print the tables, write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard")
    parser.add_argument(
        "--quick", action="store_true", help="one seed, no other remedies"
    )
    parser.add_argument("--half", choices=("build", "check"), help="only these tasks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write this")
    given = parser.parse_args(arguments)
    if given.json is not None and not given.json.resolve().parent.is_dir():
        parser.error(f"--json {given.json}: there is no such folder")
    begin, out = time.perf_counter(), console()
    tasks = [task for task in TASKS if given.half in (None, task.half)]
    rows: list[Row] = []
    for task in tasks:
        if given.quick:
            rows += measure([task], SEEDS[:1])
        else:
            rows += measure([task], SEEDS, against=(*REMEDIES, "guard"))
            rows += measure([task], HEALTHY_SEEDS, conditions=HEALTHY)
        out.print(f"{time.perf_counter() - begin:5.0f} s  {task.name}")
    found = part(rows, f"What the guard rescues: {len(tasks)} tasks, {HARMED_TEXT}")
    show(found, out)
    if given.json is not None:
        plain = {
            "environment": environment(),
            "parts": [found.to_dict()],
            "runs": [row.to_dict() for row in rows],
        }
        given.json.write_text(json.dumps(plain, indent=2, allow_nan=False) + "\n")


HARMED_TEXT = f"{len(HARMED)} kinds of harm"

if __name__ == "__main__":
    main()
