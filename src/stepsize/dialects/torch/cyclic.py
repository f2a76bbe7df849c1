"""torch's CosineAnnealingWarmRestarts and CyclicLR."""
# ruff: noqa: N802, N803, PLR0917 - names and order are the peer's

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from stepsize.dialects._parts import count, rate
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.combinators import skip
from stepsize.schedules.cycles import repeat
from stepsize.schedules.drops import geometric
from stepsize.schedules.free import opaque
from stepsize.schedules.knots import knots
from stepsize.schedules.phases import cosine, hold
from stepsize.schedules.schedule import Schedule, scaled
from stepsize.schedules.warmups import exponential_warmup

MODES = ("triangular", "triangular2", "exp_range")
HALVINGS = 60
"""So many halvings of a height are below the rounding of what it is taken from."""


def CosineAnnealingWarmRestarts(
    T_0: int, T_mult: int = 1, eta_min: float = 0.0, *, base_lr: float = 1.0
) -> Schedule:
    """Fall as half a cosine, again and again, each time longer.

    With c the steps since cycle i = 0, 1, ... began, of length T_i = T_0 * T_mult^i:

        lr(t) = eta_min + (base_lr - eta_min) * (1 + cos(pi c / T_i)) / 2

    `step(epoch)` of the peer finds the cycle by a logarithm and misses some boundaries
    (T_0 = T_mult = 10 at 1110: the lowest rate for the highest). Here they are exact,
    as in the peer's `step()`.

    Args:
        T_0: Length of the first cycle. Unit: updates; int >= 1.
        T_mult: Length of a cycle relative to the one before; int >= 1.
        eta_min: Lowest rate, absolute, one step after a cycle's last. Unit: lr; >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        torch 2.13, torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.CosineAnnealingWarmRestarts(10, 2, base_lr=0.1)
        0.1 * repeat(decay(10, shape="cosine"), stretch=2.0)
    """
    owner = "CosineAnnealingWarmRestarts"
    first = count(T_0, f"{owner}.T_0", 1)
    factor = count(T_mult, f"{owner}.T_mult", 1, unit="lengths of the cycle before")
    low = rate(eta_min, f"{owner}.eta_min")
    base = rate(base_lr, f"{owner}.base_lr")
    if base == 0:
        if low == 0:
            return scaled(0.0, hold())
        rule = "be > 0 (unit: lr) where eta_min is not 0"
        raise InvalidScheduleError(describe(f"{owner}.base_lr", rule, base_lr))
    return scaled(base, repeat(cosine(first, to_lr=low or None), stretch=factor))


def CyclicLR(
    base_lr: float,
    max_lr: float,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_fn: Callable[[Any], Any] | None = None,
    scale_mode: str = "cycle",
    cycle_momentum: bool = True,
    base_momentum: float = 0.8,
    max_momentum: float = 0.9,
) -> Schedule:
    """Rise and fall evenly, again and again: cyclical learning rates.

    With h(t) the triangle from 0 to 1 and back in cycle i = 0, 1, ...:

        lr(t) = base_lr + (max_lr - base_lr) * h(t) * q,
        q = 1 (triangular) | 2^-i (triangular2) | gamma^t (exp_range)
        q = scale_fn(i + 1), or scale_fn(t) with scale_mode="iterations"

    The peer does not read the optimizer's rate: both rates are given here.

    Args:
        base_lr: Lowest rate. Unit: lr; finite, >= 0.
        max_lr: Highest rate. Unit: lr; finite, >= 0; below base_lr it turns the
            triangle over, as in the peer.
        step_size_up: Length of the rise. Unit: updates; int >= 1.
        step_size_down: Length of the fall. Unit: updates; int >= 0; None is that of
            the rise.
        mode: "triangular", "triangular2" or "exp_range"; not read with scale_fn.
        gamma: Of exp_range; finite, >= 0.
        scale_fn: Factor of the height, of your own; >= 0; an array for an array.
        scale_mode: Whether scale_fn is handed the "cycle" (from 1) or "iterations".
        cycle_momentum: Checked only; the momentum is `CyclicLR_momentum`.
        base_momentum: Likewise.
        max_momentum: Likewise.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        torch 2.13, torch.optim.lr_scheduler.CyclicLR; Smith 2017, arXiv:1506.01186.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.CyclicLR(0.25, 0.5, step_size_up=2)(range(6))
        [0.25, 0.375, 0.5, 0.375, 0.25, 0.375]
    """
    del cycle_momentum, base_momentum, max_momentum
    low, high = rate(base_lr, "CyclicLR.base_lr"), rate(max_lr, "CyclicLR.max_lr")
    cycle = _cycle(step_size_up, step_size_down, mode, gamma, scale_fn, scale_mode)
    return cycle.between(low, high)


def CyclicLR_momentum(
    base_lr: float,
    max_lr: float,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_fn: Callable[[Any], Any] | None = None,
    scale_mode: str = "cycle",
    cycle_momentum: bool = True,
    base_momentum: float = 0.8,
    max_momentum: float = 0.9,
) -> Schedule:
    """Mirror `CyclicLR` for the momentum, or for beta1; the arguments are the same.

        momentum(t) = max_momentum - (max_momentum - base_momentum) * h(t) * q

    Args:
        base_lr: Not read; see `CyclicLR`.
        max_lr: Not read.
        step_size_up: As in `CyclicLR`.
        step_size_down: Likewise.
        mode: Likewise.
        gamma: Likewise; here <= 1, beyond which the peer's momentum leaves its range.
        scale_fn: Likewise; here <= 1.
        scale_mode: Likewise.
        cycle_momentum: Must be True.
        base_momentum: Momentum where the rate is highest; finite, >= 0.
        max_momentum: Momentum where the rate is lowest; finite, >= 0.

    Returns:
        The momentum, endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        torch 2.13, torch.optim.lr_scheduler.CyclicLR.

    Examples:
        >>> from stepsize import dialects
        >>> momentum = dialects.torch.CyclicLR_momentum(
        ...     0.1, 1.0, 2, base_momentum=0.5, max_momentum=1.0)
        >>> momentum(range(5))
        [1.0, 0.75, 0.5, 0.75, 1.0]
    """
    del base_lr, max_lr
    check_momentum(cycle_momentum, "CyclicLR_momentum")
    low = number(base_momentum, "CyclicLR_momentum.base_momentum")
    high = number(max_momentum, "CyclicLR_momentum.max_momentum")
    cycle = _cycle(step_size_up, step_size_down, mode, gamma, scale_fn, scale_mode)
    return cycle.between(high, low)


def check_momentum(cycle_momentum: object, owner: str) -> None:
    """Refuse a momentum that the peer would not schedule."""
    if not cycle_momentum:
        field, rule = f"{owner}.cycle_momentum", "be True: there is no schedule else"
        raise InvalidScheduleError(describe(field, rule, cycle_momentum))


@final
@dataclass(frozen=True, slots=True)
class _Cycle:
    """The checked triangle and its scale.

    Attributes:
        up: Length of the rise. Unit: updates.
        down: Length of the fall. Unit: updates.
        mode: One of `MODES`, or "custom".
        gamma: Of exp_range.
        name: What the scale function is called.
        function: The scale as a function of the step.
    """

    up: int
    down: int
    mode: str
    gamma: float
    name: str
    function: Callable[[Any], Any] | None

    def between(self, rest: float, peak: float) -> Schedule:
        """Return rest + (peak - rest) * h * q, as a sum of what is not negative."""
        top = max(rest, peak)
        if top == rest == peak or (self.mode == "exp_range" and self.gamma == 0):
            return _sum(rest, hold(), scaled(0.0, hold()))
        if rest < peak:
            height = scaled(1 - rest / peak, self._height())
            return _sum(peak, scaled(rest / peak, hold()), height)
        # 1 - c h q = (1 - c h) + c h (1 - q)
        depth = 1 - peak / rest
        return _sum(rest, self._triangle(1.0, peak / rest), self._missing(depth))

    def _triangle(self, ends: float, middle: float, shrink: float = 1.0) -> Schedule:
        points = [(0, ends), (self.up, middle)]
        if self.down:
            points.append((self.up + self.down, ends))
        return repeat(knots(points), shrink_peak=shrink)

    def _height(self) -> Schedule:
        if self.mode == "triangular2":
            return self._triangle(0.0, 1.0, 0.5)
        triangle = self._triangle(0.0, 1.0)
        if self.mode == "exp_range" and self.gamma != 1:
            return triangle * geometric(self.gamma)
        if self.function is not None:
            return triangle * opaque(self.name, self.function)
        return triangle

    def _missing(self, depth: float) -> Schedule:
        triangle = scaled(depth, self._triangle(0.0, 1.0))
        if self.mode == "triangular2":
            length = self.up + self.down
            stairs = [(i * length, 1 - 0.5**i) for i in range(HALVINGS)]
            return triangle * knots(stairs, "step")  # from its end on, nothing misses
        if self.mode == "exp_range" and self.gamma != 1:
            if self.gamma > 1:
                field, rule = "CyclicLR.gamma", "be <= 1 where the height is taken away"
                raise InvalidScheduleError(describe(field, rule, self.gamma))
            # at t = 0, where this is not 1 - gamma^0, the triangle is 0
            return triangle * skip(exponential_warmup(-1 / math.log(self.gamma)), -1)
        if self.function is not None:
            rest = _Rest(self.function)
            return triangle * opaque(f"1 - {self.name}", rest)
        return scaled(0.0, hold())


def _sum(scale: float, floor: Schedule, height: Schedule) -> Schedule:
    # always a sum: SequentialLR knows by it that the rates are the child's own
    if scale == 0:
        return scaled(0.0, hold()) + scaled(0.0, hold())
    return scaled(scale, floor + height)


def _cycle(
    up: object,
    down: object,
    mode: object,
    gamma: object,
    scale_fn: object,
    scale_mode: object,
) -> _Cycle:
    owner = "CyclicLR"
    rise = count(up, f"{owner}.step_size_up", 1)
    fall = rise if down is None else count(down, f"{owner}.step_size_down")
    if scale_fn is None:
        how = choice(mode, f"{owner}.mode", MODES)
        factor = number(gamma, f"{owner}.gamma") if how == "exp_range" else 1.0
        return _Cycle(rise, fall, how, factor, "", None)
    if not callable(scale_fn):
        raise InvalidScheduleError(
            describe(f"{owner}.scale_fn", "be callable", scale_fn)
        )
    by = choice(scale_mode, f"{owner}.scale_mode", ("cycle", "iterations"))
    own = getattr(scale_fn, "__name__", type(scale_fn).__name__)
    function = _OfCycle(scale_fn, rise + fall) if by == "cycle" else scale_fn
    return _Cycle(rise, fall, "custom", 1.0, f"{owner} {own}", function)


@final
@dataclass(frozen=True)
class _OfCycle:
    """A function of the cycle, counted from 1, as one of the step."""

    function: Callable[[Any], Any]
    length: int

    def __call__(self, step: Any) -> Any:
        """Return the value in the cycle of a step."""
        cycle = step // self.length + 1
        return self.function(int(cycle) if isinstance(cycle, float) else cycle)


@final
@dataclass(frozen=True)
class _Rest:
    """What a factor leaves of 1."""

    function: Callable[[Any], Any]

    def __call__(self, step: Any) -> Any:
        """Return 1 minus the factor at a step."""
        return 1 - self.function(step)
