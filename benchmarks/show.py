"""Prints what was found: tables readable at 100 columns, without colour."""

from __future__ import annotations

from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.results import Part, Table

WIDTH = 100


def console() -> Console:
    """Return a console of at most 100 columns; exactly those where nobody watches."""
    watched = Console()
    width = min(WIDTH, watched.width) if watched.is_terminal else WIDTH
    return Console(width=width, highlight=False)


def show(part: Part, out: Console) -> None:
    """Print a part."""
    out.print()
    out.print(Text(f"{part.name}: {part.title}", style="bold"))
    for table in part.tables:
        out.print(_grid(table))
    for aim in part.aims:
        out.print(Text(f"  {aim}", style="" if aim.met else "bold"))
    for note in part.notes:
        out.print(Padding(Text(note, style="dim"), (0, 0, 0, 2)))


def _grid(table: Table) -> Grid:
    grid = Grid(title=table.title, title_justify="left", box=SIMPLE_HEAD)
    for number, column in enumerate(table.columns):
        justify: Literal["left", "right"] = "right" if number else "left"
        grid.add_column(column.name, justify=justify, no_wrap=not number)
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        grid.add_row(*(Text(column.text(cell)) for column, cell in cells))
    return grid
