"""What a Driver was asked for, as a value that can be saved and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from stepsize.adapters.driving.arguments import Value, resolve
from stepsize.control.events import Event
from stepsize.control.trajectory import Trajectory
from stepsize.errors import AdapterError, StepsizeError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.plain import from_dict
from stepsize.schedules.schedule import ResolvedSchedule

ALONE = "0"  # the name of the only group, where none are named


@final
@dataclass(frozen=True, slots=True)
class Program:
    """Schedules of hyperparameters, and what multiplies the rate in each group.

    Attributes:
        parts: A resolved schedule for each hyperparameter: "lr", "weight_decay", ...
        relative: Whether that of "lr" is a factor on the groups' own rates.
        groups: By name, in order: the group's own rate, or a factor on the rate.
    """

    parts: Mapping[str, ResolvedSchedule]
    relative: bool
    groups: Mapping[str, float]

    def factor(self, path: str, group: str) -> float:
        """Return what multiplies a hyperparameter's schedule in a group."""
        return self.groups[group] if path == "lr" else 1.0

    def trajectories(
        self, events: tuple[Event, ...]
    ) -> dict[tuple[str, str], Trajectory]:
        """Return the trajectory of every hyperparameter in every group."""
        return {
            (path, group): Trajectory.of(
                part,
                tuple(event for event in events if event.target.matches(path, group)),
                path,
                group,
            )
            for path, part in self.parts.items()
            for group in self.groups
        }

    def admit(self, events: tuple[Event, ...], event: Event) -> None:
        """Raise if an event, the last of these, cannot be applied.

        Raises:
            InvalidScheduleError, UnresolvedError, UnitError: See `Trajectory.admit`.
        """
        for trajectory in self.trajectories(events).values():
            trajectory.admit(event)

    def rest(self) -> object:
        """Return what no event can lead over to another: all but the schedules."""
        return self.relative, list(self.groups.items())

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain; equal programs give equal mappings."""
        parts: dict[str, Any] = {}
        for path, part in sorted(self.parts.items()):
            parts[path] = {
                "schedule": part.schedule.to_dict(),
                "horizon": part.horizon.to_dict(),
            }
            if part.overflow != "error":
                parts[path]["overflow"] = part.overflow
        groups = [[name, factor] for name, factor in self.groups.items()]
        return {"parts": parts, "relative": self.relative, "groups": groups}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Program:
        """Return the program that `to_dict` gave this mapping.

        Raises:
            AdapterError: It is no such mapping.
            InvalidScheduleError: A schedule or a horizon is damaged.
        """
        try:
            parts = {
                path: from_dict(one["schedule"]).resolve(
                    horizon=Horizon.from_dict(one["horizon"]),
                    overflow=one.get("overflow", "error"),
                )
                for path, one in plain["parts"].items()
            }
            groups = {str(name): float(factor) for name, factor in plain["groups"]}
            return cls(parts, bool(plain["relative"]), groups)
        except StepsizeError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            rule = "have a program as state_dict writes"
            hint = f"missing or damaged: {error}"
            field = "Scheduler.load_state_dict"
            raise AdapterError(describe(field, rule, plain, hint=hint)) from error


def make_program(
    lr: Value | None,
    lr_factor: Value | None,
    hyperparameters: Mapping[str, Value] | None,
    groups: Mapping[str, float] | None,
    horizon: Horizon | None,
) -> Program:
    """Check what a Driver was asked for and resolve every schedule.

    Raises:
        AdapterError: Nothing is to be scheduled, something is given twice, or a group
            has no number.
        UnresolvedError, UnitError, InvalidScheduleError: See `Schedule.resolve`.
    """
    if lr is not None and lr_factor is not None:
        rule = "be left out when lr is given"
        hint = "lr sets rates, lr_factor multiplies those of the groups"
        raise AdapterError(describe("Scheduler.lr_factor", rule, lr_factor, hint=hint))
    parts: dict[str, ResolvedSchedule] = {}
    if lr is not None:
        parts["lr"] = resolve(lr, "Scheduler.lr", horizon)
    if lr_factor is not None:
        parts["lr"] = resolve(lr_factor, "Scheduler.lr_factor", horizon)
    if not isinstance(hyperparameters, Mapping | None):
        rule = "be a mapping of names to schedules"
        raise AdapterError(describe("Scheduler.hyperparameters", rule, hyperparameters))
    for name, value in (hyperparameters or {}).items():
        if not isinstance(name, str) or name in ("lr", ""):
            rule = "name hyperparameters other than lr"
            raise AdapterError(describe("Scheduler.hyperparameters", rule, name))
        parts[name] = resolve(value, f"Scheduler.hyperparameters[{name!r}]", horizon)
    if not parts:
        rule = "be given, or lr_factor, or hyperparameters"
        raise AdapterError(describe("Scheduler.lr", rule, None))
    named = {ALONE: 1.0} if groups is None else _groups(groups)
    return Program(parts, lr_factor is not None, named)


def _groups(groups: object) -> dict[str, float]:
    if not isinstance(groups, Mapping) or not groups:
        rule = "be a mapping of group names to numbers, with one at least"
        raise AdapterError(describe("Scheduler.groups", rule, groups))
    for name, factor in groups.items():
        number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not isinstance(name, str) or not name:
            raise AdapterError(describe("Scheduler.groups", "be named by texts", name))
        if not number or not 0 <= factor < math.inf:
            rule = "be a finite number >= 0"
            raise AdapterError(describe(f"Scheduler.groups[{name!r}]", rule, factor))
    return {name: float(factor) for name, factor in groups.items()}
