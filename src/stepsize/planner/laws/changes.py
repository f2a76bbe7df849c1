"""Where a rate changes: all that laws with a saturating response need to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stepsize.planner.laws.law import Floats, Ints

_TINY = 1e-12
"""Smallest rate, as a share of the peak, of which a logarithm is taken."""
_TABLE = 1 << 20
"""Entries of a table of points by changes that are held at once."""


class Changes(NamedTuple):
    """The changes of a signal, each at the update from which it holds.

    Attributes:
        at: First update with the new value, shape (changes,).
        gap: New value less old one.
        log_rate: Logarithm of the new rate.
        before: Time that had passed before that update.
    """

    at: Ints
    gap: Floats
    log_rate: Floats
    before: Floats


class Response(NamedTuple):
    """What the changes so far add up to at each point, and its derivatives.

    Attributes:
        value: sum_k gap_k G(x_k), with G(x) = 1 - (1 + x)**-beta.
        by_log_scale: Derivative by the logarithm of a factor on every x.
        by_beta: Derivative by beta.
        by_exponent: Derivative by a, where x is in proportion to rate**-a.
    """

    value: Floats
    by_log_scale: Floats
    by_beta: Floats
    by_exponent: Floats


def changes(
    signal: Floats, rates: Floats, time: Floats, steps: Ints, merge: int
) -> Changes:
    """Return the changes of `signal` from its first value on.

    Args:
        signal: What changes, one value an update.
        rates: The rates, likewise.
        time: The law's time after each update.
        steps: Where the response will be wanted; merged runs never span one.
        merge: Longest run of updates that counts as one change, placed at its
            gap-weighted mean; 1 is exact.
    """
    gaps = np.diff(signal)
    at = np.flatnonzero(gaps) + 1
    if len(at) == 0:
        empty = np.empty(0)
        return Changes(at, empty, empty, empty)
    gap = gaps[at - 1]
    log_rate = np.log(np.maximum(rates[at], _TINY * rates.max()))
    before = time[at - 1]
    if merge > 1:
        wanted = np.searchsorted(np.unique(steps), at)
        keys = np.stack([at // merge, wanted, np.sign(gap).astype(np.int64)])
        new = np.any(np.diff(keys, axis=1) != 0, axis=0)
        first = np.concatenate([[0], np.flatnonzero(new) + 1])
        total = np.add.reduceat(gap, first)
        log_rate = np.add.reduceat(gap * log_rate, first) / total
        before = np.add.reduceat(gap * before, first) / total
        at, gap = at[first], total
    return Changes(at, gap, log_rate, before)


def respond(
    found: Changes,
    time: Floats,
    steps: Ints,
    *,
    scale: float,
    beta: float,
    exponent: float,
) -> Response:
    """Return the response at each of `steps`, with x = scale rate**-exponent elapsed.

    Args:
        found: The changes.
        time: The law's time after each update.
        steps: Updates 0..step have been made.
        scale: See above; > 0.
        beta: Of G.
        exponent: See above.
    """
    out = np.zeros((4, len(steps)))
    factor = scale * np.exp(-exponent * found.log_rate)
    for rows in _chunks(len(steps), len(found.at)):
        elapsed = time[steps[rows]][:, None] - found.before
        active = (found.at <= steps[rows][:, None]) * found.gap
        x = np.maximum(elapsed, 0.0) * factor
        log_u = np.log1p(x)
        kept = np.exp(-beta * log_u)
        slope = active * (beta * x / (1 + x) * kept)
        out[0, rows] = (active * (1 - kept)).sum(axis=1)
        out[1, rows] = slope.sum(axis=1)
        out[2, rows] = (active * kept * log_u).sum(axis=1)
        out[3, rows] = -(slope * found.log_rate).sum(axis=1)
    return Response(*out)


def _chunks(points: int, count: int) -> Iterator[slice]:
    size = max(1, _TABLE // max(count, 1))
    for start in range(0, points, size):
        yield slice(start, min(start + size, points))
