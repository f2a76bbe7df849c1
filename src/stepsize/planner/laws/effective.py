"""The effective-rate law, stepsize's own: progress and noise at rate over norm."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, final

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.laws import effective_pass
from stepsize.planner.laws.blocks import cut
from stepsize.planner.laws.law import (
    Floats,
    Ints,
    check_fields,
    check_rates,
    check_steps,
)

_EXACT = 1500
"""Most points that get an end of a block each; more are interpolated."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveRate:
    """Loss from progress and noise, both at the rate relative to the weights' norm.

    What moves a network is its rate over some power of the norm of its weights, and
    under weight decay that norm is itself a slow answer to the rate. With g = rate /
    unit, for each update:

        R <- R + (growth g - R) (1 - exp(-shrinkage g))      squared norm, R = 1 first
        e  = g R**-norm_power                                effective rate, R halfway
        X <- X + e**time_power                               effective time
        n_m <- n_m + (e**noise_power - n_m) (1 - exp(-speed u_m e))
        loss = scale (floor + progress ((X + offset) / reference)**-exponent
                      + noise sum_m w_m n_m)

    The noise relaxes at sixteen rates u_m = exp(-9 + 3 m / 4) with weights w_m in
    proportion to u_m**tilt exp(-u_m). Evaluated over blocks of updates (`blocks`).

    Attributes:
        floor: Irreducible loss. Unit: scale.
        progress: What is still to be learned at X = reference. Unit: scale; > 0.
        exponent: Of the power law of progress; > 0.
        noise: Loss that a rate of one unit costs at equilibrium. Unit: scale; > 0.
        speed: Of relaxation of the noise, per update at one unit; > 0.
        tilt: Of the spectrum; 0 is even in the logarithm of time.
        noise_power: Noise is in proportion to this power of the effective rate.
        time_power: So is progress an update.
        shrinkage: Of the squared norm, per update at one unit: twice unit * weight
            decay under AdamW; >= 0.
        growth: Squared norm at equilibrium at one unit, of its start; > 0.
        norm_power: 0.5 where only the direction of weights matters.
        offset: Time that initialisation is worth. Unit: X; > 0.
        unit: Rate that counts as one. Unit: lr; > 0.
        reference: Time at which `progress` is stated. Unit: X; > 0.
        scale: What losses are measured in; > 0.

    Raises:
        FitError: A value is outside its range.

    Source:
        stepsize. The form of progress and noise: Luo et al. 2025, arXiv:2503.12811, and
        Li et al. 2025, arXiv:2509.19189; norms at equilibrium under weight decay:
        Kosson et al. 2024, arXiv:2305.17212.

    Examples:
        >>> law = EffectiveRate(
        ...     floor=0.93, progress=0.03, exponent=0.58, noise=0.2, speed=2.0,
        ...     tilt=0.0, noise_power=0.9, time_power=1.1, shrinkage=2e-4,
        ...     growth=6.0, norm_power=0.6, offset=10.0,
        ...     unit=1e-3, reference=2e4, scale=3.0,
        ... )
        >>> law.loss([3e-4] * 8000 + [3e-5] * 2000, [7999, 9999]).round(2).tolist()
        [3.3, 3.22]
    """

    floor: float
    progress: float
    exponent: float
    noise: float
    speed: float
    tilt: float
    noise_power: float
    time_power: float
    shrinkage: float
    growth: float
    norm_power: float
    offset: float
    unit: float = 1e-3
    reference: float = 25_000.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check every field."""
        names = ("progress", "exponent", "noise", "speed", "growth", "offset")
        check_fields(self, positive=(*names, "unit", "reference", "scale"))
        if self.shrinkage < 0:
            rule, got = "be >= 0", self.shrinkage
            raise FitError(describe("EffectiveRate.shrinkage", rule, got))

    @classmethod
    def of(
        cls, theta: Floats, *, unit: float, reference: float, scale: float
    ) -> EffectiveRate:
        """Return the law of a vector of parameters (`effective_pass.SLOTS`)."""
        plain = [float(value) for value in theta]
        for at in LOGARITHMIC:
            plain[at] = math.exp(plain[at])
        names = [one.name for one in fields(cls)][: len(plain)]
        return cls(
            **dict(zip(names, plain, strict=True)),
            unit=unit,
            reference=reference,
            scale=scale,
        )

    @property
    def theta(self) -> Floats:
        """The vector of parameters, logarithms where they are positive."""
        plain = [getattr(self, one.name) for one in fields(self)]
        plain = plain[: len(effective_pass.SLOTS)]
        for at in LOGARITHMIC:
            plain[at] = math.log(max(plain[at], 1e-300))
        return np.array(plain)

    def loss(self, rates: Any, steps: Any) -> Floats:
        """See `Law.loss`."""
        return self._evaluate(rates, steps, derive=False)[0]

    def jacobian(self, rates: Any, steps: Any) -> tuple[Floats, Floats]:
        """Return the losses, and their derivatives by the entries of `theta`.

        Returns:
            Shapes (n,) and (n, 12); unit, reference and scale are constants.
        """
        loss, slopes = self._evaluate(rates, steps, derive=True)
        return loss, np.empty((len(loss), 0)) if slopes is None else slopes

    def _evaluate(
        self, rates: Any, steps: Any, *, derive: bool
    ) -> tuple[Floats, Floats | None]:
        owner = "EffectiveRate"
        array = check_rates(rates, owner)
        wanted = check_steps(steps, len(array), owner)
        points, back = np.unique(wanted, return_inverse=True)
        anchors = points if len(points) <= _EXACT else _thinned(points)
        blocks = cut([(array, anchors)])
        loss, slopes = effective_pass.values(
            self.theta, blocks, self.unit, self.reference, derive=derive
        )
        found = np.interp(points, anchors, self.scale * loss[0])[back]
        if slopes is None:
            return found, None
        columns = [
            np.interp(points, anchors, self.scale * column)[back]
            for column in slopes[0].T
        ]
        return found, np.stack(columns, axis=-1)


LOGARITHMIC = tuple(
    at for at, name in enumerate(effective_pass.SLOTS) if name.startswith("log_")
)


def _thinned(points: Ints) -> Ints:
    """Return points that stand for many: even in the step and in its logarithm."""
    even = np.linspace(0, len(points) - 1, _EXACT // 2)
    early = np.geomspace(1, len(points), _EXACT // 2) - 1
    chosen = np.unique(np.concatenate([even, early]).astype(np.int64))
    kept: Ints = points[chosen]
    return kept
