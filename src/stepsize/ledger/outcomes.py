"""What came of runs, in the numbers a team asks for; each is defined here."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from stepsize.ledger.chain import Entry
from stepsize.ledger.history import History
from stepsize.ledger.records import Advice, Finder, Metric
from stepsize.ledger.store import Store

WINDOW = 50
"""Recorded losses on each side of a change that its effect is judged by."""

LEAST = 5
"""With fewer of them nothing is said."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one run.

    Attributes:
        run: Its name.
        began: When its first record was made. Unit: seconds since 1970.
        ended: When its last record was made.
        state: "closed", "failed" or "exited"; "open": it goes on, or was killed.
        updates: Updates made, each counted once.
        repeated: Updates made again because a resume went back; int >= 0.
        first_loss: The first recorded loss; None for none.
        last_loss: The last one.
        diverged: Whether the last loss is not finite, or above the first; None without
            losses.
        tuned_seconds: Time from the first record to the last rate found or advice
            followed; None: there is none.
        changes: Events by who decided: "operator", "policy", "guard", "clock", ...
        applied: Commands that were applied.
        refused: Commands that were refused.
        better: Changes by people after which the median of the losses fell faster or
            rose less than before: of `WINDOW` losses on each side.
        worse: Those after which it did not.
        alike: What it has in common with other seeds: the tag "group", or else the
            schedules and groups.
    """

    run: str
    began: float
    ended: float
    state: str
    updates: int
    repeated: int
    first_loss: float | None
    last_loss: float | None
    diverged: bool | None
    tuned_seconds: float | None
    changes: Mapping[str, int]
    applied: int
    refused: int
    better: int
    worse: int
    alike: str


def outcome(store: Store, name: str) -> Outcome | None:
    """Return what came of a run; None if it has no records.

    Args:
        store: Where its records are.
        name: What it is called, if no record says.

    Raises:
        LedgerError: The records could not be read.
    """
    losses: dict[int, float] = {}
    began: list[float] = []
    tuned: list[float] = []

    def watch(_: History, entry: Entry) -> None:
        record = entry.record
        if not began:
            began.append(record.time)
        if isinstance(record, Metric) and "loss" in record.values:
            losses[record.update] = float(record.values["loss"])
        if isinstance(record, Finder) or (
            isinstance(record, Advice) and record.followed
        ):
            tuned.append(record.time)

    history = History(store.read(), watch)
    if not began or history.time is None:
        return None
    series = [losses[u] for u in sorted(losses)]
    diverged = None
    if series:
        diverged = not math.isfinite(series[-1]) or series[-1] > series[0]
    answers = [answer for _, answer in history.commands().values()]
    status = Counter(one.status for one in answers if one is not None)
    events = [one for one in history.events if one.kind != "note"]
    verdicts = [
        _better(losses, one.update)
        for one in events
        if one.source.split(":")[0] == "operator"
    ]
    end = history.lives[-1].end if history.lives else None
    return Outcome(
        run=name if history.run is None else history.run.run,
        began=began[0],
        ended=history.time,
        state="open" if end is None else end.outcome,
        updates=history.update,
        repeated=repeated(history),
        first_loss=series[0] if series else None,
        last_loss=series[-1] if series else None,
        diverged=diverged,
        tuned_seconds=tuned[-1] - began[0] if tuned else None,
        changes=dict(Counter(one.source.split(":")[0] for one in events)),
        applied=status["applied"],
        refused=status["refused"],
        better=verdicts.count(True),
        worse=verdicts.count(False),
        alike=_alike(history),
    )


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the numbers of several runs together, JSON-plain.

    Returns:
        runs; diverged_share, of the runs with losses; updates; wasted_updates, those of
        diverged runs and those made again, and wasted_share of all that were made;
        median_tuned_seconds; changes_per_run; changes, by who decided; commands_applied
        and _refused; changes_better and _worse, by people; seeds, for each group of
        alike runs that did not diverge the mean and the standard deviation of their
        last losses. None where there is nothing to count.
    """
    judged = [one.diverged for one in outcomes if one.diverged is not None]
    made = sum(one.updates + one.repeated for one in outcomes)
    wasted = sum(one.repeated + one.updates * bool(one.diverged) for one in outcomes)
    tuned = [one.tuned_seconds for one in outcomes if one.tuned_seconds is not None]
    changes: Counter[str] = Counter()
    for one in outcomes:
        changes.update(one.changes)
    groups: dict[str, list[float]] = {}
    for one in outcomes:
        if one.last_loss is not None and one.diverged is False:
            groups.setdefault(one.alike, []).append(one.last_loss)
    return {
        "runs": len(outcomes),
        "diverged_share": sum(judged) / len(judged) if judged else None,
        "updates": made,
        "wasted_updates": wasted,
        "wasted_share": wasted / made if made else None,
        "median_tuned_seconds": statistics.median(tuned) if tuned else None,
        "changes_per_run": changes.total() / len(outcomes) if outcomes else None,
        "changes": dict(changes),
        "commands_applied": sum(one.applied for one in outcomes),
        "commands_refused": sum(one.refused for one in outcomes),
        "changes_better": sum(one.better for one in outcomes),
        "changes_worse": sum(one.worse for one in outcomes),
        "seeds": [
            {
                "group": name,
                "runs": len(losses),
                "mean": statistics.mean(losses),
                "deviation": statistics.stdev(losses),
            }
            for name, losses in sorted(groups.items())
            if len(losses) > 1
        ],
    }


def repeated(history: History) -> int:
    """Return updates made again: where a life began before the end of those before."""
    found, reached = 0, 0
    for life in history.lives:
        start = life.specs[0].update if life.specs else reached
        found += max(min(reached, life.last + 1) - start, 0)
        reached = max(reached, life.last + 1)
    return found


def _better(losses: Mapping[int, float], update: int) -> bool | None:
    """Whether losses went down faster after an update than before; None: unknown."""
    updates = sorted(losses)
    before = [losses[u] for u in updates if u < update][-WINDOW:]
    after = [losses[u] for u in updates if u >= update][:WINDOW]
    if min(len(before), len(after)) < 2 * LEAST:
        return None
    return _fall(after) > _fall(before)


def _fall(losses: Sequence[float]) -> float:
    """Return by how much the median fell, from the first half to the second."""
    half = len(losses) // 2
    if not all(map(math.isfinite, losses)):
        return -math.inf
    return statistics.median(losses[:half]) - statistics.median(losses[half:])


def _alike(history: History) -> str:
    if history.run is not None and "group" in history.run.tags:
        return history.run.tags["group"]
    spec = history.spec
    if spec is None:
        return "unknown"
    return spec.source.partition(", update=")[0] or json.dumps(spec.parts)
