"""What was found, as text: the rate, why, the losses over the rate, the probes."""

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from rich.console import Console
from rich.text import Text

from stepsize.cli.drawing import NARROWEST, row_of
from stepsize.cli.screens import table
from stepsize.finder import Found

ROWS = 14
RAW, SMOOTH, RATE = ".", "*", "|"
PROBES = "oO@#"
"""Marks of probes, by the batches they saw."""
_ABOVE = 0.5
"""Room above the loss at the start, as a share of the drop: what lies higher is cut."""
HEADS = ("rate", "batches", "updates", "loss at the end", "error")
Points = list[tuple[float, float]]


def show_found(found: Found, title: str, console: Console) -> None:
    """Print the rate, the plot, the probes and the reasons."""
    console.print(Text(f"{title}: {headline(found)}", style="bold"))
    for line in details(found):
        console.print(Text(line))
    drawn = chart(found, min(console.width, 120))
    if drawn:
        console.print(Text("\n" + "\n".join(drawn)))
    if found.probes:
        made = table(*HEADS)
        for row in probe_rows(found):
            made.add_row(*row)
        console.print(made, crop=False)
    for reason in found.reasons:
        console.print(Text(f"- {reason}"))
    if found.suggestion is not None:
        rate = f"{found.suggestion:.3g}"
        console.print(Text(f"\nlr={rate} * ss.warmup('5%') >> ss.cosine()"))


def headline(found: Found) -> str:
    """Return the rate with its interval, in one line."""
    if found.suggestion is None or found.low is None or found.high is None:
        return f"no rate can be suggested ({found.status})"
    said = f"lr {found.suggestion:.3g} ({found.low:.3g} to {found.high:.3g})"
    return said if found.status == "ok" else f"{said}, but {found.status}"


def details(found: Found) -> list[str]:
    """Return the numbers beside the rate, a line each."""
    lines = [f"updates  {found.steps}"]
    if found.blowup is not None:
        lines.append(f"blow-up  {found.blowup:.3g}")
    if found.spread is not None:
        lines.append(f"spread   {found.spread:.2g} decades between streams of batches")
    read = [f"{k} {v:.3g}" for k, v in found.rules.items() if v is not None]
    if read:
        lines.append(f"others   {', '.join(read)} (on the ramp, to compare)")
    return lines


def chart(found: Found, width: int, rows: int = ROWS) -> list[str]:
    """Draw the ramp and the probes' scores over the rate, both of them losses.

    Args:
        found: What was found.
        width: Columns of the terminal.
        rows: Rows of the plot itself.

    Returns:
        Lines of at most `width` characters; none if there is nothing to draw.
    """
    raw, smooth = ramp(found)
    series = probes(found)
    ends = [point for one in series for point in one.points]
    if not (raw or ends):
        return []
    low, high = loss_range(found)
    lrs = [lr for lr, _ in (*raw, *ends)]
    if found.suggestion is not None:
        lrs.append(found.suggestion)
    first, last = math.log10(min(lrs)), math.log10(max(lrs))
    margin = max(len(f"{one:.3g}") for one in (low, high)) + 1
    columns = max(width - margin - 2, NARROWEST)

    def column(lr: float) -> int:
        share = (math.log10(lr) - first) / ((last - first) or 1.0)
        return min(max(round(share * (columns - 1)), 0), columns - 1)

    grid = [[" "] * columns for _ in range(rows)]
    if found.suggestion is not None:
        for line in grid:
            line[column(found.suggestion)] = RATE
    marked = [(RAW, raw), (SMOOTH, smooth)]
    marked += [(mark, one.points) for mark, one in zip(PROBES, series, strict=False)]
    for mark, drawn in marked:
        for lr, loss in drawn:
            if loss <= high:
                row = row_of(loss - low, (0.0, (high - low) or 1.0, False), rows)
                grid[row][column(lr)] = mark
    lines = ["loss"]
    for number in reversed(range(rows)):
        label = {0: f"{low:.3g}", rows - 1: f"{high:.3g}"}.get(number, "")
        edge = "+" if label else "|"
        lines.append(f"{label:>{margin}}{edge}{''.join(grid[number])}".rstrip())
    lines += _rates(first, last, margin, columns, column)
    legend = [f"{RAW} ramp", f"{SMOOTH} smoothed"]
    legend += [f"{m} {one.label}" for m, one in zip(PROBES, series, strict=False)]
    legend += [] if found.suggestion is None else [f"{RATE} suggestion"]
    return [*lines, *textwrap.wrap("  ".join(legend), width, subsequent_indent="  ")]


def ramp(found: Found) -> tuple[Points, Points]:
    """Return (lr, loss) of the ramp: as recorded, where it is finite, and smoothed."""
    curve = found.curve
    if curve is None:
        return [], []
    both = zip(curve.lrs, curve.losses, strict=True)
    raw = [(lr, loss) for lr, loss in both if math.isfinite(loss)]
    count = curve.sound()
    values = map(float, curve.smoothed()) if count else ()
    return raw, list(zip(curve.lrs[:count], values, strict=True))


@final
@dataclass(frozen=True, slots=True)
class Series:
    """The probes that saw the same batches and did not break.

    Attributes:
        label: What they are called.
        points: Rate and loss at the end of each.
        errors: Standard error of each loss; 0 where it is not known.
    """

    label: str
    points: Points
    errors: list[float]


def probes(found: Found) -> list[Series]:
    """Return the probes by the batches they saw."""
    made = []
    for stream in sorted({one.stream for one in found.probes}):
        ends = [one for one in found.probes if one.stream == stream]
        label = f"end of {max(one.steps for one in ends)} updates"
        scored = [(one, one.score) for one in ends if one.score is not None]
        points = [(one.lr, score) for one, score in scored]
        made.append(Series(label, points, [one.error or 0.0 for one, _ in scored]))
    return made


def loss_range(found: Found) -> tuple[float, float]:
    """Return the losses between which the plot is worth looking at."""
    raw, smooth = ramp(found)
    seen = [loss for _, loss in (smooth or raw)]
    ends = [loss for one in probes(found) for _, loss in one.points]
    low = min([*seen, *ends], default=0.0)
    start = seen[0] if seen else max(ends, default=1.0)
    top = max([*seen, start])
    high = min(top, start + _ABOVE * max(start - low, 0.0))
    return (low, high) if high > low else (low, max(top, low + 1.0))


def _rates(
    first: float, last: float, margin: int, columns: int, column: Callable[[float], int]
) -> list[str]:
    edge, labels = ["-"] * columns, [" "] * (columns + 8)
    free = 0
    for decade in range(math.ceil(first), math.floor(last) + 1):
        place = column(10.0**decade)
        text = f"{10.0**decade:.0e}".replace("e-0", "e-").replace("e+0", "e")
        begin = min(max(place - len(text) // 2, 0), columns - len(text))
        edge[place] = "+"
        if begin >= free:
            labels[begin : begin + len(text)] = text
            free = begin + len(text) + 1
    pad = " " * (margin + 1)
    return [
        f"{' ' * margin}+{''.join(edge)}",
        f"{pad}{''.join(labels)}".rstrip(),
        f"{pad}{'rate (log axis)':^{columns}}".rstrip(),
    ]


def probe_rows(found: Found) -> list[tuple[str, ...]]:
    """Return the cells of a table of the probes, under `HEADS`."""
    rows: list[tuple[str, ...]] = []
    for one in sorted(found.probes, key=lambda one: (one.stream, one.lr)):
        score = "broke" if one.score is None else f"{one.score:.5g}"
        error = "" if one.error is None else f"{one.error:.2g}"
        rows.append((f"{one.lr:.3g}", f"{one.stream}", f"{one.steps}", score, error))
    return rows
