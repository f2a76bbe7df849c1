"""`Greedy`: raise the rate while a metric improves, cut it while it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self, final

from stepsize.control.events import Event
from stepsize.control.policies.changes import scale
from stepsize.control.policies.conventions import Rule
from stepsize.control.policies.policy import (
    Decision,
    Observation,
    State,
    built_from,
    count,
    plain_of,
    text,
)
from stepsize.errors import InvalidScheduleError, StepsizeError, describe
from stepsize.schedules.arguments import choice, number, optional


@final
@dataclass(frozen=True, slots=True)
class Greedy:
    """Divide the rate by `factor` on progress, multiply by it without.

    Progress is a value better than the best one by more than the margin. After more
    than `patience` observations of progress in a row the rate is raised, after more
    than `patience` without any in a row it is cut; then that count starts again, after
    its hold-off. All of it multiplies the schedule, between the bounds.

    The decisions are those of transformers' `GreedyLR`, whose words are in
    docs/policies.md, for metrics and rates that are positive. Other than there, the
    bounds are relative to the schedule unless given as rates, NaN is no observation,
    a relative margin is right for negative metrics, and tiny rates are not stuck.

    Attributes:
        metric: Its name in `Observation.metrics`.
        mode: "min" or "max": what is better.
        factor: Of a cut; a raise is by 1 / factor; in (0, 1).
        patience: Observations, of which one more leads to a change; int >= 0.
        margin: Progress to be seen, as a fraction of |best|; in [0, 1].
        margin_abs: The same in units of the metric, added; >= 0.
        hold_off: Observations without decision after a cut; int >= 0.
        hold_off_raise: The same after a raise.
        min_factor: Least product of all changes; in (0, 1].
        max_factor: Greatest product of all changes; >= 1.
        min_lr: Least rate. Unit: lr; >= 0.
        max_lr: Greatest rate. Unit: lr; > 0, or None.
        least_change: Smallest change of the rate that is made. Unit: lr; >= 0.
        average: Observations in a moving average that is judged in place of the
            metric; int >= 1.
        reset_after: Cuts that find the rate at `min_lr` after which all starts again
            from the schedule; int >= 1, or None for never.
        nan: What a value that is not finite is: "ignore" (no observation, but counted),
            "bad" (one without progress), "raise".
        name: What events call it.

    Raises:
        InvalidScheduleError: A value is outside its range.
    """

    metric: str = "val_loss"
    _: KW_ONLY
    mode: str = "min"
    factor: float = 0.95
    patience: int = 10
    margin: float = 0.0
    margin_abs: float = 1e-6
    hold_off: int = 0
    hold_off_raise: int = 0
    min_factor: float = 0.01
    max_factor: float = 10.0
    min_lr: float = 0.0
    max_lr: float | None = None
    least_change: float = 0.0
    average: int = 1
    reset_after: int | None = None
    nan: str = "ignore"
    name: str = "greedy"

    def __post_init__(self) -> None:
        """Check every field."""
        text(self.metric, "Greedy.metric")
        text(self.name, "Greedy.name")
        choice(self.mode, "Greedy.mode", ("min", "max"))
        choice(self.nan, "Greedy.nan", ("ignore", "bad", "raise"))
        values: dict[str, float | None] = {
            "factor": number(self.factor, "Greedy.factor", open_low=True, high=1.0),
            "margin": number(self.margin, "Greedy.margin", high=1.0),
            "margin_abs": number(self.margin_abs, "Greedy.margin_abs"),
            "min_factor": number(
                self.min_factor, "Greedy.min_factor", open_low=True, high=1.0
            ),
            "max_factor": number(self.max_factor, "Greedy.max_factor", low=1.0),
            "min_lr": number(self.min_lr, "Greedy.min_lr", unit="lr"),
            "max_lr": optional(
                self.max_lr, "Greedy.max_lr", low=self.min_lr, open_low=True, unit="lr"
            ),
            "least_change": number(self.least_change, "Greedy.least_change", unit="lr"),
        }
        for name in ("patience", "hold_off", "hold_off_raise"):
            values[name] = count(getattr(self, name), f"Greedy.{name}", low=0)
        values["average"] = count(self.average, "Greedy.average", low=1)
        if self.reset_after is not None:
            values["reset_after"] = count(self.reset_after, "Greedy.reset_after", low=1)
        if values["factor"] == 1:
            raise InvalidScheduleError(describe("Greedy.factor", "be < 1", 1.0))
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"policy:{self.name}"

    def start(self) -> State:
        """Return the state before the first observation."""
        return {
            "best": None,
            "good": 0,
            "bad": 0,
            "hold": 0,
            "hold_raise": 0,
            "ignored": 0,
            "product": 1.0,
            "resets": self.reset_after,
            "recent": [],
        }

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the change if there is one.

        Raises:
            StepsizeError: The metric is not finite and `nan` is "raise".
        """
        if observation.in_warmup or self.metric not in observation.metrics:
            return state, ()
        value: float | None = observation.metrics[self.metric]
        if not math.isfinite(observation.metrics[self.metric]):
            if self.nan == "raise":
                owner = f"Observation.metrics[{self.metric!r}]"
                hint = 'Greedy(nan="ignore") goes on without it'
                raise StepsizeError(describe(owner, "be finite", value, hint=hint))
            state = {**state, "ignored": state["ignored"] + 1}
            if self.nan == "ignore":
                return state, ()
            value = None
        elif self.average > 1:
            state, value = self._averaged(state, observation.metrics[self.metric])
        for hold in ("hold", "hold_raise"):
            if state[hold] > 0:
                return {**state, hold: state[hold] - 1, "good": 0, "bad": 0}, ()
        rule = Rule(self.mode, self.patience, self.margin, self.margin_abs, 0)
        if rule.better(value, state["best"]):
            good, bad, best = state["good"] + 1, 0, value
        else:
            good, bad, best = 0, state["bad"] + 1, state["best"]
        state = {**state, "good": good, "bad": bad, "best": best}
        if good > self.patience:
            state = {
                **state,
                "good": 0,
                "hold_raise": self.hold_off_raise,
                "resets": self.reset_after,
            }
            return self._change(state, observation, 1 / self.factor, f"{good} with")
        if bad > self.patience:
            state = {**state, "bad": 0, "hold": self.hold_off}
            return self._change(state, observation, self.factor, f"{bad} without")
        return state, ()

    def notice(self, state: State, event: Event) -> State:
        """Return the state after another's event: its rows of good and bad are over."""
        if event.kind == "note":
            return state
        hold = max(state["hold"], self.hold_off)
        return {**state, "good": 0, "bad": 0, "hold": hold}

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

    def _averaged(self, state: State, value: float) -> tuple[State, float]:
        recent = [*state["recent"], value][-self.average :]
        # Divided first, and summed anew: one huge value neither overflows nor leaves
        # its rounding behind.
        return {**state, "recent": recent}, math.fsum(v / len(recent) for v in recent)

    def _change(
        self, state: State, observation: Observation, wanted: float, what: str
    ) -> Decision:
        """Return the raise or cut that fits between the bounds, or the reset."""
        rate, product = observation.rate, state["product"]
        if rate <= 0:
            return state, ()
        low = max(self.min_lr / rate, self.min_factor / product)
        high = self.max_factor / product
        if self.max_lr is not None:
            high = min(high, self.max_lr / rate)
        # Outside the bounds already: a raise must not cut, nor a cut raise.
        factor = (
            min(wanted, max(high, 1.0)) if wanted > 1 else max(wanted, min(low, 1.0))
        )
        made = abs(rate * factor - rate) > self.least_change
        if wanted < 1 and self.reset_after is not None:
            after = rate * factor if made else rate
            if after <= self.min_lr * (1 + 1e-12):
                left = state["resets"] - 1
                if left <= 0:
                    why = f"{self.metric}: at min_lr for {self.reset_after} cuts"
                    change = scale(1 / product, why, self.source)
                    fresh = {
                        **self.start(),
                        "ignored": state["ignored"],
                        "hold": self.hold_off,
                    }
                    return fresh, (change,) if product != 1 else ()
                state = {**state, "resets": left}
        if not made:
            return state, ()
        best = "none yet" if state["best"] is None else f"{state['best']:.6g}"
        why = f"{self.metric}: {what} progress in a row; best {best}"
        change = scale(factor, why, self.source)
        return {**state, "product": product * factor}, (change,)
