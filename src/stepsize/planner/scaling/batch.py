"""How a rate, and what goes with it, follows the batch: formulas, no advice.

k is the new effective batch over the old one (`batch_factor`); k = 1 changes nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.arguments import decay_of
from stepsize.schedules.arguments import number

LINEAR_UNTIL = 4.0
"""Batch factor at which `linear_root` bends; this project's choice from measurements.
On two workloads linear scaling lost at most 2 % up to 4, and broke training of one at 8
and 16; on a third, measured afterwards, it lost 6 % at 4 (docs/scaling/measured.md)."""


class AdamValues(NamedTuple):
    """What the rule for Adam changes.

    Attributes:
        lr: The rate.
        beta1: Decay of the first moment, in [0, 1).
        beta2: Decay of the second moment, in [0, 1).
        eps: Added to the root of the second moment.
        clamped: Names of the betas that the rule would have made negative; they are 0.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float
    clamped: tuple[str, ...]


def batch_factor(from_batch: float, to_batch: float) -> float:
    """Return k, the new effective batch over the old one.

    Args:
        from_batch: Samples in an update, over all ranks and micro-batches; > 0.
        to_batch: Likewise, of the new run.

    Raises:
        InvalidScheduleError: One is no finite number > 0.

    Examples:
        >>> batch_factor(256, 4096)
        16.0
    """
    old = number(from_batch, "scale.from_batch", open_low=True, unit="samples")
    new = number(to_batch, "scale.to_batch", open_low=True, unit="samples")
    return new / old


def linear(lr: float, k: float) -> float:
    """Return lr * k: the rule for SGD, with or without momentum.

    Momentum and weight decay stay. Holds while the batch is far below the critical one
    and the rate is warmed up; on ImageNet up to a batch of 8192.

    Source:
        Goyal et al. 2017, arXiv:1706.02677, section 2.1.

    Examples:
        >>> linear(0.1, 32)
        3.2
    """
    return _rate(lr) * _factor(k)


def square_root(lr: float, k: float) -> float:
    """Return lr * sqrt(k): keeps the variance of an SGD update; Adam's rate.

    Source:
        Krizhevsky 2014, arXiv:1404.5997, section 5; Hoffer et al. 2017,
        arXiv:1705.08741, section 4.

    Examples:
        >>> square_root(0.1, 16)
        0.4
    """
    return _rate(lr) * math.sqrt(_factor(k))


def linear_root(lr: float, k: float) -> float:
    """Return lr * k up to k = 4, and beyond it lr * 4 * sqrt(k / 4); k < 1 in reverse.

    For SGD where the noise scale is not known. The linear rule ends somewhere, at a
    batch that differs by workload, and a rate beyond its end breaks training, while one
    that is too low by a factor of 2 costs little.

    Source:
        The linear rule: Goyal et al. 2017, arXiv:1706.02677. That its end differs by
        workload: Shallue et al. 2019, arXiv:1811.03600. Where it bends: this project's
        measurements.

    Examples:
        >>> linear_root(0.1, 4), linear_root(0.1, 16), linear_root(0.8, 1 / 16)
        (0.4, 0.8, 0.1)
    """
    rate, factor = _rate(lr), _factor(k)
    bend = min(max(factor, 1 / LINEAR_UNTIL), LINEAR_UNTIL)
    return rate * bend * math.sqrt(factor / bend)


def adam(
    lr: float, k: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> AdamValues:
    """Return Adam's values at k times the batch, by its stochastic equation.

        lr' = lr sqrt(k),  1 - beta' = k (1 - beta),  eps' = eps / sqrt(k)

    Two runs with the same k-fold time then follow the same stochastic differential
    equation, as long as noise dominates the gradient. The rule ends where
    k (1 - beta1) reaches 1 (k = 10 for 0.9): there the beta is set to 0, and said.

    Args:
        lr: The rate; finite, > 0.
        k: New batch over old; finite, > 0.
        beta1: In [0, 1).
        beta2: In [0, 1).
        eps: Finite, >= 0.

    Returns:
        The new values.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Malladi et al. 2022, arXiv:2205.10287, section 5.

    Examples:
        >>> values = adam(1e-3, 4)
        >>> values.lr, round(values.beta1, 3), round(values.beta2, 3), values.eps
        (0.002, 0.6, 0.996, 5e-09)
    """
    rate, factor = _rate(lr), _factor(k)
    old = {
        "betas[0]": decay_of(beta1, "adam.beta1"),
        "betas[1]": decay_of(beta2, "adam.beta2"),
    }
    exact = {name: 1.0 - factor * (1.0 - beta) for name, beta in old.items()}
    if factor == 1:
        exact = old  # to the bit
    root = math.sqrt(factor)
    return AdamValues(
        rate * root,
        max(0.0, exact["betas[0]"]),
        max(0.0, exact["betas[1]"]),
        number(eps, "adam.eps") / root,
        tuple(name for name, beta in exact.items() if beta < 0),
    )


def noise_limited(lr: float, from_batch: float, to_batch: float, noise: float) -> float:
    """Return SGD's rate where the gradient's noise is known: linear, then flat.

        lr(B) = lr_max / (1 + noise / B)

    Args:
        lr: The rate at `from_batch`; finite, > 0.
        from_batch: Samples in an update; > 0.
        to_batch: Likewise, of the new run.
        noise: The gradient noise scale, in samples; > 0.

    Source:
        McCandlish et al. 2018, arXiv:1812.06162, section 2.2.

    Examples:
        >>> round(noise_limited(0.1, 32, 64, noise=1e6), 4)  # far below: linear
        0.2
        >>> round(noise_limited(0.1, 1e8, 2e8, noise=1e4), 4)  # far above: flat
        0.1
    """
    batch_factor(from_batch, to_batch)
    b_noise = _noise(noise)
    return _rate(lr) * (1 + b_noise / from_batch) / (1 + b_noise / to_batch)


def surge(lr: float, from_batch: float, to_batch: float, noise: float) -> float:
    """Return the rate of Adam or Lion where the noise is known: up, then down.

        lr(B) = lr_max / ((sqrt(noise / B) + sqrt(B / noise)) / 2)

    Sign-like updates keep their size however exact the gradient is, so the best rate
    rises as sqrt(B) up to B = noise and falls beyond it.

    Args:
        lr: The rate at `from_batch`; finite, > 0.
        from_batch: Samples in an update; > 0.
        to_batch: Likewise, of the new run.
        noise: The gradient noise scale, in samples; > 0.

    Source:
        Li et al. 2024, arXiv:2405.14578, section 2.

    Examples:
        >>> round(surge(1e-3, 100, 1000, noise=1000) / 1e-3, 3)
        1.739
        >>> surge(1e-3, 1000, 10_000, noise=1000) < 1e-3
        True
    """
    batch_factor(from_batch, to_batch)
    b_noise = _noise(noise)

    def spread(batch: float) -> float:
        return math.sqrt(b_noise / batch) + math.sqrt(batch / b_noise)

    return _rate(lr) * spread(from_batch) / spread(to_batch)


def half_life(beta: float, k: float) -> float:
    """Return beta**k: a moment's half-life in samples (tokens) stays.

    Source:
        Marek et al. 2025, arXiv:2507.07101, for beta2 of language models with small
        batches. For small k (1 - beta) equal to the rule of `adam`.

    Examples:
        >>> half_life(0.5, 2)
        0.25
    """
    past, factor = decay_of(beta, "half_life.beta"), _factor(k)
    return past if factor == 1 else past**factor


def adascale_gain(variance: float, signal: float, scale: float) -> float:
    """Return how much an update with S times the batch is worth, from 1 to S.

        r = (variance + signal) / (variance / S + signal)

    The rate is multiplied by r, and the schedule advances by r instead of 1.

    Args:
        variance: Trace of the covariance of one worker's gradient; >= 0.
        signal: Squared norm of the mean gradient; >= 0, not both 0.
        scale: S, new batch over old; >= 1.

    Source:
        Johnson et al. 2020, arXiv:2007.05105, algorithm 1.

    Examples:
        >>> adascale_gain(1.0, 0.0, 8), adascale_gain(0.0, 1.0, 8)
        (8.0, 1.0)
    """
    v = number(variance, "adascale_gain.variance")
    s = number(signal, "adascale_gain.signal")
    by = number(scale, "adascale_gain.scale", low=1.0)
    if v == s == 0:
        rule = "be > 0, or variance: without both there is no gradient"
        raise InvalidScheduleError(describe("adascale_gain.signal", rule, signal))
    return (v + s) / (v / by + s)


def _rate(lr: float) -> float:
    return number(lr, "scale.lr", open_low=True, unit="lr")


def _factor(k: float) -> float:
    return number(k, "scale.k", open_low=True)


def _noise(noise: float) -> float:
    return number(noise, "scale.noise_scale", open_low=True, unit="samples")
