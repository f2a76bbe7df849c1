"""What a Scheduler was asked for, as a value that can be saved and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from stepsize.adapters.driving.arguments import Value, resolve
from stepsize.adapters.torch.groups import Group, Path, Rule
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule


@final
@dataclass(frozen=True, slots=True)
class Program:
    """The schedules of an optimizer's hyperparameters.

    Attributes:
        parts: A resolved schedule for each hyperparameter: "lr", "betas[0]", ...
        relative: Whether that of "lr" multiplies the groups' own rates.
        rules: Rules for groups, with the schedule of each resolved (None: a factor).
    """

    parts: Mapping[str, ResolvedSchedule]
    relative: bool
    rules: tuple[tuple[Rule, ResolvedSchedule | None], ...]

    def choose(
        self, path: str, group: Group, index: int
    ) -> tuple[ResolvedSchedule, float]:
        """Return the schedule and the factor that hold for a group."""
        for rule, resolved in self.rules:
            if rule.hyperparameter == path and rule.matches(group, index):
                if resolved is not None:
                    return resolved, 1.0
                return self.parts[path], float(rule.value)  # type: ignore[arg-type]
        return self.parts[path], 1.0

    def rest(self) -> object:
        """Return what no event can lead over to another: rules, but for lengths."""
        rules = []
        for rule in self.to_dict()["rules"]:
            horizon = rule.get("horizon", {})
            kept = {k: v for k, v in horizon.items() if k not in ("steps", "epochs")}
            rules.append(rule | {"horizon": kept})
        return rules

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain; equal programs give equal mappings."""
        rules = []
        for rule, resolved in self.rules:
            plain: dict[str, Any] = {
                "match": rule.match_text,
                "hyperparameter": rule.hyperparameter,
            }
            if resolved is None:
                plain["factor"] = rule.value
            else:
                plain |= _plain(resolved)
            rules.append(plain)
        return {
            "parts": {path: _plain(one) for path, one in sorted(self.parts.items())},
            "relative": self.relative,
            "rules": rules,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], known: Iterable[Rule]) -> Program:
        """Return the program that `to_dict` gave this mapping.

        Args:
            plain: The mapping.
            known: Rules of the running program: predicates are found there by name.

        Raises:
            AdapterError: A predicate is not among the known ones.
            InvalidScheduleError: A schedule or a horizon is damaged.
        """
        predicates = {
            rule.match_text: rule.match for rule in known if callable(rule.match)
        }
        rules: list[tuple[Rule, ResolvedSchedule | None]] = []
        for one in plain["rules"]:
            match = one["match"]
            if isinstance(match, str) and match.startswith("predicate:"):
                if match not in predicates:
                    rule = "be given to Scheduler(rules=...), as when it was saved"
                    raise AdapterError(describe("Rule.match", rule, match))
                match = predicates[match]
            resolved = _resolved(one) if "schedule" in one else None
            value = one["factor"] if resolved is None else resolved.schedule
            rules.append((Rule(match, value, one["hyperparameter"]), resolved))
        parts = {path: _resolved(one) for path, one in plain["parts"].items()}
        return cls(parts, bool(plain["relative"]), tuple(rules))


def _plain(resolved: ResolvedSchedule) -> dict[str, Any]:
    plain = {
        "schedule": resolved.schedule.to_dict(),
        "horizon": resolved.horizon.to_dict(),
    }
    if resolved.overflow != "error":
        plain["overflow"] = resolved.overflow  # type: ignore[assignment]  # JSON
    return plain


def _resolved(plain: Mapping[str, Any]) -> ResolvedSchedule:
    from stepsize.schedules.plain import from_dict

    horizon = Horizon.from_dict(plain["horizon"])
    overflow = plain.get("overflow", "error")
    return from_dict(plain["schedule"]).resolve(horizon=horizon, overflow=overflow)


def make_program(
    lr: Value | None,
    lr_factor: Value | None,
    hyperparameters: Mapping[str, Value],
    rules: Iterable[Rule],
    horizon: Horizon | None,
) -> Program:
    """Check what a Scheduler was asked for and resolve every schedule.

    Raises:
        AdapterError: Nothing is to be scheduled, something is given twice, or a rule
            is for a hyperparameter without a schedule.
        UnresolvedError, UnitError, InvalidScheduleError: See `Schedule.resolve`.
    """
    if lr is not None and lr_factor is not None:
        rule = "be left out when lr is given"
        hint = "lr sets rates, lr_factor multiplies those of the groups"
        raise AdapterError(describe("Scheduler.lr_factor", rule, lr_factor, hint=hint))
    wanted: dict[str, tuple[Value, str]] = {}
    if lr is not None:
        wanted["lr"] = (lr, "Scheduler.lr")
    if lr_factor is not None:
        wanted["lr"] = (lr_factor, "Scheduler.lr_factor")
    if not isinstance(hyperparameters, Mapping):
        rule = "be a mapping of names to schedules"
        raise AdapterError(describe("Scheduler.hyperparameters", rule, hyperparameters))
    for path, value in hyperparameters.items():
        text = str(Path.parse(path))
        if text in wanted:
            rule = "not name lr again"
            raise AdapterError(describe("Scheduler.hyperparameters", rule, path))
        wanted[text] = (value, f"Scheduler.hyperparameters[{path!r}]")
    if not wanted:
        rule = "be given, or lr_factor, or hyperparameters"
        raise AdapterError(describe("Scheduler.lr", rule, None))
    parts = {
        path: resolve(value, field, horizon) for path, (value, field) in wanted.items()
    }
    bound: list[tuple[Rule, ResolvedSchedule | None]] = []
    for one in rules:
        if one.hyperparameter not in parts:
            rule = f"be one of those scheduled: {', '.join(parts)}"
            hint = "give it a schedule for all groups, or a number, as well"
            raise AdapterError(
                describe("Rule.hyperparameter", rule, one.hyperparameter, hint=hint)
            )
        own = isinstance(one.value, Schedule)
        bound.append((one, resolve(one.value, "Rule.value", horizon) if own else None))
    return Program(parts, lr_factor is not None, tuple(bound))
