"""`fit`: one law from one or more recorded runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.fitting import diagnosis, priors
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.fitted import RUN_NOISE, FittedLaw
from stepsize.planner.fitting.posterior import estimate
from stepsize.planner.fitting.priors import Prior
from stepsize.planner.fitting.screening import Screened, screen, warmup_end
from stepsize.planner.laws.effective import EffectiveRate

_ADAMS = (1e-6, 1e-2)
"""Peak rates of Adam's kind. Others are measured in units of their own peak."""
_LATE = 0.25
"""Share of a run behind which its first point lies only if it branched off another."""


def fit(
    curves: Sequence[Curve],
    *,
    prior: Prior | None = None,
    weight_decay: float | None = None,
) -> FittedLaw:
    """Fit the effective-rate law to recorded runs of one model, data and batch.

    The most probable parameters under a prior from recorded language models; robust
    against single points; seconds at most. One run with a decay, a short warmup-stable-
    decay or a cosine, is enough to start with. A constant one is not, and the
    `diagnosis` of the result says so. A run that is given again, whole or its
    beginning, counts once, and that is said there too.

    Args:
        curves: The runs, at least one. They differ in their rates only.
        prior: What is believed before; None: from all recorded models.
        weight_decay: Of AdamW or the like; >= 0. None: 0.1 where the peak rate is one
            of Adam's kind, 1e-6 to 1e-2, and unknown otherwise.

    Returns:
        The law, with `predict`, `optimize` and `diagnosis`.

    Raises:
        FitError: There is no curve, a curve has fewer than 5 points after its warmup,
            its rate rises again, its loss jumps without the rate, or a value is
            outside its range.

    Examples:
        >>> import numpy as np
        >>> rates = 1e-3 * np.minimum(1, (5000 - np.arange(5000)) / 1000)
        >>> steps = np.arange(200, 5000, 100)
        >>> losses = 3 + 20 / np.sqrt(steps + 50) + 100 * rates[steps]
        >>> law = fit([Curve(rates, steps, losses)])
        >>> mean, low, high = law.predict(np.full(5000, 1e-3), [4999])
        >>> bool(low[0] < 3.38 < high[0])
        True
    """
    curves, dropped = _distinct(_checked(curves))
    screened = [screen(curve) for curve in curves]
    peaks = [float(curve.rates.max()) for curve in curves]
    adam = _ADAMS[0] <= min(peaks) and max(peaks) <= _ADAMS[1]
    believed = priors.recorded(*priors.MEASURED) if prior is None else prior
    if not isinstance(believed, Prior):
        hint = "recorded() gives one"
        raise FitError(describe("fit.prior", "be a Prior", prior, hint=hint))
    if weight_decay is None and adam:
        weight_decay = priors.DECAY
    elif weight_decay is not None and not (
        isinstance(weight_decay, (int, float)) and 0 <= weight_decay < 1
    ):
        rule = "be a number >= 0 and < 1"
        raise FitError(describe("fit.weight_decay", rule, weight_decay))
    unit = priors.UNIT if adam else max(peaks)
    if not adam and weight_decay is not None:
        weight_decay *= unit / priors.UNIT  # what shrinks in an update at one unit
    scale = min(float(one.losses.min()) for one in screened)
    found = estimate(
        [curve.rates for curve in curves],
        screened,
        believed.with_decay(weight_decay),
        unit=unit,
        reference=priors.REFERENCE,
        scale=scale,
    )
    warmups = [warmup_end(curve.rates) for curve in curves]
    return FittedLaw(
        law=EffectiveRate.of(
            found.theta, unit=unit, reference=priors.REFERENCE, scale=scale
        ),
        covariance=found.covariance,
        misfit=max(1.0, found.misfit) * 4.0**found.widened,
        run_noise=math.hypot(RUN_NOISE, max(one.noise for one in screened)),
        peaks=tuple(sorted(set(peaks))),
        horizon=max(int(curve.steps[-1]) for curve in curves),
        warmup=max(warmups),
        shortest_warmup=min(warmups),
        first=max(
            _first(curve, one) for curve, one in zip(curves, screened, strict=True)
        ),
        lowest=min(diagnosis.lowest_share(curve) for curve in curves),
        diagnosis=(*dropped, *diagnosis.of_fit(curves, found)),
        prior=found.prior.source,
    )


def _first(curve: Curve, used: Screened) -> int:
    """Return from where on a run was used: of a branched one, where its peak began."""
    end = warmup_end(curve.rates)
    branched = curve.steps[0] > max(end, _LATE * curve.steps[-1])
    return end if branched else int(used.steps[0])


def _checked(curves: Sequence[Curve]) -> list[Curve]:
    given = [curves] if isinstance(curves, Curve) else curves
    given = list(given) if isinstance(given, Iterable) else []
    if not given or not all(isinstance(one, Curve) for one in given):
        rule = "be a list of Curve, at least one"
        raise FitError(describe("fit.curves", rule, curves))
    return given


def _repeats(curve: Curve, other: Curve) -> bool:
    """Whether a run has only points, and rates, that the other one has."""
    last = int(curve.steps[-1])
    if last > other.steps[-1]:
        return False
    at = np.searchsorted(other.steps, curve.steps)
    return bool(
        np.array_equal(other.steps[at], curve.steps)
        and np.array_equal(other.losses[at], curve.losses)
        and np.array_equal(other.rates[:last], curve.rates[:last])
    )


def _distinct(curves: Sequence[Curve]) -> tuple[list[Curve], list[str]]:
    """Return the runs that are no other one again, and a sentence for each dropped."""
    kept: list[Curve] = []
    said: list[str] = []
    for at in sorted(range(len(curves)), key=lambda at: -len(curves[at].steps)):
        again = next((one for one in kept if _repeats(curves[at], one)), None)
        if again is None:
            kept.append(curves[at])
        else:
            said.append(f"{curves[at].name} is {again.name} again, and counts once")
    return [one for one in curves if any(one is each for each in kept)], said
