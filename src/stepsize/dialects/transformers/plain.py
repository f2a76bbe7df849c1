"""transformers' constant, linear, polynomial and inverse square root schedules."""

from __future__ import annotations

from stepsize.dialects._rises import after_warmup, base_rate, count
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import jump
from stepsize.schedules.drops import inverse_sqrt
from stepsize.schedules.phases import hold, linear, polynomial
from stepsize.schedules.schedule import Schedule


def fresh(last_epoch: object, owner: str) -> None:
    """Refuse to begin in the middle.

    Raises:
        InvalidScheduleError: `last_epoch` is not -1.
    """
    if last_epoch != -1:
        hint = "to resume, call the schedule at the step where it goes on"
        raise InvalidScheduleError(
            describe(f"{owner}.last_epoch", "be -1", last_epoch, hint=hint)
        )


def get_constant_schedule(last_epoch: int = -1, *, base_lr: float = 1.0) -> Schedule:
    """Stay at the base rate.

        base_lr

    Args:
        last_epoch: -1.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        transformers 5.23.0, `get_constant_schedule`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.transformers.get_constant_schedule(base_lr=0.1)
        0.1 * hold()
    """
    fresh(last_epoch, "get_constant_schedule")
    return base_rate(base_lr, "get_constant_schedule") * hold()


def get_constant_schedule_with_warmup(
    num_warmup_steps: int, last_epoch: int = -1, *, base_lr: float = 1.0
) -> Schedule:
    """Rise evenly from 0, then stay.

        base_lr * min(1, t / W),   W = num_warmup_steps

    Args:
        num_warmup_steps: Length of the warmup; int >= 0. Unit: updates.
        last_epoch: -1.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        transformers 5.23.0, `get_constant_schedule_with_warmup`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.transformers.get_constant_schedule_with_warmup(4)(range(6))
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    owner = "get_constant_schedule_with_warmup"
    fresh(last_epoch, owner)
    steps = count(num_warmup_steps, f"{owner}.num_warmup_steps")
    return after_warmup(steps, 0.0, base_rate(base_lr, owner), hold())


def get_linear_schedule_with_warmup(
    num_warmup_steps: int,
    num_training_steps: int,
    last_epoch: int = -1,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Rise evenly from 0, then fall evenly to 0.

        t < W: base_lr * t / W
        else:  base_lr * max(0, (N - t) / max(1, N - W))

    Args:
        num_warmup_steps: W; int >= 0. Unit: updates.
        num_training_steps: N, warmup included; int >= 0; from W at N <= W the rate
            is 0. Unit: updates.
        last_epoch: -1.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        transformers 5.23.0, `get_linear_schedule_with_warmup`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.transformers.get_linear_schedule_with_warmup(2, 6)
        warmup(2, start=0.0) >> decay(4)
    """
    owner = "get_linear_schedule_with_warmup"
    fresh(last_epoch, owner)
    steps = count(num_warmup_steps, f"{owner}.num_warmup_steps")
    total = count(num_training_steps, f"{owner}.num_training_steps")
    rest = linear(total - steps) if total > steps else 0.0 * hold()
    return after_warmup(steps, 0.0, base_rate(base_lr, owner), rest)


def get_polynomial_decay_schedule_with_warmup(
    num_warmup_steps: int,
    num_training_steps: int,
    lr_end: float = 1e-7,
    power: float = 1.0,
    last_epoch: int = -1,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Rise evenly from 0, then fall as a power to an absolute rate.

        t < W: base_lr * t / W
        else:  (base_lr - lr_end) * (1 - (t - W) / (N - W))^power + lr_end,   t <= N

    and lr_end afterwards.

    Args:
        num_warmup_steps: W; int >= 0. Unit: updates.
        num_training_steps: N, warmup included; int >= 0, not W, at which transformers
            divides by zero. Unit: updates.
        lr_end: Last rate; in [0, base_lr). Unit: lr.
        power: Finite, >= 0.
        last_epoch: -1.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        transformers 5.23.0, `get_polynomial_decay_schedule_with_warmup`.

    Examples:
        >>> from stepsize import dialects
        >>> get = dialects.transformers.get_polynomial_decay_schedule_with_warmup
        >>> get(0, 4, lr_end=0.5, power=2.0)(range(6))
        [1.0, 0.78125, 0.625, 0.53125, 0.5, 0.5]
    """
    owner = "get_polynomial_decay_schedule_with_warmup"
    fresh(last_epoch, owner)
    steps = count(num_warmup_steps, f"{owner}.num_warmup_steps")
    total = count(num_training_steps, f"{owner}.num_training_steps")
    peak = base_rate(base_lr, owner)
    end = number(lr_end, f"{owner}.lr_end", unit="lr")
    exponent = number(power, f"{owner}.power")
    if end >= peak:
        rule = "be below base_lr (unit: lr)"
        raise InvalidScheduleError(describe(f"{owner}.lr_end", rule, lr_end))
    if total == steps:
        rule = "differ from num_warmup_steps (unit: updates)"
        raise InvalidScheduleError(
            describe(f"{owner}.num_training_steps", rule, num_training_steps)
        )
    rest: Schedule = jump(to_lr=end) >> hold()
    if total > steps:
        fall = total - steps
        if exponent == 0:  # 0^0 = 1: the step N is still at the base rate
            rest = hold(fall + 1) >> rest
        elif exponent == 1:
            rest = linear(fall, to_lr=end)
        else:
            rest = polynomial(fall, power=exponent, to_lr=end)
    return after_warmup(steps, 0.0, peak, rest)


def get_inverse_sqrt_schedule(
    num_warmup_steps: int,
    timescale: int | None = None,
    last_epoch: int = -1,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Rise evenly from 0, then fall as an inverse square root, without end.

        t < W: base_lr * t / W
        else:  base_lr / sqrt((t + timescale - W) / timescale)

    Args:
        num_warmup_steps: W; int >= 0. Unit: updates.
        timescale: Int >= 1; None is W, or 10000 where W is 0. Unit: updates.
        last_epoch: -1.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        transformers 5.23.0, `get_inverse_sqrt_schedule`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.transformers.get_inverse_sqrt_schedule(4)(range(0, 20, 4))[1:3]
        [1.0, 0.7071067811865476]
    """
    owner = "get_inverse_sqrt_schedule"
    fresh(last_epoch, owner)
    steps = count(num_warmup_steps, f"{owner}.num_warmup_steps")
    given = (steps or 10_000) if timescale is None else timescale
    tau = count(given, f"{owner}.timescale", low=1)
    return after_warmup(steps, 0.0, base_rate(base_lr, owner), inverse_sqrt(tau))
