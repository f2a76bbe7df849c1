"""On how many tasks "3 to 8 % better than a constant rate" holds, by protocol.

The claim is read in two ways: points of accuracy, and the share of the error (or of the
loss) that is gone. It holds on a task if the mean gain is at least 3 and, where the
protocol can tell, beyond the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import final

from benchmarks.proof.expected import validations
from stepsize.proof import Comparison
from stepsize.proof.results import ArmSummary

LEAST = 3.0
"""Unit: points, or percent of the error."""

ARMS = ("warmup_cosine", "wsd", "constant_ema")
"""Which are looked at: the two that are recommended, and the second baseline."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One protocol and one arm over all tasks.

    Attributes:
        protocol: How arms are compared.
        unit: "points of accuracy" or "% of the error or loss".
        arm: The arm.
        gains: Task -> gain over the constant, more is better; tasks to which the unit
            does not apply are left out.
        unclear: Tasks whose gain is within the noise, where the protocol can tell.
    """

    protocol: str
    unit: str
    arm: str
    gains: Mapping[str, float]
    unclear: frozenset[str]

    @property
    def holds(self) -> tuple[str, ...]:
        """The tasks on which it holds."""
        return tuple(
            task
            for task, gain in self.gains.items()
            if gain >= LEAST and task not in self.unclear
        )


@final
@dataclass(frozen=True, slots=True)
class _Gain:
    """An arm against the constant on one task.

    Attributes:
        mean: The difference, more is better. Unit: that of the metric.
        constant: The constant's metric.
        clear: Whether it is beyond the noise; True where the protocol cannot tell.
    """

    mean: float
    constant: float
    clear: bool = True


_Protocol = Callable[[Comparison, ArmSummary], _Gain | None]


def claims(comparisons: Mapping[str, Comparison]) -> list[Claim]:
    """Return every protocol, both units and every arm of `ARMS`."""
    protocols: tuple[tuple[str, _Protocol], ...] = (
        ("each at its tuned rate, test", _tuned),
        ("both at the default rate, validation", _default),
        ("both at 10 times the default, validation of 2 seeds", _tenfold),
        ("mean over the grid of rates, validation of 2 seeds", _grid),
    )
    found = []
    for protocol, compared in protocols:
        for name in ARMS:
            points, shares, unclear = dict[str, float](), dict[str, float](), set[str]()
            for task, comparison in comparisons.items():
                arm = next(one for one in comparison.arms if one.arm == name)
                gain = compared(comparison, arm)
                if gain is None:
                    continue
                if not gain.clear:
                    unclear.add(task)
                accuracy = comparison.subject.unit == "%"
                whole = 100 - gain.constant if accuracy else gain.constant
                if accuracy:
                    points[task] = gain.mean
                shares[task] = 100 * gain.mean / whole
            for unit, gains in (
                ("points of accuracy", points),
                ("% of the error or loss", shares),
            ):
                claim = Claim(
                    protocol=protocol,
                    unit=unit,
                    arm=name,
                    gains=gains,
                    unclear=frozenset(unclear),
                )
                found.append(claim)
    return found


def _tuned(comparison: Comparison, arm: ArmSummary) -> _Gain | None:
    constant, found = comparison.arms[0].test, arm.difference
    if constant is None or found is None:
        return None
    mean = comparison.subject.sign * found.mean
    return _Gain(mean, constant.mean, arm.outcome in ("better", "worse"))


def _default(comparison: Comparison, arm: ArmSummary) -> _Gain | None:
    default, found = comparison.subject.default_lr, arm.at_default
    constant = [
        run.val
        for run in comparison.runs
        if (run.arm, run.peak_lr) == ("constant", default) and run.val is not None
    ]
    if found is None or not constant:
        return None
    mean = comparison.subject.sign * found.mean
    return _Gain(mean, fmean(constant), found.excludes_zero)


def _tenfold(comparison: Comparison, arm: ArmSummary) -> _Gain | None:
    default = comparison.subject.default_lr
    if default is None:
        return None
    near = min(comparison.lrs, key=lambda lr: abs(lr / default - 10))
    if abs(near / default - 10) > 1:  # the grid does not have it
        return None
    ours, theirs = (
        fmean(validations(comparison, name, near).values())
        for name in (arm.arm, "constant")
    )
    return _Gain(comparison.subject.sign * (ours - theirs), theirs)


def _grid(comparison: Comparison, arm: ArmSummary) -> _Gain | None:
    ours, theirs = arm.grid_mean, comparison.arms[0].grid_mean
    if ours is None or theirs is None:
        return None
    return _Gain(comparison.subject.sign * (ours - theirs), theirs)
