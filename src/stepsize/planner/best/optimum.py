"""The schedule with the lowest predicted loss at the end of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.best.candidates import Candidate, candidates
from stepsize.planner.best.grid import Grid, grid
from stepsize.planner.best.search import search
from stepsize.planner.laws.effective import EffectiveRate
from stepsize.planner.laws.effective_pass import adjoint
from stepsize.planner.laws.law import Floats
from stepsize.schedules.durations import whole
from stepsize.schedules.knots import knots
from stepsize.schedules.phases import warmup as rise
from stepsize.schedules.schedule import Schedule

_SHORTEST = 16
_PEAKS = 5
"""Peak rates tried between the lowest and the highest."""
_STARTS = 2
"""Best named schedules that the search begins from."""
_DIGITS = 4
"""Of a knot, as a share of the peak."""
_SIMPLE = 5e-4
"""Deviation, as a share of the peak, below which a knot is left out."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What a schedule must keep.

    Attributes:
        steps: Updates of the run; int >= 16.
        peak_lr: Highest rate, or the lowest and highest that it may be. Unit: lr; > 0.
        warmup: Length of a linear warmup; int >= 0, less than steps. Unit: updates.
        floor: Lowest rate after the warmup, as a share of the peak; 0 <= floor < 1.
        monotone: Whether the rate may only fall after the warmup.
        max_slope: Steepest fall, in peaks per run after the warmup; > 0; None for no
            limit.

    Raises:
        FitError: A value is outside its range.
    """

    steps: int
    peak_lr: float | tuple[float, float]
    warmup: int = 0
    floor: float = 0.0
    monotone: bool = True
    max_slope: float | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        steps, warmup = whole(self.steps), whole(self.warmup)
        if steps is None or steps < _SHORTEST:
            rule = f"be an int >= {_SHORTEST} (unit: updates)"
            raise FitError(describe("optimize.steps", rule, self.steps))
        if warmup is None or not 0 <= warmup <= steps - _SHORTEST // 2:
            rule = f"be an int in 0..{steps - _SHORTEST // 2} (unit: updates)"
            hint = "if none is given, it is the shortest seen: give a shorter one"
            raise FitError(describe("optimize.warmup", rule, self.warmup, hint=hint))
        pair = self.peak_lr if isinstance(self.peak_lr, tuple) else (self.peak_lr,) * 2
        sound = len(pair) == 2 and all(_finite(one) and one > 0 for one in pair)  # noqa: PLR2004 - lowest, highest
        if not sound or pair[0] > pair[1]:
            rule = "be a finite number > 0, or two of them, rising (unit: lr)"
            raise FitError(describe("optimize.peak_lr", rule, self.peak_lr))
        if not isinstance(self.monotone, bool):
            rule = "be True or False"
            raise FitError(describe("optimize.monotone", rule, self.monotone))
        if not _finite(self.floor) or not 0 <= self.floor < 1:
            rule = "be >= 0 and < 1 (unit: share of the peak)"
            raise FitError(describe("optimize.floor", rule, self.floor))
        slope = self.max_slope
        if slope is not None and not (_finite(slope) and slope > 0):
            rule = "be > 0, or None (unit: peaks per run)"
            raise FitError(describe("optimize.max_slope", rule, slope))
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "warmup", warmup)
        object.__setattr__(self, "peak_lr", (float(pair[0]), float(pair[1])))


class Named(NamedTuple):
    """A named schedule and its predicted loss.

    Attributes:
        name: What it is called.
        schedule: The schedule, warmup included.
        loss: Predicted at the end of the run.
    """

    name: str
    schedule: Schedule
    loss: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best schedule that was found, and what it was compared with.

    Attributes:
        schedule: Warmup and knots; or a named one, if no knots were better.
        loss: Predicted at the end of the run.
        steps: Updates of the run.
        simple: The best named schedule under the same constraints.
        tried: All named schedules, best first.
    """

    schedule: Schedule
    loss: float
    steps: int
    simple: Named
    tried: tuple[Named, ...]

    @property
    def cost_of_simplicity(self) -> float:
        """What the best named schedule is predicted to lose against `schedule`."""
        return self.simple.loss - self.loss


def optimum(law: EffectiveRate, constraints: Constraints) -> Optimum:
    """Search coarse to fine from the best named schedules; never worse than them."""
    steps, warmup = constraints.steps, constraints.warmup
    cut = grid(steps, warmup)
    part = cut.part(warmup)
    named = list(
        candidates(constraints.floor, constraints.max_slope, after=steps - warmup)
    )
    peak, order = _best_peak(law, constraints, cut, part, named)
    run = _Run(law, cut, warmup, peak)
    tried = [
        _exact(
            law,
            one.name,
            _with_warmup(peak, warmup, one.schedule(steps - warmup)),
            steps,
        )
        for one in order
    ]
    tried.sort(key=lambda one: one.loss)
    best = tried[0]
    for start in order[:_STARTS]:
        places, shares = search(
            run.at_shares,
            part,
            start.shares,
            floor=constraints.floor,
            monotone=constraints.monotone,
            max_slope=constraints.max_slope,
        )
        if constraints.max_slope is None:  # which rounding would exceed
            shares = np.maximum(shares.round(_DIGITS), constraints.floor)
        fall = _knots(places, shares, steps - warmup, constraints.max_slope)
        found = _exact(law, "knots", _with_warmup(peak, warmup, fall), steps)
        if found.loss < best.loss:
            best = found
    return Optimum(
        schedule=best.schedule,
        loss=best.loss,
        steps=steps,
        simple=tried[0],
        tried=tuple(tried),
    )


@final
@dataclass(frozen=True, slots=True)
class _Run:
    """A run in blocks: the loss at its end as a function of the rates' shares."""

    law: EffectiveRate
    cut: Grid
    warmup: int
    peak: float

    def at_shares(self, shares: Floats) -> tuple[float, Floats]:
        """Return the last loss, and its derivative by each block's share."""
        law = self.law
        rates = self.peak * np.concatenate(
            [self.cut.warmup_shares(self.warmup), shares]
        )
        loss, slopes = adjoint(
            law.theta, self.cut.lengths, rates, law.unit, law.reference
        )
        after = slopes[self.cut.warmup_blocks :]
        return law.scale * loss, law.scale * self.peak * after


def _best_peak(
    law: EffectiveRate,
    constraints: Constraints,
    cut: Grid,
    part: Floats,
    named: list[Candidate],
) -> tuple[float, list[Candidate]]:
    """Return the best peak, and the named schedules at it, best first."""
    low, high = constraints.peak_lr  # type: ignore[misc]  # a pair once checked
    found: tuple[float, float, list[Candidate]] = (math.inf, high, named)
    peaks = (
        [low] if low == high else [low, *np.geomspace(low, high, _PEAKS)[1:-1], high]
    )
    for peak in peaks:
        run = _Run(law, cut, constraints.warmup, float(peak))
        losses = [run.at_shares(one.shares(part))[0] for one in named]
        rank = np.argsort(losses, kind="stable")
        if losses[rank[0]] < found[0]:
            found = (losses[rank[0]], float(peak), [named[at] for at in rank])
    return found[1], found[2]


def _exact(law: EffectiveRate, name: str, schedule: Schedule, steps: int) -> Named:
    """Return a schedule with its loss from the rates that it really has."""
    rates = schedule.resolve(total_steps=steps)(np.arange(steps))
    return Named(name, schedule, float(law.loss(rates, [steps])[0]))


def _with_warmup(peak: float, warmup: int, rest: Schedule) -> Schedule:
    return peak * (rise(warmup) >> rest) if warmup else peak * rest


def _knots(
    places: Floats, shares: Floats, length: int, max_slope: float | None
) -> Schedule:
    """Return the knots that matter, at whole updates, and no steeper for it."""
    steps = np.round(places * length).astype(np.int64)
    steps, first = np.unique(steps, return_index=True)
    values = shares[first]
    if max_slope is not None:
        for at, most in enumerate(np.diff(steps) * max_slope / length, 1):
            values[at] = max(values[at], values[at - 1] - most)
    kept = _needed(steps.astype(np.float64), values)
    return knots([(int(steps[at]), float(values[at])) for at in kept])


def _needed(x: Floats, y: Floats) -> list[int]:
    """Return the points that straight lines between them come close to all of."""
    kept, work = {0, len(x) - 1}, [(0, len(x) - 1)]
    while work:
        low, high = work.pop()
        if high - low < 2:  # noqa: PLR2004 - nothing lies between
            continue
        inner = np.arange(low + 1, high)
        off = np.abs(np.interp(x[inner], x[[low, high]], y[[low, high]]) - y[inner])
        if off.max() > _SIMPLE:
            middle = int(inner[np.argmax(off)])
            kept.add(middle)
            work += [(low, middle), (middle, high)]
    return sorted(kept)


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except TypeError:
        return False
