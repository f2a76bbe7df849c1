"""What policies saw and decided, as events and as messages between ranks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.readings import Reading
from stepsize.control.events import Event, Target
from stepsize.control.policies import Change, Observation

if TYPE_CHECKING:
    from stepsize.adapters.torch.scheduler import Scheduler


def events_of(scheduler: Scheduler, change: Change) -> list[Event]:
    """Return a change as events: a rewind is of every hyperparameter's clock."""
    update, now = scheduler.update, time.time()
    if change.kind != "rewind":
        return [
            Event(
                update=update,
                kind=change.kind,
                values=change.values,
                source=change.source,
                reason=change.reason,
                time=now,
                target=change.target,
            )
        ]
    label = snapshot_of(change)
    return [
        Event(
            update=update,
            kind="rewind",
            values={**change.values, "to": scheduler.step_at(label, path)},
            source=change.source,
            reason=change.reason,
            time=now,
            target=Target(path),
        )
        for path in scheduler.hyperparameters
    ]


def snapshot_of(change: Change) -> int:
    """Return the label of a rewind, which only a guard asks for."""
    label: Any = change.values["snapshot"]
    return int(label)


def reduced_of(ranks: Ranks, rows: list[Reading], update: int) -> list[Reading]:
    """Return the readings of all ranks together."""
    flat = {
        f"{index}/{name}": value
        for index, row in enumerate(rows)
        for name, value in row.metrics.items()
    }
    together: list[dict[str, float]] = [{} for _ in rows]
    for key, value in ranks.reduce(flat, "mean", update=update).items():
        index, name = key.split("/", 1)
        together[int(index)][name] = value
    return [
        Reading(row.update, metrics)
        for row, metrics in zip(rows, together, strict=True)
    ]


def plain_observation(seen: Observation) -> dict[str, Any]:
    """Return what policies saw, for a message to other ranks."""
    names = Observation.__dataclass_fields__
    plain = {name: getattr(seen, name) for name in names}
    return plain | {"metrics": dict(seen.metrics)}


def plain_change(change: Change) -> dict[str, Any]:
    """Return a change, for a message to other ranks."""
    return {
        "kind": change.kind,
        "values": dict(change.values),
        "reason": change.reason,
        "source": change.source,
        "target": [change.target.hyperparameter, change.target.groups],
    }


def change_of(plain: dict[str, Any]) -> Change:
    """Return the change of a message."""
    return Change(**{**plain, "target": Target(*plain["target"])})
