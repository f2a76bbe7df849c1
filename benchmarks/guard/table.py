"""The rows of the benchmark as tables, and how they stand to the aims."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.guard.measuring import Row
from benchmarks.results import Aim, Cell, Column, Part, Table

FINE, CLOSE = 0.10, 0.05
NOTES = (
    "Regret: the share of the healthy run's improvement, at the best rate and the same "
    "seed, that is missing at the end. Every run has the same number of updates; "
    "updates that a rewind takes back are not made again.",
    "Aims count all runs of a group, those that would have survived alone among them; "
    "the table of harm says how many those are.",
    'The tasks of the half "check" were set aside while the guard was built; its '
    "last changes (a milder cut, calm kept over a rewind) came after a look at all.",
)

GROUPS = ("start", "burst", "hidden burst", "broken", "data")
AIMS = {"start": 90.0, "burst": 95.0}


def part(rows: Sequence[Row], title: str) -> Part:
    """Return all tables and aims of some rows."""
    healthy = [row for row in rows if row.group == "healthy" and _is_guard(row)]
    tables = (_harm(rows), _conditions(rows), _tasks(rows), _healthy(healthy))
    aims = [
        Aim(f"runs within {FINE:g}, {group}", _share(found, FINE), least, "%", True)
        for group, least in AIMS.items()
        if (found := [row for row in rows if row.group == group and _is_guard(row)])
    ]
    rewinds = float(sum(row.rewinds for row in healthy))
    aims.append(Aim(f"rewinds in {len(healthy)} healthy runs", rewinds, 0, ""))
    differ = float(sum(not row.same for row in healthy if not row.rewinds))
    aims.append(Aim("healthy runs that differ by a bit", differ, 0, ""))
    return Part("guard", title, tables, tuple(aims), NOTES)


def _is_guard(row: Row) -> bool:
    return row.against == "guard"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _share(rows: Sequence[Row], limit: float) -> float:
    return 100 * sum(row.regret <= limit for row in rows) / len(rows)


def _names(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _harm(rows: Sequence[Row]) -> Table:
    """Each remedy by group of conditions."""
    lines: list[tuple[Cell, ...]] = []
    for group in _names(row.group for row in rows if row.group in GROUPS):
        for name in _names(row.against for row in rows if row.group == group):
            own = [row for row in rows if (row.group, row.against) == (group, name)]
            acted = [row for row in own if row.rewinds]
            delays = [row.delay for row in own if row.delay is not None]
            lines.append(
                (
                    f"{group}: {name}",
                    float(len(own)),
                    _share(own, CLOSE),
                    _share(own, FINE),
                    _finite(median(row.regret for row in own)),
                    sum(row.rewinds for row in own) / len(own) if acted else None,
                    float(median(row.lost for row in acted)) if acted else None,
                    float(median(delays)) if delays else None,
                )
            )
    columns = (
        Column("what happens: remedy"),
        Column("runs", ".0f"),
        Column(f"within {CLOSE:g}, %", ".0f"),
        Column(f"within {FINE:g}, %", ".0f"),
        Column("median regret", ".3f"),
        Column("rewinds a run", ".2f"),
        Column("updates lost, median", ".0f"),
        Column("seen after, median", ".0f"),
    )
    return Table("Harm", columns, tuple(lines))


def _conditions(rows: Sequence[Row]) -> Table:
    return _crossed(rows, "By condition", [row.condition for row in rows])


def _tasks(rows: Sequence[Row]) -> Table:
    return _crossed(rows, "By task", [f"{row.half}: {row.task}" for row in rows])


def _crossed(rows: Sequence[Row], title: str, labels: Sequence[str]) -> Table:
    """Share of harmed runs within 0.1, of each label by remedy."""
    remedies = _names(row.against for row in rows)
    lines: list[tuple[Cell, ...]] = []
    for label in _names(labels):
        cells: list[Cell] = [label]
        for name in remedies:
            own = [
                row
                for row, its in zip(rows, labels, strict=True)
                if its == label and row.against == name and row.group != "healthy"
            ]
            cells.append(_share(own, FINE) if own else None)
        if any(cell is not None for cell in cells[1:]):
            lines.append(tuple(cells))
    columns = (Column(f"within {FINE:g}, %"), *(Column(one, ".0f") for one in remedies))
    return Table(title, columns, tuple(lines))


def _healthy(rows: Sequence[Row]) -> Table:
    lines: list[tuple[Cell, ...]] = []
    for name in _names(row.condition for row in rows):
        own = [row for row in rows if row.condition == name]
        lines.append(
            (
                name,
                float(len(own)),
                float(sum(row.rewinds for row in own)),
                float(sum(row.same for row in own)),
                float(sum(not row.same and row.regret > FINE for row in own)),
            )
        )
    columns = (
        Column("healthy, with guard"),
        Column("runs", ".0f"),
        Column("rewinds", ".0f"),
        Column("same to the bit", ".0f"),
        Column("lost by the guard", ".0f"),
    )
    return Table("Healthy runs", columns, tuple(lines))
