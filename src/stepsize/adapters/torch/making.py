"""What a Scheduler makes of its arguments for policies, ranks and a ledger."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from stepsize.adapters.driving.arguments import check_count
from stepsize.adapters.torch.deciding import Deciding
from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.readings import TOGETHER
from stepsize.adapters.torch.snapshots import (
    DiskSnapshots,
    MemorySnapshots,
    Subject,
)
from stepsize.control.events import Event
from stepsize.control.journal import Journal
from stepsize.control.policies import Policy
from stepsize.control.policies.policy import Rewinds
from stepsize.control.sink import EventSink
from stepsize.control.snapshots import Snapshots
from stepsize.errors import AdapterError, describe


def make_deciding(
    policies: list[Policy],
    subject: Subject,
    snapshots: Any,
    ranks: Ranks | None,
    sync_every: int | None,
) -> Deciding | None:
    """Check what a Scheduler was given for its policies; None if it has none.

    Raises:
        AdapterError: There is something for policies that are not there.
        InvalidScheduleError: Two policies have the same name.
    """
    if sync_every is not None:
        check_count(sync_every, "Scheduler.sync_every", 1)
    if not policies:
        for name, given in (("snapshots", snapshots), ("sync_every", sync_every)):
            if given is not None:
                rule = "be left out without policies"
                raise AdapterError(describe(f"Scheduler.{name}", rule, given))
        return None
    guards = [one for one in policies if isinstance(one, Rewinds)]
    if snapshots is not None and not guards:
        rule = "be left out without a guard among the policies"
        raise AdapterError(describe("Scheduler.snapshots", rule, snapshots))
    store: Snapshots | None = None
    if isinstance(snapshots, (str, os.PathLike)):
        store = DiskSnapshots(snapshots, subject)
    elif guards:
        store = MemorySnapshots(subject) if snapshots is None else snapshots
    if store is not None and not isinstance(store, Snapshots):
        rule = "be a folder, or a Snapshots"
        raise AdapterError(describe("Scheduler.snapshots", rule, snapshots))
    if sync_every is None:
        sync_every = TOGETHER if all(map(_is_patient, policies)) else 1
    return Deciding(policies, subject, store=store, ranks=ranks, every=sync_every)


def _is_patient(policy: Any) -> bool:
    """Whether it can do with several losses at once: a guard, or it needs none."""
    metric = getattr(getattr(policy, "when", policy), "metric", "loss")
    return isinstance(policy, Rewinds) or metric != "loss"


def ranks_of(
    given: Any, *, needed: bool = True, owner: str = "Scheduler"
) -> Ranks | None:
    """Return the processes that decide together.

    Raises:
        AdapterError: What was given is none.
    """
    auto = isinstance(given, str) and given == "auto"
    if not (auto or given is None or isinstance(given, Ranks)):
        rule = 'be "auto", None or Ranks(...)'
        raise AdapterError(describe(f"{owner}.ranks", rule, given))
    if not auto:
        return given  # type: ignore[no-any-return]  # checked just now
    return Ranks.here() if needed else None


def journal_of(
    ranks: Ranks | None,
    sink: EventSink | None,
    events: Sequence[Event],
    update: int,
    *,
    complete: bool = False,
) -> Journal:
    """Return a run's journal; of several ranks, the first alone keeps it.

    Raises:
        LedgerError: See `Journal`; on other ranks an AdapterError that repeats it.
    """
    if ranks is None:
        return Journal(sink, events, update, complete=complete)
    made: list[Journal] = []

    def make() -> dict[str, Any]:
        made.append(Journal(sink, events, update, complete=complete))
        return made[0].to_dict()

    shared = ranks.once(make)
    return made[0] if made else Journal.from_dict(shared)
