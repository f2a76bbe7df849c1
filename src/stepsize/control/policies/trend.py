"""The trend of a short noisy series, by ranks of slopes; not what follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import final

POINTS = 40
"""Most points of a fit; longer series are averaged in blocks first (cost: n**2)."""

_NORMAL = 1.4826  # median absolute deviation -> standard deviation of a normal


@final
@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through a series, and how sure its slope is.

    Attributes:
        slope: Median of the slopes between all pairs of points. Unit: y per x.
        error: Standard error of the slope for independent noise; >= 0.
    """

    slope: float
    error: float


def fit(xs: Sequence[float], ys: Sequence[float]) -> Trend:
    """Return the trend of a series, insensitive to outliers in under a quarter of it.

    With r = y - slope * x and m the median of r,

        slope = median((y_j - y_i) / (x_j - x_i)), i < j
        noise = 1.4826 * median(|r - m|)
        error = noise / sqrt(sum((x - mean(x))**2))

    Args:
        xs: Positions, rising strictly; at least 2.
        ys: Values, finite, as many.

    Source:
        Theil 1950; Sen 1968, doi:10.1080/01621459.1968.10480934.

    Examples:
        >>> fit([0, 1, 2, 3, 4], [5.0, 4.0, 3.0, 2.0, 100.0]).slope
        -1.0
    """
    if len(xs) > POINTS:
        size = math.ceil(len(xs) / POINTS)
        xs, ys = _blocks(xs, size), _blocks(ys, size)
    points = list(zip(xs, ys, strict=True))
    slope = median(
        (y - b) / (x - a)
        for index, (x, y) in enumerate(points)
        for a, b in points[:index]
    )
    rest = [y - slope * x for x, y in points]
    middle = median(rest)
    noise = _NORMAL * median(abs(r - middle) for r in rest)
    centre = sum(xs) / len(xs)
    return Trend(slope, noise / math.sqrt(sum((x - centre) ** 2 for x in xs)))


def _blocks(values: Sequence[float], size: int) -> list[float]:
    parts = [values[low : low + size] for low in range(0, len(values), size)]
    return [sum(part) / len(part) for part in parts]
