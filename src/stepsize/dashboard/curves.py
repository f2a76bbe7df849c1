"""Planned curves as points: what a run will do, and what it would after a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from stepsize.control.events import append
from stepsize.errors import LedgerError, describe
from stepsize.ledger.bounds import Bounds, load_bounds
from stepsize.ledger.commands import EVENTS, event_of
from stepsize.ledger.history import History, Rates
from stepsize.ledger.jsonl_store import JsonlStore
from stepsize.ledger.records import Command
from stepsize.ledger.store import Store

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


@final
@dataclass(frozen=True, slots=True)
class Preview:
    """What a command would do.

    Attributes:
        update: The update that the run is at.
        step: The step of the curve there.
        seen: Sequence of the last event, -1 for none.
        now: The curves as they are; None for a command that changes none by itself.
        then: The curves as they would be.
        refused: Why the run's bounds would not allow it, "" if they would.
        bounds: Whether the bounds that the run obeys could be read here.
    """

    update: int
    step: int | None
    seen: int
    now: Curves | None
    then: Curves | None
    refused: str
    bounds: bool


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
    ends = ends_of(rates, path, made)
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


def ends_of(rates: Rates, path: str, made: int) -> int | None:
    """Return the update at which a run ends, as planned now."""
    left = rates.leading(path).left_at(made)
    return None if left is None else made + left


def preview(history: History, store: Store, command: Command) -> Preview:
    """Return what a command would do to a run as it stands.

    Raises:
        LedgerError: The run has no such hyperparameter, or no spec.
        InvalidScheduleError: The command makes no sense there.
    """
    now = history.rates()
    # the last metrics may not be written yet, and events are
    made = max([history.update, *(one.update for one in now.events)])
    bounds = bounds_of(history, store)
    refused = "" if bounds is None else bounds.refusal(command)
    seen = max((one.sequence for one in now.events), default=-1)
    step = now.leading().step_at(made)
    if command.verb not in EVENTS:
        return Preview(made, step, seen, None, None, refused, bounds is not None)
    then = after(history, command, made)
    event = then.events[-1]
    path = command.hyperparameter
    if not then.covers(event):
        rule = f"be one of {', '.join(now.paths)}, in groups {now.spec.groups}"
        raise LedgerError(describe("hyperparameter", rule, path))
    then.admit(event)
    if bounds is not None and not refused:
        refused = bounds.too_far(*then.extremes(made))
    ends = [one for one in (ends_of(r, path, made) for r in (now, then)) if one]
    upto = max(ends, default=None)
    before, behind = (planned(one, path, made, upto=upto) for one in (now, then))
    return Preview(made, step, seen, before, behind, refused, bounds is not None)


def after(history: History, command: Command, made: int) -> Rates:
    """Return the rates as they would be after a command; its event is the last."""
    events = history.events
    event = append(events, event_of(command, made), made=0)[-1]
    return history.rates((*events, event))


def bounds_of(history: History, store: Store) -> Bounds | None:
    """Return the bounds that a run obeys; None if there are none, or not here.

    The training alone decides: this is what can be said before it is asked.
    """
    last = history.lives[-1].run if history.lives else None
    if last is None or last.bounds is None or not isinstance(store, JsonlStore):
        return None
    usual = store.path.parent / "steering.yaml"
    try:
        found = load_bounds(usual)
    except LedgerError:
        return None  # elsewhere, or edited since into what is no file of bounds
    return found if found.sha256() == last.bounds else None
