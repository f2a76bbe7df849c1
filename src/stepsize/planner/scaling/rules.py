"""Which rule a rate follows when the batch grows, its range, and where it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.scaling import batch, sources
from stepsize.planner.scaling.choice import Confidence, worst
from stepsize.planner.scaling.families import Family
from stepsize.planner.scaling.sources import Source
from stepsize.schedules.arguments import choice

RULES = ("auto", "linear", "linear-sqrt", "sqrt", "adam", "noise", "surge", "none")
KNOWN_FACTOR = 8.0
"""Batch factor up to which a rule is trusted without a measured noise scale. A
convention: Shallue et al. 2019, arXiv:1811.03600, saw optima leave every simple rule,
at batches that differ by workload."""
GOYAL_BATCH = 8192
"""Largest batch at which linear scaling kept ImageNet's error; Goyal et al. 2017,
arXiv:1706.02677, table 2: 23.60 % at 256, 23.74 % at 8k."""

AUTO: dict[Family, str] = {
    "sgd": "linear-sqrt",
    "lars": "linear",
    "adam": "adam",
    "sign": "sqrt",
    "lamb": "sqrt",
    "muon": "sqrt",
    "free": "none",
}
_MEASURED: dict[Family, str] = {"sgd": "noise", "adam": "surge", "sign": "surge"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a rule says of the peak rate.

    Attributes:
        rule: Its name, never "auto".
        factor: New rate over old.
        low: Smallest factor for which a source speaks.
        high: Largest one.
        formula: How the factor follows.
        reason: Why this rule.
        sources: Where it comes from.
        warnings: Where it leaves its range.
        confidence: How far to trust it.
    """

    rule: str
    factor: float
    low: float
    high: float
    formula: str
    reason: str
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]
    confidence: Confidence


def rate(
    family: Family,
    *,
    from_batch: float,
    to_batch: float,
    rule: str = "auto",
    noise_scale: float | None = None,
    already: float = 1.0,
) -> Rate:
    """Return what a rule says of the rate.

    Args:
        family: How the optimizer scales.
        from_batch: Samples in an update of the run that was tuned.
        to_batch: Likewise, of the new run.
        rule: One of `RULES`; "auto" takes the family's.
        noise_scale: The measured gradient noise scale, in samples; None: unknown.
        already: What the batch was scaled by before; > 0. Scaling in two steps then
            comes to the same as in one.

    Raises:
        InvalidScheduleError: A value is outside its range, or the rule needs the
            noise scale and has none.
    """
    choice(rule, "scale.rule", RULES)
    k = batch.batch_factor(from_batch, to_batch)
    name = rule
    if name == "auto":
        known = noise_scale is not None
        name = _MEASURED.get(family, AUTO[family]) if known else AUTO[family]
    if name in {"noise", "surge"} and noise_scale is None:
        text = f'be given for rule="{name}"'
        hint = "scaling.noise measures it from gradients at two batch sizes"
        raise InvalidScheduleError(describe("scale.noise_scale", text, None, hint=hint))
    if name == "adam" and family != "adam":
        text = 'be "sqrt": "adam" changes betas, which this optimizer does not have'
        raise InvalidScheduleError(describe("scale.rule", text, rule))
    value, formula = _factor(name, k, from_batch, to_batch, noise_scale)
    if name == "linear-sqrt":
        value, formula = _linear_root(k, already)
    reason, cited = _WHY[name if name != "sqrt" else f"sqrt {family}"]
    warnings, confidence = _doubts(family, name, k, to_batch, noise_scale)
    low, high = sorted(_range(name, k, value))
    return Rate(
        rule=name,
        factor=value,
        low=low,
        high=high,
        formula=formula,
        reason=reason,
        sources=cited,
        warnings=warnings,
        confidence=confidence,
    )


def _factor(
    name: str, k: float, from_batch: float, to_batch: float, noise: float | None
) -> tuple[float, str]:
    if name == "none":
        return 1.0, ""
    if name == "linear":
        return batch.linear(1.0, k), f"lr * {k:g}"
    if name in {"sqrt", "adam"}:
        return batch.square_root(1.0, k), f"lr * sqrt({k:g})"
    known = noise or 1.0  # given for these rules: checked before
    if name == "noise":
        text = f"lr * (1 + {known:g} / {from_batch:g}) / (1 + {known:g} / {to_batch:g})"
        return batch.noise_limited(1.0, from_batch, to_batch, known), text
    text = f"surge with noise scale {known:g}: {from_batch:g} -> {to_batch:g}"
    return batch.surge(1.0, from_batch, to_batch, known), text


def _linear_root(k: float, already: float) -> tuple[float, str]:
    value = batch.linear_root(1.0, k * already) / batch.linear_root(1.0, already)
    if math.isclose(value, k):
        return k, f"lr * {k:g}"
    end = batch.LINEAR_UNTIL
    if already == 1 and k > end:
        return value, f"lr * {end:g} * sqrt({k:g} / {end:g})"
    return (
        value,
        f"lr * {value:.4g}: linear up to {end:g} times the batch, then by root",
    )


def _range(name: str, k: float, value: float) -> tuple[float, float]:
    if name == "none":
        return 1.0, 1.0
    if name in {"linear", "linear-sqrt"}:
        return math.sqrt(k), k
    # a measured noise scale is an estimate, often off by a factor of a few
    return (1.0, k) if name in {"sqrt", "adam"} else (value / 2, value * 2)


def _doubts(
    family: Family, name: str, k: float, to_batch: float, noise: float | None
) -> tuple[tuple[str, ...], Confidence]:
    warnings: list[str] = []
    levels: list[Confidence] = []
    if k == 1 or (name == "none" and family == "free"):
        return (), "high"
    if name == "none":  # asked for: no rule was followed
        return (), "low" if max(k, 1 / k) > KNOWN_FACTOR else "medium"
    if noise is None:
        levels.append("medium")
        if max(k, 1 / k) > KNOWN_FACTOR:
            levels.append("low")
            warnings.append(
                f"the batch changes {k:g}-fold and the gradient noise scale is not "
                "known: the best rate may lie anywhere in the range; measure the noise "
                "scale, or try both ends"
            )
    elif to_batch > noise:
        levels.append("low")
        warnings.append(
            f"the batch of {to_batch:g} is beyond the noise scale of {noise:g}: more "
            "batch saves few updates there and asks for no higher rate"
        )
    if name == "linear" and to_batch > GOYAL_BATCH:
        levels.append("low")
        warnings.append(
            f"linear scaling was shown on ImageNet up to a batch of {GOYAL_BATCH}; "
            "beyond it the error rose"
        )
    if name in {"linear", "linear-sqrt", "noise"} and family not in {"sgd", "lars"}:
        levels.append("low")
        warnings.append("the rule is SGD's; this optimizer's updates do not grow so")
    if family == "muon":
        levels.append("low")
        warnings.append(
            "no work that was read checks how Muon's rate follows the batch"
        )
    return tuple(warnings), worst(*levels)


_SIGN = "Its updates keep their size, so that noise alone sets the rate."
_WHY: dict[str, tuple[str, tuple[Source, ...]]] = {
    "none": (
        "The optimizer finds its own rate; the number is a factor of it.",
        (
            sources.PRODIGY,
            sources.D_ADAPTATION,
        ),
    ),
    "linear": (
        "k updates with one batch each go as far as one with k batches at k times the "
        "rate, while the gradient hardly changes on the way.",
        (sources.GOYAL, sources.HOFFER),
    ),
    "linear-sqrt": (
        "Linear up to 4 times the batch, by the root beyond: the linear rule's end "
        "differs by workload, and a rate beyond it breaks training.",
        (sources.GOYAL, sources.SHALLUE, sources.WORKLOADS),
    ),
    "adam": (
        "The run then follows the same stochastic differential equation, together with "
        "the betas and eps; many libraries change the rate only.",
        (sources.MALLADI,),
    ),
    "noise": (
        "Linear far below the noise scale, flat far above it.",
        (sources.NOISE,),
    ),
    "surge": (
        "Sign-like updates: the best rate rises as the root of the batch up to the "
        "noise scale, and falls beyond it.",
        (sources.SURGE,),
    ),
    "sqrt sgd": (
        "Keeps the variance of an update; for factors at which linear scaling breaks.",
        (sources.KRIZHEVSKY, sources.HOFFER),
    ),
    "sqrt lars": ("Keeps the variance of an update.", (sources.KRIZHEVSKY,)),
    "sqrt adam": (_SIGN, (sources.MALLADI,)),
    "sqrt sign": (_SIGN, (sources.SURGE,)),
    "sqrt lamb": (
        "LAMB's own table: 5e-3 sqrt(batch / 32768).",
        (sources.LAMB,),
    ),
    "sqrt muon": (_SIGN, (sources.PRACTICE,)),
    "sqrt free": ("Asked for; the optimizer finds its own rate.", (sources.PRACTICE,)),
}
