"""The gradient noise scale, from norms of gradients; no framework, no gradients.

B_simple = tr(Sigma) / |G|^2 is the batch at which the noise of the gradient is as large
as the gradient: far below it, more batch is as good as more updates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.arguments import decay_of
from stepsize.schedules.arguments import number
from stepsize.schedules.durations import whole


class Moments(NamedTuple):
    """Unbiased estimates from one measurement; either may come out negative.

    Attributes:
        signal: |G|^2, squared norm of the mean gradient.
        noise: tr(Sigma), trace of one sample's gradient covariance.
    """

    signal: float
    noise: float

    @property
    def scale(self) -> float | None:
        """The noise scale in samples; None where an estimate is not positive."""
        return noise_scale(self.signal, self.noise)


def from_two_batches(
    small_norm2: float, big_norm2: float, small_batch: float, big_batch: float
) -> Moments:
    """Estimate signal and noise from squared gradient norms at two batch sizes.

        |G|^2     = (B_big |G_big|^2 - B_small |G_small|^2) / (B_big - B_small)
        tr(Sigma) = (|G_small|^2 - |G_big|^2) / (1 / B_small - 1 / B_big)

    Args:
        small_norm2: |G_small|^2, averaged over measurements where there are several.
        big_norm2: |G_big|^2, likewise.
        small_batch: Samples behind G_small; > 0.
        big_batch: Samples behind G_big; > `small_batch`.

    Returns:
        Both estimates. One measurement is very noisy: average each over many (see
        `NoiseMeter`) before dividing.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        McCandlish et al. 2018, arXiv:1812.06162, appendix A.1.

    Examples:
        >>> from_two_batches(3.0, 1.5, small_batch=1, big_batch=4)
        Moments(signal=1.0, noise=2.0)
    """
    low = number(small_norm2, "from_two_batches.small_norm2")
    high = number(big_norm2, "from_two_batches.big_norm2")
    small = number(small_batch, "from_two_batches.small_batch", open_low=True)
    big = number(big_batch, "from_two_batches.big_batch", open_low=True)
    if big <= small:
        rule = "be larger than small_batch"
        hint = "one batch size says nothing of the noise"
        raise InvalidScheduleError(
            describe("from_two_batches.big_batch", rule, big_batch, hint=hint)
        )
    signal = (big * high - small * low) / (big - small)
    noise = (low - high) / (1 / small - 1 / big)
    return Moments(signal, noise)


def from_ranks(
    rank_norms2: Sequence[float], mean_norm2: float, rank_batch: float
) -> Moments:
    """Estimate signal and noise from each rank's gradient and that of all of them.

    The same as two batch sizes: B_small is a rank's batch, B_big all ranks'. Gradients
    of micro-batches and their mean serve likewise.

    Args:
        rank_norms2: Squared norm of each rank's gradient before it is reduced; two or
            more.
        mean_norm2: Squared norm of the mean of these gradients.
        rank_batch: Samples behind one rank's gradient, the same on all; > 0.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Examples:
        >>> from_ranks([3.0, 3.0, 3.0, 3.0], 1.5, rank_batch=1)
        Moments(signal=1.0, noise=2.0)
    """
    ranks = len(rank_norms2)
    if ranks < 2:  # noqa: PLR2004 - one says nothing of the noise
        rule = "have the squared norms of two ranks or more"
        raise InvalidScheduleError(describe("from_ranks.rank_norms2", rule, ranks))
    mean = sum(number(one, "from_ranks.rank_norms2") for one in rank_norms2) / ranks
    return from_two_batches(mean, mean_norm2, rank_batch, ranks * rank_batch)


def noise_scale(signal: float, noise: float) -> float | None:
    """Return B_simple = noise / signal in samples; None where an estimate is <= 0.

    Examples:
        >>> noise_scale(1.0, 2.0), noise_scale(-0.1, 2.0)
        (2.0, None)
    """
    return noise / signal if signal > 0 and noise > 0 else None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseMeter:
    """A running estimate: numerator and denominator are averaged apart.

    A state without side effects: `observe` returns the next one.

    Attributes:
        decay: Weight of the past at each observation; in [0, 1).
        signal: Debiased running mean of |G|^2.
        noise: Debiased running mean of tr(Sigma).
        count: Observations so far; int >= 0.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        McCandlish et al. 2018, arXiv:1812.06162, appendix A.1.

    Examples:
        >>> meter = NoiseMeter()
        >>> for norms in ((3.0, 1.5), (3.2, 1.6)):
        ...     meter = meter.observe(from_two_batches(*norms, 1, 4))
        >>> round(meter.scale, 3)
        2.0
    """

    decay: float = 0.99
    signal: float = 0.0
    noise: float = 0.0
    count: int = 0

    def __post_init__(self) -> None:
        """Check every field."""
        decay_of(self.decay, "NoiseMeter.decay")
        for name in ("signal", "noise"):
            number(getattr(self, name), f"NoiseMeter.{name}", low=-math.inf)
        if (count := whole(self.count)) is None or count < 0:
            rule = "be an int >= 0"
            raise InvalidScheduleError(describe("NoiseMeter.count", rule, self.count))

    def observe(self, moments: Moments) -> NoiseMeter:
        """Return the meter after one more measurement.

        Raises:
            InvalidScheduleError: A value is not finite.
        """
        keep = self.decay
        old = 1 - keep**self.count
        new = 1 - keep ** (self.count + 1)
        return replace(
            self,
            signal=(keep * old * self.signal + (1 - keep) * moments.signal) / new,
            noise=(keep * old * self.noise + (1 - keep) * moments.noise) / new,
            count=self.count + 1,
        )

    @property
    def scale(self) -> float | None:
        """The noise scale in samples; None while the estimate is not positive."""
        return noise_scale(self.signal, self.noise)

    def to_dict(self) -> dict[str, Any]:
        """Return the state, JSON-plain; `NoiseMeter(**state)` is the meter again."""
        return {
            "decay": self.decay,
            "signal": self.signal,
            "noise": self.noise,
            "count": self.count,
        }


class Cost(NamedTuple):
    """What a batch costs, relative to the best possible.

    Attributes:
        updates: Updates over those of an infinite batch, >= 1.
        samples: Samples over those of the smallest batch, >= 1.
    """

    updates: float
    samples: float


def cost(batch: float, critical: float) -> Cost:
    """Return what a batch costs in updates and in samples.

        updates / least = 1 + critical / batch
        samples / least = 1 + batch / critical

    At the critical batch both are twice their least.

    Args:
        batch: Samples in an update; > 0.
        critical: The critical batch, for which the noise scale is an estimate; > 0.

    Source:
        McCandlish et al. 2018, arXiv:1812.06162, section 2.3.

    Examples:
        >>> cost(1000, critical=1000)
        Cost(updates=2.0, samples=2.0)
    """
    b = number(batch, "cost.batch", open_low=True, unit="samples")
    c = number(critical, "cost.critical", open_low=True, unit="samples")
    return Cost(1 + c / b, 1 + b / c)


def critical_batch(least_updates: float, least_samples: float) -> float:
    """Return the critical batch: least samples over least updates.

    Source:
        McCandlish et al. 2018, arXiv:1812.06162, section 2.3.

    Examples:
        >>> critical_batch(1000, 1e6)
        1000.0
    """
    updates = number(least_updates, "critical_batch.least_updates", open_low=True)
    samples = number(least_samples, "critical_batch.least_samples", open_low=True)
    return samples / updates
