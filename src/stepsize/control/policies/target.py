"""`Target`: end the run, or cool down, when a metric has reached a value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self, final

from stepsize.control.policies.changes import (
    check_cooldown,
    check_length,
    cooldown,
    resize,
    span_of,
    updates_of,
)
from stepsize.control.policies.policy import (
    Decision,
    Observation,
    State,
    built_from,
    count,
    plain_of,
    text,
)
from stepsize.schedules.arguments import choice, number


@final
@dataclass(frozen=True, slots=True)
class Target:
    """Stop or cool down, once, when `metric` has reached `value`.

    Attributes:
        metric: Its name in `Observation.metrics`.
        value: What is to be reached, itself included; finite, of any sign.
        mode: "min": at or below it; "max": at or above it.
        then: "stop": the update about to be made is the last. "cooldown": from now,
            over `length`.
        times: Observations in a row that must have reached it, against luck; int >= 1.
            One that is not finite has not.
        length: Of the cooldown; as in `CooldownOnPlateau`.
        to: Where it ends, as a fraction of the rate it starts from; >= 0.
        shape: As in `stepsize.decay`.
        name: What events call it.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Examples:
        >>> policy = Target("accuracy", 0.9, mode="max")
        >>> seen = Observation(update=50, step=50, rate=0.1, peak=0.1,
        ...                    metrics={"accuracy": 0.91}, total_steps=100)
        >>> [change.kind for change in policy.observe(policy.start(), seen)[1]]
        ['shorten']
    """

    metric: str
    value: float
    _: KW_ONLY
    mode: str = "min"
    then: str = "stop"
    times: int = 1
    length: int | str = "20%"
    to: float = 0.0
    shape: str = "1-sqrt"
    name: str = "target"

    def __post_init__(self) -> None:
        """Check every field."""
        text(self.metric, "Target.metric")
        text(self.name, "Target.name")
        choice(self.mode, "Target.mode", ("min", "max"))
        choice(self.then, "Target.then", ("stop", "cooldown"))
        value = number(self.value, "Target.value", low=-math.inf)
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "times", count(self.times, "Target.times", low=1))
        object.__setattr__(self, "length", check_length(self.length, "Target.length"))
        object.__setattr__(self, "to", check_cooldown(self.to, self.shape, "Target"))

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"policy:{self.name}"

    def start(self) -> State:
        """Return the state before the first observation."""
        return {"reached": 0, "done": False}

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and what the target leads to."""
        value = observation.metrics.get(self.metric)
        if state["done"] or value is None:
            return state, ()
        hit = value >= self.value if self.mode == "max" else value <= self.value
        reached = state["reached"] + 1 if hit and math.isfinite(value) else 0
        if reached < self.times:
            return {**state, "reached": reached}, ()
        why = f"{self.metric} is {value:.6g}, and {self.value:.6g} was the target"
        step, total = observation.step, observation.total_steps
        if self.then == "cooldown":
            steps = updates_of(self.length, span_of(observation))
            change = cooldown(steps, self.to, self.shape, why, self.source)
        elif total is None:  # nothing to shorten: one update at the same rate
            change = cooldown(1, 1.0, "linear", why, self.source)
        elif total > step + 1:
            change = resize(total, step + 1, "keep", why, self.source)
        else:
            return {"reached": reached, "done": True}, ()
        return {"reached": reached, "done": True}, (change,)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a JSON-plain mapping."""
        return plain_of(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the policy that `to_dict` gave this mapping.

        Raises:
            InvalidScheduleError: It is no such mapping.
        """
        return built_from(cls, plain)
