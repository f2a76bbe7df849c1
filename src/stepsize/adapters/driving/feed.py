"""The values of a trajectory, a table at a time: makes an update a look-up."""

from __future__ import annotations

from typing import final

from stepsize.control.trajectory import Trajectory

TABLE = 1024  # values computed ahead


@final
class Feed:
    """The values of one trajectory, times one factor.

    Attributes:
        trajectory: The trajectory.
        factor: What multiplies it.
    """

    __slots__ = ("_start", "_table", "factor", "trajectory")

    def __init__(self, trajectory: Trajectory, factor: float = 1.0) -> None:
        self.trajectory = trajectory
        self.factor = factor
        self._start = 0
        self._table: list[float] = []

    def at(self, update: int) -> float:
        """Return the value of an update."""
        place = update - self._start
        if not 0 <= place < len(self._table):
            self._start, self._table, place = update, self.block(update, TABLE), 0
        return self._table[place]

    def block(self, update: int, count: int) -> list[float]:
        """Return the values of `count` updates from one on."""
        factor = self.factor
        values = self.trajectory.block(update, update + count)
        return values if factor == 1 else [value * factor for value in values]
