"""What else can follow from a plateau: a last cooldown, or a new start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self, final

from stepsize.control.events import Event
from stepsize.control.policies.changes import (
    check_cooldown,
    check_length,
    cooldown,
    rewarm,
    span_of,
    updates_of,
)
from stepsize.control.policies.plateau import Plateau
from stepsize.control.policies.policy import (
    Decision,
    Observation,
    State,
    built_from,
    count,
    plain_of,
    text,
)
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number


@final
@dataclass(frozen=True, slots=True)
class CooldownOnPlateau:
    """Start the cooldown, once, when a metric has stopped improving.

    The run ends with it: the horizon becomes the update of the decision plus `length`.

    Attributes:
        when: The plateau; its `factor` and limits of the rate have no effect.
        length: Of the cooldown. Unit: updates (int), or a percentage of the updates
            left; of those made, if the horizon is open.
        to: Where it ends, as a fraction of the rate it starts from; >= 0.
        shape: As in `stepsize.decay`.
        name: What events call it.

    Raises:
        InvalidScheduleError: A value is outside its range.
    """

    when: Plateau = field(default_factory=Plateau)
    _: KW_ONLY
    length: int | str = "20%"
    to: float = 0.0
    shape: str = "1-sqrt"
    name: str = "cooldown-on-plateau"

    def __post_init__(self) -> None:
        """Check every field."""
        owner = type(self).__name__
        object.__setattr__(self, "when", _detector(self.when, owner))
        object.__setattr__(self, "length", check_length(self.length, f"{owner}.length"))
        object.__setattr__(self, "to", check_cooldown(self.to, self.shape, owner))
        text(self.name, f"{owner}.name")

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"policy:{self.name}"

    def start(self) -> State:
        """Return the state before the first observation."""
        return {"when": self.when.start(), "done": False}

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the cooldown if it starts."""
        if state["done"]:
            return state, ()
        inner, cuts = self.when.observe(state["when"], observation)
        if not cuts:
            return {**state, "when": inner}, ()
        steps = updates_of(self.length, span_of(observation))
        change = cooldown(steps, self.to, self.shape, cuts[0].reason, self.source)
        return {"when": inner, "done": True}, (change,)

    def notice(self, state: State, event: Event) -> State:
        """Return the state after another's event: see `Plateau.notice`."""
        return {**state, "when": self.when.notice(state["when"], event)}

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a JSON-plain mapping."""
        return plain_of(self) | {"when": self.when.to_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the policy that `to_dict` gave this mapping.

        Raises:
            InvalidScheduleError: It is no such mapping.
        """
        return built_from(cls, plain)


@final
@dataclass(frozen=True, slots=True)
class RestartOnPlateau:
    """Rise to the peak again when a metric has stopped improving: a warm restart.

    Attributes:
        when: The plateau; its `factor` and limits of the rate have no effect.
        length: Of the rise. Unit: updates (int), or a percentage as in
            `CooldownOnPlateau`.
        peak: What the first restart rises to; > 0. Unit: fraction of the schedule's
            peak.
        shrink_peak: Factor on it for each further one; in (0, 1].
        times: Most restarts; int >= 1, or None for no limit.
        name: What events call it.

    Raises:
        InvalidScheduleError: A value is outside its range.
    """

    when: Plateau = field(default_factory=Plateau)
    _: KW_ONLY
    length: int | str = "1%"
    peak: float = 1.0
    shrink_peak: float = 1.0
    times: int | None = None
    name: str = "restart-on-plateau"

    def __post_init__(self) -> None:
        """Check every field."""
        owner = type(self).__name__
        object.__setattr__(self, "when", _detector(self.when, owner))
        object.__setattr__(self, "length", check_length(self.length, f"{owner}.length"))
        peak = number(self.peak, f"{owner}.peak", open_low=True)
        object.__setattr__(self, "peak", peak)
        shrink = number(
            self.shrink_peak, f"{owner}.shrink_peak", open_low=True, high=1.0
        )
        object.__setattr__(self, "shrink_peak", shrink)
        if self.times is not None:
            times = count(self.times, f"{owner}.times", low=1)
            object.__setattr__(self, "times", times)
        text(self.name, f"{owner}.name")

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"policy:{self.name}"

    def start(self) -> State:
        """Return the state before the first observation."""
        return {"when": self.when.start(), "made": 0}

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the restart if there is one."""
        made = state["made"]
        if made == self.times:
            return state, ()
        inner, cuts = self.when.observe(state["when"], observation)
        if not cuts:
            return {**state, "when": inner}, ()
        left = span_of(observation)
        steps = updates_of(self.length, left)
        if observation.total_steps is not None and steps >= left:
            return {**state, "when": inner}, ()  # too late for a rise and a decay
        change = rewarm(
            steps, self.peak * self.shrink_peak**made, cuts[0].reason, self.source
        )
        return {"when": self.when.start(), "made": made + 1}, (change,)

    def notice(self, state: State, event: Event) -> State:
        """Return the state after another's event: see `Plateau.notice`."""
        return {**state, "when": self.when.notice(state["when"], event)}

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a JSON-plain mapping."""
        return plain_of(self) | {"when": self.when.to_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the policy that `to_dict` gave this mapping.

        Raises:
            InvalidScheduleError: It is no such mapping.
        """
        return built_from(cls, plain)


def _detector(when: object, owner: str) -> Plateau:
    """Return the plateau, which may come as its plain form, without its limits."""
    if isinstance(when, Mapping):
        return Plateau.from_dict(when)
    if not isinstance(when, Plateau):
        raise InvalidScheduleError(describe(f"{owner}.when", "be a Plateau", when))
    return when
