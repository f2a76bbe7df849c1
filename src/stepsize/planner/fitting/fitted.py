"""`FittedLaw`: a law with its uncertainty, fitted to recorded runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self, final

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.fitting import diagnosis
from stepsize.planner.laws.effective import EffectiveRate
from stepsize.planner.laws.effective_pass import SLOTS
from stepsize.planner.laws.law import Floats, check_rates
from stepsize.schedules.durations import whole

if TYPE_CHECKING:
    from stepsize.control.policies.forecast import Forecast
    from stepsize.planner.best.optimum import Optimum
    from stepsize.schedules.schedule import Schedule

QUANTILE = 1.6448536269514722
"""Of the normal distribution at 95 %, for intervals of 90 %."""
SHRINK = 0.75
"""Factor on the deviation that the fit claims, and"""
RUN_NOISE = 0.0008
"""relative deviation of a run from what its law says: both so that intervals cover nine
of ten on the recorded runs (`python -m benchmarks.laws calibration`)."""
PEAK_NOISE = 0.004
"""Relative deviation of a run at an unseen peak rate, for each factor of e that this is
off the nearest one seen; set so, on the recorded runs, too."""
VERSION = 1
_COUNTS = ("horizon", "warmup", "shortest_warmup", "first")


class Prediction(NamedTuple):
    """A predicted curve with its 90 % interval.

    Attributes:
        mean: Most probable losses, float64 array, shape (n,).
        low: Lower ends, the same shape.
        high: Upper ends.
    """

    mean: Floats
    low: Floats
    high: Floats


def interval(mean: Floats, half: Floats) -> Prediction:
    """Return losses with an interval of this half width; none reaches below 0."""
    low = np.maximum(mean - half, np.minimum(mean, 0.0))
    return Prediction(mean, low, mean + half)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedLaw:
    """A law, what is uncertain about it, and what it has seen.

    Attributes:
        law: The most probable law.
        covariance: Of its `theta`, shape (12, 12).
        misfit: Factor on `covariance` in intervals where it is above 1: the mean square
            of the residuals in units of what was assumed, times 4 for each time that
            the prior had to be made twice as wide.
        run_noise: Relative deviation of what one more run reads from its law.
        peaks: Peak rates seen, rising. Unit: lr.
        horizon: Longest run seen. Unit: updates.
        warmup: Longest warmup seen. Unit: updates.
        shortest_warmup: Shortest. Unit: updates.
        first: First step that the fit used, the latest over the runs.
        lowest: Lowest rate seen after a warmup, as a share of its peak.
        diagnosis: What the runs given do not identify, a sentence each.
        prior: Where the prior was from.
    """

    law: EffectiveRate
    covariance: Floats
    misfit: float
    run_noise: float
    peaks: tuple[float, ...]
    horizon: int
    warmup: int
    shortest_warmup: int
    first: int
    lowest: float
    diagnosis: tuple[str, ...]
    prior: str

    def loss(self, rates: Any, steps: Any) -> Floats:
        """Return the most probable losses: see `Law.loss`."""
        return self.law.loss(rates, steps)

    def predict(self, rates: Any, steps: Any) -> Prediction:
        """Return the loss curve of any schedule, with 90 % intervals.

        Intervals are for what one more run would read, its seed included, and wider
        the farther its peak is from those seen.

        Args:
            rates: Rate of every update, float array, shape (T,). Unit: lr; >= 0.
            steps: Where the loss is wanted, int array, shape (n,), each in 0..T.

        Returns:
            Mean, low and high, each of shape (n,).

        Raises:
            FitError: A value is outside its range.
        """
        loss, slopes = self.law.jacobian(rates, steps)
        own = np.hypot(self.run_noise, PEAK_NOISE * self.apart(rates))
        half = QUANTILE * np.sqrt(self._variance(slopes) + (own * loss) ** 2)
        return interval(loss, half)

    def doubts(self, rates: Any) -> tuple[str, ...]:
        """Return what sets a schedule apart from the runs seen, a sentence each."""
        array = check_rates(rates, "FittedLaw.doubts")
        return diagnosis.of_prediction(
            array,
            len(array),
            peaks=self.peaks,
            horizon=self.horizon,
            first=self.first,
        )

    def apart(self, rates: Any) -> float:
        """Return how far the peak of a run is from the nearest seen: |ln ratio|."""
        peak = float(check_rates(rates, "FittedLaw.apart").max())
        return min(abs(math.log(peak / seen)) for seen in self.peaks)

    def joint(self, slopes: Floats) -> Floats:
        """Return the covariance of several losses, without the noise of runs and peaks.

        Args:
            slopes: Derivatives by `theta`, shape (n, 12).

        Returns:
            Shape (n, n).
        """
        factor = SHRINK**2 * max(1.0, self.misfit)
        joint: Floats = factor * (slopes @ self.covariance @ slopes.T)
        return joint

    def optimize(
        self,
        *,
        steps: int,
        peak_lr: float | None = None,
        warmup: int | None = None,
        floor: float = 0.0,
        monotone: bool = True,
        max_slope: float | None = None,
    ) -> Schedule:
        """Return the schedule with the lowest predicted loss at the end.

        `optimum` says more: the nearest named schedule, and what simplicity costs.

        Args:
            steps: Updates of the run; int >= 16.
            peak_lr: Highest rate; None: the best of those seen. Unit: lr; > 0.
            warmup: Length of its linear warmup. Unit: updates; None: the shortest
                seen.
            floor: Lowest rate after the warmup, as a share of the peak; 0 <= floor < 1.
            monotone: Whether the rate may only fall after the warmup.
            max_slope: Steepest fall, in peaks per run: 5.0 takes at least a fifth of
                the run from the peak to 0. None: as steep as helps.

        Returns:
            A warmup and knots. It depends on the number of steps: resolve it with it.

        Raises:
            FitError: A value is outside its range.
        """
        return self.optimum(
            steps=steps,
            peak_lr=peak_lr,
            warmup=warmup,
            floor=floor,
            monotone=monotone,
            max_slope=max_slope,
        ).schedule

    def optimum(
        self,
        *,
        steps: int,
        peak_lr: float | None = None,
        warmup: int | None = None,
        floor: float = 0.0,
        monotone: bool = True,
        max_slope: float | None = None,
    ) -> Optimum:
        """Return what `optimize` found, and what it was compared with.

        Args:
            steps: As in `optimize`, as are the others.
            peak_lr: See there.
            warmup: See there.
            floor: See there.
            monotone: See there.
            max_slope: See there.

        Raises:
            FitError: A value is outside its range.
        """
        from stepsize.planner.best.optimum import Constraints, optimum

        constraints = Constraints(
            steps=steps,
            peak_lr=(self.peaks[0], self.peaks[-1]) if peak_lr is None else peak_lr,
            warmup=self.shortest_warmup if warmup is None else warmup,
            floor=floor,
            monotone=monotone,
            max_slope=max_slope,
        )
        return optimum(self.law, constraints)

    def forecast(self) -> Forecast:
        """Return the law as `CooldownWhen` carries it along with a run."""
        from stepsize.control.policies.forecast import Forecast

        plain = asdict(self.law)
        return Forecast(**plain, lowest=self.lowest, first=self.first)

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain; `from_dict` builds it again."""
        law = self.law
        return {
            "law": "EffectiveRate",
            "version": VERSION,
            "parameters": dict(zip(SLOTS, law.theta.tolist(), strict=True)),
            "unit": law.unit,
            "reference": law.reference,
            "scale": law.scale,
            "covariance": self.covariance.tolist(),
            "misfit": self.misfit,
            "run_noise": self.run_noise,
            "peaks": list(self.peaks),
            "horizon": self.horizon,
            "warmup": self.warmup,
            "shortest_warmup": self.shortest_warmup,
            "first": self.first,
            "lowest": self.lowest,
            "diagnosis": list(self.diagnosis),
            "prior": self.prior,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the law that `to_dict` gave this mapping.

        Raises:
            FitError: It is no such mapping, or of another version.
        """
        head = {"law": "EffectiveRate", "version": VERSION}
        if not isinstance(plain, Mapping) or any(
            plain.get(key) != value for key, value in head.items()
        ):
            rule = f"be a mapping with law 'EffectiveRate' and version {VERSION}"
            raise FitError(describe("FittedLaw.from_dict", rule, plain))
        try:
            theta = np.array([float(plain["parameters"][name]) for name in SLOTS])
            law = EffectiveRate.of(
                theta,
                unit=plain["unit"],
                reference=plain["reference"],
                scale=plain["scale"],
            )
            covariance = np.array(plain["covariance"], dtype=np.float64)
            peaks = tuple(float(one) for one in plain["peaks"])
            numbers = (*peaks, float(plain["misfit"]), float(plain["run_noise"]))
            if covariance.shape != (len(SLOTS), len(SLOTS)) or not peaks:
                message = f"covariance of shape {covariance.shape}, {len(peaks)} peaks"
                raise ValueError(message)
            if not (np.isfinite(covariance).all() and np.isfinite(numbers).all()):
                message = "a number is not finite"
                raise ValueError(message)
            counts = [whole(plain[name]) for name in _COUNTS]
            if not all(one is not None and one >= 0 for one in counts):
                message = f"{', '.join(_COUNTS)} are no ints >= 0"
                raise ValueError(message)
            return cls(
                law=law,
                covariance=covariance,
                misfit=float(plain["misfit"]),
                run_noise=float(plain["run_noise"]),
                peaks=peaks,
                horizon=int(plain["horizon"]),
                warmup=int(plain["warmup"]),
                shortest_warmup=int(plain["shortest_warmup"]),
                first=int(plain["first"]),
                lowest=float(plain["lowest"]),
                diagnosis=tuple(plain["diagnosis"]),
                prior=str(plain["prior"]),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            rule = "have what to_dict writes"
            raise FitError(
                describe("FittedLaw.from_dict", rule, plain, hint=str(error))
            ) from error

    def __str__(self) -> str:
        """Return the law's main numbers and its diagnosis, a line each."""
        law = self.law
        lines = [
            f"loss floor {law.floor * law.scale:.4g}, seen {self.horizon} updates at "
            f"peaks {self.peaks[0]:g} to {self.peaks[-1]:g}"
        ]
        lines += [f"note: {one}" for one in self.diagnosis]
        return "\n".join(lines)

    def _variance(self, slopes: Floats) -> Floats:
        factor = SHRINK**2 * max(1.0, self.misfit)
        variance: Floats = factor * np.einsum(
            "ni,ij,nj->n", slopes, self.covariance, slopes
        )
        return variance
