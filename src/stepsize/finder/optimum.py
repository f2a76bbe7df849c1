"""The best rate from probes at a few rates, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from stepsize.finder.climbing import PER_DECADE
from stepsize.finder.curve import Floats
from stepsize.finder.training import Run

# What is not known of the place: the loss is averaged over rates around it with this
# standard deviation, so that a rate close under a cliff is worth less. Unit: decades.
_UNSURE = 0.15
_FINE = 20  # places to a decade where it is looked for
# Of rates that differ by less than this share of the fall, the lowest is taken: what
# too low a rate costs shows in the scores, what too high a one costs shows later.
_ALIKE = 0.005
_BAND = 0.03  # share of the fall of the loss that the interval gives away
_ERRORS = 2.0


@final
@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the score is best.

    Attributes:
        log_lr: log10 of the rate.
        low: log10 of the lower end of the rates not told from it.
        high: log10 of the upper end.
    """

    log_lr: float
    low: float
    high: float


def optimum(runs: Mapping[int, Run], start: float) -> Optimum | None:
    """Return the best rate of a round; None if every probe broke.

    The scores are joined by lines in log lr and averaged over `_UNSURE`; of rates that
    come to the same the lowest is taken. A probe that broke, or ends above the first
    loss, counts as the first loss.

    Args:
        runs: Probes of one length and stream, by place.
        start: First loss.
    """
    sound = {at: run for at, run in runs.items() if run.tail is not None}
    if not sound:
        return None
    best = min(sound, key=lambda at: sound[at].score)
    known = sorted(runs)
    places = np.array(known) / PER_DECADE
    worst = max(start, sound[best].score)
    scores = np.array([min(runs[at].score, worst) for at in known])
    fine = np.arange(places[0], places[-1] + 0.5 / _FINE, 1.0 / _FINE)
    mean = _averaged(fine, places, scores)
    near = np.abs(fine - best / PER_DECADE) <= 1.0 / PER_DECADE + 1e-9
    at = int(np.where(near, mean, math.inf).argmin())
    fall = worst - float(mean[at])
    lowest = float(mean[at])
    while at > 0 and mean[at - 1] <= lowest + _ALIKE * fall:
        at -= 1
    given = max(_BAND * fall, _ERRORS * _error(sound, best))
    within = mean <= lowest + given
    low = high = at
    while low > 0 and within[low - 1]:
        low -= 1
    while high < len(fine) - 1 and within[high + 1]:
        high += 1
    return Optimum(float(fine[at]), float(fine[low]), float(fine[high]))


def error_of(run: Run, other: Run) -> float:
    """Return the standard error of the difference of two scores of one stream.

    Args:
        run: A probe that did not break.
        other: Another.
    """
    if run.tail is None or other.tail is None:
        return math.inf
    gaps = np.subtract(run.tail, other.tail)
    if len(gaps) == 1:  # one batch of validation: its noise is not known
        return 0.0
    with np.errstate(over="ignore"):  # losses may be as large as floats are
        return float(gaps.std(ddof=1)) / math.sqrt(len(gaps))


def _error(sound: Mapping[int, Run], best: int) -> float:
    """Return the error against the next best probe; 0 if there is no other."""
    others = [run for at, run in sound.items() if at != best]
    if not others:
        return 0.0
    return error_of(sound[best], min(others, key=lambda run: run.score))


def _averaged(fine: Floats, places: Floats, scores: Floats) -> Floats:
    shifts = np.linspace(-2.0, 2.0, 9)
    weights = np.exp(-0.5 * shifts**2)
    values = [np.interp(fine + _UNSURE * shift, places, scores) for shift in shifts]
    return np.average(values, axis=0, weights=weights)
