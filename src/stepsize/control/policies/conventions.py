"""When the plateau rules of torch, Keras and optax cut, step by step; not how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final


@final
@dataclass(frozen=True, slots=True)
class Counters:
    """What these rules remember.

    Attributes:
        best: Best value so far; None before the first.
        bad: Observations without progress in a row.
        hold: Observations of the hold-off left.
        cut: Whether this observation is one at which the rule cuts.
    """

    best: float | None
    bad: int
    hold: int
    cut: bool = False


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """The numbers of a rule; the words are those of `Plateau`.

    Attributes:
        mode: "min" or "max".
        patience: Observations.
        margin: Fraction of |best|.
        margin_abs: In units of the metric.
        hold_off: Observations.
    """

    mode: str
    patience: int
    margin: float
    margin_abs: float
    hold_off: int

    def better(self, value: float | None, best: float | None) -> bool:
        """Whether a value is progress; None, for one that is not finite, never is.

        For a positive best, in the order of operations of torch and optax; for a
        negative one with the margin on the right side, which theirs is not.
        """
        if value is None:
            return False
        if best is None:
            return True
        grows = self.mode == "max"
        side = 1 if grows == (best >= 0) else -1
        edge = best * (1.0 + side * self.margin)
        return (
            value > edge + self.margin_abs if grows else value < edge - self.margin_abs
        )


Step = Callable[[Rule, Counters, float | None, bool], Counters]


def torch(rule: Rule, old: Counters, value: float | None, room: bool) -> Counters:
    """`torch.optim.lr_scheduler.ReduceLROnPlateau.step`: bad > patience."""
    better = rule.better(value, old.best)
    best = value if better else old.best
    bad = 0 if better else old.bad + 1
    hold = old.hold
    if hold > 0:
        hold, bad = hold - 1, 0
    if bad > rule.patience:
        return Counters(best, 0, rule.hold_off, cut=True)
    return Counters(best, bad, hold)


def keras(rule: Rule, old: Counters, value: float | None, room: bool) -> Counters:
    """`keras.callbacks.ReduceLROnPlateau`: bad >= patience, counted while held off not.

    The hold-off loses one before anything else, so that its last observation counts.
    Without room for a cut, which is at `min_lr`, nothing is reset.
    """
    best, bad, hold = old.best, old.bad, old.hold
    if hold > 0:
        hold, bad = hold - 1, 0
    shift = rule.margin_abs if rule.mode == "min" else -rule.margin_abs
    shifted = None if value is None else value + shift
    if _plain(rule).better(shifted, best):
        return Counters(value, 0, hold)
    if hold > 0:
        return Counters(best, bad, hold)
    bad += 1
    if bad >= rule.patience and room:
        return Counters(best, 0, rule.hold_off, cut=True)
    return Counters(best, bad, hold)


def optax(rule: Rule, old: Counters, value: float | None, room: bool) -> Counters:
    """`optax.contrib.reduce_on_plateau`: bad == patience."""
    better = rule.better(value, old.best)
    best = value if better else old.best
    bad = 0 if better else old.bad + 1
    if old.hold > 0:
        return Counters(best, 0, old.hold - 1)
    if bad == rule.patience:
        return Counters(best, 0, rule.hold_off, cut=True)
    return Counters(best, bad, 0)


def _plain(rule: Rule) -> Rule:
    return Rule(rule.mode, rule.patience, rule.margin, 0.0, rule.hold_off)


CONVENTIONS: Mapping[str, Step] = MappingProxyType(
    {"torch": torch, "keras": keras, "optax": optax}
)

DEFAULTS: Mapping[str | None, Mapping[str, Any]] = MappingProxyType(
    {
        None: {"factor": 0.5, "margin": 1e-4, "margin_abs": 0.0, "least_change": 0.0},
        "torch": {
            "factor": 0.1,
            "margin": 1e-4,
            "margin_abs": 0.0,
            "least_change": 1e-8,
        },
        "keras": {
            "factor": 0.1,
            "margin": 0.0,
            "margin_abs": 1e-4,
            "least_change": 0.0,
        },
        "optax": {
            "factor": 0.1,
            "margin": 1e-4,
            "margin_abs": 0.0,
            "least_change": 0.0,
        },
    }
)
"""What each library takes where nothing is said."""
