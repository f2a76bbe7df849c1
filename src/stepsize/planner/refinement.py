"""`refine`: a schedule from the gradient norms of a run that was made."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.arguments import rate
from stepsize.planner.laws.law import Floats
from stepsize.schedules.durations import whole
from stepsize.schedules.knots import knots
from stepsize.schedules.schedule import Schedule

Method = Literal["closed form", "bound"]

_SQUARED = ("sgd", "sgdmomentum", "momentum", "nesterov")
_ABSOLUTE = ("adam", "adamw", "nadam", "radam", "adamax", "lion", "rmsprop", "adagrad")
_MOST = 10_000
_WINDOW = 0.1
"""Width of the median filter, as a share of the run (Defazio et al., tau)."""
_FEWEST = 8
_KNOTS = 200
_LATE_RISE = 1.25
"""Growth of the norms in the last third that is taken for the artefact of weight decay.

Convention: recorded runs that decay all along have 1.3 and more, a constant one 1.05;
logs that begin at the branch of a decay have 1.04 too, and are not refused."""
_DIPS = 0.9


def refine(
    gradient_norms: Any,
    *,
    optimizer: str = "adamw",
    steps: int | None = None,
    peak_lr: float = 1.0,
    method: Method = "closed form",
    smooth: bool = True,
    ignore_rise: bool = False,
) -> Schedule:
    """Return the schedule that is optimal for norms like those of a run.

    With the norms G_t and weights w_t = G_t**-2 (SGD, 2-norms) or w_t = G_t**-1 (Adam,
    1-norms), closed form:

        rate_t in proportion to w_t sum_{p > t} w_p,   scaled to `peak_lr`

    Equal norms give a linear decay to 0. "bound" minimises the last-iterate bound
    (`ConvexBound`) over all rates instead, which the closed form only bounds. Both give
    a warmup by themselves where the first norms are large. The peak is still to be
    tuned.

    Args:
        gradient_norms: Norm of the gradient at even distances over the whole run, or
            over a pilot run that stands for it; float array, shape (n,), n >= 8. NaN
            and infinite ones are left out. The pilot's rate should be constant.
        optimizer: "sgd" or one of Adam's kind, by its usual name.
        steps: Updates of the run to be made; int >= 2. None: as many as norms.
        peak_lr: Highest rate. Unit: lr; > 0.
        method: "closed form" or "bound".
        smooth: Whether a running median over a tenth of the run goes first.
        ignore_rise: Whether to go on where the norms rise at the end as weight decay
            makes them.

    Returns:
        Knots over `steps` updates; 0 at the last.

    Raises:
        FitError: A value is outside its range, or the norms rise at the end of the run
            as they do when a decayed rate meets weight decay: what looks like a reason
            to decay earlier is then an effect of the decay.

    Source:
        Defazio, Cutkosky, Mehta and Mishchenko 2023, arXiv:2310.07831; the rise:
        Defazio 2025, arXiv:2506.02285.

    Examples:
        >>> refine([1.0] * 9, optimizer="sgd")(range(9))[::4]
        [1.0, 0.5, 0.0]
    """
    power = _power(optimizer)
    norms = _norms(gradient_norms)
    length = len(norms) if steps is None else whole(steps)
    if length is None or length < 2:  # noqa: PLR2004 - a first and a last update
        rule = "be an int >= 2 (unit: updates)"
        raise FitError(describe("refine.steps", rule, steps))
    peak = rate(peak_lr, "refine.peak_lr")
    smoothed = smoothed_norms(norms) if smooth else norms
    if not ignore_rise:
        _refuse_rise(smoothed)
    smoothed = smoothed / np.median(smoothed)  # powers of very large ones overflow
    if method == "closed form":
        rates = closed_form(smoothed, power)
    elif method == "bound":
        rates = _of_bound(smoothed)
    else:
        rule = "be 'closed form' or 'bound'"
        raise FitError(describe("refine.method", rule, method))
    return peak * knots(_points(rates / rates.max(), length))


def closed_form(norms: Floats, power: int) -> Floats:
    """Return w_t sum_{p > t} w_p / sum w, with w = norms**-power; shape (n,)."""
    w = norms ** float(-power)
    rest = np.append(np.cumsum(w[::-1])[::-1][1:], 0.0)
    rates: Floats = w * rest / w.sum()
    return rates


def smoothed_norms(norms: Floats) -> Floats:
    """Return a running median over a tenth of the run; the end is mirrored."""
    from scipy.ndimage import median_filter

    half = int(_WINDOW * len(norms)) // 2
    if half == 0:
        return norms
    width = 2 * half + 1
    padded = np.concatenate([norms, norms[::-1][: 2 * width]])
    filtered: Floats = median_filter(padded, size=width, mode="nearest")
    return filtered[: len(norms)]


def _power(optimizer: str) -> int:
    name = "".join(filter(str.isalnum, str(optimizer).lower()))
    if name in _SQUARED:
        return 2
    if name in _ABSOLUTE:
        return 1
    rule = f"be one of {', '.join((*_SQUARED, *_ABSOLUTE))}"
    raise FitError(describe("refine.optimizer", rule, optimizer))


def _norms(values: Any) -> Floats:
    try:
        norms = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        rule = "be an array of numbers"
        raise FitError(describe("refine.gradient_norms", rule, values)) from error
    if norms.ndim == 1:
        norms = norms[np.isfinite(norms)]
    if norms.ndim != 1 or len(norms) < _FEWEST or not (norms > 0).all():
        rule = f"be one-dimensional, > 0, at least {_FEWEST} of them finite"
        got = norms.shape if norms.ndim != 1 or len(norms) < _FEWEST else norms.min()
        raise FitError(describe("refine.gradient_norms", rule, got))
    if len(norms) > _MOST:
        at = np.linspace(0, len(norms) - 1, _MOST)
        norms = np.interp(at, np.arange(len(norms)), norms)
    return norms


def _refuse_rise(norms: Floats) -> None:
    """Refuse norms whose last third climbs steadily over what came before."""
    third = max(len(norms) // 3, 2)
    middle = float(np.median(norms[-2 * third : -third]))
    end = norms[-max(third // 4, 1) :]
    if float(np.median(end)) < _LATE_RISE * middle:
        return
    if float(end.min()) < _DIPS * float(np.median(end)):
        return
    rule = "not climb at the end of the run, as they do where a rate decays"
    hint = "record them in a run at a constant rate; ignore_rise=True if that was one"
    got = f"{float(np.median(end)) / middle:.2f} times those before"
    raise FitError(describe("refine.gradient_norms", rule, got, hint=hint))


def _of_bound(norms: Floats) -> Floats:
    """Return rates >= 0 that minimise the bound, in as many pieces as help."""
    from scipy.optimize import minimize

    pieces = min(len(norms), _KNOTS)
    at = np.linspace(0, len(norms) - 1, pieces)
    squares = np.interp(at, np.arange(len(norms)), norms) ** 2
    start = closed_form(np.sqrt(squares), 2)[:-1]

    def evaluate(logs: Floats) -> tuple[float, Floats]:
        rates = np.exp(logs)
        value, slopes = bound_and_slopes(rates, squares[:-1])
        return float(np.log(value)), slopes * rates / value

    found = minimize(
        evaluate,
        np.log(np.maximum(start, start.max() * 1e-6)) - np.log(start.sum()),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-12},
    )
    return np.append(np.exp(found.x), 0.0)


def bound_and_slopes(rates: Floats, squares: Floats) -> tuple[float, Floats]:
    """Return `ConvexBound` with D = 1, and its derivatives by the rates.

    Args:
        rates: Shape (n,); > 0.
        squares: Squared norms, shape (n,).
    """
    noise = rates**2 * squares
    s = np.cumsum(rates[::-1])[::-1]
    z = np.cumsum(noise[::-1])[::-1]
    h, later, own, over = rates[:-1], s[1:], s[:-1], z[:-1]
    terms = h / later * over / own
    value = (1 + z[0]) / (2 * s[0]) + terms.sum() / 2
    by_rate = np.zeros_like(rates)
    by_rate[:-1] = terms / h / 2
    by_sum, by_noise = np.zeros_like(s), np.zeros_like(z)
    by_sum[0] -= (1 + z[0]) / (2 * s[0] ** 2)
    by_noise[0] += 1 / (2 * s[0])
    by_sum[1:] -= terms / later / 2
    by_sum[:-1] -= terms / own / 2
    by_noise[:-1] += h / (later * own) / 2
    by_rate += np.cumsum(by_sum) + np.cumsum(by_noise) * 2 * rates * squares
    return float(value), by_rate


def _points(shares: Floats, length: int) -> list[tuple[int, float]]:
    """Return knots over `length` updates; the last one is 0."""
    count = min(len(shares), length, _KNOTS)
    places = np.unique(np.linspace(0, length - 1, count).round().astype(np.int64))
    at = places / (length - 1) * (len(shares) - 1)
    values = np.interp(at, np.arange(len(shares)), shares)
    values /= values.max()
    values[-1] = 0.0
    return [(int(x), float(y)) for x, y in zip(places, values, strict=True)]
