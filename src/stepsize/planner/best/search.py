"""A fall of the rate by gradient, coarse to fine; any objective of a run's shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stepsize.planner.laws.law import Floats

Objective = Callable[[Floats], tuple[float, Floats]]
"""Maps the share of the peak in each block to a loss and its derivatives."""

_PIECES = (12, 40, 128)
_ROUNDS = (80, 80, 100)
_LOWEST = 1e-6
"""Share of the peak that stands for 0, where a law's derivative may be infinite."""


def search(
    objective: Objective,
    part: Floats,
    start: Callable[[Floats], Floats],
    *,
    floor: float,
    monotone: bool,
    max_slope: float | None,
) -> tuple[Floats, Floats]:
    """Return positions in 0..1, and the shares of the peak there.

    Unknown are the falls between neighbouring knots; the share is what is left of 1,
    and no less than the floor.

    Args:
        objective: See `Objective`.
        part: Middle of each block, in (0, 1), rising.
        start: The shares that the search begins from, at given positions.
        floor: Lowest share.
        monotone: Whether falls are >= 0.
        max_slope: Steepest fall, in peaks per run; None for no limit.
    """
    from scipy.optimize import minimize

    lowest = max(floor, _LOWEST)
    values: Floats | None = None
    places = np.array([0.0, 1.0])
    for pieces, rounds in zip(_PIECES, _ROUNDS, strict=True):
        fine = _places(part, pieces)
        shares = start(fine) if values is None else np.interp(fine, places, values)
        places = fine
        widths = np.diff(places)
        steepest = np.inf if max_slope is None else max_slope * widths
        falls = np.clip(
            -np.diff(np.maximum(shares, lowest), prepend=1.0),
            0.0 if monotone else -1.0,
            np.concatenate([[0.0], np.broadcast_to(steepest, widths.shape)]),
        )[1:]
        matrix = _interpolation(part, places)

        def evaluate(falls: Floats, matrix: Floats = matrix) -> tuple[float, Floats]:
            left = 1.0 - np.concatenate([[0.0], np.cumsum(falls)])
            knots = np.clip(left, lowest, 1.0)
            loss, slopes = objective(matrix @ knots)
            by_knot = (matrix.T @ slopes) * ((left > lowest) & (left <= 1.0))
            return loss, -np.cumsum(by_knot[::-1])[::-1][1:]

        upper = np.minimum(steepest, 1.0) * np.ones(len(falls))
        lower = np.full(len(falls), 0.0 if monotone else -1.0)
        found = minimize(
            evaluate,
            falls,
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([lower, upper], axis=1),
            options={"maxiter": rounds, "ftol": 1e-10, "gtol": 1e-9},
        )
        values = np.clip(1.0 - np.concatenate([[0.0], np.cumsum(found.x)]), lowest, 1.0)
    if values is None:
        values = start(places)
    if floor == 0:
        values = np.where(values <= 2 * _LOWEST, 0.0, values)
    return places, values


def _places(part: Floats, pieces: int) -> Floats:
    """Return knots at even counts of blocks, denser where these are."""
    inner = np.linspace(0, len(part) - 1, min(pieces, len(part)) + 1)[1:-1]
    places = np.interp(inner, np.arange(len(part)), part)
    return np.concatenate([[0.0], places, [1.0]])


def _interpolation(part: Floats, places: Floats) -> Floats:
    """Return the matrix from values at knots to values in blocks."""
    right = np.clip(np.searchsorted(places, part), 1, len(places) - 1)
    share = (part - places[right - 1]) / (places[right] - places[right - 1])
    matrix = np.zeros((len(part), len(places)))
    rows = np.arange(len(part))
    matrix[rows, right - 1] = 1 - share
    matrix[rows, right] = share
    return matrix
