"""torch's OneCycleLR: the rate, and the momentum."""
# ruff: noqa: N802, PLR0917 - names and order are the peer's

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from stepsize.dialects._parts import count, rate
from stepsize.dialects.torch.cyclic import check_momentum
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.combinators import skip
from stepsize.schedules.joins import faithful as marked
from stepsize.schedules.joins import join
from stepsize.schedules.knots import knots
from stepsize.schedules.schedule import Schedule, scaled

OWNER = "OneCycleLR"


def OneCycleLR(
    max_lr: float,
    total_steps: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
    *,
    faithful: bool = False,
) -> Schedule:
    """Rise to the peak and fall far below the start: the 1cycle policy.

    With N = total_steps, p = pct_start, the rate goes, by half a cosine or evenly,

        from max_lr / div_factor at t = 0 to max_lr at t = p N - 1,
        to max_lr / div_factor / final_div_factor at t = N - 1;
        with three_phase over max_lr / div_factor at t = 2 p N - 2.

    The peer does not read the optimizer's rate. Its step N goes on along the curve,
    upwards again; here the last rate stays. Where p N <= 1 leaves no update for the
    rise, the peer divides by zero, or begins somewhere down the fall; here the fall
    begins at its top. `faithful` reproduces both.

    Args:
        max_lr: Highest rate. Unit: lr; finite, >= 0.
        total_steps: N. Unit: updates; int >= 1; or None with the next two.
        epochs: Int >= 1.
        steps_per_epoch: Unit: updates; int >= 1.
        pct_start: p; a float in [0, 1].
        anneal_strategy: "cos" or "linear".
        cycle_momentum: Not read; the momentum is `OneCycleLR_momentum`.
        base_momentum: Not read.
        max_momentum: Not read.
        div_factor: Finite, > 0.
        final_div_factor: Finite, > 0.
        three_phase: Whether the fall back to the start takes as long as the rise, and
            only the rest goes down to the end.
        faithful: Whether to reproduce the peer's first and last steps. A rate below 0
            (step N of "linear") is 0 then.

    Returns:
        The schedule, N - 1 updates long.

    Raises:
        InvalidScheduleError: A value is outside its range, or (faithful) the peer
            would divide by zero.

    Source:
        torch 2.13, torch.optim.lr_scheduler.OneCycleLR; Smith & Topin 2017,
        arXiv:1708.07120.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.torch.OneCycleLR(1.0, total_steps=10)
        >>> [round(s(t), 4) for t in (0, 1, 2, 5, 9, 10)]
        [0.04, 0.52, 1.0, 0.6113, 0.0, 0.0]
    """
    del cycle_momentum, base_momentum, max_momentum
    top = rate(max_lr, f"{OWNER}.max_lr")
    first = 1 / number(div_factor, f"{OWNER}.div_factor", open_low=True)
    last = first / number(final_div_factor, f"{OWNER}.final_div_factor", open_low=True)
    values = [first, 1.0, first, last] if three_phase else [first, 1.0, last]
    ends = _ends(total_steps, epochs, steps_per_epoch, pct_start, len(values))
    return scaled(top, _curve(ends, values, anneal_strategy, top, faithful=faithful))


def OneCycleLR_momentum(
    max_lr: float,
    total_steps: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
    *,
    faithful: bool = False,
) -> Schedule:
    """Mirror `OneCycleLR` for the momentum, or for beta1; the arguments are the same.

    From max_momentum to base_momentum where the rate is highest, and back; a third
    phase stays at max_momentum.

    Args:
        max_lr: Not read; see `OneCycleLR`.
        total_steps: As in `OneCycleLR`.
        epochs: Likewise.
        steps_per_epoch: Likewise.
        pct_start: Likewise.
        anneal_strategy: Likewise.
        cycle_momentum: Must be True.
        base_momentum: Momentum where the rate is highest; finite, >= 0.
        max_momentum: Momentum at both ends; finite, >= 0.
        div_factor: Not read.
        final_div_factor: Not read.
        three_phase: As in `OneCycleLR`.
        faithful: Likewise.

    Returns:
        The momentum, N - 1 updates long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        torch 2.13, torch.optim.lr_scheduler.OneCycleLR.

    Examples:
        >>> from stepsize import dialects
        >>> momentum = dialects.torch.OneCycleLR_momentum(1.0, total_steps=10)
        >>> [round(momentum(t), 4) for t in (0, 2, 9)]
        [0.95, 0.85, 0.95]
    """
    del max_lr, div_factor, final_div_factor
    check_momentum(cycle_momentum, f"{OWNER}_momentum")
    low = number(base_momentum, f"{OWNER}_momentum.base_momentum")
    high = number(max_momentum, f"{OWNER}_momentum.max_momentum")
    values = [high, low, high, high] if three_phase else [high, low, high]
    ends = _ends(total_steps, epochs, steps_per_epoch, pct_start, len(values))
    return _curve(ends, values, anneal_strategy, 1.0, faithful=faithful)


class _Part(NamedTuple):
    """A way from (start, first) to (end, last), played up to `end`."""

    start: float
    end: float
    first: float
    last: float


def _ends(
    total: object, epochs: object, per_epoch: object, share: object, points: int
) -> list[float]:
    """Return the steps between which the peer interpolates, from 0 on."""
    if total is not None:
        n = count(total, f"{OWNER}.total_steps", 1)
    elif epochs is None or per_epoch is None:
        rule = "be given, or both epochs and steps_per_epoch"
        raise InvalidScheduleError(describe(f"{OWNER}.total_steps", rule, None))
    else:
        rounds = count(epochs, f"{OWNER}.epochs", 1, unit="epochs")
        n = rounds * count(per_epoch, f"{OWNER}.steps_per_epoch", 1)
    if not isinstance(share, float):
        rule = "be a float in [0, 1]"
        raise InvalidScheduleError(describe(f"{OWNER}.pct_start", rule, share))
    p = number(share, f"{OWNER}.pct_start", high=1.0)
    if points == 3:  # noqa: PLR2004 - start, peak, end
        return [0.0, p * n - 1, n - 1]
    return [0.0, p * n - 1, 2 * p * n - 2, n - 1]


def _curve(
    ends: list[float],
    values: list[float],
    strategy: object,
    top: float,
    *,
    faithful: bool,
) -> Schedule:
    name = choice(strategy, f"{OWNER}.anneal_strategy", ("cos", "linear"))
    pieces = "cosine" if name == "cos" else "linear"
    parts = [
        _Part(start, end, first, last)
        for (start, end), (first, last) in zip(
            pairwise(ends), pairwise(values), strict=True
        )
    ]
    return _faithful(parts, pieces) if faithful else _mended(parts, pieces, top)


def _mended(parts: list[_Part], pieces: str, top: float) -> Schedule:
    """Interpolate from step 0 on, without the parts that end before."""
    horizon = parts[-1].end
    kept = [part for part in parts if part.end > 0]
    if not kept:  # one update in all
        only, first = parts[-1].last, parts[-1].first
        if pieces == "linear" and top:  # the peer's rounding is all there is to see
            only = ((only * top - first * top) + first * top) / top
        return knots([(0, only)], pieces)
    points: list[tuple[float, float]] = [(0, kept[0].first)]
    for part in kept:
        if part.end > points[-1][0] and points[-1][0] < horizon:
            points.append((_plain(part.end), part.last))
    curve = knots(_padded(points), pieces)
    return _stopped(curve, int(horizon), pieces)


def _stopped(curve: Schedule, horizon: int, pieces: str) -> Schedule:
    """Hold the value of the last step, where a part would go on after it."""
    if curve(horizon) == curve(horizon + 10**9):
        return curve
    return join(curve, knots([(0, curve(horizon))], pieces), at=[horizon])


def _faithful(parts: list[_Part], pieces: str) -> Schedule:
    """Interpolate as the peer does, its step N included."""
    horizon = int(parts[-1].end)
    first = next(part for part in parts if part.end >= 0)
    if first.end == first.start or (first.end == 0 and first is not parts[-1]):
        rule = "leave the rise an update: the peer divides by zero"
        raise InvalidScheduleError(describe(f"{OWNER}.pct_start", rule, first.end))
    shift = max(math.ceil(-first.start), 0)
    points = [(_plain(first.start + shift), first.first)]
    for part in parts[parts.index(first) :]:
        if part.end > part.start and part.start < horizon:
            points.append((_plain(part.end + shift), part.last))
    curve = knots(_padded(points), pieces)
    entered: Schedule = skip(curve, shift) if shift else curve
    beyond = next((p for p in parts if horizon + 1 <= p.end), parts[-1])
    if beyond.end == beyond.start:
        return marked(entered)  # the peer divides by zero at step N
    u = (horizon + 1 - beyond.start) / (beyond.end - beyond.start)
    if pieces == "cosine":
        swing = math.cos(math.pi * u) + 1
        value = beyond.last + (beyond.first - beyond.last) / 2 * swing
    else:
        value = (beyond.last - beyond.first) * u + beyond.first
    held = knots([(0, max(value, 0.0))], pieces)
    return marked(join(entered, held, at=[horizon + 1]))


def _padded(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Hold the last value up to a whole step, so that nothing rounds the end down."""
    end, last = points[-1]
    return points if end == int(end) else [*points, (math.ceil(end), last)]


def _plain(position: float) -> float:
    return int(position) if float(position).is_integer() else float(position)
