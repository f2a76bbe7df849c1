"""The numbers that say how well a law predicts, each from plain arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.laws import recorded
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.fit import fit
from stepsize.planner.fitting.fitted import FittedLaw, Prediction
from stepsize.planner.fitting.priors import Prior
from stepsize.planner.laws.law import Floats, Law

_SECOND = 25_000
"""Horizon of the second run that the 124M model's law is fitted on."""


class Curves(NamedTuple):
    """Errors on whole curves: means over curves of what each has.

    Attributes:
        mae: Mean absolute error.
        worst: Largest relative error.
        final: Absolute error at the last point.
    """

    mae: float
    worst: float
    final: float


def on_curves(law: Law | FittedLaw, curves: Iterable[Curve]) -> Curves:
    """Return the errors of a law on curves that it has not seen."""
    rows = []
    for curve in curves:
        error = np.abs(law.loss(curve.rates, curve.steps) - curve.losses)
        rows.append((error.mean(), (error / curve.losses).max(), error[-1]))
    return Curves(*(float(x) for x in np.mean(rows, axis=0)))


class Finals(NamedTuple):
    """Errors on the last losses of the unseen runs of one peak rate.

    Attributes:
        error: Mean absolute error.
        bias: Mean error.
        rank: Spearman's correlation of predicted and measured.
        regret: What the run of the longest horizon with the lowest predicted loss is
            above the lowest measured.
        mae: Mean absolute error on their curves.
    """

    error: float
    bias: float
    rank: float
    regret: float
    mae: float


def on_finals(law: FittedLaw, runs: Sequence[recorded.Run]) -> Finals:
    """Return the errors of a law on the last losses of runs."""
    from scipy.stats import spearmanr

    curves = [recorded.scored(run.curve) for run in runs]
    found = [law.loss(one.rates, one.steps) for one in curves]
    said = np.array([one[-1] for one in found])
    real = np.array([one.losses[-1] for one in curves])
    horizons = np.array([run.horizon for run in runs])
    longest = horizons == horizons.max()
    chosen = real[longest][int(np.argmin(said[longest]))]
    return Finals(
        float(np.abs(said - real).mean()),
        float((said - real).mean()),
        float(spearmanr(said, real)[0]),
        float(chosen - real[longest].min()),
        float(
            np.mean(
                [
                    np.abs(one - curve.losses).mean()
                    for one, curve in zip(found, curves, strict=True)
                ]
            )
        ),
    )


def by_peak(
    runs: Mapping[str, recorded.Run], prior: Prior
) -> dict[float, dict[str, Finals]]:
    """Return, for each peak rate and second run, the errors on all other finals.

    Fitted on the constant run of that peak, and on each of 25k steps in turn.
    """
    found: dict[float, dict[str, Finals]] = {}
    for peak in sorted({run.peak for run in runs.values()}):
        own = [run for run in runs.values() if run.peak == peak]
        constant = next((run for run in own if run.kind == "constant"), None)
        if constant is None:
            continue
        made = {}
        for second in (run for run in own if run.horizon == _SECOND):
            law = fit([constant.curve, second.curve], prior=prior)
            unseen = [run for run in own if run not in (constant, second)]
            made[recorded.short(second)] = on_finals(law, unseen)
        if made:
            found[peak] = made
    return found


def mean(several: Iterable[Finals]) -> Finals:
    """Return the mean of each number."""
    return Finals(*np.mean(list(several), axis=0).tolist())


class Covered(NamedTuple):
    """Whether one interval held the last loss of one unseen run.

    Attributes:
        run: Its name.
        trained_on: Number of runs that the law was fitted on; 0: not counted.
        inside: Whether the interval held it.
        half_width: Of the interval, as a share of the loss.
    """

    run: str
    trained_on: int
    inside: bool
    half_width: float


def coverage(
    curves: dict[str, Curve],
    sets: Iterable[Sequence[str]],
    prior: Prior,
    kept: Callable[[Curve], Curve] = lambda curve: curve,
) -> list[Covered]:
    """Return, for each training set and unseen run, whether its interval held."""
    rows: list[Covered] = []
    for names in sets:
        law = fit([curves[name] for name in names], prior=prior)
        unseen = {n: kept(curve) for n, curve in curves.items() if n not in names}
        rows += held(law, unseen, trained_on=len(names))
    return rows


def held(
    law: FittedLaw, curves: Mapping[str, Curve], *, trained_on: int
) -> list[Covered]:
    """Return for each curve whether the interval of its last loss held."""
    rows = []
    for name, curve in curves.items():
        last, real = curve.steps[-1:], float(curve.losses[-1])
        made: Prediction = law.predict(curve.rates, last)
        inside = bool(made.low[0] <= real <= made.high[0])
        half = float(made.high[0] - made.low[0]) / 2 / real
        rows.append(Covered(name, trained_on, inside, half))
    return rows


def clustered(rows: Sequence[Covered]) -> tuple[float, float, float]:
    """Return the share inside, and its 95 % interval by a bootstrap over runs."""
    names = sorted({row.run for row in rows})
    place = {name: at for at, name in enumerate(names)}
    of = np.array([place[row.run] for row in rows])
    hits = np.bincount(of, weights=[float(row.inside) for row in rows])
    counts = np.bincount(of)
    drawn = np.random.default_rng(0).integers(0, len(names), size=(4000, len(names)))
    shares = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(hits.sum() / counts.sum()), float(low), float(high)


def pairs_and_singles(
    first: Sequence[str], others: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return each single run, each of `others` with `first`, and some triples."""
    triples = list(itertools.combinations(others, 2))[::4]
    return [
        *((one,) for one in others),
        *((*first, one) for one in others),
        *((*first, *pair) for pair in triples),
    ]


def metrics(
    law: Law, curves: Sequence[Curve]
) -> tuple[float, float, float, float, float]:
    """Return the paper's five: R2, MAE, RMSE, PredE and WorstE, means over curves."""
    rows = []
    for curve in curves:
        said: Floats = law.loss(curve.rates, curve.steps)
        error = said - curve.losses
        spread = ((curve.losses - curve.losses.mean()) ** 2).sum()
        relative = np.abs(error) / curve.losses
        rows.append(
            (
                1 - (error**2).sum() / spread,
                np.abs(error).mean(),
                np.sqrt((error**2).mean()),
                relative.mean(),
                relative.max(),
            )
        )
    r2, mae, rmse, pred, worst = (float(x) for x in np.mean(rows, axis=0))
    return r2, mae, rmse, pred, worst
