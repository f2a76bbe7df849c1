"""Moving averages of the weights of some members of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from torch import Tensor

from stepsize.proof.population.result import IntArray

__all__ = ["Averages"]


@final
class Averages:
    """Averages of parameters and running statistics, by member.

    a = p after the first update, then a = decay a + (1 - decay) p
    """

    def __init__(self, decays: Mapping[int, float]) -> None:
        """Begin a training.

        Args:
            decays: Number of a member -> decay by update, in (0, 1); members that have
                no average are left out.
        """
        self._decays = decays
        self._held: dict[int, tuple[Tensor, Tensor]] = {}

    def add(self, alive: IntArray, stack: Tensor, running: Tensor) -> None:
        """Take in the rows of the members alive, after an update."""
        if not self._decays:
            return
        for row, member in enumerate(alive.tolist()):
            decay = self._decays.get(member)
            if decay is None:
                continue
            now = stack[row], running[row]
            held = self._held.setdefault(member, (now[0].clone(), now[1].clone()))
            for average, value in zip(held, now, strict=True):
                average.lerp_(value, 1.0 - decay)

    def evaluated(
        self, member: int, parameters: Tensor, running: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what a member is evaluated on: its average, if it has one."""
        return self._held.get(member, (parameters, running))
