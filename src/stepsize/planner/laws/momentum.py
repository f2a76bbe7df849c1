"""The momentum law of Tissue, Wang and Wang."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.laws.law import (
    Floats,
    check_fields,
    check_rates,
    check_steps,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Momentum:
    """Loss from the sum of rates, less the area under a momentum of their falls.

        m(t) = memory m(t - 1) + (rate(t - 1) - rate(t)),   S2(t) = sum_{i <= t} m(i)
        loss(t) = floor + a S1(t)**-alpha - c S2(t)

    S1 is the sum of the rates, warmup included; m is 0 until the warmup has ended.

    Attributes:
        floor: Irreducible loss.
        a: Of the power law; > 0.
        alpha: Its exponent; > 0.
        c: Of the falls; > 0. Unit: loss / lr.
        memory: See above; 0 <= memory < 1.

    Raises:
        FitError: A value is outside its range.

    Source:
        Tissue, Wang and Wang 2024, arXiv:2408.11029.

    Examples:
        >>> law = Momentum(floor=3.0, a=0.5, alpha=0.5, c=0.5)
        >>> law.loss([3e-4] * 8000 + [3e-5] * 2000, [7999, 9999]).round(3).tolist()
        [3.323, 3.202]
    """

    floor: float
    a: float
    alpha: float
    c: float
    memory: float = 0.999

    def __post_init__(self) -> None:
        """Check every field."""
        check_fields(self, positive=("a", "alpha", "c"))
        if not 0 <= self.memory < 1:
            rule = "be >= 0 and < 1"
            raise FitError(describe("Momentum.memory", rule, self.memory))

    def loss(self, rates: Any, steps: Any) -> Floats:
        """See `Law.loss`."""
        return self.jacobian(rates, steps)[0]

    def jacobian(self, rates: Any, steps: Any) -> tuple[Floats, Floats]:
        """Return the losses, and the derivatives by floor, a, alpha and c.

        Returns:
            Shapes (n,) and (n, 4).
        """
        array = check_rates(rates, "Momentum")
        wanted = check_steps(steps, len(array), "Momentum")
        area = self.area(array)[wanted]
        total = np.maximum(np.cumsum(array)[wanted], np.finfo(float).tiny)
        log_sum = np.log(total)
        power = np.exp(-self.alpha * log_sum)
        loss = self.floor + self.a * power - self.c * area
        slopes = [np.ones_like(loss), power, -self.a * log_sum * power, -area]
        return loss, np.stack(slopes, axis=-1)

    def area(self, rates: Any) -> Floats:
        """Return S2 after every update, shape (T,)."""
        from scipy.signal import lfilter

        array = check_rates(rates, "Momentum")
        falls = -np.diff(array, prepend=array[:1])
        falls[: int(np.argmax(array)) + 1] = 0.0
        momentum = lfilter([1.0], [1.0, -self.memory], falls)
        area: Floats = np.cumsum(momentum)
        return area
