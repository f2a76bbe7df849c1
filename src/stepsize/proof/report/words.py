"""Numbers as text, the same in the terminal, the page and the verdict."""

import math
from statistics import median

from stepsize.proof.results import ArmSummary, Comparison, Outcome, Subject
from stepsize.proof.statistics import Estimate

NONE = "-"
"""What stands where there is no number."""

PLUS_MINUS = "±"

_LONG = 1e9  # numbers that are written with an exponent, as of a run that exploded


def decimals(comparison: Comparison) -> int:
    """Decimals that show four digits of the metric, three below 1; in [0, 9]."""
    values = [abs(arm.val.mean) for arm in comparison.arms if arm.val]
    typical = median(values) if values else 0.0
    if typical == 0:
        return 2
    return min(9, max(0, (3 if typical >= 1 else 2) - math.floor(math.log10(typical))))


def rate(lr: float | None) -> str:
    """Write a rate: 0.003, 3e-05."""
    return NONE if lr is None else f"{lr:.3g}"


def number(value: float | None, places: int, *, sign: bool = False) -> str:
    """Write a number with fixed decimals, a huge one with an exponent.

    "-0.00" becomes "+0.00".
    """
    if value is None:
        return NONE
    if abs(value) >= _LONG:
        return f"{value:+.3e}" if sign else f"{value:.3e}"
    rounded = round(value, places) + 0.0
    return f"{rounded:+.{places}f}" if sign else f"{rounded:.{places}f}"


def with_interval(value: Estimate | None, places: int, *, sign: bool = False) -> str:
    """Write mean and half width of the interval: "92.50 ±0.84"."""
    if value is None:
        return NONE
    half = value.half_width
    mean = number(value.mean, places, sign=sign)
    return f"{mean} {PLUS_MINUS}{NONE if half is None else number(half, places)}"


def percent(share: float | None, *, sign: bool = False) -> str:
    """Write a share in percent: "33 %"."""
    if share is None:
        return NONE
    return f"{number(100 * share, 0, sign=sign)} %"


def with_percent(share: Estimate) -> str:
    """Write a share with its interval in percent: "+1.2 ±0.5 %"."""
    half = share.half_width
    end = NONE if half is None else number(100 * half, 1)
    return f"{number(100 * share.mean, 1, sign=True)} {PLUS_MINUS}{end} %"


def p_value(p: float | None) -> str:
    """Write a p-value: ".030", "<.001", "1.00"."""
    if p is None:
        return NONE
    if round(p, 3) == 0:
        return "<.001"
    return f"{p:.3f}".removeprefix("0")[:4]


def metric_unit(subject: Subject) -> str:
    """Return the unit of a difference: "points" for percent, else the unit itself."""
    return "points" if subject.unit == "%" else subject.unit


def relative_to(subject: Subject) -> str:
    """Name what a relative change is of; "" for the metric of a user's function."""
    if subject.unit == "%":
        return "error"
    return "" if subject.kind == "function" else subject.metric


def metric_title(subject: Subject) -> str:
    """Name the metric with its unit: "accuracy (%)"."""
    return f"{subject.metric} ({subject.unit})" if subject.unit else subject.metric


def name(arm: ArmSummary) -> str:
    """Write an arm's name, with "!" where runs are left out of its numbers."""
    return f"{arm.arm} !" if arm.unequal or arm.notes else arm.arm


def claim(outcome: Outcome) -> str:
    """Write an outcome in a table: "better", "worse", "not clear", "no claim"."""
    short: dict[Outcome, str] = {"no clear difference": "not clear", "baseline": ""}
    return short.get(outcome, outcome)


def listing(names: list[str]) -> str:
    """Join names: "a", "a and b", "a, b and c"."""
    if len(names) <= 1:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def count(n: int, noun: str) -> str:
    """Write "1 seed", "3 seeds"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
