"""A curve as an SVG picture for notebooks; other figures live in higher layers."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from stepsize.errors import UnresolvedError
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 40, 44
POINTS = 600
NOMINAL = 1000
"""Updates a schedule is drawn over when its horizon is not known yet."""
DECADES = 2.5
"""Spread of positive values from which the axis is logarithmic."""


def draw(schedule: Schedule | ResolvedSchedule) -> str:
    """Return an SVG picture: rate over updates, log axis where rates span decades.

    Args:
        schedule: Resolved, or drawn over 1000 updates if its lengths need a horizon.

    Returns:
        The text of one `<svg>` element, with labelled axes and the schedule as title.
    """
    resolved, steps, note = _extent(schedule)
    picked = _sampled(resolved, steps)
    values = [resolved(t) for t in picked]
    positive = sorted(v for v in values if v > 0)
    high, low = max(values), min(values)
    # the tail of a decay to zero spans decades too, but is not worth a log axis
    typical = positive[len(positive) // 5 :]
    log = bool(typical) and math.log10(high / typical[0]) >= DECADES
    if log:
        low = positive[0]
    scale = _Axis(low, high, log=log)
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    points = " ".join(
        f"{LEFT + width * t / steps:.1f},{TOP + height * (1 - scale.share(v)):.1f}"
        for t, v in zip(picked, values, strict=True)
    )
    title = str(schedule if isinstance(schedule, Schedule) else schedule.schedule)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="11" fill="#333">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="12">{escape(_short(title))}</text>',
    ]
    for value in scale.ticks():
        y = TOP + height * (1 - scale.share(value))
        lines.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    for t in _round_ticks(0, steps):
        x = LEFT + width * t / steps
        lines.append(
            f'<path d="M{x:.1f} {TOP + height}v4" stroke="#333"/>'
            f'<text x="{x:.1f}" y="{TOP + height + 16}" '
            f'text-anchor="middle">{t:g}</text>'
        )
    middle = TOP + height / 2
    lines += [
        f'<polyline points="{points}" fill="none" stroke="#1f6fb2" stroke-width="2"/>',
        f'<text x="{LEFT + width / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
        f"update{escape(note)}</text>",
        f'<text x="16" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 16 {middle})">rate{" (log)" if log else ""}</text>',
        "</svg>",
    ]
    return "\n".join(lines)


def _extent(
    schedule: Schedule | ResolvedSchedule,
) -> tuple[ResolvedSchedule, int, str]:
    """Return what to draw, over how many updates, and what to say about it."""
    if isinstance(schedule, ResolvedSchedule):
        steps = schedule.total_steps or math.ceil(schedule.end or NOMINAL)
        return schedule, max(steps, 1), ""
    try:
        resolved = schedule.resolve()
    except UnresolvedError:
        nominal = Horizon(
            steps=NOMINAL,
            steps_per_epoch=NOMINAL / 10,
            samples_per_step=1,
            tokens_per_step=1,
        )
        resolved = schedule.resolve(horizon=nominal, overflow="truncate")
        return resolved, NOMINAL, f" (drawn over {NOMINAL}: not resolved yet)"
    end = resolved.end
    return resolved, max(math.ceil(end), 1) if end is not None else NOMINAL, ""


def _sampled(resolved: ResolvedSchedule, steps: int) -> list[float]:
    """Return the steps to draw: evenly spread, and both sides of each boundary."""
    even = [round(steps * i / POINTS) for i in range(POINTS + 1)]
    boundaries = [b for b in resolved.boundaries() if 0 < b <= steps]
    if len(boundaries) > POINTS:
        boundaries = []
    sides = [s for b in boundaries for s in (math.ceil(b) - 1, math.ceil(b))]
    return sorted({float(t) for t in (*even, *sides)})


class _Axis:
    """A value axis, linear from 0 or logarithmic."""

    def __init__(self, low: float, high: float, *, log: bool) -> None:
        self.log = log
        self.high = high if high > 0 else 1.0
        self.low = low if log else 0.0

    def share(self, value: float) -> float:
        """Return where a value lies between the ends, 0 to 1."""
        if not self.log:
            return value / self.high
        if value <= self.low:
            return 0.0
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> Sequence[float]:
        """Return the values to label."""
        if not self.log:
            return _round_ticks(0.0, self.high)
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        every = max(1, (last - first) // 5 + 1)
        return [10.0**e for e in range(first, last + 1, every)]


def _round_ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    width = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    return [low + i * width for i in range(int((high - low) / width * 1.0001) + 1)]


def _short(title: str) -> str:
    return title if len(title) <= 90 else title[:87] + "..."  # noqa: PLR2004 - fits
