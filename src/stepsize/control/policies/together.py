"""`Together`: several policies as one, and reading policies from their plain forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

from stepsize.control.events import Event
from stepsize.control.policies.advise import CooldownWhen
from stepsize.control.policies.deadline import Deadline
from stepsize.control.policies.greedy import Greedy
from stepsize.control.policies.on_plateau import CooldownOnPlateau, RestartOnPlateau
from stepsize.control.policies.plateau import Plateau
from stepsize.control.policies.policy import (
    VERSION,
    Change,
    Decision,
    Notices,
    Observation,
    Policy,
    Rewinds,
    State,
    text,
)
from stepsize.control.policies.target import Target
from stepsize.errors import InvalidScheduleError, describe

_TO_THE_END = (Deadline, Rewinds, Target)
_COOL = {"cooldown": True, "replace": False, "rewarm": False}
"""Whether a last cooldown has begun, by the kind of event that says so."""


@final
@dataclass(frozen=True, slots=True, init=False)
class Together:
    """Several policies over one schedule, asked in order, at most one deciding at once.

    Each observation goes to one policy after the other, a guard before the others.
    When one decides, those after it do not see this observation, so that two never act
    on the same fact; and each that was not asked is told of the event (`Notices`), so
    that it can hold off. When a cooldown has started, only `Deadline`, a guard,
    `Target` and a `Together` go on, since nothing should cut or raise the rate in the
    last one.

    Attributes:
        policies: The policies, guards first, then in the order given.
        name: Never in an event: a change says which of the policies decided.

    Raises:
        InvalidScheduleError: Two have the same name, or there is none.
    """

    policies: tuple[Policy, ...]
    name: str

    def __init__(self, *policies: Policy, name: str = "together") -> None:
        text(name, "Together.name")
        names = [policy.name for policy in policies]
        if not names or len(set(names)) < len(names):
            rule = "be at least one policy, each with a name of its own"
            hint = 'say name="..." where the policies are made'
            raise InvalidScheduleError(
                describe("Together.policies", rule, names, hint=hint)
            )
        ordered = sorted(policies, key=lambda one: not isinstance(one, Rewinds))
        object.__setattr__(self, "policies", tuple(ordered))
        object.__setattr__(self, "name", name)

    def start(self) -> State:
        """Return the state before the first observation."""
        return {
            "cooling": False,
            "states": {policy.name: policy.start() for policy in self.policies},
        }

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the changes of one policy."""
        states, cooling = dict(state["states"]), state["cooling"]
        changes: tuple[Change, ...] = ()
        for policy in self.policies:
            if cooling and not isinstance(policy, (*_TO_THE_END, Together)):
                continue
            before = states[policy.name]
            states[policy.name], asked = policy.observe(before, observation)
            changes = (*changes, *asked)
            if any(change.kind != "note" for change in asked):
                break
        cooling = cooling or any(change.kind == "cooldown" for change in changes)
        return {"cooling": cooling, "states": states}, changes

    def notice(self, state: State, event: Event, *, again: bool = True) -> State:
        """Return the state after an event, of whatever source, has taken effect.

        Args:
            state: The state so far.
            event: The event.
            again: Whether its own policy, if it is of one, is told too: because it was
                decided before a resume, and is applied again.
        """
        states = dict(state["states"])
        for policy in self.policies:
            own = event.source.split(":")[-1] == policy.name
            if isinstance(policy, Notices) and (again or not own):
                states[policy.name] = policy.notice(states[policy.name], event)
        cooling = _COOL.get(event.kind, state["cooling"])
        return {"cooling": cooling, "states": states}

    def rewound(self, state: State, saved: State) -> State:
        """Return the state after a rewind: the saved one, but for the guards'."""
        guards = {one.name for one in self.policies if isinstance(one, Rewinds)}
        states = {
            name: (state if name in guards else saved)["states"][name]
            for name in state["states"]
        }
        return {"cooling": saved["cooling"], "states": states}

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a JSON-plain mapping."""
        return {
            "policy": "Together",
            "version": VERSION,
            "policies": [policy.to_dict() for policy in self.policies],
            "name": self.name,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the policies that `to_dict` gave this mapping; built-in ones only.

        Raises:
            InvalidScheduleError: It is no such mapping.
        """
        known = {"policy", "version", "policies", "name"}
        if (
            not isinstance(plain, Mapping)
            or set(plain) != known
            or plain["policy"] != "Together"
            or plain["version"] != VERSION
        ):
            rule = f"have the fields that to_dict writes, and version {VERSION}"
            raise InvalidScheduleError(describe("Together.from_dict", rule, plain))
        return cls(*map(from_dict, plain["policies"]), name=plain["name"])


_BUILT_IN: tuple[type[Policy], ...] = (
    CooldownOnPlateau,
    CooldownWhen,
    Deadline,
    Greedy,
    Plateau,
    RestartOnPlateau,
    Target,
    Together,
)


def from_dict(plain: Mapping[str, Any]) -> Policy:
    """Return the built-in policy that its `to_dict` gave this mapping.

    Raises:
        InvalidScheduleError: It is none, or a field is outside its range.

    Examples:
        >>> from_dict(Plateau("loss").to_dict()) == Plateau("loss")
        True
    """
    from stepsize.control.guard.guard import Guard  # which needs this package

    built_in: tuple[type[Policy], ...] = (*_BUILT_IN, Guard)
    known = {policy.__name__: policy for policy in built_in}
    name = plain.get("policy") if isinstance(plain, Mapping) else None
    if name not in known:
        rule = f"be a mapping whose policy is one of {', '.join(known)}"
        raise InvalidScheduleError(describe("from_dict", rule, plain))
    return known[name].from_dict(plain)
