"""A run of a given length in blocks, for evaluating many schedules quickly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stepsize.planner.laws.law import Floats, Ints

_WARMUP_BLOCKS = 12
_BLOCKS = 320


class Grid(NamedTuple):
    """Blocks of a run after its warmup, and those of the warmup.

    Attributes:
        edges: Where blocks begin and end, from 0 to the number of steps.
        warmup_blocks: How many of them are warmup.
    """

    edges: Ints
    warmup_blocks: int

    @property
    def lengths(self) -> Floats:
        """Updates in each block."""
        return np.diff(self.edges).astype(np.float64)

    def part(self, warmup: int) -> Floats:
        """Return how far through what follows the warmup each later block's middle is.

        In (0, 1): the mean step of a block, over the updates after the warmup.
        """
        edges = self.edges[self.warmup_blocks :]
        middle = (edges[:-1] + edges[1:] - 1) / 2
        length = edges[-1] - warmup
        parts: Floats = (middle - warmup) / length
        return parts

    def warmup_shares(self, warmup: int) -> Floats:
        """Return the mean rate of each block of the warmup, as a share of the peak."""
        edges = self.edges[: self.warmup_blocks + 1]
        shares: Floats = ((edges[:-1] + edges[1:] - 1) / 2 + 1) / (warmup + 1)
        return shares


def grid(steps: int, warmup: int) -> Grid:
    """Cut a run into blocks, finer towards its end, where the noise is settled."""
    count = min(_WARMUP_BLOCKS, warmup)
    rise = np.linspace(0, warmup, count + 1).round().astype(np.int64)
    length = steps - warmup
    even = np.linspace(0, 1, _BLOCKS // 2)
    late = 1 - np.geomspace(1, 1e-3, _BLOCKS // 2)
    parts = np.unique(np.concatenate([even, late, [1.0]]))
    rest = warmup + np.round(parts * length).astype(np.int64)
    edges = np.unique(np.concatenate([rise, rest]))
    return Grid(edges, int(np.searchsorted(edges, warmup)))
