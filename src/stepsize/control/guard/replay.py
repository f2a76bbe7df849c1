"""What a guard would have said of a recorded run; nothing is done about it here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from stepsize.control.guard.guard import Guard
from stepsize.control.guard.watching import SHORT
from stepsize.control.policies.policy import Observation, State
from stepsize.errors import InvalidScheduleError, describe


class Verdict(NamedTuple):
    """What a guard made of a stretch of a run.

    Attributes:
        first: Updates that were made when it began.
        last: Updates that were made when it ended; `first` for a single one.
        word: "ok", "suspect" (it waits whether the loss comes down again by itself) or
            "harm" (it would have gone back to a snapshot).
        reason: Why, for "harm"; else empty.
        lost: The largest share of the gain so far that the median of 12 losses had
            lost; what `Guard.harm` is compared with. None where nothing was gained yet.
    """

    first: int
    last: int
    word: str
    reason: str
    lost: float | None


def replay(guard: Guard, rows: Iterable[Mapping[str, float]]) -> list[Verdict]:
    """Show a recorded run to a guard that only observes.

    After "harm" it looks for a new normal, as the recorded run really went on; a guard
    that had acted would have seen another run from there on.

    Args:
        guard: Whose thresholds; its `mode` is taken as "observe".
        rows: One for each update, oldest first, with what was measured by name: "loss",
            "nonfinite", "displacement", "skips"; and, if they are known, "update" (how
            many were made with it; increasing; default: 1, 2, 3, ...) and "lr" (the
            rate of the next one; default 1). Not every update need be there.

    Returns:
        Its verdicts, one after the other, without a gap; [] for no rows. The same harm
        in one update after the other (a loss that stays NaN) is one verdict.

    Raises:
        InvalidScheduleError: A value is no number, or updates do not increase.

    Examples:
        >>> losses = [2.3, 1.7, 1.2, 0.9, float("nan"), float("nan"), 0.9]
        >>> found = replay(Guard(), [{"loss": loss} for loss in losses])
        >>> [(one.first, one.last, one.word, one.reason) for one in found]
        [(1, 4, 'ok', ''), (5, 6, 'harm', 'the loss is nan'), (7, 7, 'ok', '')]
    """
    watcher = replace(guard, mode="observe")
    state = watcher.without(watcher.start(), {0})
    found: list[Verdict] = []
    last, peak = -1, 0.0
    for row in rows:
        last = _update(row.get("update", max(last, 0) + 1), last)
        rate = _rate(row.get("lr", 1.0))
        peak = max(peak, rate)
        seen = Observation(
            update=last,
            step=last,
            rate=rate,
            peak=peak,
            metrics={k: row[k] for k in row if k not in ("update", "lr")},
        )
        before = state
        state, changes = watcher.observe(state, seen)
        if changes:
            why = changes[0].reason.removeprefix("would go back to a snapshot: ")
            made = Verdict(last, last, "harm", why, _lost(before))
        elif state["broken"]:  # as it was said
            made = Verdict(last, last, "harm", found[-1].reason, _lost(before))
        else:
            word = "suspect" if state["suspect"] else "ok"
            made = Verdict(last, last, word, "", _lost(state))
        if found and found[-1][2:4] == made[2:4]:
            made = made._replace(first=found[-1].first, lost=_most(found.pop(), made))
        found.append(made)
    return found


def _lost(state: State) -> float | None:
    now, lowest = state["level"], state["best"].get(str(SHORT))
    if now is None or lowest is None or state["begin"] <= lowest:
        return None
    share: float = (now - lowest) / (state["begin"] - lowest)
    return share


def _most(one: Verdict, other: Verdict) -> float | None:
    return max((x.lost for x in (one, other) if x.lost is not None), default=None)


def _rate(value: object) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        rule = "be a finite number (unit: lr)"
        raise InvalidScheduleError(describe("replay.lr", rule, value))
    return float(value)


def _update(value: object, last: int) -> int:
    number = value if isinstance(value, (int, float)) else math.nan
    if not math.isfinite(number) or number != int(number) or number <= last:
        rule = "be whole and at least 0 (unit: updates)"
        if last >= 0:
            rule = f"be whole and above the one before it, {last} (unit: updates)"
        raise InvalidScheduleError(describe("replay.update", rule, value))
    return int(number)
