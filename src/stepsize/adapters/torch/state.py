"""What a Scheduler saves, and what it checks when it loads; nothing is applied here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from stepsize.adapters.torch.counting import SchedulerWarning
from stepsize.adapters.torch.groups import Group, Rule
from stepsize.adapters.torch.program import Program
from stepsize.control.events import Event
from stepsize.control.trajectory import Trajectory
from stepsize.errors import (
    AdapterError,
    HorizonChangedError,
    StepsizeError,
    describe,
)
from stepsize.schedules.schedule import ResolvedSchedule

VERSION = 1
HorizonChange = Literal["keep", "adopt"]


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
    """

    update: int
    skipped: int
    program: Mapping[str, Any]
    bases: tuple[float, ...]
    events: tuple[Event, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        return {
            "version": VERSION,
            "update": self.update,
            "skipped": self.skipped,
            "program": dict(self.program),
            "bases": list(self.bases),
            "events": [event.to_dict() for event in self.events],
        }

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
            )
        except StepsizeError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            rule = "have what state_dict writes"
            raise AdapterError(
                describe(field, rule, plain, hint=f"missing or damaged: {error}")
            ) from error
        if not isinstance(state.program, Mapping) or not (
            {"parts", "relative", "rules"} <= set(state.program)
        ):
            raise AdapterError(
                describe(field, "have a program as state_dict writes", state.program)
            )
        return state


def check_count(value: object, field: str) -> int:
    """Return an int >= 0.

    Raises:
        AdapterError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise AdapterError(describe(field, "be an int >= 0 (unit: updates)", value))
    return value


def check_choice(value: object, field: str, choices: Sequence[str | None]) -> None:
    """Raise unless a value is among the choices.

    Raises:
        AdapterError: It is not.
    """
    if value not in choices:
        listed = " or ".join(repr(choice) for choice in choices)
        raise AdapterError(describe(field, f"be {listed}", value))


def agree(state: State, program: Program, policy: HorizonChange | None) -> Program:
    """Return the program to go on with.

    Args:
        state: What was saved.
        program: What the constructor was given.
        policy: "keep" goes on with the saved one, "adopt" with the given one; None
            allows no difference.

    Returns:
        The given program, unless they differ and the policy is "keep".

    Raises:
        HorizonChangedError: They differ and there is no policy.
    """
    if state.program == program.to_dict() or policy == "adopt":
        return program
    rules = [rule for rule, _ in program.rules]
    if policy == "keep":
        return _read(state.program, rules)
    try:
        saved = _read(state.program, rules)
    except StepsizeError as error:
        difference = f"the saved one cannot be read here: {error}"
    else:
        difference = _difference(state, saved, program)
    message = (
        "Scheduler.load_state_dict: the schedule or its horizon is not the one that "
        f"was saved.\n{difference}\n"
        'hint: Scheduler(..., on_horizon_change="keep") goes on with the saved one, '
        '"adopt" with the one given here.'
    )
    raise HorizonChangedError(message)


def _read(program: Mapping[str, Any], rules: Sequence[Rule]) -> Program:
    try:
        return Program.from_dict(program, rules)
    except StepsizeError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        rule = "have a program as state_dict writes"
        field = "Scheduler.load_state_dict"
        raise AdapterError(
            describe(field, rule, program, hint=f"missing or damaged: {error}")
        ) from error


def _difference(state: State, saved: Program, given: Program) -> str:
    lines = []
    if saved.relative != given.relative:
        names = {True: "lr_factor", False: "lr"}
        lines.append(f"  saved {names[saved.relative]}, here {names[given.relative]}")
    if saved.to_dict()["rules"] != given.to_dict()["rules"]:
        lines.append("  the rules differ")
    for path in sorted({*saved.parts, *given.parts}):
        before, after = saved.parts.get(path), given.parts.get(path)
        if before is None or after is None:
            where = "here" if before is None else "in the saved state"
            lines.append(f"  {path}: only {where}")
        elif _plain(before) != _plain(after):
            old, new = (_value(state, path, one) for one in (before, after))
            lines += [
                f"  {path} saved: {before.schedule} over {before.horizon}",
                f"  {path} here:  {after.schedule} over {after.horizon}",
                f"  {path} of update {state.update}: {old:.6g} saved, {new:.6g} here",
            ]
    return "\n".join(lines)


def _plain(resolved: ResolvedSchedule) -> tuple[Any, ...]:
    return (
        resolved.schedule.to_dict(),
        resolved.horizon.to_dict(),
        resolved.overflow,
    )


def _value(state: State, path: str, resolved: ResolvedSchedule) -> float:
    trajectory = Trajectory.of(resolved, state.events, path)
    return trajectory(state.update)


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
