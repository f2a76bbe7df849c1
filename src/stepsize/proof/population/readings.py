"""When curves are read during a training, and what was read."""

from __future__ import annotations

from typing import final

import numpy as np
from torch import Tensor

from stepsize.errors import ProofError, describe
from stepsize.proof.population.result import FloatArray, IntArray

__all__ = ["Readings", "reading_updates"]


def reading_updates(total_steps: int, evaluations: int) -> IntArray:
    """Return after how many updates curves are read: evenly, the last at the end.

    Args:
        total_steps: Unit: updates; int >= 1.
        evaluations: How many readings; no more are made than there are updates.

    Raises:
        ProofError: `evaluations` is no int >= 1.
    """
    if not isinstance(evaluations, int) or evaluations < 1:
        rule = "be an int >= 1 (unit: readings of the curves)"
        raise ProofError(describe("train_population.evaluations", rule, evaluations))
    count = min(evaluations, total_steps)
    return np.array(
        [total_steps * (i + 1) // count for i in range(count)], dtype=np.int64
    )


@final
class Readings:
    """The curves of a group of members while they train."""

    def __init__(self, chance: float, members: int, updates: IntArray) -> None:
        shape = (members, len(updates))
        self.updates = updates
        self.train_loss: FloatArray = np.full(shape, np.nan)
        self.val_curve: FloatArray = np.full(shape, chance)
        self.frozen_at: IntArray = np.full(members, updates[-1])
        self._at = {int(done): i for i, done in enumerate(updates)}
        self._sums: FloatArray = np.zeros(members)
        self._since = 0

    def add_losses(self, members: IntArray, losses: Tensor) -> None:
        """Add the losses of one update's batches."""
        self._sums[members] += losses.double().numpy()

    def freeze(self, members: IntArray, update: int) -> None:
        """Note the update at which members diverged."""
        self.frozen_at[members] = update

    def due(self, done: int) -> int | None:
        """Return the number of the reading due after `done` updates, if any."""
        return self._at.get(done)

    def close(self, reading: int, members: IntArray) -> None:
        """Turn the losses gathered into a point of the members' training curves."""
        done = int(self.updates[reading])
        self.train_loss[members, reading] = self._sums[members] / (done - self._since)
        self._sums[:] = 0.0
        self._since = done
