"""Collects the metrics that a run reports, at a bounded number of points.

Not here: how curves are drawn (report/).
"""

import math
from typing import Any, SupportsIndex, final

from stepsize.errors import ProofError, describe
from stepsize.proof.results import Curve

MOST_POINTS = 200
"""Points kept per metric; beyond it every second one is dropped, evenly."""


@final
class CurveRecorder:
    """The `report` function of one run: `report(update, loss=..., accuracy=...)`.

    Keeps at most `MOST_POINTS` points of each metric, spread evenly over the reports
    made, and always the last one.
    """

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[int, float | None]]] = {}
        self._last: dict[str, tuple[int, float | None]] = {}
        self._every: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def report(self, update: SupportsIndex, **metrics: Any) -> None:
        """Add one point to the curve of each metric.

        Args:
            update: Updates made so far; int >= 0, not falling.
            **metrics: Numbers by name; NaN and infinity leave a gap.

        Raises:
            ProofError: A value is not a number, or `update` not an int >= 0.
        """
        step = _update(update)
        for name, value in metrics.items():
            point = (step, _finite(name, value))
            last = self._last.get(name)
            if last is not None and step < last[0]:
                raise ProofError(
                    describe("report.update", f"be >= {last[0]}, the last one", update)
                )
            self._add(str(name), point)  # NumPy's texts are no JSON

    def curves(self) -> tuple[Curve, ...]:
        """Return the curves so far, by name of the metric."""
        curves = []
        for name in sorted(self._kept):
            points = list(self._kept[name])
            if points[-1] != self._last[name]:
                points.append(self._last[name])
            updates, values = zip(*points, strict=True)
            curves.append(Curve(name, updates, values))
        return tuple(curves)

    def _add(self, name: str, point: tuple[int, float | None]) -> None:
        kept = self._kept.setdefault(name, [])
        every = self._every.setdefault(name, 1)
        seen = self._seen.get(name, 0)
        if seen % every == 0:
            kept.append(point)
        if len(kept) >= MOST_POINTS:
            self._kept[name] = kept[::2]
            self._every[name] = every * 2
        self._seen[name] = seen + 1
        self._last[name] = point


def _update(value: object) -> int:
    """Read the number of updates.

    Raises:
        ProofError: It is not an int >= 0.
    """
    try:
        update = int(value.__index__())  # type: ignore[attr-defined]  # checked here
    except (AttributeError, TypeError):
        update = -1
    if update < 0 or isinstance(value, bool):
        raise ProofError(
            describe("report.update", "be an int >= 0 (unit: updates)", value)
        )
    return update


def _finite(name: str, value: Any) -> float | None:
    """Read a metric; None where it is not finite.

    Raises:
        ProofError: It is not a number.
    """
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ProofError(describe(f"report.{name}", "be a number", value)) from error
    return number if math.isfinite(number) else None
