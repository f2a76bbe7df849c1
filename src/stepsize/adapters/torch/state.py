"""What a Scheduler saves, and what it checks when it loads; nothing is applied here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from stepsize.adapters.driving.arguments import check_count
from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.adapters.torch.groups import Group
from stepsize.control.events import Event
from stepsize.errors import AdapterError, StepsizeError, describe

VERSION = 1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything a rate follows from.

    Attributes:
        update: Updates made; int >= 0.
        skipped: Updates skipped by a fused kernel; int >= 0.
        program: `Program.to_dict()`.
        bases: What `lr_factor` multiplies, one for each group; () for absolute rates.
        events: The events so far.
        given: What the constructor was given when program and events were last agreed
            on, like `program`; None: the program.
        parent: Of a branch: {"update": where it began, "sha256": of the state it began
            from}; None for no branch.
        policies: `Deciding.to_dict()`; None for none.
    """

    update: int
    skipped: int
    program: Mapping[str, Any]
    bases: tuple[float, ...]
    events: tuple[Event, ...]
    given: Mapping[str, Any] | None = None
    parent: Mapping[str, Any] | None = None
    policies: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        plain: dict[str, Any] = {
            "version": VERSION,
            "update": self.update,
            "skipped": self.skipped,
            "program": dict(self.program),
            "bases": list(self.bases),
            "events": [event.to_dict() for event in self.events],
        }
        if self.given is not None and self.given != self.program:
            plain["given"] = dict(self.given)
        if self.parent is not None:
            plain["parent"] = dict(self.parent)
        if self.policies is not None:
            plain["policies"] = dict(self.policies)
        return plain

    @classmethod
    def from_dict(cls, plain: object) -> State:
        """Return the state that `to_dict` gave this mapping.

        Raises:
            AdapterError: It is no such mapping.
            InvalidScheduleError: One of its events is damaged.
        """
        field = "Scheduler.load_state_dict"
        if isinstance(plain, Mapping) and "last_epoch" in plain:
            rule = "be given the state of a stepsize Scheduler"
            hint = (
                f"from a torch scheduler: Scheduler(..., update={plain['last_epoch']})"
            )
            got = "that of a torch scheduler"
            raise AdapterError(describe(field, rule, got, hint=hint))
        if not isinstance(plain, Mapping) or plain.get("version") != VERSION:
            rule = f"be given a state_dict of version {VERSION}"
            raise AdapterError(describe(field, rule, plain))
        try:
            state = cls(
                update=check_count(plain["update"], f"{field} update"),
                skipped=check_count(plain["skipped"], f"{field} skipped"),
                program=plain["program"],
                bases=tuple(float(base) for base in plain["bases"]),
                events=tuple(Event.from_dict(event) for event in plain["events"]),
                given=plain.get("given"),
                parent=plain.get("parent"),
                policies=plain.get("policies"),
            )
        except StepsizeError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            rule = "have what state_dict writes"
            raise AdapterError(
                describe(field, rule, plain, hint=f"missing or damaged: {error}")
            ) from error
        for one in (state.program, state.given):
            if one is not None and not _is_program(one):
                rule = "have a program as state_dict writes"
                raise AdapterError(describe(field, rule, one))
        if state.parent is not None and not isinstance(state.parent, Mapping):
            raise AdapterError(
                describe(field, "have a parent as state_dict writes", state.parent)
            )
        return state


def _is_program(plain: object) -> bool:
    names = {"parts", "relative", "rules"}
    return isinstance(plain, Mapping) and names <= set(plain) and plain["parts"] != {}


class Bases:
    """What `lr_factor` multiplies: each group's own rate, from before any schedule.

    In this order: what a Scheduler's state said, `group["initial_lr"]`, what was seen
    before, `group["lr"]`. It is written to `initial_lr`, so that it is saved with the
    optimizer too.
    """

    __slots__ = ("loaded", "seen")

    def __init__(self) -> None:
        self.loaded: tuple[float, ...] = ()
        self.seen: list[float] = []

    def update(self, optimizer: Any) -> None:
        """Read those of the groups that there are now.

        Raises:
            AdapterError: A rate may be a scheduled one already, so that the group's
                own is not known.
        """
        first = not self.seen and not self.loaded
        groups: list[Group] = optimizer.param_groups
        bases = []
        for index, group in enumerate(groups):
            if index < len(self.loaded):
                base = self.loaded[index]
            elif "initial_lr" in group:
                base = float(group["initial_lr"])
            elif index < len(self.seen):
                base = self.seen[index]
            else:
                base = float(group["lr"])
                if first:
                    _check_fresh(optimizer, base, index)
            group["initial_lr"] = base
            bases.append(base)
        self.seen = bases


def was_used(optimizer: Any) -> bool:
    """Whether an optimizer has state of updates (Adagrad has some before any)."""
    state: Mapping[Any, Any] = getattr(optimizer, "state", None) or {}
    return any(
        float(one.get("step", 1)) > 0
        for one in state.values()
        if isinstance(one, Mapping) and one
    )


def _check_fresh(optimizer: Any, base: float, index: int) -> None:
    default = getattr(optimizer, "defaults", {}).get("lr")
    if was_used(optimizer) and default is not None and float(default) != base:
        rule = (
            f"be the optimizer's default {float(default)!r}, or initial_lr be in the "
            "group: this optimizer has made updates, so lr may be a scheduled value"
        )
        hint = f'set optimizer.param_groups[{index}]["initial_lr"]'
        raise AdapterError(
            describe(f'param_groups[{index}]["lr"]', rule, base, hint=hint)
        )


def check_even(optimizer: Any) -> None:
    """Warn where one rate replaces several that were given."""
    rates = {float(group["lr"]) for group in optimizer.param_groups if "lr" in group}
    if len(rates) > 1 and not was_used(optimizer):
        message = (
            "Scheduler(lr=...) gives every param group the same rate, and these were "
            f"given {', '.join(str(rate) for rate in sorted(rates))}. hint: lr_factor "
            "multiplies what each group was given; rules say what differs."
        )
        warnings.warn(message, SchedulerWarning, stacklevel=3)
