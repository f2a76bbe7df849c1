"""transformers' cosine schedules."""

from __future__ import annotations

from stepsize.dialects._rises import after_warmup, base_rate, count, rise
from stepsize.dialects.transformers.plain import fresh
from stepsize.dialects.transformers.swings import endless_swing, saw, swing
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number, optional
from stepsize.schedules.combinators import skip
from stepsize.schedules.joins import faithful as mark_faithful
from stepsize.schedules.joins import join
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule, chain


def get_cosine_schedule_with_warmup(
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Rise evenly from 0, then fall as half a cosine (or swing) to 0.

        t < W: base_lr * t / W
        else:  base_lr * (1 + cos(2 pi num_cycles p)) / 2,   p = (t - W) / max(1, N - W)

    Args:
        num_warmup_steps: W; int >= 0. Unit: updates.
        num_training_steps: N, warmup included; int >= 0. Unit: updates.
        num_cycles: Full swings; finite; 0.5 falls once.
        last_epoch: -1.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.
        faithful: Whether to go on swinging after N as transformers does, so that the
            rate rises again; otherwise the value at p = 1 holds.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        transformers 5.23.0, `get_cosine_schedule_with_warmup`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.transformers.get_cosine_schedule_with_warmup(10, 100, base_lr=1e-3)
        1e-3 * warmup(10, start=0.0) >> decay(90, shape="cosine")
    """
    owner = "get_cosine_schedule_with_warmup"
    fresh(last_epoch, owner)
    steps, fall = _lengths(owner, num_warmup_steps, num_training_steps)
    cycles = _cycles(owner, num_cycles)
    rest = endless_swing(fall, cycles) if faithful else swing(fall, cycles)
    schedule = after_warmup(steps, 0.0, base_rate(base_lr, owner), rest)
    return mark_faithful(schedule) if faithful else schedule


def get_cosine_with_hard_restarts_schedule_with_warmup(
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 1,
    last_epoch: int = -1,
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Rise evenly from 0, then fall as cosines with hard restarts, all of one length.

        t < W: base_lr * t / W
        p < 1: base_lr * (1 + cos(pi ((num_cycles p) mod 1))) / 2,
               p = (t - W) / max(1, N - W)
        else:  0

    Args:
        num_warmup_steps: W; int >= 0. Unit: updates.
        num_training_steps: N, warmup included; int >= 0. Unit: updates.
        num_cycles: How many; >= 0, not only whole: the last is cut off. At most 10000
            written without its point.
        last_epoch: -1.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.
        faithful: Whether restarts come one step late where rounding makes transformers
            miss them (22 cycles in 22 steps, and some numbers of cycles above 22).

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        transformers 5.23.0, `get_cosine_with_hard_restarts_schedule_with_warmup`.

    Examples:
        >>> from stepsize.dialects import transformers as hf
        >>> s = hf.get_cosine_with_hard_restarts_schedule_with_warmup(1, 5, 2)
        >>> [round(rate, 3) for rate in s(range(7))]
        [0.0, 1.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    owner = "get_cosine_with_hard_restarts_schedule_with_warmup"
    fresh(last_epoch, owner)
    steps, fall = _lengths(owner, num_warmup_steps, num_training_steps)
    rest = saw(fall, num_cycles, f"{owner}.num_cycles", late=faithful)
    schedule = after_warmup(steps, 0.0, base_rate(base_lr, owner), rest)
    return mark_faithful(schedule) if faithful else schedule


def get_cosine_with_min_lr_schedule_with_warmup(  # noqa: PLR0917 - the peer's order
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Rise evenly from 0, then fall as half a cosine (or swing) to a lowest rate.

    With low = min_lr, or base_lr * min_lr_rate, and W, N and p as in
    `get_cosine_schedule_with_warmup`:

        t < W: base_lr * t / W
        else:  low + (base_lr - low) * (1 + cos(2 pi num_cycles p)) / 2

    Args:
        num_warmup_steps: W; int >= 0. Unit: updates.
        num_training_steps: N, warmup included; int >= 0. Unit: updates.
        num_cycles: Full swings; finite; 0.5 falls once.
        last_epoch: -1.
        min_lr: Lowest rate; finite, >= 0. Unit: lr. Give this or min_lr_rate.
        min_lr_rate: Lowest rate as a share of base_lr; finite, >= 0.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.
        faithful: Whether to go on swinging after N as transformers does, so that the
            rate rises again; otherwise the value at p = 1 holds.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range, or not exactly one of min_lr
            and min_lr_rate is given.

    Source:
        transformers 5.23.0, `get_cosine_with_min_lr_schedule_with_warmup`.

    Examples:
        >>> from stepsize import dialects
        >>> get = dialects.transformers.get_cosine_with_min_lr_schedule_with_warmup
        >>> get(0, 100, min_lr=1e-5, base_lr=1e-3)
        1e-3 * decay(100, shape="cosine", to_lr=1e-5)
    """
    owner = "get_cosine_with_min_lr_schedule_with_warmup"
    fresh(last_epoch, owner)
    steps, fall = _lengths(owner, num_warmup_steps, num_training_steps)
    share, low = _lowest(owner, min_lr, min_lr_rate)
    make = endless_swing if faithful else swing
    rest = make(fall, _cycles(owner, num_cycles), share, low)
    schedule = after_warmup(steps, 0.0, base_rate(base_lr, owner), rest)
    return mark_faithful(schedule) if faithful else schedule


def get_cosine_with_min_lr_schedule_with_warmup_lr_rate(  # noqa: PLR0917 - as above
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
    warmup_lr_rate: float | None = None,
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Rise evenly from above 0, then fall to a lowest rate, reached by the last update.

    With low = min_lr, or base_lr * min_lr_rate:

        t < W: base_lr * (t + 1) / W, or with q = warmup_lr_rate
               base_lr * (q + (1 - q) * t / max(1, W - 1))
        else:  low + (base_lr - low) * (1 + cos(2 pi num_cycles p)) / 2,
               p = (t - W + 1) / max(1, N - W)

    Args:
        num_warmup_steps: W; int >= 0; the peak is at W - 1. Unit: updates.
        num_training_steps: N, warmup included; int >= 0. Unit: updates.
        num_cycles: Full swings; finite; 0.5 falls once.
        last_epoch: -1.
        min_lr: Lowest rate; finite, >= 0. Unit: lr. Give this or min_lr_rate.
        min_lr_rate: Lowest rate as a share of base_lr; finite, >= 0.
        warmup_lr_rate: First rate as a share of base_lr; finite, >= 0; None is 1 / W.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.
        faithful: Whether to go on swinging from N - 1 as transformers does, so that the
            rate rises again; otherwise the value at p = 1 holds.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range, or not exactly one of min_lr
            and min_lr_rate is given.

    Source:
        transformers 5.23.0, `get_cosine_with_min_lr_schedule_with_warmup_lr_rate`.

    Examples:
        >>> from stepsize.dialects import transformers as hf
        >>> get = hf.get_cosine_with_min_lr_schedule_with_warmup_lr_rate
        >>> get(4, 20, min_lr_rate=0.1)
        warmup(3, start=0.25) >> decay(16, to=0.1, shape="cosine")
    """
    owner = "get_cosine_with_min_lr_schedule_with_warmup_lr_rate"
    fresh(last_epoch, owner)
    steps, fall = _lengths(owner, num_warmup_steps, num_training_steps)
    share, low = _lowest(owner, min_lr, min_lr_rate)
    first = optional(warmup_lr_rate, f"{owner}.warmup_lr_rate")
    peak = base_rate(base_lr, owner)
    make = endless_swing if faithful else swing
    rest = make(fall, _cycles(owner, num_cycles), share, low)
    if steps == 0 or (steps == 1 and first is not None):
        # the first step of the fall is one step into it
        later = peak * skip(rest, 1)
        schedule: Schedule = later
        if steps and first is not None:
            schedule = join(first * peak * hold(), later, at=[1])
    elif steps == 1:
        schedule = peak * rest
    else:
        start = peak / steps if first is None else peak * first
        schedule = chain(rise(steps - 1, start, peak), rest)
    return mark_faithful(schedule) if faithful else schedule


def _lengths(owner: str, warmup_steps: int, total_steps: int) -> tuple[int, int]:
    """Return the steps of the warmup and of the fall, at least 1."""
    steps = count(warmup_steps, f"{owner}.num_warmup_steps")
    total = count(total_steps, f"{owner}.num_training_steps")
    return steps, max(1, total - steps)


def _cycles(owner: str, num_cycles: float) -> float:
    return number(num_cycles, f"{owner}.num_cycles", low=-1e9, high=1e9)


def _lowest(
    owner: str, min_lr: float | None, min_lr_rate: float | None
) -> tuple[float, float | None]:
    """Return the lowest rate as a fraction, and as an absolute rate if that was given.

    Raises:
        InvalidScheduleError: Not exactly one is given.
    """
    if (min_lr is None) == (min_lr_rate is None):
        rule = "be given, or min_lr_rate, but not both"
        raise InvalidScheduleError(describe(f"{owner}.min_lr", rule, min_lr))
    if min_lr is not None:
        return 0.0, number(min_lr, f"{owner}.min_lr", unit="lr")
    share = number(min_lr_rate, f"{owner}.min_lr_rate", unit="fraction of base_lr")
    return share, None
