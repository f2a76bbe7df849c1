"""Named schedules that a search starts from and has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stepsize.planner.laws.law import Floats
from stepsize.schedules.phases import decay, hold
from stepsize.schedules.schedule import Schedule

_LENGTHS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SHAPES = ("linear", "1-sqrt", "cosine", "1-square")
_ENDS = (0.0, 0.1)


class Candidate(NamedTuple):
    """A schedule after its warmup, as a share of the peak.

    Attributes:
        name: What it is called.
        length: Of the decay, as a share of what follows the warmup; 0 for none.
        shape: Of the decay.
        end: Its last value.
    """

    name: str
    length: float
    shape: str
    end: float

    def shares(self, part: Floats) -> Floats:
        """Return the rate at each part of the run after the warmup, in (0, 1)."""
        if not self.length:
            return np.ones_like(part)
        p = np.clip((part - (1 - self.length)) / self.length, 0, 1)
        falls = {
            "linear": 1 - p,
            "1-sqrt": 1 - np.sqrt(p),
            "cosine": (1 + np.cos(np.pi * p)) / 2,
            "1-square": 1 - p**2,
        }
        shares: Floats = self.end + (1 - self.end) * falls[self.shape]
        return shares

    def steepest(self, after: int) -> float:
        """Return the steepest fall, in peaks per run of `after` updates."""
        if not self.length:
            return 0.0
        steep = {"linear": 1.0, "1-sqrt": np.inf, "cosine": np.pi / 2, "1-square": 2.0}
        return (1 - self.end) * steep[self.shape] * after / self.updates(after)

    def updates(self, after: int) -> int:
        """Return the length of the decay, of `after` updates."""
        return max(1, round(self.length * after))

    def schedule(self, after: int) -> Schedule:
        """Return what follows the warmup, `after` updates."""
        if not self.length:
            return hold()
        length = self.updates(after)
        fall = decay(length, to=self.end, shape=self.shape)
        return fall if length >= after else hold() >> fall


def candidates(
    floor: float, max_slope: float | None, *, after: int
) -> Iterator[Candidate]:
    """Return those that keep the constraints: about a hundred, fifty at least.

    Args:
        floor: Lowest share of the peak.
        max_slope: Steepest fall, in peaks per run; None for no limit.
        after: Updates after the warmup.
    """
    yield Candidate("constant", 0.0, "linear", 1.0)
    ends = sorted({max(floor, end) for end in _ENDS} | ({floor} if floor else set()))
    for shape in _SHAPES:
        for length in _LENGTHS:
            for end in ends:
                name = f"{shape} over {length:.0%} to {end:.0%}"
                one = Candidate(name, length, shape, end)
                if max_slope is None or one.steepest(after) <= max_slope:
                    yield one
