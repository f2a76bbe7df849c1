"""From curves to a posterior: one robust fit, wider where data and prior disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stepsize.planner.fitting.priors import Prior
from stepsize.planner.fitting.screening import Screened
from stepsize.planner.fitting.solve import Residuals, Solution, solve
from stepsize.planner.laws import effective_pass
from stepsize.planner.laws.blocks import cut
from stepsize.planner.laws.law import Floats

MODEL_NOISE = 0.001
"""Relative deviation of a curve from the law, and from its repetition with another
seed; it is common to neighbouring points."""
EFFECTIVE_POINTS = 12
"""What a curve is worth in independent points."""
_DISAGREE = 21.0
"""Twice the prior's part of the objective beyond which it is widened: the 95 % point of
chi-square with 12 degrees of freedom."""
_WIDENINGS = 3
_CUT = 6.0
"""Residual beyond which one counts no more in the misfit."""


class Posterior(NamedTuple):
    """A fit.

    Attributes:
        theta: Most probable parameters.
        covariance: Of the Laplace approximation.
        prior: The prior in the end.
        misfit: Mean square of the residuals in units of their assumed deviation.
        widened: How often the prior was made twice as wide.
    """

    theta: Floats
    covariance: Floats
    prior: Prior
    misfit: float
    widened: int


def estimate(
    rates: Sequence[Floats],
    curves: Sequence[Screened],
    prior: Prior,
    *,
    unit: float,
    reference: float,
    scale: float,
) -> Posterior:
    """Fit one law to several curves."""
    blocks = cut([(r, c.steps) for r, c in zip(rates, curves, strict=True)])
    given = blocks.given
    logs = np.log(np.concatenate([one.losses for one in curves]) / scale)
    sizes = [len(one.steps) for one in curves]
    noises = np.array([one.noise / MODEL_NOISE for one in curves])
    variances = 1.0 + noises**2  # of a point, in units of the model's
    common = np.maximum(1.0, np.array(sizes) / EFFECTIVE_POINTS)
    weights = np.repeat(variances / (common + noises**2), sizes)
    deviations = MODEL_NOISE * np.repeat(np.sqrt(variances), sizes)

    def residuals(theta: Floats, derive: bool) -> tuple[Floats, Floats | None]:
        with np.errstate(all="ignore"):  # a trial too far gives NaN, and is refused
            loss, slopes = effective_pass.values(
                theta, blocks, unit, reference, derive=derive
            )
            own = loss[given]
            off = (np.log(own) - logs) / deviations
            if slopes is None:
                return off, None
            return off, slopes[given] / (own * deviations)[:, None]

    for widened in range(_WIDENINGS + 1):
        found = _search(residuals, weights, prior)
        off = (found.theta - prior.mean) / prior.deviation
        if off @ off <= _DISAGREE or widened == _WIDENINGS:
            break
        prior = prior.widened(2.0)
    size = np.abs(residuals(found.theta, False)[0])
    worth = float(weights.sum())
    misfit = float(weights @ np.minimum(size, _CUT) ** 2) / worth
    return Posterior(found.theta, found.covariance, prior, misfit, widened)


def _search(residuals: Residuals, weights: Floats, prior: Prior) -> Solution:
    precision = np.diag(prior.deviation**-2)
    return solve(residuals, weights, prior.mean, prior.mean, precision)
