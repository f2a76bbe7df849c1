"""What several ranks said, put together: one number, or who differs from whom."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

_SMALL = 2.0**-32  # keeps a sum of very large numbers finite
_BEFORE, _SHOWN = 20, 80  # characters of a text: before its difference, in all


def reduced(values: Sequence[float], how: str) -> float:
    """Return what several ranks measured as one number; see `Ranks.reduce`.

    Args:
        values: In order of ranks, at least one.
        how: "mean", "sum", "max", "min" or "first".

    Examples:
        >>> reduced([0.1, 0.1, 0.1], "mean"), reduced([2.0, math.nan], "max")
        (0.1, nan)
    """
    if how == "first":
        return values[0]
    if any(math.isnan(value) for value in values):
        return math.nan  # before any comparison: those overlook it
    low, high = min(values), max(values)
    if how in ("max", "min") or (how == "mean" and low == high):
        return low if how == "min" else high
    parts = len(values) if how == "mean" else 1
    infinite = {value for value in values if math.isinf(value)}
    if infinite:
        return sum(infinite)  # NaN, if both are there
    try:
        return math.fsum(sorted(values)) / parts
    except OverflowError:  # of a sum on the way; the result may be finite
        return math.fsum(value * _SMALL for value in sorted(values)) / parts / _SMALL


def differing(
    part: str, texts: Sequence[str | None], ranks: Sequence[int] | None = None
) -> str:
    """Word what differs: who has what, the most common last.

    Args:
        part: What it is.
        texts: What each rank has; None: nothing.
        ranks: Whose texts these are; None: of ranks 0, 1, 2, ...

    Returns:
        What each has, from a little before the first difference on.

    Examples:
        >>> differing("rates", ["[0.1]", "[0.1]", "[0.05]"])
        "'rates': [0.05] on rank 2, [0.1] on ranks 0 and 1"
    """
    whose = range(len(texts)) if ranks is None else ranks
    holders: dict[str, list[int]] = {}
    for rank, text in zip(whose, texts, strict=True):
        holders.setdefault("nothing" if text is None else text, []).append(rank)
    short = max(map(len, holders)) <= _SHOWN
    start = 0 if short else max(0, _first_difference(list(holders)) - _BEFORE)
    common = Counter({text: len(held) for text, held in holders.items()})
    said = [
        f"{_excerpt(text, start)} on {_named(holders[text])}"
        for text, _ in reversed(common.most_common())
    ]
    return f"{part!r}: {', '.join(said)}"


def _first_difference(texts: Sequence[str]) -> int:
    shortest = min(map(len, texts))
    for index in range(shortest):
        if len({text[index] for text in texts}) > 1:
            return index
    return shortest


def _excerpt(text: str, start: int) -> str:
    cut = text[start : start + _SHOWN]
    return (
        ("..." if start else "") + cut + ("..." if start + _SHOWN < len(text) else "")
    )


def _named(ranks: Sequence[int]) -> str:
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    return f"ranks {', '.join(map(str, ranks[:-1]))} and {ranks[-1]}"
