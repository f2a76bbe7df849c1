"""What an earlier measurement of the same trainings found, and whether it reproduces.

That measurement had 8 seeds (digits), 3 (the others) or 4 (mnist5k), chose the rates by
the seeds it reported on, and trained one run after the other; its tolerances were set
from its spread over seeds. Not here: the trainings (tasks.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

from stepsize.proof import Comparison
from stepsize.proof.results import ArmSummary
from stepsize.proof.statistics import Estimate, paired

TESTS: Mapping[str, Mapping[str, float]] = {
    "digits": {
        "constant": 97.06,
        "step": 96.83,
        "cosine": 96.71,
        "warmup_cosine": 96.68,
        "warmup_linear": 96.65,
        "wsd": 96.86,
        "one_cycle": 96.86,
    },
    "letters": {
        "constant": 92.70,
        "constant_ema": 95.88,
        "step": 95.43,
        "cosine": 95.87,
        "warmup_cosine": 95.94,
        "warmup_linear": 95.93,
        "wsd": 96.12,
        "one_cycle": 95.68,
    },
    "mnist5k": {
        "constant": 92.50,
        "warmup_cosine": 93.32,
        "warmup_linear": 93.35,
        "wsd": 93.20,
    },
    "fashion_resnet": {
        "constant": 81.97,
        "step": 83.23,
        "cosine": 84.08,
        "warmup_cosine": 84.20,
        "warmup_linear": 84.04,
        "wsd": 84.31,
        "one_cycle": 84.29,
    },
    "fashion_cnn": {
        "constant": 84.32,
        "step": 84.99,
        "cosine": 85.47,
        "warmup_cosine": 85.90,
        "warmup_linear": 86.08,
        "wsd": 86.04,
        "one_cycle": 86.11,
    },
    "kjv": {
        "constant": 1.794,
        "step": 1.848,
        "cosine": 1.814,
        "warmup_cosine": 1.790,
        "warmup_linear": 1.768,
        "wsd": 1.720,
        "one_cycle": 1.725,
    },
}
"""Task -> arm -> test metric at the rate chosen."""

TOLERANCES: Mapping[str, float] = {
    "digits": 0.8,
    "letters": 1.0,
    "mnist5k": 1.0,
    "fashion_resnet": 0.6,
    "fashion_cnn": 0.8,
    "kjv": 0.04,
}
"""Task -> how far from it a repeat may be; of mnist5k the spread of its seeds."""

_WIDER = {("fashion_resnet", "constant"): 2.5}

GAINS: tuple[tuple[str, str, float, float], ...] = (
    ("digits", "warmup_cosine", -0.38, 0.49),
    ("digits", "wsd", -0.20, 0.51),
    ("letters", "warmup_cosine", 3.24, 1.16),
    ("letters", "wsd", 3.42, 0.61),
    ("fashion_resnet", "warmup_cosine", 2.23, 1.46),
    ("fashion_resnet", "wsd", 2.34, 1.22),
    ("fashion_cnn", "warmup_cosine", 1.58, 1.71),
    ("fashion_cnn", "wsd", 1.72, 1.93),
    ("kjv", "warmup_cosine", -0.004, 0.019),
    ("kjv", "cosine", 0.020, 0.039),
    ("kjv", "wsd", -0.074, 0.067),
)
"""Task, arm, test metric minus the tuned constant's, half of its 95 % interval."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A difference in validation at one rate that must lie in a range."""

    task: str
    arm: str
    other: str
    lr: float
    low: float
    high: float


SIGNS = (
    Sign(
        task="letters",
        arm="warmup_cosine",
        other="constant",
        lr=1e-3,
        low=-5.0,
        high=-2.0,
    ),
    Sign(
        task="fashion_cnn",
        arm="warmup_cosine",
        other="cosine",
        lr=0.1,
        low=3.0,
        high=100.0,
    ),
    Sign(
        task="fashion_resnet",
        arm="warmup_cosine",
        other="constant",
        lr=1.0,
        low=8.0,
        high=100.0,
    ),
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One value, before and now.

    Attributes:
        task: Name of the task.
        what: What was measured.
        before: What was found before, and how far off a repeat may be.
        now: What is found now.
        ok: Whether it lies in that range.
        overlaps: Whether it does not, but its own 95 % interval reaches into it.
    """

    task: str
    what: str
    before: str
    now: str
    ok: bool
    overlaps: bool


def checks(comparisons: Mapping[str, Comparison]) -> list[Check]:
    """Compare what was found with what was found before, task by task."""
    return [
        check
        for task, comparison in comparisons.items()
        for check in (
            *_tests(task, comparison),
            *_gains(task, comparison),
            *_signs(task, comparison),
        )
    ]


def _arms(comparison: Comparison) -> dict[str, ArmSummary]:
    return {arm.arm: arm for arm in comparison.arms}


def _tests(task: str, comparison: Comparison) -> Iterator[Check]:
    digits, arms = _digits(comparison), _arms(comparison)
    for name, before in TESTS.get(task, {}).items():
        tolerance = _WIDER.get((task, name), TOLERANCES[task])
        yield _check(
            task,
            f"test, {name}",
            f"{before:.{digits}f} ± {tolerance:g}",
            arms[name].test,
            ends=(before - tolerance, before + tolerance),
            form=f".{digits}f",
        )


def _gains(task: str, comparison: Comparison) -> Iterator[Check]:
    digits, arms = _digits(comparison), _arms(comparison)
    for _, name, before, half in (row for row in GAINS if row[0] == task):
        yield _check(
            task,
            f"{name} - constant, both tuned",
            f"{before:+.{digits}f} ± {half:.{digits}f}",
            arms[name].difference,
            ends=(before - half, before + half),
            form=f"+.{digits}f",
        )


def _signs(task: str, comparison: Comparison) -> Iterator[Check]:
    for sign in (one for one in SIGNS if one.task == task):
        found = paired(
            validations(comparison, sign.arm, sign.lr),
            validations(comparison, sign.other, sign.lr),
        )
        high = " or more" if sign.high == 100 else f" to {sign.high:+g}"
        yield _check(
            task,
            f"{sign.arm} - {sign.other} at {sign.lr:g}, validation",
            f"{sign.low:+g}{high}",
            found,
            ends=(sign.low, sign.high),
            form="+.2f",
        )


def _check(
    task: str,
    what: str,
    before: str,
    found: Estimate | None,
    *,
    ends: tuple[float, float],
    form: str,
) -> Check:
    now, ok, overlaps = "-", False, False
    if found is not None:
        half = found.half_width
        now = f"{found.mean:{form}}"
        ok = ends[0] <= found.mean <= ends[1]
        if half is not None:
            now += f" ± {half:{form.lstrip('+')}}"
            near = (found.mean - half, found.mean + half)
            overlaps = not ok and near[0] <= ends[1] and ends[0] <= near[1]
    return Check(task=task, what=what, before=before, now=now, ok=ok, overlaps=overlaps)


def validations(comparison: Comparison, arm: str, lr: float) -> dict[int, float]:
    """Return seed -> validation metric of an arm at a rate, on the choosing seeds."""
    floor = comparison.subject.floor
    found = {}
    for run in comparison.grid_runs:
        value = floor if run.val is None else run.val
        if run.arm == arm and run.peak_lr == lr and value is not None:
            found[run.seed] = value
    return found


def _digits(comparison: Comparison) -> int:
    return 2 if comparison.subject.unit == "%" else 3
