"""What policies decided, as events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stepsize.control.events import Event, Target
from stepsize.control.policies import Change

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
