"""Seconds per update, from a record of when updates were made; no decision."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Sample = Sequence[float]
"""Update and seconds."""

LEAST = 4
"""Intervals below which there is no estimate."""


def record(
    samples: Sequence[Sample], update: int, seconds: float, *, gap: float, window: float
) -> list[list[float]]:
    """Return the samples with one more, if it is at least `gap` after the last.

    Kept are those of the last `window`, and in any case `LEAST` intervals. A clock
    that went back starts the record again.

    Args:
        samples: The record so far.
        update: Updates made.
        seconds: Wall time. Unit: seconds.
        gap: Least distance of two samples. Unit: seconds.
        window: How far back the record goes. Unit: seconds.
    """
    kept = [list(sample) for sample in samples]
    if kept and (seconds < kept[-1][1] or update < kept[-1][0]):
        kept = []
    if not kept or (update > kept[-1][0] and seconds - kept[-1][1] >= gap):
        kept.append([update, seconds])
        while len(kept) > LEAST + 1 and kept[1][1] < seconds - window:
            del kept[0]
    return kept


def seconds_per_update(samples: Sequence[Sample]) -> float | None:
    """Return the mean over the record, its slowest interval clipped to the next.

    So what recurs (checkpoints, evaluations) counts and one hiccup does not.

    Args:
        samples: As `record` gives them.

    Returns:
        Seconds per update, > 0; None below `LEAST` intervals.

    Examples:
        >>> seconds_per_update([(0, 0), (10, 1), (20, 2), (30, 9), (40, 10)])
        0.1
    """
    if len(samples) <= LEAST:
        return None
    pairs = list(pairwise(samples))
    updates = [later[0] - sooner[0] for sooner, later in pairs]
    paces = [
        (later[1] - sooner[1]) / made
        for (sooner, later), made in zip(pairs, updates, strict=True)
    ]
    slow = sorted(paces)[-2]
    spent = sum(
        min(pace, slow) * made for pace, made in zip(paces, updates, strict=True)
    )
    return spent / sum(updates) or None
