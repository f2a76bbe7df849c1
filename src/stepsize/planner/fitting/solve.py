"""Robust maximum a posteriori by damped Gauss-Newton; no law and no data of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stepsize.planner.laws.law import Floats

Residuals = Callable[[Floats, bool], tuple[Floats, Floats | None]]
"""Maps parameters to residuals in units of their noise, shape (n,), and on demand their
derivatives, shape (n, parameters)."""

_BEND = 1.0
"""Residual, in units of its noise, from which it counts linearly (Huber)."""
_MOST = 80
_ENOUGH = 1e-5
"""Relative gain of the objective below which the search ends."""


class Solution(NamedTuple):
    """Where the search ended.

    Attributes:
        theta: The parameters.
        covariance: Of the Laplace approximation there, prior included.
        objective: Half the sum of squares, robust, prior included.
        rounds: Steps that were tried.
    """

    theta: Floats
    covariance: Floats
    objective: float
    rounds: int


def solve(
    residuals: Residuals,
    weights: Floats,
    start: Floats,
    mean: Floats,
    precision: Floats,
) -> Solution:
    """Minimise sum_i weights_i huber(r_i) + (theta - mean)' precision (theta - mean)/2.

    Args:
        residuals: See `Residuals`.
        weights: What each residual counts, shape (n,).
        start: Where the search begins.
        mean: Of the prior.
        precision: Of the prior, shape (parameters, parameters).
    """
    theta, damping = start.copy(), 1e-3
    residual, slopes = residuals(theta, True)
    value = _objective(residual, weights, theta - mean, precision)
    rounds, quiet = 0, 0
    normal, pull = _normal(residual, slopes, weights, theta - mean, precision)
    while rounds < _MOST and quiet < 2:  # noqa: PLR2004 - one small gain may be chance
        rounds += 1
        scaled = normal + damping * np.diag(np.diag(normal))
        step = np.linalg.solve(scaled, -pull)
        trial = theta + np.clip(step, -1.0, 1.0)
        residual, _ = residuals(trial, False)
        new = _objective(residual, weights, trial - mean, precision)
        if not new < value:
            damping *= 6.0
            if damping > 1e8:  # noqa: PLR2004 - no step is short enough: a minimum
                break
            continue
        quiet = quiet + 1 if value - new < _ENOUGH * max(value, 1.0) else 0
        theta, value, damping = trial, new, max(damping / 4.0, 1e-9)
        residual, slopes = residuals(theta, True)
        normal, pull = _normal(residual, slopes, weights, theta - mean, precision)
    covariance: Floats = np.linalg.inv(normal).astype(np.float64)
    return Solution(theta, covariance, value, rounds)


def _objective(
    residual: Floats, weights: Floats, off: Floats, precision: Floats
) -> float:
    if not np.isfinite(residual).all():
        return float("inf")
    size = np.abs(residual)
    huber = np.where(size <= _BEND, size**2 / 2, _BEND * (size - _BEND / 2))
    return float(weights @ huber + off @ precision @ off / 2)


def _normal(
    residual: Floats,
    slopes: Floats | None,
    weights: Floats,
    off: Floats,
    precision: Floats,
) -> tuple[Floats, Floats]:
    """Return the matrix and the right side of the normal equations."""
    if slopes is None:
        message = "residuals must give their derivatives when asked"
        raise ValueError(message)
    share = weights * np.minimum(1.0, _BEND / np.maximum(np.abs(residual), 1e-300))
    weighted = slopes * share[:, None]
    return slopes.T @ weighted + precision, weighted.T @ residual + precision @ off
