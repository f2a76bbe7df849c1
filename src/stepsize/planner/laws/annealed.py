"""Laws in intrinsic time: the functional scaling law, and annealed intrinsic time."""

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
class AnnealedTime:
    """Progress in a power of the rate, noise in another.

        X(t) = sum_{s <= t} rate_s**time_power
        loss(t) = floor + a (X(t) / reference)**-alpha + b N(t)
        N(t) = sum_{k <= t} (rate_k**noise_power - rate_{k-1}**noise_power)
               (1 - (1 + c (X(t) - X(k - 1)))**-beta),   rate_{-1} = 0

    The rise of the warmup is in the sum.

    Attributes:
        floor: Irreducible loss.
        a: Of progress, at X = reference; > 0.
        alpha: Its exponent; > 0.
        b: Of the noise; > 0.
        c: Speed of its relaxation; > 0. Unit: 1 / X.
        beta: Of its relaxation; > 0.
        noise_power: See above; > 0.
        time_power: See above; > 0.
        reference: Unit of X; > 0.
        merge: As in `MultiPower`.

    Raises:
        FitError: A value is outside its range.

    Source:
        stepsize; between Luo et al. 2025, arXiv:2503.12811, and Li et al. 2025,
        arXiv:2509.19189, with exponents of their own.

    Examples:
        >>> law = AnnealedTime(
        ...     floor=3.0, a=2.0, alpha=0.55, b=35.0, c=10.0, beta=1.0,
        ...     noise_power=0.7, time_power=0.7,
        ... )
        >>> warmup = [3e-4 * t / 2159 for t in range(2160)]
        >>> law.loss(warmup + [3e-4] * 100, [2160]).round(6).tolist()
        [4.004565]
    """

    floor: float
    a: float
    alpha: float
    b: float
    c: float
    beta: float
    noise_power: float = 1.0
    time_power: float = 1.0
    reference: float = 1.0
    merge: int = 1

    def __post_init__(self) -> None:
        """Check every field."""
        names = ("a", "alpha", "b", "c", "beta", "noise_power", "time_power")
        check_fields(self, positive=(*names, "reference", "merge"))

    def loss(self, rates: Any, steps: Any) -> Floats:
        """See `Law.loss`."""
        return self.jacobian(rates, steps)[0]

    def jacobian(self, rates: Any, steps: Any) -> tuple[Floats, Floats]:
        """Return the losses, and the derivatives by floor, a, alpha, b, c and beta.

        Returns:
            Shapes (n,) and (n, 6); the powers are constants here.
        """
        array = check_rates(rates, "AnnealedTime")
        wanted = check_steps(steps, len(array), "AnnealedTime")
        time = np.cumsum(array**self.time_power)
        signal = np.concatenate([[0.0], array**self.noise_power])
        # shifted by one, so that the first rate is a change from 0
        shifted = np.concatenate([[0.0], time])
        padded = np.concatenate([array[:1], array])
        found = changes(signal, padded, shifted, wanted + 1, self.merge)
        made = respond(
            found, shifted, wanted + 1, scale=self.c, beta=self.beta, exponent=0.0
        )
        now = np.maximum(time[wanted], np.finfo(float).tiny)
        log_time = np.log(now / self.reference)
        power = np.exp(-self.alpha * log_time)
        loss = self.floor + self.a * power + self.b * made.value
        slopes = [
            np.ones_like(loss),
            power,
            -self.a * log_time * power,
            made.value,
            self.b * made.by_log_scale / self.c,
            self.b * made.by_beta,
        ]
        return loss, np.stack(slopes, axis=-1)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionalScaling:
    """Progress in the sum of rates, noise convolved with a power-law memory.

    `AnnealedTime` with both powers 1: the multi-power law with gamma = 0 and the rise
    of the warmup in its sum.

    Attributes:
        floor: Irreducible loss.
        a: Of progress, at a sum of rates of 1; > 0.
        alpha: Its exponent; > 0.
        b: Of the noise; > 0. Unit: loss / lr.
        c: Speed of its relaxation; > 0. Unit: 1 / lr.
        beta: Of its relaxation; > 0.
        merge: As in `MultiPower`.

    Raises:
        FitError: A value is outside its range.

    Source:
        Li et al. 2025, arXiv:2509.19189, summed by parts.

    Examples:
        >>> law = FunctionalScaling(floor=3, a=0.5, alpha=0.5, b=300, c=10, beta=1)
        >>> law.loss([3e-4] * 9000 + [3e-5] * 999, [8999, 9998]).round(3).tolist()
        [3.391, 3.371]
    """

    floor: float
    a: float
    alpha: float
    b: float
    c: float
    beta: float
    merge: int = 1

    def __post_init__(self) -> None:
        """Check every field."""
        check_fields(self, positive=("a", "alpha", "b", "c", "beta", "merge"))

    def loss(self, rates: Any, steps: Any) -> Floats:
        """See `Law.loss`."""
        return self.jacobian(rates, steps)[0]

    def jacobian(self, rates: Any, steps: Any) -> tuple[Floats, Floats]:
        """Return the losses and the derivatives: see `AnnealedTime.jacobian`."""
        same = AnnealedTime(
            floor=self.floor,
            a=self.a,
            alpha=self.alpha,
            b=self.b,
            c=self.c,
            beta=self.beta,
            merge=self.merge,
        )
        return same.jacobian(rates, steps)
