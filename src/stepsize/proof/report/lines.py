"""The curves of one metric, seed by seed, and the axis that all arms share.

Not here: how they are drawn (curves.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import final

from stepsize.proof.report.scale import Scale
from stepsize.proof.report.words import metric_title
from stepsize.proof.results import Comparison, Curve

VALIDATION = "val"
"""The metric that is drawn first, near the best values only."""

_FENCE = 10.0  # how far beyond 90 % of the values an axis reaches, times their span


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One arm's curves of one metric at its chosen rate.

    Attributes:
        seeds: The curve of each seed.
    """

    seeds: tuple[Curve, ...]

    @classmethod
    def of(cls, comparison: Comparison, arm: str, metric: str) -> "Line":
        """Collect the curves of an arm's reported runs."""
        return cls(
            tuple(
                curve
                for run in comparison.reported_runs
                if run.arm == arm
                for curve in run.curves
                if curve.metric == metric
            )
        )

    @property
    def updates(self) -> tuple[int, ...]:
        """Updates at which every seed has a value; empty if they do not agree."""
        same = all(curve.updates == self.seeds[0].updates for curve in self.seeds)
        whole = all(None not in curve.values for curve in self.seeds)
        return self.seeds[0].updates if self.seeds and same and whole else ()

    @property
    def values(self) -> list[float]:
        """All finite values."""
        return [v for curve in self.seeds for v in curve.values if v is not None]

    def columns(self) -> list[list[float]]:
        """Return the values of all seeds, by update."""
        columns = zip(*(curve.values for curve in self.seeds), strict=True)
        return [[v for v in column if v is not None] for column in columns]

    def mean(self) -> list[float]:
        """Return the mean over seeds, by update."""
        return [fmean(column) for column in self.columns()]

    def until(self, update: float) -> list[float]:
        """Return the last finite value of each seed until an update."""
        found = []
        for curve in self.seeds:
            points = zip(curve.updates, curve.values, strict=True)
            found += [v for at, v in points if at <= update and v is not None][-1:]
        return found


def metrics_of(comparison: Comparison) -> list[str]:
    """Name the metrics that reported runs have curves of; validation first."""
    names = {c.metric for run in comparison.reported_runs for c in run.curves}
    return sorted(names, key=lambda name: (name != VALIDATION, name))


def metric_name(comparison: Comparison, metric: str) -> str:
    """Name a metric in words, with its unit where it is known."""
    if metric == VALIDATION:
        return f"validation {metric_title(comparison.subject)}"
    return "training loss" if metric == "train_loss" else metric


def shared_scale(
    comparison: Comparison, metric: str, lines: Sequence[Line]
) -> Scale | None:
    """Choose the axis that all arms share; None where there is nothing finite."""
    values = [value for line in lines for value in line.values]
    if metric == VALIDATION:
        values = _near_the_best(comparison, values)
        return Scale.around(values) if values else None
    if len(values) > 1:  # a run that explodes must not flatten the others
        cuts = quantiles(values, n=20)
        room = _FENCE * (cuts[-1] - cuts[0])
        values = [v for v in values if cuts[0] - room <= v <= cuts[-1] + room]
    return Scale.around(values, log=True) if values else None


def _near_the_best(comparison: Comparison, values: list[float]) -> list[float]:
    """Return the values up to where runs count as failed, or to the constant's end.

    Failed runs and first updates would press all others into one line.
    """
    margin, sign = comparison.subject.failed_margin, comparison.subject.sign
    ends = [arm.val.mean for arm in comparison.arms if arm.val]
    if not margin or not ends:
        return values
    limit = max(ends, key=lambda mean: sign * mean) - sign * margin
    constant = comparison.arms[0].val
    if constant is not None:
        limit = min(limit, constant.mean, key=lambda value: sign * value)
    return [v for v in values if sign * (v - limit) >= 0]
