"""What ranks that decide together say to each other: rank 0 decides, all compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.readings import Reading
from stepsize.control.events import Target
from stepsize.control.policies import Change, Observation, State

if TYPE_CHECKING:
    from stepsize.adapters.torch.scheduler import Scheduler


class Decision(NamedTuple):
    """What was seen before an update, and what was asked for then."""

    seen: Observation
    changes: tuple[Change, ...]


def decided_on_first(
    ranks: Ranks,
    decide: Callable[[], list[Decision]],
    again: Callable[[Observation], tuple[Change, ...]],
    update: int,
) -> list[Decision]:
    """Return rank 0's decisions; other ranks decide too, and say if they differ.

    Args:
        ranks: The processes.
        decide: Asks the policies; called on rank 0.
        again: Asks them about one thing that rank 0 saw; called on the others.
        update: Updates made.
    """
    decided: list[Decision] = []

    def said() -> list[dict[str, Any]]:
        decided.extend(decide())
        return [
            {
                "seen": _plain_observation(one.seen),
                "changes": [_plain_change(change) for change in one.changes],
            }
            for one in decided
        ]

    shared = ranks.once(said, update=update)
    if ranks.rank == 0:
        return decided
    for one in shared:
        seen = Observation(**one["seen"])
        own = [_plain_change(change) for change in again(seen)]
        if own != one["changes"]:
            ranks.disagree(seen.update, "decision", one["changes"], own)
        changes = tuple(map(_change_of, one["changes"]))
        decided.append(Decision(seen, changes))
    return decided


def compared(ranks: Ranks, scheduler: Scheduler, state: State) -> None:
    """Raise, on all ranks, unless events, rates and policies are the same on all."""
    events = [event.to_dict() | {"time": None} for event in scheduler.events]
    ranks.agree(
        scheduler.update,
        {
            "events": repr(events),
            "rates": repr(scheduler.next_lr),
            "policies": repr(state),
        },
    )


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


def _plain_observation(seen: Observation) -> dict[str, Any]:
    """Return what policies saw, for a message to other ranks."""
    names = Observation.__dataclass_fields__
    plain = {name: getattr(seen, name) for name in names}
    return plain | {"metrics": dict(seen.metrics)}


def _plain_change(change: Change) -> dict[str, Any]:
    """Return a change, for a message to other ranks."""
    return {
        "kind": change.kind,
        "values": dict(change.values),
        "reason": change.reason,
        "source": change.source,
        "target": [change.target.hyperparameter, change.target.groups],
    }


def _change_of(plain: dict[str, Any]) -> Change:
    """Return the change of a message."""
    return Change(**{**plain, "target": Target(*plain["target"])})
