"""Statistics that hold for any losses: of any scale, sign and noise."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

_NORMAL = 1.4826 / math.sqrt(2)
"""From the median absolute difference of neighbours to the deviation of a normal."""


def level(values: Sequence[float]) -> float:
    """Return the upper median.

    Examples:
        >>> level([3.0, 1.0, 2.0, 4.0])
        3.0
    """
    return sorted(values)[len(values) // 2]


def noise(values: Sequence[float]) -> float:
    """Return the standard deviation around a trend, insensitive to outliers.

    With d the differences of neighbours: 1.4826 * median(|d|) / sqrt(2); 0.0 below two
    values.

    Examples:
        >>> noise([5.0, 4.0, 3.0, 2.0]) == noise([1.0, 2.0, 1.0])
        True
    """
    steps = [abs(one - other) for one, other in pairwise(values)]
    return _NORMAL * level(steps) if steps else 0.0


def doubt(values: Sequence[float], count: int) -> float:
    """Return the standard error of a median of `count` values with that noise."""
    return 1.25 * noise(values) / math.sqrt(count)


def above(values: Sequence[float], calm: Sequence[float]) -> float:
    """Return how clearly values lie above calm ones: z of the rank-sum test.

    With n values, m calm ones and U the number of pairs in which the value is larger,

        z = (U - n m / 2) / sqrt(n m (n + m + 1) / 12)

    Args:
        values: At least one.
        calm: At least one, sorted.

    Source:
        Mann and Whitney 1947, doi:10.1214/aoms/1177730491.

    Examples:
        >>> round(above([5.0, 6.0, 7.0], [1.0, 2.0, 3.0]), 2)
        1.96
    """
    n, m = len(values), len(calm)
    pairs = sum(bisect_left(calm, value) for value in values)
    return (pairs - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
