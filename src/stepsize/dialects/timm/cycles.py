"""timm's schedulers with cycles: cosine, polynomial and hyperbolic tangent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from stepsize.dialects._rises import after_warmup, base_rate, count, rise
from stepsize.dialects.timm.noise import Range, with_noise
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import jump, skip
from stepsize.schedules.cycles import repeat
from stepsize.schedules.durations import whole
from stepsize.schedules.joins import faithful as mark_faithful
from stepsize.schedules.joins import join
from stepsize.schedules.phases import decay, hold
from stepsize.schedules.schedule import Schedule, chain

LATEST = 2**52
"""Cycles that begin later than this, or are shorter than 1 / LATEST, are left out."""


def CosineLRScheduler(  # noqa: N802, PLR0917 - timm's name and order
    t_initial: int,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: Range = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = 42,
    k_decay: float = 1.0,
    initialize: bool = True,
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Fall as cosines with restarts, of growing length and shrinking height.

    Cycle i = 0, 1, ... is T_i = t_initial * cycle_mul^i long and has the peak
    A = base_lr * cycle_decay^i. With c the steps since it began:

        lr_min + (A - lr_min) * (1 + cos(pi * (c / T_i)^k_decay)) / 2

    and lr_min after `cycle_limit` cycles. In a warmup (t < warmup_t) the rate is

        warmup_lr_init + t * (base_lr - warmup_lr_init) / warmup_t

    and afterwards the curve at t: the warmup hides its beginning, and the rate jumps
    down from the base. With `warmup_prefix` the curve begins after the warmup.

    Args:
        t_initial: Length of the first cycle; int >= 1. Unit: steps.
        lr_min: Lowest rate; finite, >= 0. Unit: lr.
        cycle_mul: Length of a cycle relative to the one before; finite, > 0.
        cycle_decay: Peak of a cycle relative to the one before; finite, > 0.
        cycle_limit: How many cycles; int (none below 1).
        warmup_t: Length of the warmup; int >= 0. Unit: steps.
        warmup_lr_init: First rate of the warmup; finite, >= 0. Unit: lr.
        warmup_prefix: Whether the curve begins after the warmup.
        t_in_epochs: No effect: the step is whatever timm is given.
        noise_range_t: (start, stop), or start if lr_min is 0. Unit: steps.
        noise_pct: Largest relative change by noise; in (0, 1].
        noise_std: Standard deviation of the noise; finite, >= 0.
        noise_seed: Seed of the noise; int.
        k_decay: Exponent of the progress in a cycle; finite, > 0.
        initialize: No effect.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.
        faithful: Whether restarts come one step late where timm's do: it finds the
            cycle by floor(log(.)), which misses some boundaries (cycle_mul=3 at 121
            times t_initial), and stays at the end of the cycle there.

    Returns:
        The schedule; lr_min after its cycles.

    Raises:
        InvalidScheduleError: A value is outside its range, or noise has no end.
        FrameworkMissingError: Noise is asked for and torch is not installed.

    Source:
        timm 1.0.31, `CosineLRScheduler`; k-decay: arXiv:2004.05909.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.timm.CosineLRScheduler(t_initial=100, warmup_t=5, base_lr=0.1)
        >>> s
        0.1 * warmup(5, start=0.0) >> skip(decay(100, shape="cosine"), 5)
        >>> [round(s(t), 4) for t in (0, 4, 5, 50, 100)]
        [0.0, 0.08, 0.0994, 0.05, 0.0]
    """
    owner = "CosineLRScheduler"
    k = number(k_decay, f"{owner}.k_decay", open_low=True)
    cycles = _cycles(owner, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit)
    fall = decay(cycles.length, shape="cosine", to_lr=cycles.low or None, k=k)
    curve = _repeated(cycles, fall)
    if faithful:
        curve = _late(cycles, curve, [cycles.low] * len(cycles.missed))
    steps, start = _warmup(owner, warmup_t, warmup_lr_init)
    rest = curve if warmup_prefix or not steps else skip(curve, steps)
    schedule = after_warmup(steps, start, base_rate(base_lr, owner), rest)
    if faithful:
        schedule = mark_faithful(schedule)
    zero_from = cycles.zero_from(steps, prefix=warmup_prefix)
    noise = (noise_range_t, noise_pct, noise_std, noise_seed)
    return with_noise(schedule, owner, *noise, zero_from=zero_from)


def PolyLRScheduler(  # noqa: N802, PLR0917 - timm's name and order
    t_initial: int,
    power: float = 0.5,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: Range = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = 42,
    k_decay: float = 1.0,
    initialize: bool = True,
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Fall as powers with restarts.

        lr_min + (A - lr_min) * (1 - (c / T_i)^k_decay)^power

    with cycles and warmup as in `CosineLRScheduler`.

    Args:
        t_initial: Length of the first cycle; int >= 1. Unit: steps.
        power: Finite, >= 0; 0 stays until the cycles are over.
        lr_min: See `CosineLRScheduler`, also for the arguments that follow.
        cycle_mul: Length of a cycle relative to the one before.
        cycle_decay: Peak of a cycle relative to the one before.
        cycle_limit: How many cycles.
        warmup_t: Length of the warmup. Unit: steps.
        warmup_lr_init: First rate of the warmup. Unit: lr.
        warmup_prefix: Whether the curve begins after the warmup.
        t_in_epochs: No effect.
        noise_range_t: (start, stop), or start if lr_min is 0. Unit: steps.
        noise_pct: Largest relative change by noise; in (0, 1].
        noise_std: Standard deviation of the noise; finite, >= 0.
        noise_seed: Seed of the noise; int.
        k_decay: Exponent of the progress in a cycle; finite, > 0.
        initialize: No effect.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.
        faithful: Whether restarts come one step late where timm's do (where rounding
            lets timm take a power of a negative number, its rate is complex there).

    Returns:
        The schedule; lr_min after its cycles.

    Raises:
        InvalidScheduleError: A value is outside its range, or noise has no end.
        FrameworkMissingError: Noise is asked for and torch is not installed.

    Source:
        timm 1.0.31, `PolyLRScheduler`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.timm.PolyLRScheduler(4, power=1.0, cycle_limit=2)(range(9))
        [1.0, 0.75, 0.5, 0.25, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    owner = "PolyLRScheduler"
    k = number(k_decay, f"{owner}.k_decay", open_low=True)
    exponent = number(power, f"{owner}.power")
    cycles = _cycles(owner, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit)
    if exponent:
        to_lr = cycles.low or None
        numbers: dict[str, Any] = {"power": exponent, "k": k}
        fall = decay(cycles.length, shape="polynomial", to_lr=to_lr, **numbers)
        curve = _repeated(cycles, fall)
    else:
        curve = _repeated(cycles, hold(cycles.length), jump(to_lr=cycles.low))
    if faithful:
        curve = _late(cycles, curve, [cycles.low] * len(cycles.missed))
    steps, start = _warmup(owner, warmup_t, warmup_lr_init)
    rest = curve if warmup_prefix or not steps else skip(curve, steps)
    schedule = after_warmup(steps, start, base_rate(base_lr, owner), rest)
    if faithful:
        schedule = mark_faithful(schedule)
    zero_from = cycles.zero_from(steps, prefix=warmup_prefix)
    noise = (noise_range_t, noise_pct, noise_std, noise_seed)
    return with_noise(schedule, owner, *noise, zero_from=zero_from)


def TanhLRScheduler(  # noqa: N802, PLR0917 - timm's name and order
    t_initial: int,
    lb: float = -7.0,
    ub: float = 3.0,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: Range = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = 42,
    initialize: bool = True,
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Fall as hyperbolic tangents with restarts.

        lr_min + (A - lr_min) * (1 - tanh(lb * (1 - r) + ub * r)) / 2,   r = c / T_i

    with cycles and warmup as in `CosineLRScheduler`, except that without
    `warmup_prefix` the warmup ends at the curve's value, so that nothing jumps.

    Args:
        t_initial: Length of the first cycle; int >= 1. Unit: steps.
        lb: Argument of tanh at the start of a cycle; > -50.
        ub: The same at its end; > lb, <= 350.
        lr_min: See `CosineLRScheduler`, also for the arguments that follow.
        cycle_mul: Length of a cycle relative to the one before.
        cycle_decay: Peak of a cycle relative to the one before.
        cycle_limit: How many cycles; int >= 0.
        warmup_t: Length of the warmup. Unit: steps.
        warmup_lr_init: First rate of the warmup. Unit: lr.
        warmup_prefix: Whether the curve begins after the warmup.
        t_in_epochs: No effect.
        noise_range_t: (start, stop), or start if lr_min is 0. Unit: steps.
        noise_pct: Largest relative change by noise; in (0, 1].
        noise_std: Standard deviation of the noise; finite, >= 0.
        noise_seed: Seed of the noise; int.
        initialize: No effect.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.
        faithful: Whether restarts come one step late where timm's do.

    Returns:
        The schedule; lr_min after its cycles.

    Raises:
        InvalidScheduleError: A value is outside its range, or noise has no end.
        FrameworkMissingError: Noise is asked for and torch is not installed.

    Source:
        timm 1.0.31, `TanhLRScheduler`; arXiv:1806.01593.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.timm.TanhLRScheduler(4, base_lr=0.1)
        >>> [round(s(t), 4) for t in range(6)]
        [0.1, 0.1, 0.0982, 0.0269, 0.0, 0.0]
    """
    owner = "TanhLRScheduler"
    low, high = _bounds(owner, lb, ub)
    cycles = _cycles(owner, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit)
    count(cycle_limit, f"{owner}.cycle_limit")
    numbers: dict[str, Any] = {"low": low, "high": high}
    fall = decay(cycles.length, shape="tanh", to_lr=cycles.low or None, **numbers)
    curve = _repeated(cycles, fall)
    peak = base_rate(base_lr, owner)
    if faithful:
        left = (1 - math.tanh(high)) / 2
        tops = [peak * cycles.shrink ** (i - 1) for i in cycles.missed.values()]
        curve = _late(cycles, curve, [left * a + (1 - left) * cycles.low for a in tops])
    steps, start = _warmup(owner, warmup_t, warmup_lr_init)
    if warmup_prefix or not steps:
        schedule = after_warmup(steps, start, peak, curve)
    else:
        rest = peak * curve
        warm = rise(steps, start, rest(steps))
        schedule = join(warm, skip(rest, steps), at=[steps])
    if faithful:
        schedule = mark_faithful(schedule)
    zero_from = cycles.zero_from(steps, prefix=warmup_prefix)
    noise = (noise_range_t, noise_pct, noise_std, noise_seed)
    return with_noise(schedule, owner, *noise, zero_from=zero_from)


class _Cycles(NamedTuple):
    """Checked arguments of the cycles.

    Attributes:
        length: Of the first. Unit: steps.
        low: Lowest rate. Unit: lr.
        stretch: Length relative to the cycle before.
        shrink: Peak relative to the cycle before.
        limit: How many; 0 for none.
        missed: Steps at which timm stays in the cycle before, with the cycle due.
    """

    length: int
    low: float
    stretch: float
    shrink: float
    limit: int
    missed: dict[int, int]

    def zero_from(self, steps: int, *, prefix: bool) -> int | None:
        """Return the step from which the rate is 0 for good, or None."""
        if self.low:
            return None
        end = math.ceil(_start(self.length, self.stretch, self.limit))
        return end + steps if prefix else max(end, steps)


def _cycles(  # noqa: PLR0917 - the arguments of one scheduler
    owner: str,
    t_initial: int,
    lr_min: float,
    cycle_mul: float,
    cycle_decay: float,
    cycle_limit: int,
) -> _Cycles:
    length = count(t_initial, f"{owner}.t_initial", low=1)
    low = number(lr_min, f"{owner}.lr_min", unit="lr")
    stretch = number(cycle_mul, f"{owner}.cycle_mul", open_low=True)
    shrink = number(cycle_decay, f"{owner}.cycle_decay", open_low=True)
    limit = whole(cycle_limit)
    if limit is None:
        rule = "be an int"
        raise InvalidScheduleError(describe(f"{owner}.cycle_limit", rule, cycle_limit))
    limit = max(limit, 0)
    if stretch != 1:
        room = math.log2(LATEST) - math.log2(length) * (1 if stretch > 1 else -1)
        limit = min(limit, max(math.ceil(room / abs(math.log2(stretch))), 1))
    missed = {}
    if stretch != 1:
        for i in range(1, limit + 1):
            start = _start(length, stretch, i)
            if start.denominator == 1 and _timm_index(int(start), length, stretch) != i:
                missed[int(start)] = i
    return _Cycles(length, low, stretch, shrink, limit, missed)


def _start(length: int, stretch: float, index: int) -> Fraction:
    """Return where a cycle begins, exactly."""
    ratio = Fraction(repr(stretch))
    if ratio == 1:
        return Fraction(length * index)
    return length * (ratio**index - 1) / (ratio - 1)


def _timm_index(t: int, length: int, stretch: float) -> int | None:
    """Return the cycle in which timm believes a step to be."""
    inside = 1 - t / length * (1 - stretch)
    return math.floor(math.log(inside, stretch)) if inside > 0 else None


def _repeated(
    cycles: _Cycles, fall: Schedule, after: Schedule | None = None
) -> Schedule:
    if not cycles.limit:
        return jump(to_lr=cycles.low) >> hold()
    later = [] if after is None else [after]
    if cycles.limit == 1:
        return chain(fall, *later)
    numbers = (cycles.limit, cycles.stretch, cycles.shrink)
    if cycles.stretch.is_integer():
        return chain(repeat(fall, *numbers), *later)
    # the end is no whole step: what follows must not cut the last cycle there
    curve = chain(repeat(fall, *numbers, boundaries="real"), *later, hold(1))
    return repeat(curve, 1, boundaries="real")


def _late(cycles: _Cycles, curve: Schedule, values: Sequence[float]) -> Schedule:
    """Let each missed restart come a step later, at the value that timm stays at."""
    parts, at = [curve], []
    for step, value in zip(cycles.missed, values, strict=True):
        parts += [jump(to_lr=value) >> hold(), skip(curve, step + 1)]
        at += [step, step + 1]
    return join(*parts, at=at) if at else curve


def _warmup(owner: str, warmup_t: int, warmup_lr_init: float) -> tuple[int, float]:
    steps = count(warmup_t, f"{owner}.warmup_t")
    return steps, number(warmup_lr_init, f"{owner}.warmup_lr_init", unit="lr")


def _bounds(owner: str, lb: float, ub: float) -> tuple[float, float]:
    low = number(lb, f"{owner}.lb", low=-50.0, high=350.0, open_low=True)
    high = number(ub, f"{owner}.ub", low=-50.0, high=350.0, open_low=True)
    if low >= high:
        rule = "be a finite number < ub"
        raise InvalidScheduleError(describe(f"{owner}.lb", rule, lb))
    return low, high
