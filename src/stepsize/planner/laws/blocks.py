"""Rates in blocks: runs of updates over which a slow law may take their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from stepsize.planner.laws.law import Floats, Ints

LONGEST = 1 / 300
"""Longest block, as a share of the run."""
_JUMP = 0.02
"""Change within one update, as a share of the peak, at which a block ends."""
_MOST_JUMPS = 200
_FIRST = 12
"""Blocks before the first point: a warmup is a few straight pieces."""


@final
@dataclass(frozen=True, slots=True)
class Blocks:
    """Several runs cut into blocks, padded to one shape.

    Attributes:
        lengths: Updates in each block, shape (blocks, runs); 0 pads.
        rates: Mean rate in each block, the same shape. Unit: lr.
        points: For each run and point the block at whose end it lies, shape (runs,
            points); padded with 0.
        given: Whether a point is none of the padding, the same shape.
    """

    lengths: Floats
    rates: Floats
    points: Ints
    given: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def cut(runs: Sequence[tuple[Floats, Ints]], longest: float = LONGEST) -> Blocks:
    """Cut runs, each its rates and the steps that are wanted, into blocks.

    Blocks end behind every step that is wanted and where the rate jumps; none is
    longer than the share `longest` of its run.
    """
    edges = [_edges(rates, steps, longest) for rates, steps in runs]
    most = max(len(one) for one in edges) - 1
    points = max(len(steps) for _, steps in runs)
    shape = (most, len(runs))
    made = Blocks(
        np.zeros(shape),
        np.ones(shape),
        np.zeros((len(runs), points), dtype=np.int64),
        np.zeros((len(runs), points), dtype=np.bool_),
    )
    for column, ((rates, steps), ends) in enumerate(zip(runs, edges, strict=True)):
        count = len(ends) - 1
        lengths = np.diff(ends)
        sums = np.concatenate([[0.0], np.cumsum(rates)])
        made.lengths[:count, column] = lengths
        made.rates[:count, column] = (sums[ends[1:]] - sums[ends[:-1]]) / lengths
        made.rates[count:, column] = made.rates[count - 1, column]
        made.points[column, : len(steps)] = np.searchsorted(ends, steps + 1) - 1
        made.given[column, : len(steps)] = True
    return made


def _edges(rates: Floats, steps: Ints, longest: float) -> Ints:
    """Return where blocks begin and end, from 0 to behind the last step."""
    wanted = np.unique(steps) + 1
    first, last = int(wanted[0]), int(wanted[-1])
    longest_block = max(1, int(last * longest))
    start = np.linspace(0, first, min(first, max(_FIRST, first // longest_block)) + 1)
    grid = np.arange(first, last, longest_block)
    jumps = np.flatnonzero(np.abs(np.diff(rates[:last])) > _JUMP * rates.max()) + 1
    if len(jumps) > _MOST_JUMPS:  # a steep slope, not jumps
        jumps = jumps[:: len(jumps) // _MOST_JUMPS + 1]
    parts = [start.astype(np.int64), grid, wanted, jumps]
    return np.unique(np.concatenate(parts)).astype(np.int64)
