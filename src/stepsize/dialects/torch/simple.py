"""torch's schedulers with a formula in the step alone."""
# ruff: noqa: N802, N803 - the names are the peer's

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from stepsize.dialects._parts import change, count, rate, times
from stepsize.dialects._real import lay
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.combinators import jump, skip
from stepsize.schedules.cycles import repeat
from stepsize.schedules.drops import geometric, multistep, step
from stepsize.schedules.durations import LONGEST
from stepsize.schedules.joins import faithful as marked
from stepsize.schedules.knots import knots
from stepsize.schedules.layout import exact
from stepsize.schedules.phases import cosine, decay, hold, linear
from stepsize.schedules.schedule import Schedule, scaled
from stepsize.schedules.waves import wave


def StepLR(step_size: int, gamma: float = 0.1, *, base_lr: float = 1.0) -> Schedule:
    """Multiply the rate every so many steps.

        lr(t) = base_lr * gamma^floor(t / step_size)

    Args:
        step_size: Interval. Unit: updates (or whatever calls `step`); int >= 1.
        gamma: What each drop multiplies by; finite, >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range. The peer takes a step_size
            of 0 and divides by it at the first step, and a negative gamma.

    Source:
        torch 2.13, torch.optim.lr_scheduler.StepLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.StepLR(30, base_lr=0.1)
        0.1 * step(30)
    """
    every = count(step_size, "StepLR.step_size", 1)
    factor = number(gamma, "StepLR.gamma")
    base = rate(base_lr, "StepLR.base_lr")
    return times(base, step(every, factor) if factor else _off_at(every))


def MultiStepLR(
    milestones: Iterable[int], gamma: float = 0.1, *, base_lr: float = 1.0
) -> Schedule:
    """Multiply the rate at given steps.

        lr(t) = base_lr * gamma^(number of milestones <= t)

    Args:
        milestones: Steps, in any order; one given twice multiplies twice. Unit:
            updates; ints >= 0.
        gamma: What each drop multiplies by; finite, >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        torch 2.13, torch.optim.lr_scheduler.MultiStepLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.MultiStepLR([80, 30], base_lr=0.1)
        0.1 * multistep([30, 80])
    """
    points = sorted(count(m, "MultiStepLR.milestones") for m in milestones)
    factor = number(gamma, "MultiStepLR.gamma")
    base = rate(base_lr, "MultiStepLR.base_lr")
    if not points:
        return scaled(base, hold())
    return times(base, multistep(points, factor) if factor else _off_at(points[0]))


def ConstantLR(
    factor: float = 1.0 / 3, total_iters: int = 5, *, base_lr: float = 1.0
) -> Schedule:
    """Keep a part of the rate for some steps, then jump to the rate.

        lr(t) = base_lr * factor    for t < total_iters,    base_lr after that

    Args:
        factor: In (0, 1].
        total_iters: When to jump; 0 never does, as in the peer run step by step (its
            closed form, used after a milestone of SequentialLR, jumps at once).
            Unit: updates; int >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, `total_iters` long.

    Raises:
        InvalidScheduleError: A value is outside its range. With a factor of 0 the peer
            divides by it when it jumps.

    Source:
        torch 2.13, torch.optim.lr_scheduler.ConstantLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.ConstantLR(0.5, 2, base_lr=0.1)(range(4))
        [0.05, 0.05, 0.1, 0.1]
    """
    steps = count(total_iters, "ConstantLR.total_iters")
    field = "ConstantLR.factor"
    part = number(factor, field, high=1.0, open_low=steps > 0)
    base = rate(base_lr, "ConstantLR.base_lr")
    if steps == 0:
        return scaled(base * part, hold())
    return times(base, knots([(0, part), (steps, 1.0)], "step"))


def LinearLR(
    start_factor: float = 1.0 / 3,
    end_factor: float = 1.0,
    total_iters: int = 5,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Go from one part of the rate to another, evenly.

        lr(t) = base_lr * (start + (end - start) * min(t, total_iters) / total_iters)

    Args:
        start_factor: First part; in (0, 1].
        end_factor: Last part; in [0, 1].
        total_iters: How long; 0 stays at the first part, as in the peer run step by
            step. Unit: updates; int >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, `total_iters` long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        torch 2.13, torch.optim.lr_scheduler.LinearLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.LinearLR(0.1, total_iters=5, base_lr=0.5)
        0.5 * warmup(5, start=0.1)
    """
    first = number(start_factor, "LinearLR.start_factor", high=1.0, open_low=True)
    last = number(end_factor, "LinearLR.end_factor", high=1.0)
    steps = count(total_iters, "LinearLR.total_iters")
    base = rate(base_lr, "LinearLR.base_lr")
    return times(base, change(first, last if steps else first, steps))


def ExponentialLR(gamma: float, *, base_lr: float = 1.0) -> Schedule:
    """Multiply the rate at every step.

        lr(t) = base_lr * gamma^t

    Args:
        gamma: Finite, >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range. The peer takes a negative
            gamma, and its rates change their sign.

    Source:
        torch 2.13, torch.optim.lr_scheduler.ExponentialLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.ExponentialLR(0.9, base_lr=0.1)
        0.1 * geometric(factor=0.9)
    """
    factor = number(gamma, "ExponentialLR.gamma")
    base = rate(base_lr, "ExponentialLR.base_lr")
    return times(base, geometric(factor) if factor else _off_at(1))


def PolynomialLR(
    total_iters: int = 5, power: float = 1.0, *, base_lr: float = 1.0
) -> Schedule:
    """Fall to zero as a power of the steps left.

        lr(t) = base_lr * (1 - min(t, total_iters) / total_iters)^power

    Args:
        total_iters: How long; 0 keeps the rate, as in the peer run step by step. Unit:
            updates; int >= 0.
        power: Finite, >= 0; 0 keeps the rate.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, `total_iters` long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        torch 2.13, torch.optim.lr_scheduler.PolynomialLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.PolynomialLR(4, power=2.0)(range(5))
        [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """
    steps = count(total_iters, "PolynomialLR.total_iters")
    exponent = number(power, "PolynomialLR.power")
    base = rate(base_lr, "PolynomialLR.base_lr")
    if steps == 0 or exponent == 0:
        return scaled(base, hold(steps or None))
    if exponent == 1:
        return times(base, linear(steps))
    return times(base, decay(steps, shape="polynomial", power=exponent))


def CosineAnnealingLR(
    T_max: float, eta_min: float = 0.0, *, base_lr: float = 1.0, faithful: bool = False
) -> Schedule:
    """Fall to a minimum as half a cosine, and stay there.

        lr(t) = eta_min + (base_lr - eta_min) * (1 + cos(pi t / T_max)) / 2,  t <= T_max

    The peer's formula goes on after T_max: the rate rises again, with period 2 T_max.
    Here it stays at eta_min, unless `faithful` asks for the peer's curve.

    Args:
        T_max: Length of the fall. Unit: updates; > 0, for `faithful` an int.
        eta_min: Last rate, absolute. Unit: lr; finite, >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.
        faithful: Whether to swing on after T_max, endlessly.

    Returns:
        The schedule, T_max long.

    Raises:
        InvalidScheduleError: A value is outside its range. The peer takes a T_max of 0
            and divides by it at the first step.

    Source:
        torch 2.13, torch.optim.lr_scheduler.CosineAnnealingLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.CosineAnnealingLR(T_max=20, eta_min=1e-5, base_lr=0.1)
        0.1 * decay(20, shape="cosine", to_lr=1e-5)
    """
    owner = "CosineAnnealingLR"
    low = rate(eta_min, f"{owner}.eta_min")
    base = rate(base_lr, f"{owner}.base_lr")
    to_lr = low or None
    if faithful:
        steps = count(T_max, f"{owner}.T_max", 1)
        swing = repeat(wave(2 * steps, to_lr=to_lr))
        return marked(scaled(base, swing) if base else _rise_from_zero(steps, low))
    length = number(
        T_max, f"{owner}.T_max", high=float(LONGEST), open_low=True, unit="updates"
    )

    def fall(steps: int | str) -> Schedule:
        return cosine(steps, to_lr=to_lr)

    exactly = exact(int(length) if length.is_integer() else length)
    if base == 0 and not low:
        return scaled(0.0, hold())
    if exactly.denominator == 1:
        return scaled(base, fall(int(exactly)))
    return scaled(base, lay([(fall, Fraction(exactly))]))


def SWALR(
    swa_lr: float,
    anneal_epochs: int = 10,
    anneal_strategy: str = "cos",
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Go from the rate at hand to a fixed one, and stay there.

        lr(t) = base_lr * (1 - a) + swa_lr * a,   p = min(t / anneal_epochs, 1),
        a = (1 - cos(pi p)) / 2  or  p

    Args:
        swa_lr: Last rate, absolute. Unit: lr; finite, >= 0.
        anneal_epochs: How long; 0 begins with swa_lr. Unit: calls of `step`; int >= 0.
        anneal_strategy: "cos" or "linear".
        base_lr: Rate at hand when the peer is made. Unit: lr; finite, >= 0.

    Returns:
        The schedule, `anneal_epochs` long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        torch 2.13, torch.optim.swa_utils.SWALR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.SWALR(0.05, base_lr=0.2)
        0.2 * decay(10, shape="cosine", to_lr=0.05)
    """
    last = rate(swa_lr, "SWALR.swa_lr")
    steps = count(anneal_epochs, "SWALR.anneal_epochs", unit="calls of step")
    shape = choice(anneal_strategy, "SWALR.anneal_strategy", ("cos", "linear"))
    base = rate(base_lr, "SWALR.base_lr")
    if steps == 0:
        return jump(to_lr=last) >> hold()
    name = "cosine" if shape == "cos" else "linear"
    return scaled(base, decay(steps, shape=name, to_lr=last))


def _off_at(point: int) -> Schedule:
    """Return 1, and 0 from a step on: what a factor of 0 does."""
    if point == 0:
        return scaled(0.0, hold())
    return knots([(0, 1.0), (point, 0.0)], "step")


def _rise_from_zero(steps: int, top: float) -> Schedule:
    """Return the swing of a base rate of 0, which rises to eta_min first."""
    if top == 0:
        return scaled(0.0, hold())
    return jump(to_lr=top) >> skip(repeat(wave(2 * steps)), steps)
