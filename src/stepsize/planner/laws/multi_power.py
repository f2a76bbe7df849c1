"""The multi-power law of Luo et al."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from stepsize.planner.laws.changes import changes, respond
from stepsize.planner.laws.law import (
    Floats,
    check_fields,
    check_rates,
    check_steps,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MultiPower:
    """Loss from the sum of rates, less what each fall of the rate brings.

    With S(t) the sum of the rates up to t, warmup included, and S_k(t) that from k on:

        loss(t) = floor + a S(t)**-alpha
                  - b sum_{k <= t} (rate_{k-1} - rate_k) G(rate_k**-gamma S_k(t))
        G(x) = 1 - (1 + c x)**-beta

    The authors' code lets the rise of the warmup into the sum, which lifts the curve by
    0.1 and more; their optimiser of schedules leaves it out. Parameters they publish
    belong to the first form.

    Attributes:
        floor: Irreducible loss.
        a: Of the power law; > 0.
        alpha: Its exponent; > 0.
        b: Of the falls; > 0.
        c: Of G; > 0.
        beta: Of G; > 0.
        gamma: Of the rate within G.
        warmup_rise: Whether the rise of the warmup is in the sum.
        merge: Longest run of falls that counts as one, in updates; 1 is exact, 64 off
            by some 2e-4 and fifty times faster on a cosine.

    Raises:
        FitError: A value is outside its range.

    Source:
        Luo et al. 2025, arXiv:2503.12811, and the code beside it.

    Examples:
        >>> law = MultiPower(
        ...     floor=3.04045406, a=0.52468604, alpha=0.50786857, b=363.78751622,
        ...     c=2.06560812, beta=0.58279013, gamma=0.64142257,
        ... )
        >>> warmup = [3e-4 * t / 2159 for t in range(2160)]
        >>> law.loss(warmup + [3e-4] * 21841, [23920]).round(5).tolist()
        [3.34619]
    """

    floor: float
    a: float
    alpha: float
    b: float
    c: float
    beta: float
    gamma: float
    warmup_rise: bool = True
    merge: int = 1

    def __post_init__(self) -> None:
        """Check every field."""
        check_fields(self, positive=("a", "alpha", "b", "c", "beta", "merge"))

    def loss(self, rates: Any, steps: Any) -> Floats:
        """See `Law.loss`."""
        return self.jacobian(rates, steps)[0]

    def jacobian(self, rates: Any, steps: Any) -> tuple[Floats, Floats]:
        """Return the losses, and the derivatives by floor, a, alpha, b, c, beta, gamma.

        Returns:
            Shapes (n,) and (n, 7).
        """
        array = check_rates(rates, "MultiPower")
        wanted = check_steps(steps, len(array), "MultiPower")
        total = np.cumsum(array)
        signal = array
        if not self.warmup_rise:
            signal = array.copy()
            signal[: int(np.argmax(array))] = array.max()
        found = changes(signal, array, total, wanted, self.merge)
        made = respond(
            found, total, wanted, scale=self.c, beta=self.beta, exponent=self.gamma
        )
        log_sum = np.log(np.maximum(total[wanted], np.finfo(float).tiny))
        power = np.exp(-self.alpha * log_sum)
        loss = self.floor + self.a * power + self.b * made.value
        slopes = [
            np.ones_like(loss),
            power,
            -self.a * log_sum * power,
            made.value,
            self.b * made.by_log_scale / self.c,
            self.b * made.by_beta,
            self.b * made.by_exponent,
        ]
        return loss, np.stack(slopes, axis=-1)
