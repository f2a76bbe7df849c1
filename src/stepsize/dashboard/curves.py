"""Planned curves as points, few of them, to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from stepsize.ledger.rates import Rates

MOST_GROUPS = 8
"""Param groups that are drawn: those whose curves are alike count as one."""

_OPEN = 1000  # updates shown ahead of a run without an end
_POINTS = 400


@final
@dataclass(frozen=True, slots=True)
class Curves:
    """Planned values of a hyperparameter.

    Attributes:
        updates: Where.
        groups: For each param group its values there; a group whose curve is that of
            one before it is left out.
        ends: Update at which the run ends; None: it has no end.
    """

    updates: list[int]
    groups: dict[str, list[float]]
    ends: int | None


def planned(
    rates: Rates, path: str, made: int, points: int = _POINTS, upto: int | None = None
) -> Curves:
    """Return the curves of a hyperparameter over the whole run.

    Args:
        rates: The rates.
        path: The hyperparameter.
        made: Updates made.
        points: Updates that are looked at, about.
        upto: Last update that is shown; None: the end of the run.
    """
    ends = rates.ends(made, path)
    last = max(ends if ends is not None else made + _OPEN, upto or 0, 1)
    stride = max(1, last // points)
    at = {*range(0, last + 1, stride), last, made}
    for event in rates.events:
        at.update(u for u in (event.update - 1, event.update) if 0 <= u <= last)
    updates = sorted(at)
    rows = list(zip(*(rates.at(update, path) for update in updates), strict=True))
    groups: dict[str, list[float]] = {}
    for name, row in zip(rates.spec.groups, rows, strict=True):
        values = [one for one in row if one is not None]
        if len(values) == len(updates) and values not in groups.values():
            groups[name] = values
        if len(groups) >= MOST_GROUPS:
            break
    return Curves(updates, groups, ends)
