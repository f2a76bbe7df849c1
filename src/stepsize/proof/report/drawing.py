"""Lines and bands as SVG that is stretched to its box, with marks beside it as text.

Text is no part of the drawing, so that it is as large on a phone as on a screen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import final

from stepsize.proof.report.scale import Scale

_SIZE = 1000  # of the drawing's own coordinates, both ways


@final
@dataclass(frozen=True, slots=True)
class Plane:
    """Where points lie: updates from left to right, values upwards.

    Attributes:
        total: The update at the right end; int >= 1.
        scale: The axis of the values.
    """

    total: int
    scale: Scale

    def path(self, updates: Sequence[int], values: Iterable[float | None]) -> str:
        """Return the `d` of a line that leaves gaps where there is no value."""
        parts, pen = [], "M"
        for point in self._points(updates, values):
            if point:
                parts.append(pen + point)
            pen = "L" if point else "M"
        return "".join(parts)

    def band(
        self, updates: Sequence[int], lows: Sequence[float], highs: Sequence[float]
    ) -> str:
        """Return the `d` of the area between two lines."""
        there = self._points(updates, highs)
        back = reversed(self._points(updates, lows))
        return f"M{'L'.join([*there, *back])}Z"

    def area(self, updates: Sequence[int], values: Sequence[float]) -> str:
        """Return the `d` of the area under a line that starts at update 0."""
        return f"{self.path(updates, values)}V{_SIZE}H0Z"

    def rules(self, ticks: Sequence[float]) -> str:
        """Draw a thin line across at every mark."""
        return "".join(
            f'<path class="rule" d="M0 {self._height(tick)}H{_SIZE}"/>'
            for tick in ticks
        )

    def marks(self, ticks: Sequence[float]) -> str:
        """Write the marks to the left of the drawing."""
        return "".join(
            f'<span class="tick y" style="top:{self._height(tick) / _SIZE:.1%}">'
            f"{tick:g}</span>"
            for tick in ticks
        )

    def _points(
        self, updates: Sequence[int], values: Iterable[float | None]
    ) -> list[str]:
        return [
            ""
            if value is None
            else f"{round(_SIZE * update / self.total)} {self._height(value)}"
            for update, value in zip(updates, values, strict=True)
        ]

    def _height(self, value: float) -> int:
        """Distance from above; outside of the axis by one height at most."""
        return round(_SIZE * min(2.0, max(-1.0, 1 - self.scale.at(value))))


def plot(drawn: str, label: str, *, beside: str, size: str) -> str:
    """Return a box with a drawing and marks.

    Args:
        drawn: Its paths.
        label: What it shows, for those who cannot see it.
        beside: HTML of the marks.
        size: Class of the box, which sets its height.
    """
    return (
        f'<div class="plot {size}">{beside}<svg viewBox="0 0 {_SIZE} {_SIZE}" '
        f'preserveAspectRatio="none" role="img" aria-label="{escape(label)}">{drawn}'
        "</svg></div>"
    )
