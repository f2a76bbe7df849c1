"""`Columns`: the measurements of a run as series, and few points that show many."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple, final

import numpy as np

from stepsize.ledger.records import Metric

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

MOST_SERIES = 500
"""Series that are kept of a run: a model with a group for each layer has hundreds."""


class Series(NamedTuple):
    """One measurement over the updates.

    Attributes:
        updates: Where, in order, int64 array, shape (n,).
        values: The measurement there, float64 array, shape (n,); NaN and infinities as
            they were recorded.
    """

    updates: Ints
    values: Floats


@final
class Columns:
    """The series of a run by name: "loss", ...; rates as "lr/GROUP".

    Args:
        groups: Names of the param groups; rates are kept by their index until then.
    """

    __slots__ = ("_columns", "_groups", "left_out")

    def __init__(self, groups: tuple[str, ...] = ()) -> None:
        self._columns: dict[tuple[str, int], tuple[array[int], array[float]]] = {}
        self._groups = groups
        self.left_out = 0

    def add(self, metric: Metric) -> None:
        """Take in the measurements of an update."""
        for name, value in metric.values.items():
            self._add((name, -1), metric.update, float(value))
        for path, row in metric.rates.items():
            for index, rate in enumerate(row):
                if rate is not None:
                    self._add((path, index), metric.update, rate)

    def _add(self, key: tuple[str, int], update: int, value: float) -> None:
        column = self._columns.get(key)
        if column is None:
            if len(self._columns) >= MOST_SERIES:
                self.left_out += 1
                return
            column = self._columns[key] = (array("q"), array("d"))
        column[0].append(update)
        column[1].append(value)

    def rename(self, groups: tuple[str, ...]) -> None:
        """Take the names of the param groups from a spec."""
        self._groups = groups

    def names(self) -> dict[str, tuple[str, int]]:
        """Return what each series is called, measurements first."""
        found: dict[str, tuple[str, int]] = {}
        for path, index in sorted(self._columns, key=lambda one: (one[1] >= 0, one)):
            known = 0 <= index < len(self._groups)
            group = self._groups[index] if known else f"group {index}"
            name = path if index < 0 else f"{path}/{group}"
            while name in found:  # two groups of one name
                name += "'"
            found[name] = (path, index)
        return found

    def series(self, key: tuple[str, int]) -> Series:
        """Return a series; of an update that was made again, the last is kept."""
        updates, values = self._columns[key]
        where = np.array(updates, dtype=np.int64)
        what = np.array(values, dtype=np.float64)
        # what a resumed process made again replaces what was made before it
        after = np.minimum.accumulate(where[::-1])[::-1]
        kept = np.append(where[:-1] < after[1:], True) if len(where) else slice(0)
        return Series(where[kept], what[kept])


def within(series: Series, first: int | None, last: int | None) -> Series:
    """Return the part from one update to another, with a neighbour on each side."""
    low, high = 0, len(series.updates)
    if first is not None:
        low = max(int(np.searchsorted(series.updates, first)) - 1, 0)
    if last is not None:
        high = int(np.searchsorted(series.updates, last, side="right")) + 1
    return Series(series.updates[low:high], series.values[low:high])


def thin(series: Series, points: int) -> Series:
    """Return at most about `points` points that look like all of them.

    The run is cut into parts of equal length; of each, the lowest and the highest value
    are kept, and one that is not finite. So no spike is lost, however many points there
    are. (Averages, or every hundredth point, lose them.)

    Args:
        series: The points.
        points: How many are wanted; >= 8.

    Examples:
        >>> spiky = Series(np.arange(10_000), np.zeros(10_000))
        >>> spiky.values[4321] = 7.0
        >>> few = thin(spiky, 100)
        >>> len(few.updates) <= 102, float(few.values.max()), int(few.updates[-1])
        (True, 7.0, 9999)
    """
    count = len(series.updates)
    if count <= points:
        return series
    parts = points // 3 if not np.isfinite(series.values).all() else points // 2
    size = -(-count // parts)
    padded = np.append(series.values, np.full(size * parts - count, series.values[-1]))
    rows = padded.reshape(parts, size)
    starts = np.arange(parts) * size
    finite = np.isfinite(rows)
    found: list[Any] = [
        np.where(finite, rows, np.inf).argmin(axis=1) + starts,
        np.where(finite, rows, -np.inf).argmax(axis=1) + starts,
        np.array([0, count - 1]),
    ]
    if not finite.all():
        bad = (~finite).argmax(axis=1)
        found.append((bad + starts)[~finite.all(axis=1) | (bad > 0)])
    kept = np.unique(np.minimum(np.concatenate(found), count - 1))
    return Series(series.updates[kept], series.values[kept])
