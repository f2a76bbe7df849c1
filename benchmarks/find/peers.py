"""What other finders suggest from a raw ramp, each with its own smoothing and stop.

A rule is written anew from its description, so that all read the same curves. Losses
are NaN from where the training broke.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.find.stack import Floats
from stepsize.finder.rules import minimum, slide, steepest, valley

Suggest = Callable[[Floats, Floats], float | None]

RAMP: Floats = 10.0 ** np.linspace(-7.0, 1.0, 100)
LIGHTNING_RAMP: Floats = 10.0 ** np.linspace(-8.0, 0.0, 100)


def torch_lr_finder(lrs: Floats, losses: Floats) -> float | None:
    """torch-lr-finder 0.2.2: steepest by index, 10 first and 5 last left out."""
    smooth = _lagging(losses, 0.05)[: _stop(_lagging(losses, 0.05), 5.0, nan=False)]
    kept = smooth[10:-5]
    if len(kept) < 2:
        return None
    return float(lrs[10:][int(np.gradient(kept).argmin())])  # NaN is the least


def ignite(lrs: Floats, losses: Floats) -> float | None:
    """Ignite FastaiLRFinder: steepest by index, left of the lowest loss."""
    smooth = _lagging(losses, 0.05)[: _stop(_lagging(losses, 0.05), 5.0, nan=False)]
    left = smooth[: int(smooth.argmin()) + 1]
    if len(left) < 2:
        return None
    return float(lrs[int(np.gradient(left).argmin())])


def fastai(
    rule: Callable[[Floats, Floats], float | None], lrs: Floats, losses: Floats
) -> float | None:
    """Fastai 2 `lr_find`, with one of its four rules."""
    smooth = _debiased(losses, 0.98, late=1)
    kept = smooth[: _stop(smooth, 4.0, nan=True)][len(lrs) // 10 : -5]
    return rule(lrs[len(lrs) // 10 :][: len(kept)], kept) if len(kept) > 1 else None


def lightning(lrs: Floats, losses: Floats) -> float | None:
    """Lightning 2.6.6: steepest in lr, its count of updates one too high."""
    smooth = _debiased(losses, 0.98, late=2)
    kept = smooth[: _stop(smooth, 4.0, nan=False)][10:-1]
    rates = lrs[10:][: len(kept)][np.isfinite(kept)]
    kept = kept[np.isfinite(kept)]
    if len(kept) < 2:
        return None
    return float(rates[int(np.gradient(kept, rates).argmin())])


# By name: the rule, and the ramp that it reads.
PEERS: dict[str, tuple[Suggest, Floats]] = {
    "torch-lr-finder": (torch_lr_finder, RAMP),
    "fastai valley": (partial(fastai, valley), RAMP),
    "fastai slide": (partial(fastai, slide), RAMP),
    "fastai minimum": (partial(fastai, minimum), RAMP),
    "fastai steep": (partial(fastai, steepest), RAMP),
    "Ignite": (ignite, RAMP),
    "Lightning": (lightning, LIGHTNING_RAMP),
}


def _lagging(losses: Floats, weight: float) -> Floats:
    smooth = losses.copy()
    for i in range(1, len(losses)):
        smooth[i] = weight * losses[i] + (1.0 - weight) * smooth[i - 1]
    return smooth


def _debiased(losses: Floats, beta: float, *, late: int) -> Floats:
    average, smooth = 0.0, losses.copy()
    for i, loss in enumerate(losses):
        average = beta * average + (1.0 - beta) * float(loss)
        smooth[i] = average / (1.0 - beta ** (i + late))
    return smooth


def _stop(smooth: Floats, times: float, *, nan: bool) -> int:
    """Return how many losses are recorded before the peer's stop."""
    best = smooth[0]
    for i, loss in enumerate(smooth):
        if nan and not np.isfinite(loss):
            return i
        if i > 0 and loss > times * best:
            return i + 1
        best = min(best, loss)
    return len(smooth)
