"""`CooldownWhen`: start the last cooldown when a loss law says that it pays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self, final

from stepsize.control.events import Event
from stepsize.control.policies.changes import (
    check_cooldown,
    check_length,
    cooldown,
    updates_of,
)
from stepsize.control.policies.forecast import Forecast
from stepsize.control.policies.policy import (
    Change,
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

_MOVED = 0.02
"""Change of the rate, as a share of the peak, that a block of updates may span."""
_FRESH = 0.1
"""Weight of a new reading in the mean distance of the run from its law."""
_DOUBTED = 10
"""Readings that this distance is not yet believed for; it grows with their number."""
_SEEN = 0.5
"""Share of the peak below which a rate counts as decayed."""
_AHEAD = 0.02
"""How far waiting is looked at, as a share of the updates made."""


@final
@dataclass(frozen=True, slots=True)
class CooldownWhen:
    """Start the cooldown, once, when the law of the run says so.

    A law that was fitted to earlier runs, or to this one's beginning and a short probe
    cooldown, is carried along: its state follows the rates, and the mean distance of
    the measured loss from it is added to what it says. With F(n) the loss predicted for
    "start now, over n", and n = `length`, the cooldown starts as soon as

        target   F(n) <= target
        price    F falls by less than `price` for each further update at this rate
        neither  the run has a horizon, and to wait would end higher than to use all
                 that is left for the cooldown

    whichever is first. Before the law has seen a decay it does not decide; it says so
    once, in a note.

    Attributes:
        law: From `FittedLaw.forecast()`, or its plain form.
        metric: The loss's name in `Observation.metrics`.
        target: Loss that the run should end at; None for none.
        price: What an update must bring. Unit: loss per update; > 0; None for none.
        length: Of the cooldown. Unit: updates (int), or a percentage of the updates
            made; of those left, where `total_steps` alone decides.
        to: Where it ends, as a fraction of the rate it starts from; >= 0.
        shape: As in `stepsize.decay`.
        every: Updates between two looks; int >= 1.
        acts: False: it only says, in a note, when it would have started.
        name: What events call it.

    Raises:
        InvalidScheduleError: A value is outside its range.
    """

    law: Forecast
    _: KW_ONLY
    metric: str = "loss"
    target: float | None = None
    price: float | None = None
    length: int | str = "20%"
    to: float = 0.0
    shape: str = "linear"
    every: int = 50
    acts: bool = True
    name: str = "cooldown-when"

    def __post_init__(self) -> None:
        """Check every field."""
        owner = type(self).__name__
        if isinstance(self.law, Mapping):
            object.__setattr__(self, "law", Forecast.from_dict(self.law))
        elif not isinstance(self.law, Forecast):
            hint = "FittedLaw.forecast() gives one"
            rule = "be a Forecast"
            raise InvalidScheduleError(
                describe(f"{owner}.law", rule, self.law, hint=hint)
            )
        text(self.metric, f"{owner}.metric")
        text(self.name, f"{owner}.name")
        if self.target is not None:
            target = number(self.target, f"{owner}.target", low=-math.inf)
            object.__setattr__(self, "target", target)
        if self.price is not None:
            price = number(self.price, f"{owner}.price", open_low=True)
            object.__setattr__(self, "price", price)
        object.__setattr__(self, "length", check_length(self.length, f"{owner}.length"))
        object.__setattr__(self, "to", check_cooldown(self.to, self.shape, owner))
        object.__setattr__(self, "every", count(self.every, f"{owner}.every", low=1))
        if not isinstance(self.acts, bool):
            rule = "be True or False"
            raise InvalidScheduleError(describe(f"{owner}.acts", rule, self.acts))

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"policy:{self.name}"

    def start(self) -> State:
        """Return the state before the first observation."""
        return {
            "law": self.law.start(),
            "update": 0,
            "rate": None,
            "sum": 0.0,
            "open": 0,
            "off": 0.0,
            "readings": 0,
            "looked": 0,
            "said": False,
            "done": False,
        }

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the cooldown if it starts."""
        if state["done"]:
            return state, ()
        state = self._followed(state, observation)
        measured = observation.metrics.get(self.metric)
        if (
            measured is not None
            and math.isfinite(measured)
            and observation.update >= self.law.first
        ):
            state = self._closed(state)
            off = measured - self.law.loss(state["law"])
            readings = state["readings"] + 1
            fresh = max(_FRESH, 1 / readings)
            mean = state["off"] + fresh * (off - state["off"])
            state = {**state, "off": mean, "readings": readings}
        if (
            observation.update - state["looked"] < self.every
            or observation.in_warmup
            or not state["readings"]
        ):
            return state, ()
        state = self._closed({**state, "looked": observation.update})
        if self.law.lowest > _SEEN:
            return self._not_identifiable(state)
        why = self._why(state, observation)
        if why is None:
            return state, ()
        steps = self._steps(observation)
        change = cooldown(steps, self.to, self.shape, why, self.source)
        if not self.acts:
            change = self._note(f"a cooldown over {steps} updates would start: {why}")
        return {**state, "done": True}, (change,)

    def predicted(self, state: State, observation: Observation, updates: int) -> float:
        """Return the loss predicted for a cooldown that starts now, over `updates`."""
        state = self._closed(self._followed(state, observation))
        return self._final(state, observation.rate, updates)

    def notice(self, state: State, event: Event) -> State:
        """Return the state after an event: one of its own, again after a resume."""
        own = event.source == self.source and event.kind == "cooldown"
        return {**state, "done": True} if own else state

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a JSON-plain mapping."""
        return plain_of(self) | {"law": self.law.to_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the policy that `to_dict` gave this mapping.

        Raises:
            InvalidScheduleError: It is no such mapping.
        """
        return built_from(cls, plain)

    def _followed(self, state: State, observation: Observation) -> State:
        """Return the state with the updates since the last observation made."""
        made = observation.update - state["update"]
        rate = state["rate"]
        if rate is None:
            rate = observation.rate
        if made <= 0:
            return {**state, "rate": observation.rate, "update": observation.update}
        moved = abs(observation.rate - rate) > _MOVED * observation.peak
        if moved and state["open"]:
            state = self._closed(state)
        last = observation.rate if made > 1 else rate
        added = {
            **state,
            "sum": state["sum"] + made * (rate + last) / 2,
            "open": state["open"] + made,
            "rate": observation.rate,
            "update": observation.update,
        }
        return self._closed(added) if added["open"] >= self.every else added

    def _closed(self, state: State) -> State:
        """Return the state with the open block in the law's."""
        length = state["open"]
        if not length:
            return state
        law = self.law.after(state["law"], state["sum"] / length, length)
        return {**state, "law": law, "sum": 0.0, "open": 0}

    def _final(self, state: State, rate: float, updates: int) -> float:
        readings = state["readings"]
        off = state["off"] * readings / (readings + _DOUBTED)
        law = self.law.final(state["law"], rate, updates, self.to, self.shape)
        return law + float(off)

    def _steps(self, observation: Observation) -> int:
        if self._by_horizon and observation.total_steps is not None:
            return max(1, observation.total_steps - observation.step)
        return updates_of(self.length, max(1, observation.update))

    @property
    def _by_horizon(self) -> bool:
        return self.target is None and self.price is None

    def _why(self, state: State, observation: Observation) -> str | None:
        """Return why to start now; None to wait."""
        steps = self._steps(observation)
        now = self._final(state, observation.rate, steps)
        if self.target is not None and now <= self.target:
            return (
                f"a cooldown over {steps} updates is predicted to end at {now:.5g}, "
                f"and {self.target:g} is the target"
            )
        if self.price is not None:
            ahead = self._ahead(observation)
            worth = (now - self._waited(state, observation, ahead, steps)) / ahead
            if worth < self.price:
                return (
                    f"a further update is predicted to bring {worth:.3g}, less than "
                    f"the price {self.price:g}; a cooldown over {steps} ends at "
                    f"{now:.5g}"
                )
        if self._by_horizon and observation.total_steps is not None:
            ahead = min(self._ahead(observation), steps - 1)
            later = math.inf
            if ahead:
                later = self._waited(state, observation, ahead, steps - ahead)
            if now <= later:
                return (
                    f"a cooldown over the {steps} updates left is predicted to end at "
                    f"{now:.5g}, and at {later:.5g} if it starts {ahead} later"
                )
        return None

    def _ahead(self, observation: Observation) -> int:
        return max(self.every, math.ceil(_AHEAD * observation.update))

    def _waited(
        self, state: State, observation: Observation, ahead: int, steps: int
    ) -> float:
        """Return the loss predicted for a cooldown that starts `ahead` later."""
        law = self.law.after(state["law"], observation.rate, ahead)
        return self._final({**state, "law": law}, observation.rate, steps)

    def _not_identifiable(self, state: State) -> Decision:
        if state["said"]:
            return state, ()
        why = (
            "not identifiable yet: the law has seen no decay, so what a cooldown gains "
            "is not known; fit it again with a short probe cooldown"
        )
        return {**state, "said": True}, (self._note(why),)

    def _note(self, why: str) -> Change:
        return Change(kind="note", values={}, reason=why, source=self.source)
