"""A guard with one rule, to see what the ranks do about what it decides."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self, final

from stepsize.control import Change, Observation
from stepsize.control.policies import Decision, State


@final
@dataclass(frozen=True, slots=True)
class Back:
    """Go back to the last of the snapshots, one every `every` updates, and halve."""

    every: int = 10
    name: str = "back"

    def start(self) -> State:
        return {"held": 0}

    def observe(self, state: State, observation: Observation) -> Decision:
        loss = observation.metrics.get("loss", 0.0)
        if not math.isfinite(loss):
            back = {"to": 0, "snapshot": state["held"], "clock": "run"}
            reason = f"a loss of {loss}"
            return state, (
                Change(kind="rewind", values=back, reason=reason, source="guard"),
                Change(
                    kind="scale",
                    values={"factor": 0.5, "over": 0},
                    reason=reason,
                    source="guard",
                ),
            )
        if observation.update % self.every == 0:
            return {"held": observation.update}, ()
        return state, ()

    def snapshots(self, state: State) -> tuple[int, ...]:
        return (state["held"],)

    def without(self, state: State, available: Collection[int]) -> State:
        held = state["held"]
        return state if held in available else {"held": max(available)}

    def inspects(self, state: State, update: int) -> Collection[str]:
        return ("nonfinite",) if update % self.every == 0 else ()

    def to_dict(self) -> dict[str, Any]:
        return {"policy": "Back", "every": self.every, "name": self.name}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        return cls(plain["every"], plain["name"])
