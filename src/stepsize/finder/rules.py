"""What other finders read off a ramp, by name; for comparison, not for use.

Each takes rates and losses, smoothed by whoever calls, and returns a rate or None.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Protocol

import numpy as np

from stepsize.finder.curve import Curve, Floats

_SLIDE_WIDTH, _SLIDE_GAP = 15, 0.005


class Rule(Protocol):
    """Reads a rate off a curve."""

    def __call__(self, lrs: Floats, losses: Floats) -> float | None:
        """Return the rate; None where the curve is too short for the rule."""


def steepest(lrs: Floats, losses: Floats) -> float | None:
    """Return where the loss falls most per decade.

    Source:
        fastai `steep`, https://docs.fast.ai/callback.schedule.html.
    """
    if len(lrs) <= 1:
        return None
    slopes = np.diff(losses) / np.diff(np.log(lrs))
    return float(lrs[int(slopes.argmin())])


def minimum(lrs: Floats, losses: Floats) -> float | None:
    """Return a tenth of the rate with the lowest loss.

    Source:
        fastai `minimum`, https://docs.fast.ai/callback.schedule.html.
    """
    return float(lrs[int(losses.argmin())]) / 10.0 if len(lrs) else None


def valley(lrs: Floats, losses: Floats) -> float | None:
    """Return the middle of the longest valley.

    That is the longest strictly falling subsequence; its length back from its end is
    taken for where it starts, as the original does.

    Source:
        fastai `valley`, https://docs.fast.ai/callback.schedule.html.
    """
    if not len(lrs):
        return None
    lengths = np.ones(len(losses), dtype=int)
    for place in range(1, len(losses)):
        higher = lengths[:place][losses[:place] > losses[place]]
        if len(higher):
            lengths[place] = 1 + int(higher.max())
    end = int(lengths.argmax())
    start = end - int(lengths[end]) if end else 0
    third = (end - start) / 3.0
    return float(lrs[max(start, 0) + int(third) + int(third / 2.0)])


def slide(lrs: Floats, losses: Floats) -> float | None:
    """Return where a window that slides from the right first lies flat.

    Its width (15 rates) and its gap (.005 of loss a rate) are absolute, so that the
    answer changes with the scale of the loss.

    Source:
        fastai `slide`, https://docs.fast.ai/callback.schedule.html.
    """
    if len(lrs) <= _SLIDE_WIDTH:
        return None
    slopes = np.gradient(losses)
    right, left = len(lrs) - 1, len(lrs) - 1 - _SLIDE_WIDTH
    found = left
    while left >= 0 and abs(slopes[right] - slopes[left]) > _SLIDE_GAP:
        found, right, left = left, right - 1, left - 1
    return float(lrs[found])


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {"steepest": steepest, "valley": valley, "slide": slide, "minimum": minimum}
)


def suggested(curve: Curve) -> dict[str, float | None]:
    """Return what each rule says of a curve, smoothed and cut at the first NaN.

    "smith" is a tenth of the blow-up rate.

    Source:
        Smith 2017, arXiv:1506.01186, section 3.3, for "smith": below the rate at which
        the training breaks, read as one order of magnitude below.
    """
    shape = curve.shape()
    if shape is None:
        return dict.fromkeys((*RULES, "smith"))
    losses = curve.smoothed()
    lrs = np.asarray(curve.lrs[: len(losses)])
    read = {name: rule(lrs, losses) for name, rule in RULES.items()}
    return read | {"smith": None if shape.blowup is None else shape.blowup / 10.0}
