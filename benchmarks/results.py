"""What a part of the benchmarks found: tables, aims and what the numbers include."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, final

Cell = str | float | None

PACKAGES = ("stepsize", "torch", "timm", "transformers", "numpy", "jax", "optax")


@final
@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, and how its numbers are written: a format such as ".2f"."""

    name: str
    form: str = ""

    def text(self, cell: Cell) -> str:
        """Return a cell as it is printed."""
        if cell is None:
            return "-"
        return cell if isinstance(cell, str) else format(cell, self.form)


@final
@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under columns; the first column names the row."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain, a mapping for each row, numbers unrounded."""
        names = [column.name for column in self.columns]
        rows = [dict(zip(names, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows}


@final
@dataclass(frozen=True, slots=True)
class Aim:
    """A number that was aimed at.

    Attributes:
        what: What is meant, as a phrase.
        value: What was measured.
        limit: The aim.
        unit: Unit of both.
        at_least: Whether the value must not lie below the limit, instead of above.
    """

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the aim was reached."""
        if self.at_least:
            return self.value >= self.limit
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "met    " if self.met else "NOT MET"
        sign = ">=" if self.at_least else "<="
        got = f"{self.value:.3g} {self.unit}"
        return f"{verdict} {self.what}: {got} (aim {sign} {self.limit:g} {self.unit})"


@final
@dataclass(frozen=True, slots=True)
class Part:
    """Everything that one part found.

    Attributes:
        name: What the command line calls it.
        title: What is measured.
        tables: The numbers.
        aims: Each aim with the number that decides it.
        notes: What the numbers include and how they were taken, a sentence each.
    """

    name: str
    title: str
    tables: tuple[Table, ...]
    aims: tuple[Aim, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        return {
            "name": self.name,
            "title": self.title,
            "tables": [table.to_dict() for table in self.tables],
            "aims": [asdict(aim) | {"met": aim.met} for aim in self.aims],
            "notes": list(self.notes),
        }


def environment() -> dict[str, Any]:
    """Return what the numbers depend on besides the code."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "packages": versions,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # no Linux: what Python says is the next best
        pass
    return platform.processor()
