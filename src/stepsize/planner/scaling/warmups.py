"""How long to warm up, and how that follows the batch: formulas, no advice."""

from __future__ import annotations

import math
from typing import NamedTuple

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.arguments import decay_of
from stepsize.schedules.arguments import number

LAMB_LR = 5e-3
"""Rate of LAMB at a batch of 32768; You et al. 2020, arXiv:1904.00962, table 4."""
LAMB_WARMUP = 0.2
"""Share of the run that it warms up for there; the same table."""
LAMB_BATCH = 32768
"""The batch that both are said for; the same table, which begins at 512."""


class LambValues(NamedTuple):
    """LAMB's values at a batch.

    Attributes:
        lr: Peak rate.
        warmup: Share of the run, in (0, 1].
    """

    lr: float
    warmup: float


def untuned(beta2: float) -> int:
    """Return Adam's warmup that needs no tuning: 2 / (1 - beta2) updates.

    By then the second moment has seen enough gradients that the update's size is no
    longer that of the first few.

    Args:
        beta2: Decay of the second moment; in [0, 1).

    Source:
        Ma & Yarats 2019, arXiv:1910.04209.

    Examples:
        >>> untuned(0.999), untuned(0.95)
        (2000, 40)
    """
    beta = decay_of(beta2, "untuned.beta2")
    return round(2 / (1 - beta))


def lamb(batch: float) -> LambValues:
    """Return LAMB's rate and warmup for BERT at a batch from 512 to 32768.

        lr = 5e-3 sqrt(batch / 32768),  warmup = 0.2 batch / 32768 of the run

    At equal samples that is the same number of warmup updates at every batch.

    Args:
        batch: Samples in an update; > 0.

    Source:
        You et al. 2020, arXiv:1904.00962, table 4.

    Examples:
        >>> lamb(512)
        LambValues(lr=0.000625, warmup=0.003125)
    """
    share = number(batch, "lamb.batch", open_low=True, unit="samples") / LAMB_BATCH
    return LambValues(LAMB_LR * math.sqrt(share), min(1.0, LAMB_WARMUP * share))


def scaled_warmup(updates: float, k: float, keep: str) -> int:
    """Return a warmup's updates at k times the batch.

        keep="samples"   updates / k   as Goyal et al. 2017: 5 epochs at every batch
        keep="updates"   updates       as LEGW: the warmup's epochs grow with the batch

    Args:
        updates: Length of the warmup; > 0.
        k: New batch over old; > 0.
        keep: "samples" or "updates".

    Returns:
        At least 1.

    Source:
        Goyal et al. 2017, arXiv:1706.02677, section 2.2; You et al. 2019,
        arXiv:1901.08256 (LEGW).

    Examples:
        >>> scaled_warmup(1000, 4, "samples"), scaled_warmup(1000, 4, "updates")
        (250, 1000)
    """
    length = number(updates, "scaled_warmup.updates", open_low=True, unit="updates")
    factor = number(k, "scaled_warmup.k", open_low=True)
    if keep not in {"samples", "updates"}:
        rule = 'be "samples" or "updates"'
        raise InvalidScheduleError(describe("scaled_warmup.keep", rule, keep))
    return max(1, round(length / factor if keep == "samples" else length))
