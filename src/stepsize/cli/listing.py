"""Curves as text: the plot with its table, CSV, JSON."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from stepsize.cli.curves import Curve, at, key_steps
from stepsize.cli.drawing import MARKS, chart, shortened
from stepsize.cli.screens import table

_COLUMN = 24
"""Widest heading of a column of rates."""


def show_curves(curves: Sequence[Curve], console: Console) -> None:
    """Print the expressions, the plot and the table of key steps."""
    if len(curves) == 1:
        console.print(Text(curves[0].text, style="bold"))
    console.print(Text("\n".join(chart(curves, min(console.width, 120)))))
    made = table("update", "of run", *_heads(curves))
    total = curves[0].total
    for step in key_steps(curves):
        share = f"{100 * step / total:.3g} %"
        made.add_row(f"{step}", share, *(f"{at(curve, step):.6g}" for curve in curves))
    console.print(made, crop=False)


def as_csv(curves: Sequence[Curve]) -> str:
    """Return one line an update, exact values, with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = ["rate"] if len(curves) == 1 else [curve.label for curve in curves]
    writer.writerow(["update", *names])
    columns = [curve.every() for curve in curves]
    for step, values in enumerate(zip(*columns, strict=True)):
        writer.writerow([step, *map(repr, values)])
    return buffer.getvalue()


def as_json(curves: Sequence[Curve]) -> dict[str, Any]:
    """Return schedules, horizons, boundaries and the value of every update."""
    return {
        "total_steps": curves[0].total,
        "curves": [
            {
                "label": curve.label,
                "schedule": curve.text,
                "horizon": curve.resolved.horizon.to_dict(),
                "boundaries": curve.resolved.boundaries(),
                "rates": curve.every(),
            }
            for curve in curves
        ],
    }


def _heads(curves: Sequence[Curve]) -> list[str]:
    if len(curves) == 1:
        return ["rate"]
    return [
        f"{MARKS[i % len(MARKS)]} {shortened(curve.label, _COLUMN)}"
        for i, curve in enumerate(curves)
    ]
