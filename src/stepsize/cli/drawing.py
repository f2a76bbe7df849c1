"""Curves drawn with plain characters, for any terminal, with or without colour."""

import math
from collections.abc import Sequence

from stepsize.cli.curves import Curve, round_ticks, spans_decades

MARKS = "*o+x#@%&"
ROWS = 15
NARROWEST = 24
BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN_BLOCKS = "_.-:=+*#"
Scale = tuple[float, float, bool]
"""Lowest and highest value of an axis, and whether it is logarithmic."""


def chart(curves: Sequence[Curve], width: int, rows: int = ROWS) -> list[str]:
    """Draw curves over updates.

    Args:
        curves: What to draw, over the same updates; the first is drawn on top.
        width: Columns of the terminal.
        rows: Rows of the plot itself.

    Returns:
        Lines of at most `width` characters: title of the value axis, plot, update
        axis, and a legend where there are several curves.
    """
    scale = _scale(curves)
    ticks = {row_of(value, scale, rows): value for value in _ticks(scale)}
    margin = max(len(f"{value:.3g}") for value in ticks.values()) + 1
    columns = max(width - margin - 2, NARROWEST)
    grid = [[" "] * columns for _ in range(rows)]
    for index in reversed(range(len(curves))):
        _plot(grid, curves[index], MARKS[index % len(MARKS)], scale)
    lines = [f"{'rate (log axis)' if scale[2] else 'rate'}"]
    for row in reversed(range(rows)):
        label = f"{ticks[row]:.3g}" if row in ticks else ""
        edge = "+" if row in ticks else "|"
        lines.append(f"{label:>{margin}}{edge}{''.join(grid[row])}".rstrip())
    lines += _update_axis(curves[0].total, margin, columns)
    if len(curves) > 1:
        room = width - 4
        for index, curve in enumerate(curves):
            mark = MARKS[index % len(MARKS)]
            lines.append(f"  {mark} {shortened(curve.label, room)}")
    return lines


def sparkline(values: Sequence[float], *, plain: bool = False) -> str:
    """Draw values as one line of blocks, from 0 to the highest.

    Values that stay within half of the highest are drawn from the lowest on.

    Args:
        values: One a character; finite, >= 0.
        plain: Whether only ASCII may be used.
    """
    blocks = PLAIN_BLOCKS if plain else BLOCKS
    low, high = min(values), max(values)
    if low < high / 2 or low == high:
        low = 0.0
    spread = (high - low) or 1.0
    places = (int(len(blocks) * (value - low) / spread) for value in values)
    return "".join(blocks[min(place, len(blocks) - 1)] for place in places)


def shortened(text: str, room: int) -> str:
    """Cut a text to so many characters, the end replaced by three dots."""
    return text if len(text) <= room else text[: max(room - 3, 0)] + "..."


def row_of(value: float, scale: Scale, rows: int) -> int:
    """Return the row of a value, 0 at the bottom."""
    low, high, log = scale
    if log:
        if value <= low:
            return 0
        share = math.log(value / low) / math.log(high / low)
    else:
        share = (value - low) / (high - low)
    return min(max(round(share * (rows - 1)), 0), rows - 1)


def _scale(curves: Sequence[Curve]) -> Scale:
    high = max(max(curve.values) for curve in curves)
    if high <= 0:
        return 0.0, 1.0, False
    if not spans_decades(curves):
        return 0.0, high, False
    positive = [v for curve in curves for v in curve.values if v > 0]
    # a fall to 0 in the last updates must not push all else to the top
    return max(min(positive), high * 1e-12), high, True


def _ticks(scale: Scale) -> list[float]:
    low, high, log = scale
    if not log:
        return round_ticks(high)
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    every = max(1, (last - first) // 5 + 1)
    return [10.0**e for e in range(first, last + 1, every)] or [low, high]


def _plot(grid: list[list[str]], curve: Curve, mark: str, scale: Scale) -> None:
    rows, columns = len(grid), len(grid[0])
    before: int | None = None
    position = 0
    steps, values = curve.steps, curve.values
    last = max(curve.total - 1, 1)
    for column in range(columns):
        limit = (column + 0.5) * last / max(columns - 1, 1)
        inside = []
        while position < len(steps) and steps[position] <= limit:
            inside.append(row_of(values[position], scale, rows))
            position += 1
        if not inside:
            if before is None or curve.total <= columns // 4:
                continue
            t = round(column * last / max(columns - 1, 1))
            inside = [row_of(float(curve.resolved(t)), scale, rows)]
        low, high = min(inside), max(inside)
        if before is not None:  # a steep line stays one line
            low, high = min(low, before + 1), max(high, before - 1)
            if min(inside) <= before <= max(inside):
                low, high = min(inside), max(inside)
        for row in range(low, high + 1):
            grid[row][column] = mark
        before = inside[-1]


def _update_axis(total: int, margin: int, columns: int) -> list[str]:
    last = max(total - 1, 1)
    ticks = [0.0]
    if total > 1:
        ticks = [t for t in round_ticks(last, max(columns // 14, 2)) if t == int(t)]
    edge, labels = ["-"] * columns, [" "] * (columns + 12)
    free = 0
    for tick in ticks:
        column = round(tick * (columns - 1) / last)
        text = f"{int(tick)}"
        begin = max(column - len(text) // 2, 0)
        begin = min(begin, columns - len(text))
        edge[column] = "+"
        if begin >= free:
            labels[begin : begin + len(text)] = text
            free = begin + len(text) + 1
    pad = " " * (margin + 1)
    return [
        f"{' ' * margin}+{''.join(edge)}",
        f"{pad}{''.join(labels)}".rstrip(),
        f"{pad}{'update':^{columns}}".rstrip(),
    ]
