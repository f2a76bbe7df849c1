"""What the runs given do and do not identify, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.posterior import Posterior
from stepsize.planner.fitting.screening import warmup_end
from stepsize.planner.laws.law import Floats

_DECAYED = 0.5
"""Share of the peak below which a rate counts as decayed."""
_SAME = 1.05
"""Factor between two peaks that count as one."""
_POOR = 2.0
_FAR = 2.0
"""Factor on horizon or peak from which a prediction is an extrapolation."""
_FLAT = 0.2
"""Least floor, as a share of the lowest loss, at which these priors make sense."""


def lowest_share(curve: Curve) -> float:
    """Return the lowest rate after the warmup that a loss was read at, of the peak."""
    end = warmup_end(curve.rates)
    used = curve.rates[end : max(int(curve.steps[-1]), end + 1)]
    return float(used.min() / curve.rates.max())


def of_fit(curves: Sequence[Curve], found: Posterior) -> tuple[str, ...]:
    """Return what a fit's user should know, most important first."""
    said = []
    if all(lowest_share(curve) > _DECAYED for curve in curves):
        said.append(
            "no decay seen yet: what a cooldown gains rests on the prior alone; branch "
            "off one short cooldown, over 5 to 10 % of the steps so far"
        )
    peaks = {float(curve.rates.max()) for curve in curves}
    if max(peaks) < _SAME * min(peaks):
        said.append(
            f"one peak rate seen, {max(peaks):g}: other peaks are extrapolations"
        )
    if found.widened:
        said.append(
            "these runs are unlike those the prior is from, which was made "
            f"{2**found.widened} times as wide"
        )
    if found.misfit > _POOR:
        said.append(
            "the law does not fit these runs well (mean square residual "
            f"{found.misfit:.1f} times the expected): intervals are wider for it"
        )
    if found.theta[0] < _FLAT:
        said.append(
            "the loss is not dominated by a floor, as that of the runs behind the "
            "prior is"
        )
    said += [f"{curve.name}: {repair}" for curve in curves for repair in curve.repairs]
    return tuple(said)


def of_prediction(
    rates: Floats, last: int, *, peaks: Sequence[float], horizon: int, first: int
) -> tuple[str, ...]:
    """Return what sets a prediction apart from what was seen."""
    said = []
    if last <= first:
        said.append(f"{last} updates end before the first that was fitted, {first}")
    if last > _FAR * horizon:
        said.append(
            f"{last} updates are {last / horizon:.1f} times the longest run seen"
        )
    peak = float(rates.max())
    if not any(seen / _SAME <= peak <= seen * _SAME for seen in peaks):
        listed = ", ".join(f"{seen:g}" for seen in peaks)
        said.append(f"a peak of {peak:g} was not seen (seen: {listed})")
    end = warmup_end(rates)
    rest = rates[end:last]
    if len(rest) and (rest - np.minimum.accumulate(rest)).max() > 0.05 * peak:
        said.append("the rate rises again after its warmup, which no run seen did")
    return tuple(said)
