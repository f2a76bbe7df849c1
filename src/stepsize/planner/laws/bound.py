"""The last-iterate bound of convex optimisation, which real runs follow in shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.laws.law import (
    Floats,
    check_fields,
    check_rates,
    check_steps,
)


class Tuned(NamedTuple):
    """The best scale of a shape under the bound.

    Attributes:
        scale: What the rates are to be multiplied by.
        value: The bound there.
    """

    scale: float
    value: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConvexBound:
    """What the last iterate of a convex problem is guaranteed to lie above its minimum.

    With rates h_1..h_T and norms G_t of the gradients:

        bound = D**2 / (2 sum_t h_t) + sum_t h_t**2 G_t**2 / (2 sum_t h_t)
                + 1/2 sum_{k < T} h_k / sum_{t > k} h_t
                      * sum_{t >= k} h_t**2 G_t**2 / sum_{t >= k} h_t

    In O(T), by cumulative sums from the end. It has no floor and no unit of its own:
    its ratios between shapes are what carries over.

    Attributes:
        distance: D, from the start to a minimiser; > 0.
        gradient_norm: G of every update; > 0.

    Raises:
        FitError: A value is outside its range.

    Source:
        Schaipp et al. 2025, arXiv:2501.18965; Defazio et al. 2023, arXiv:2310.07831,
        theorem 10.

    Examples:
        >>> linear = [1 - t / 400 for t in range(400)]
        >>> scale, value = ConvexBound().tuned(linear)
        >>> round(scale * 20, 4), round(value * 20, 4)
        (0.9913, 2.0126)
    """

    distance: float = 1.0
    gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        """Check every field."""
        check_fields(self, positive=("distance", "gradient_norm"))

    def loss(self, rates: Any, steps: Any) -> Floats:
        """Return the bound of the run that ends at each of `steps`: see `Law.loss`."""
        return self.jacobian(rates, steps)[0]

    def jacobian(self, rates: Any, steps: Any) -> tuple[Floats, Floats]:
        """Return the bounds, and the derivatives by distance and gradient_norm.

        Returns:
            Shapes (n,) and (n, 2).
        """
        array = check_rates(rates, "ConvexBound")
        wanted = check_steps(steps, len(array), "ConvexBound")
        ends, back = np.unique(wanted, return_inverse=True)
        runs = [check_rates(array[: end + 1], "ConvexBound") for end in ends]
        parts = np.array([self._parts(run, None) for run in runs])[back]
        return parts.sum(axis=1), 2 * parts / [self.distance, self.gradient_norm]

    def at_end(self, rates: Any) -> float:
        """Return the bound after the last of `rates`."""
        parts = self._parts(check_rates(rates, "ConvexBound"), None)
        return parts[0] + parts[1]

    def tuned(self, shape: Any, gradient_norms: Any = None) -> Tuned:
        """Return the best scale of a shape, and the bound there.

        Args:
            shape: Relative rates, shape (T,); >= 0.
            gradient_norms: Of every update, shape (T,); > 0. None: `gradient_norm`.
        """
        first, second = self._parts(check_rates(shape, "ConvexBound"), gradient_norms)
        return Tuned(math.sqrt(first / second), 2 * math.sqrt(first * second))

    def _parts(self, rates: Floats, norms: Any) -> tuple[float, float]:
        """Return the part with D and the part with G: c / scale and c * scale."""
        used = rates[: int(np.flatnonzero(rates)[-1]) + 1]  # later ones do nothing
        squares = np.full(len(used), self.gradient_norm**2)
        if norms is not None:
            given = check_rates(norms, "ConvexBound.gradient_norms")
            if len(given) != len(rates) or not given.all():
                rule = f"be > 0 and as many as the rates, {len(rates)}"
                raise FitError(describe("ConvexBound.gradient_norms", rule, len(given)))
            squares = given[: len(used)] ** 2
        noise = used**2 * squares
        to_end = np.cumsum(used[::-1])[::-1]
        noise_to_end = np.cumsum(noise[::-1])[::-1]
        ratios = used[:-1] / to_end[1:] * noise_to_end[:-1] / to_end[:-1]
        total = float(to_end[0])
        first = self.distance**2 / (2 * total)
        return first, float(noise_to_end[0]) / (2 * total) + float(ratios.sum()) / 2
