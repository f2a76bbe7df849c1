"""Intervals and tests over seeds: means, paired differences, Holm's correction.

Not here: which runs are compared (summary.py) and what is said (report/).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import special

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

CONFIDENCE = 0.95
RESAMPLES = 9999
FEWEST_TO_RESAMPLE = 5
"""With fewer values a bootstrap interval is far too narrow: of 3 seeds there are but
10 different resamples."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over seeds with its Student t interval.

        mean +- t(0.975, n - 1) * std / sqrt(n),   std with n - 1 in the denominator

    Attributes:
        mean: Mean of the values. Unit: that of the values.
        std: Standard deviation over seeds; None for a single seed.
        low: Lower end of the 95 % interval; None where there is none.
        high: Upper end of the 95 % interval; None where there is none.
        n: Number of seeds; int >= 1.
        p: Two-sided p-value that the true mean is 0; None where there is none.
        bootstrap: Ends of the 95 % percentile bootstrap interval, which supposes no
            normal distribution; None with fewer than 5 seeds or no spread.
        why_no_interval: Why there is no interval; empty if there is one.
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None
    n: int
    p: float | None = None
    bootstrap: tuple[float, float] | None = None
    why_no_interval: str = ""

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval, the number after the +-."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval and 0 lies outside of it."""
        return (self.low is not None and self.low > 0) or (
            self.high is not None and self.high < 0
        )


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean, interval and p-value of one value per seed.

    Equal values have no spread to estimate an interval from, so they get none, unless
    all are 0 (no difference at all: the interval is 0 to 0 and p is 1).

    Args:
        values: One finite value per seed.

    Returns:
        The estimate; None for no values.

    Examples:
        >>> e = estimate([1.0, 2.0, 3.0])
        >>> round(e.mean, 3), round(e.low, 3), round(e.high, 3)
        (2.0, -0.484, 4.484)
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return None
    n = int(array.size)
    mean = float(array.mean())
    if n == 1:
        why = "one seed has no spread: give --seeds 3 or more"
        return Estimate(
            mean=mean, std=None, low=None, high=None, n=1, why_no_interval=why
        )
    if np.ptp(array) <= 1e-12 * np.abs(array).max():
        mean = float(array[0])
        if mean == 0:
            return Estimate(mean=0.0, std=0.0, low=0.0, high=0.0, n=n, p=1.0)
        why = "every seed gave the same value, so there is no spread to judge by"
        return Estimate(
            mean=mean, std=0.0, low=None, high=None, n=n, why_no_interval=why
        )
    with np.errstate(over="ignore"):  # of a run that exploded: infinite, and said so
        std = float(array.std(ddof=1))
    if not np.isfinite(std):
        why = "a run exploded: its value is beyond what an interval can be made of"
        return Estimate(
            mean=mean, std=std, low=None, high=None, n=n, why_no_interval=why
        )
    error = std / n**0.5
    half = float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * error
    p = float(2 * special.stdtr(n - 1, -abs(mean) / error))
    return Estimate(
        mean=mean,
        std=std,
        low=mean - half,
        high=mean + half,
        n=n,
        p=p,
        bootstrap=_bootstrap(array),
    )


def paired(values: dict[int, float], baseline: dict[int, float]) -> Estimate | None:
    """Estimate of the difference of two arms, seed by seed.

    Args:
        values: Seed -> value of the arm.
        baseline: Seed -> value of the arm compared with.

    Returns:
        The estimate of `values - baseline` over the seeds that both have; None if
        they have none in common.

    Examples:
        >>> paired({0: 2.0, 1: 4.0}, {0: 1.0, 1: 2.0, 2: 9.0}).mean
        1.5
    """
    seeds = sorted(values.keys() & baseline.keys())
    return estimate([values[seed] - baseline[seed] for seed in seeds])


def _bootstrap(values: FloatArray) -> tuple[float, float] | None:
    """Ends of the interval over resampled means; the same for the same values.

    Source:
        Efron 1979, Bootstrap methods: another look at the jackknife.
    """
    if values.size < FEWEST_TO_RESAMPLE:
        return None
    drawn = np.random.default_rng(0).integers(0, values.size, (RESAMPLES, values.size))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values[drawn].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """P-values corrected for the number of comparisons, by Holm's step-down.

    With p(1) <= ... <= p(m):

        corrected(k) = min(1, max over j <= k of (m - j + 1) * p(j))

    Args:
        p_values: One p-value per comparison, in [0, 1]; None is left out of the
            count and stays None.

    Source:
        Holm 1979, A simple sequentially rejective multiple test procedure.

    Examples:
        >>> holm([0.01, None, 0.04, 0.03])
        (0.03, None, 0.06, 0.06)
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(known):
        largest = max(largest, (len(known) - rank) * p)
        corrected[index] = min(1.0, largest)
    return tuple(corrected)
