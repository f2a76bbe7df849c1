"""The comparison as a table in a terminal of 80 columns or more, colour or not."""

import textwrap

from rich import box
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from stepsize.proof.report.columns import REPEATABLE, columns_of
from stepsize.proof.report.legend import legend, setting
from stepsize.proof.results import Comparison

_STYLES = {"better": "green", "worse": "red"}


def show(comparison: Comparison, console: Console) -> None:
    """Print heading, table, legend and verdict; no times, which no repeat has again."""
    subject = comparison.subject
    console.print(Text(subject.name, style="bold"), Text(setting(comparison)))
    for detail in ("data", "model"):
        if detail in subject.details:
            _paragraph(console, subject.details[detail], style="dim")
    console.print(fitting_table(comparison, console), crop=False)
    for line in legend(comparison):
        _paragraph(console, line, style="dim")
    console.print()
    for i, sentence in enumerate(comparison.verdict):
        _paragraph(console, sentence, style="bold" if i == 0 else "")


def fitting_table(comparison: Comparison, console: Console) -> Table:
    """Return the table with as many columns as fit; numbers are never cut."""
    unbounded = console.options.update(width=10_000)
    tables = [
        table(comparison, detail, gap)
        for detail in range(REPEATABLE, -1, -1)
        for gap in (2, 1)
    ]
    for found in tables:
        found.width = Measurement.get(console, unbounded, found).maximum
        if found.width <= console.width:
            return found
    return tables[-1]


def table(comparison: Comparison, detail: int, gap: int = 2) -> Table:
    """Build the table: one row per schedule, the constant first.

    Args:
        comparison: What to show.
        detail: As for `columns_of`; 1 is about 80 columns wide.
        gap: Spaces between columns, 1 or 2.
    """
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False)
    columns = columns_of(comparison, detail)
    for column in columns:
        justify: JustifyMethod = "left" if column.is_text else "right"
        shown.add_column(column.header, justify=justify, no_wrap=True)
    for arm in comparison.arms:
        style = _STYLES.get(arm.outcome, "bold" if arm.outcome == "baseline" else "")
        shown.add_row(
            *(Text(c.cell(arm), style if c.is_coloured else "") for c in columns)
        )
    return shown


def _paragraph(console: Console, text: str, *, style: str) -> None:
    for line in textwrap.wrap(text, min(console.width, 100)):
        console.print(Text(line), style=style, highlight=False)
