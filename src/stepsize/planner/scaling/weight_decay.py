"""The time scale of weight decay, and what keeps it; formulas, no advice.

As torch's AdamW and SGD apply it, w -= lr * weight_decay * w, the weights are a running
average of updates over 1 / (lr * weight_decay) updates.
"""

from __future__ import annotations

from stepsize.schedules.arguments import number

POWER_LINES_EXPONENT = -0.527
"""Exponent of tokens per parameter in the best time scale; Bergsma et al. 2025,
arXiv:2505.13738, section 3: 111M to 3.3B parameters, AdamW, muP."""


def timescale(lr: float, weight_decay: float) -> float:
    """Return the updates over which weights average: 1 / (lr * weight_decay).

    Source:
        Wang & Aitchison 2024, arXiv:2405.13698.

    Examples:
        >>> round(timescale(1e-3, 0.1))
        10000
    """
    rate = number(lr, "timescale.lr", open_low=True, unit="lr")
    return 1 / (rate * number(weight_decay, "timescale.weight_decay", open_low=True))


def timescale_of_run(lr: float, weight_decay: float, steps: float) -> float:
    """Return the time scale as a share of the run: B / (lr * weight_decay * D).

    Args:
        lr: Peak rate; > 0.
        weight_decay: As torch applies it; > 0.
        steps: Updates of the run (D / B); > 0.

    Source:
        Bergsma et al. 2025, arXiv:2505.13738, section 2.

    Examples:
        >>> round(timescale_of_run(1e-3, 0.1, 100_000), 3)
        0.1
    """
    total = number(steps, "timescale_of_run.steps", open_low=True, unit="updates")
    return timescale(lr, weight_decay) / total


def kept(weight_decay: float, lr: float, new_lr: float, fewer_updates: float) -> float:
    """Return the weight decay that keeps the time scale's share of the run.

        weight_decay' = weight_decay * (lr / lr') * (updates / updates')

    At equal samples and k times the batch, updates / updates' = k: so times sqrt(k)
    where the rate goes with the root, unchanged where it is linear.

    Args:
        weight_decay: As torch applies it; >= 0.
        lr: The rate it goes with; > 0.
        new_lr: The new rate; > 0.
        fewer_updates: Updates before over updates after; > 0.

    Source:
        Wang & Aitchison 2024, arXiv:2405.13698; Bergsma et al. 2025,
        arXiv:2505.13738 (linear in the batch at a fixed rate).

    Examples:
        >>> kept(0.1, 1e-3, 2e-3, fewer_updates=4), kept(0.1, 1e-3, 4e-3, 4)
        (0.2, 0.1)
    """
    old = number(lr, "kept.lr", open_low=True, unit="lr")
    new = number(new_lr, "kept.new_lr", open_low=True, unit="lr")
    ratio = number(fewer_updates, "kept.fewer_updates", open_low=True)
    return number(weight_decay, "kept.weight_decay") * (old * ratio / new)


def best_timescale_ratio(tokens_per_parameter: float, new: float) -> float:
    """Return the best time scale's share at another tokens per parameter, relative.

        (new / old) ** -0.527

    Args:
        tokens_per_parameter: D / N of the run that was tuned; > 0.
        new: D / N of the new one; > 0.

    Source:
        Bergsma et al. 2025, arXiv:2505.13738, section 3.

    Examples:
        >>> round(best_timescale_ratio(20, 200), 3)
        0.297
    """
    old = number(tokens_per_parameter, "best_timescale_ratio.old", open_low=True)
    ratio = number(new, "best_timescale_ratio.new", open_low=True) / old
    return float(ratio**POWER_LINES_EXPONENT)
