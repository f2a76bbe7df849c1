"""What importing stepsize costs over the bare interpreter."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from statistics import median

from benchmarks.measure import interleaved, wall
from benchmarks.results import Aim, Cell, Column, Part, Table

BARE = "pass"
STATEMENTS = ("import stepsize", "import stepsize; stepsize.warmup(5)")
MILLI = 1e3
NOTES = (
    "Wall time of a new interpreter that runs the statement and ends, files and byte "
    "code cached; over bare: minus the same round's interpreter that does nothing.",
)


def start(statement: str) -> None:
    """Run a statement in a new interpreter."""
    subprocess.run([sys.executable, "-c", statement], check=True)


def run(*, rounds: int = 31, seconds: float = 30.0) -> Part:
    """Time the imports."""
    statements = (BARE, *STATEMENTS)
    for statement in statements:
        start(statement)
    work = {statement: partial(start, statement) for statement in statements}
    times = interleaved(work, rounds=rounds, seconds=seconds, clock=wall)
    rows: list[tuple[Cell, ...]] = []
    aims: list[Aim] = []
    for name, mine in times.items():
        extra = [a - b for a, b in zip(mine, times[BARE], strict=True)]
        least = min(mine) - min(times[BARE])
        over = (MILLI * median(extra), MILLI * least) if name != BARE else (None, None)
        rows.append((name, MILLI * median(mine), MILLI * min(mine), *over))
        if name != BARE:
            aims.append(Aim(f"{name}, over bare", MILLI * median(extra), 50, "ms"))
    table = Table(
        f"{len(times[BARE])} interpreters each, interleaved",
        (
            Column("statement"),
            Column("median ms", ".1f"),
            Column("min ms", ".1f"),
            Column("over bare, median", ".1f"),
            Column("over bare, min", ".1f"),
        ),
        tuple(rows),
    )
    title = "`import stepsize` over the bare interpreter"
    return Part("imports", title, (table,), tuple(aims), NOTES)
