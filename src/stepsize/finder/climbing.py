"""Walks a grid of rates towards the best score; not how a rate is scored."""

from __future__ import annotations

import math
from typing import final

from stepsize.finder.training import Run, Training

PER_DECADE = 4  # rates of the grid: quarter decades, as fine as seeds can tell apart


def rate(place: int) -> float:
    """Return the rate at a place of the grid."""
    return float(10.0 ** (place / PER_DECADE))


def place(lr: float) -> int:
    """Return the place of the grid next to a rate."""
    return round(math.log10(lr) * PER_DECADE)


@final
class Round:
    """Probes of one length on the batches of one stream, so that scores compare.

    Attributes:
        runs: By place, in the order they were made.
        length: Of each. Unit: updates.
        bounds: Lowest and highest place.

    Args:
        kept: Updates that its probes leave for others.
    """

    def __init__(
        self,
        training: Training,
        length: int,
        stream: int,
        bounds: tuple[int, int],
        *,
        kept: int = 0,
    ) -> None:
        self.runs: dict[int, Run] = {}
        self.length = length
        self._training, self._stream, self._kept = training, stream, kept
        self.bounds = bounds

    def score(self, at: int) -> float | None:
        """Return the score there, a new probe's if need be; None if out of updates.

        Beyond the bounds it is infinite.
        """
        if not self.bounds[0] <= at <= self.bounds[1]:
            return math.inf
        if at not in self.runs:
            if self._training.left < self.length + self._kept:
                return None
            run = self._training.probe(rate(at), self.length, self._stream)
            self.runs[at] = run
        return self.runs[at].score

    def best(self) -> int | None:
        """Return the place of the lowest score; None if every probe broke."""
        sound = {at: run.score for at, run in self.runs.items() if run.tail is not None}
        return min(sound, key=lambda at: sound[at]) if sound else None


def climb(probes: Round, start: int, stride: int) -> None:
    """Walk in strides until both neighbours of a rate are no better than it.

    From a rate that broke the walk goes down, whatever lies above it. It ends early at
    the bounds and when the updates run out.

    Args:
        probes: Scores of the places; filled by the walk.
        start: First place.
        stride: Places in a stride.
    """
    here: int | None = start
    while here is not None:
        here = _next(probes, here, stride)


def _next(probes: Round, here: int, stride: int) -> int | None:
    """Return where the walk goes from here; None where it ends."""
    score = probes.score(here)
    if score is None:
        return None
    if math.isfinite(score):
        above = probes.score(here + stride)
        if above is None or above < score:
            return None if above is None else here + stride
    below = probes.score(here - stride)
    if below is None or below > score:
        return None
    inside = here - stride >= probes.bounds[0]
    return here - stride if inside else None
