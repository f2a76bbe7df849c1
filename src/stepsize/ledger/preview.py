"""What a command would do to a run as it stands; nothing is asked for.

The training alone decides: this is what can be said before it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from stepsize.control.events import append
from stepsize.errors import LedgerError, StepsizeError, describe
from stepsize.ledger.bounds import Bounds, load_bounds
from stepsize.ledger.commands import EVENTS, event_of
from stepsize.ledger.history import History
from stepsize.ledger.jsonl_store import JsonlStore
from stepsize.ledger.rates import Rates
from stepsize.ledger.records import Command
from stepsize.ledger.store import Store


@final
@dataclass(frozen=True, slots=True)
class Preview:
    """What a command would do.

    Attributes:
        update: The update that the run is at.
        step: The step of the curve there.
        seen: Sequence of the last event, -1 for none.
        now: The rates as they are planned; None: they cannot be computed here.
        then: The rates as they would be; None: it changes none by itself.
        refused: Why the run's bounds would not allow it, "" if they would.
        bounds: Whether the bounds that the run obeys could be read here.
    """

    update: int
    step: int | None
    seen: int
    now: Rates | None
    then: Rates | None
    refused: str
    bounds: bool


def preview(history: History, store: Store, command: Command) -> Preview:
    """Return what a command would do.

    Args:
        history: The run's records.
        store: Where they are: beside them its bounds may be.
        command: The command.

    Raises:
        LedgerError: The run has no such hyperparameter or group, or no spec.
        InvalidScheduleError: The command makes no sense there.
    """
    bounds = bounds_of(history, store)
    refused = "" if bounds is None else bounds.refusal(command)
    seen = max((one.sequence for one in history.events), default=-1)
    # the last metrics may not be written yet, and events are
    made = max([history.update, *(one.update for one in history.events)])
    try:
        now = history.rates()
    except StepsizeError:
        if command.verb in EVENTS:
            raise
        # a schedule that is a function: who trains can be told to stop all the same
        return Preview(made, None, seen, None, None, refused, bounds is not None)
    then = None
    if command.verb in EVENTS:
        event = append(now.events, event_of(command, made), made=0)[-1]
        then = history.rates((*now.events, event))
        if not then.covers(event):
            if command.hyperparameter not in now.paths:
                rule = f"be one of {', '.join(now.paths)}"
                raise LedgerError(
                    describe("hyperparameter", rule, command.hyperparameter)
                )
            rule = f"match one of {', '.join(now.spec.groups)}"
            raise LedgerError(describe("groups", rule, command.groups))
        then.admit(event)
        if bounds is not None and not refused:
            before = now.extremes(made)
            refused = bounds.too_far(*then.extremes(made), before=before)
    step = now.leading().step_at(made)
    return Preview(made, step, seen, now, then, refused, bounds is not None)


def bounds_of(history: History, store: Store) -> Bounds | None:
    """Return the bounds that a run obeys; None if there are none, or not here."""
    last = history.lives[-1].run if history.lives else None
    if last is None or last.bounds is None or not isinstance(store, JsonlStore):
        return None
    usual = store.path.parent / "steering.yaml"
    try:
        found = load_bounds(usual)
    except LedgerError:
        return None  # elsewhere, or edited since into what is no file of bounds
    return found if found.sha256() == last.bounds else None
