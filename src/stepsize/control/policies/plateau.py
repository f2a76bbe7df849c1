"""`Plateau`: cut the rate when a metric has stopped improving."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self, final

from stepsize.control.events import Event
from stepsize.control.policies.changes import scale
from stepsize.control.policies.conventions import CONVENTIONS, DEFAULTS, Counters, Rule
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
from stepsize.control.policies.trend import fit
from stepsize.errors import InvalidScheduleError, StepsizeError, describe
from stepsize.schedules.arguments import choice, number

_LEAST = 5  # points, below which a trend has no noise to speak of
_ABOVE = 1 + 1e-12  # a rate this near its floor is at the floor
_CLEAR = 0.5
"""Standard errors that progress must stand out by. With it and the two lengths below,
a metric that gains 1 standard deviation of its noise per patience of 10 is cut in 12 %
of 100 observations, a flat one after 22; docs/policies.md has the table."""

_AFRESH: State = {"xs": [], "ys": [], "since": None, "quiet": None}
_DEFAULT: Any = None  # filled in by the convention


@final
@dataclass(frozen=True, slots=True)
class Plateau:
    """Multiply the rate by `factor` when `metric` makes no progress any more.

    By default the progress is that of the trend, not of record lows. With n = patience,
    b and e the slope and its standard error over the last 2 n (`trend.fit`; at least 5
    observations; b > 0 is progress), it is a plateau when

        n * b <= max(margin * |best| + margin_abs, 0.5 * n * e)

    has held for n / 3. Then the trend starts afresh, after `hold_off`. So the earliest
    cut is about 2 n + n / 3 after the start or the last one. A metric that gets worse
    is on a plateau too. While the schedule warms up, nothing is observed.

    With a `convention` the decisions are those of that library, and numbers not given
    take its defaults; see `conventions` and docs/policies.md for its words.

    Attributes:
        metric: Its name in `Observation.metrics`.
        mode: "min" or "max": what is better.
        factor: Of a cut; in (0, 1). Default 0.5; with a convention 0.1.
        patience: How long without progress; int >= 1 (torch, Keras: >= 0). With a
            convention as that library counts it.
        patience_unit: "observations" or "updates"; of patience and hold_off. A
            convention knows observations only.
        margin: Progress to be seen, as a fraction of |best|; in [0, 1]. Default 1e-4;
            for Keras 0.
        margin_abs: The same in units of the metric, added; >= 0. Default 0; for Keras
            1e-4.
        hold_off: How long nothing is decided after a cut; int >= 0.
        min_lr: No cut goes below it. Unit: lr; >= 0.
        min_factor: No product of cuts goes below it; in [0, 1].
        least_change: Smallest fall of the rate that is made. Unit: lr; >= 0. Default 0;
            for torch its `eps`, 1e-8.
        average: Observations averaged into one, int >= 1.
        nan: What a value that is not finite is: "ignore" (no observation, but counted
            in the state's "ignored"), "bad" (one without progress), "raise".
        convention: None, or the library whose decisions are wanted: "torch", "keras",
            "optax".
        name: What events call it.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Examples:
        >>> policy = Plateau("val_loss", patience=2, convention="torch")
        >>> state, changes = policy.start(), ()
        >>> for update in range(4):
        ...     seen = Observation(update=update, step=update, rate=0.1, peak=0.1,
        ...                        metrics={"val_loss": 1.0})
        ...     state, changes = policy.observe(state, seen)
        >>> [dict(change.values) for change in changes]
        [{'factor': 0.1}]
    """

    metric: str = "val_loss"
    _: KW_ONLY
    mode: str = "min"
    factor: float = _DEFAULT
    patience: int = 10
    patience_unit: str = "observations"
    margin: float = _DEFAULT
    margin_abs: float = _DEFAULT
    hold_off: int = 0
    min_lr: float = 0.0
    min_factor: float = 0.0
    least_change: float = _DEFAULT
    average: int = 1
    nan: str = "ignore"
    convention: str | None = None
    name: str = "plateau"

    def __post_init__(self) -> None:
        """Check every field; fill in the defaults of the convention."""
        text(self.metric, "Plateau.metric")
        text(self.name, "Plateau.name")
        choice(self.mode, "Plateau.mode", ("min", "max"))
        choice(self.patience_unit, "Plateau.patience_unit", ("observations", "updates"))
        choice(self.nan, "Plateau.nan", ("ignore", "bad", "raise"))
        if self.convention is not None:
            choice(self.convention, "Plateau.convention", tuple(CONVENTIONS))
            if self.patience_unit == "updates":
                rule = 'be "observations" with a convention'
                raise InvalidScheduleError(
                    describe("Plateau.patience_unit", rule, self.patience_unit)
                )
        for name, default in DEFAULTS[self.convention].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        low = 0 if self.convention in ("torch", "keras") else 1
        values: dict[str, float] = {
            "patience": count(
                self.patience, "Plateau.patience", low=low, unit=self.patience_unit
            ),
            "hold_off": count(
                self.hold_off, "Plateau.hold_off", low=0, unit=self.patience_unit
            ),
            "average": count(self.average, "Plateau.average", low=1),
            "factor": number(self.factor, "Plateau.factor", open_low=True, high=1.0),
            "margin": number(self.margin, "Plateau.margin", high=1.0),
            "margin_abs": number(self.margin_abs, "Plateau.margin_abs"),
            "min_lr": number(self.min_lr, "Plateau.min_lr", unit="lr"),
            "min_factor": number(self.min_factor, "Plateau.min_factor", high=1.0),
            "least_change": number(
                self.least_change, "Plateau.least_change", unit="lr"
            ),
        }
        if values["factor"] == 1:
            raise InvalidScheduleError(describe("Plateau.factor", "be < 1", 1.0))
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
            "bad": 0,
            "hold": 0,
            "ignored": 0,
            "product": 1.0,
            "mean": 0.0,
            "parts": 0,
            "seen": 0,
            **_AFRESH,
            "until": -1,
        }

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the cut if there is one.

        Raises:
            StepsizeError: The metric is not finite and `nan` is "raise".
        """
        if observation.in_warmup or self.metric not in observation.metrics:
            return state, ()
        value = observation.metrics[self.metric]
        finite = math.isfinite(value)
        if not finite and self.nan == "raise":
            owner = f"Observation.metrics[{self.metric!r}]"
            hint = 'Plateau(nan="ignore") goes on without it'
            raise StepsizeError(describe(owner, "be finite", value, hint=hint))
        if not finite:
            state = {**state, "ignored": state["ignored"] + 1}
            if self.nan == "ignore":
                return state, ()
        parts = state["parts"] + 1
        mean = None
        if finite and state["mean"] is not None:
            mean = (state["parts"] * state["mean"] + value) / parts
        if parts < self.average:
            return {**state, "parts": parts, "mean": mean}, ()
        state = {**state, "parts": 0, "mean": 0.0, "seen": state["seen"] + 1}
        if self.convention is None:
            return self._by_trend(state, mean, observation)
        return self._by_convention(self.convention, state, mean, observation)

    def notice(self, state: State, event: Event) -> State:
        """Return the state after another's event: the trend starts afresh, held off.

        A convention goes on counting, as its library does.
        """
        if self.convention is not None or event.kind == "note":
            return state
        updates = self.patience_unit == "updates"
        x = event.update if updates else state["seen"]
        return {**state, **_AFRESH, "until": max(state["until"], x + self.hold_off)}

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

    def _by_trend(
        self, state: State, value: float | None, observation: Observation
    ) -> Decision:
        updates = self.patience_unit == "updates"
        x = observation.update if updates else state["seen"]
        if x <= state["until"]:
            return state, ()
        state = self._window(state, x, value)
        if len(state["xs"]) < _LEAST:
            return state, ()
        if x - state["since"] + 1 < 2 * self.patience:
            return state, ()
        trend = fit(state["xs"], state["ys"])
        gain = self.patience * (trend.slope if self.mode == "max" else -trend.slope)
        doubt = _CLEAR * self.patience * trend.error
        margin = self.margin * abs(state["best"]) + self.margin_abs
        if not gain <= max(margin, doubt):
            return {**state, "quiet": None}, ()
        quiet = x if state["quiet"] is None else state["quiet"]
        state = {**state, "quiet": quiet}
        why = (
            f"{self.metric}: the trend promises {gain + 0.0:.3g} over {self.patience} "
            f"{self.patience_unit}, within its doubt ({doubt:.3g}) or the margin "
            f"({margin:.3g}); best {state['best']:.6g}"
        )
        changes: tuple[Change, ...] = ()
        if 3 * (x - quiet + 1) >= self.patience:
            state, changes = self._cut(state, observation, why)
        if not changes:
            return state, ()
        until = x + self.hold_off
        return {**state, **_AFRESH, "until": until}, changes

    def _window(self, state: State, x: int, value: float | None) -> State:
        """Return the state with one more point, without those too old to be judged."""
        grows = self.mode == "max"
        if value is None:  # "bad": as bad as the worst in sight
            if not state["ys"]:
                return state
            value = min(state["ys"]) if grows else max(state["ys"])
        xs, ys = [*state["xs"], x], [*state["ys"], value]
        if len(xs) > 1 and xs[-2] >= x:  # two before one update: the later counts
            del xs[-2], ys[-2]
        old = sum(one <= x - 2 * self.patience for one in xs)
        drop = max(0, min(old, len(xs) - _LEAST))
        best = state["best"]
        if best is None or (value > best if grows else value < best):
            best = value
        since = xs[0] if state["since"] is None else state["since"]
        xs, ys = xs[drop:], ys[drop:]
        return {**state, "best": best, "xs": xs, "ys": ys, "since": since}

    def _by_convention(
        self,
        convention: str,
        state: State,
        value: float | None,
        observation: Observation,
    ) -> Decision:
        rule = Rule(
            self.mode, self.patience, self.margin, self.margin_abs, self.hold_off
        )
        room = observation.rate > self.min_lr * _ABOVE
        old = Counters(state["best"], state["bad"], state["hold"])
        new = CONVENTIONS[convention](rule, old, value, room)
        state = {**state, "best": new.best, "bad": new.bad, "hold": new.hold}
        if not new.cut:
            return state, ()
        why = (
            f"{self.metric}: no progress for {self.patience} observations as "
            f"{convention} counts them; best {new.best}"
        )
        return self._cut(state, observation, why)

    def _cut(self, state: State, observation: Observation, why: str) -> Decision:
        rate, product = observation.rate, state["product"]
        if rate <= 0:
            return state, ()
        factor = max(self.factor, self.min_lr / rate, self.min_factor / product)
        if factor * _ABOVE >= 1 or not rate - rate * factor > self.least_change:
            return state, ()
        change = scale(factor, why, self.source)
        return {**state, "product": product * factor}, (change,)
