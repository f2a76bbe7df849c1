"""DeepSpeed's warmups: alone, with a linear decay, with a cosine."""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

from stepsize.dialects.deepspeed.checks import length
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.combinators import skip
from stepsize.schedules.joins import join
from stepsize.schedules.phases import decay, hold, warmup
from stepsize.schedules.schedule import Schedule, chain, scaled


def WarmupLR(
    warmup_min_lr: float = 0.0,
    warmup_max_lr: float | None = None,
    warmup_num_steps: int = 1000,
    warmup_type: str = "log",
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Warm up and stay.

    With W = max(2, warmup_num_steps) and b = t - 1:

        t = 0   lr = min_lr                                  (the constructor writes it)
        b < W   lr = min_lr + (max_lr - min_lr) * g,   g = log(b + 1) / log(W) | b / W
        b >= W  lr = max_lr

    so that updates 0 and 1 both have min_lr.

    Args:
        warmup_min_lr: First rate. Unit: lr; in [0, warmup_max_lr].
        warmup_max_lr: Last rate. Unit: lr; finite, >= 0; None takes base_lr.
        warmup_num_steps: Unit: updates; int >= 0. The peer refuses 0 since 2025; it
            counts as 2 here, as it did before.
        warmup_type: "log" or "linear"; the peer takes any other for "log", with a
            warning.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        DeepSpeed edaa7221, runtime/lr_schedules.py.

    Examples:
        >>> from stepsize.dialects import deepspeed
        >>> deepspeed.WarmupLR(0.0, 1.0, 4, "linear")(range(7))
        [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    owner = "WarmupLR"
    peak = base_lr if warmup_max_lr is None else warmup_max_lr
    low, high = _ends(owner, warmup_min_lr, peak)
    steps, shape = _warm(owner, warmup_num_steps, warmup_type)
    if high == 0:
        return scaled(0.0, hold())
    return skip(scaled(high, _rise(steps, low / high, shape)), -1)


def WarmupDecayLR(
    total_num_steps: int,
    warmup_min_lr: float = 0.0,
    warmup_max_lr: float = 0.001,
    warmup_num_steps: int = 1000,
    warmup_type: str = "log",
) -> Schedule:
    """Warm up as `WarmupLR`, then fall evenly to the first rate.

    With N = total_num_steps and b = t - 1:

        b >= W  lr = min_lr + (max_lr - min_lr) * max(0, (N - b) / max(1, N - W))

    so N = W drops to min_lr right after the warmup, and update N - 1 is two steps above
    the end.

    Args:
        total_num_steps: N, warmup included. Unit: updates; int >= 0.
        warmup_min_lr: First and last rate. Unit: lr; in [0, warmup_max_lr].
        warmup_max_lr: Highest rate. Unit: lr; finite, >= 0.
        warmup_num_steps: As in `WarmupLR`.
        warmup_type: "log" or "linear".

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        DeepSpeed edaa7221, runtime/lr_schedules.py.

    Examples:
        >>> from stepsize.dialects import deepspeed
        >>> deepspeed.WarmupDecayLR(4, 0.0, 1.0, 2, "linear")(range(7))
        [0.0, 0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    owner = "WarmupDecayLR"
    total = length(total_num_steps, f"{owner}.total_num_steps", 0)
    low, high = _ends(owner, warmup_min_lr, warmup_max_lr)
    steps, shape = _warm(owner, warmup_num_steps, warmup_type)
    if high == 0:
        return scaled(0.0, hold())
    start = low / high
    rise = _rise(steps, start, shape)
    curve: Schedule
    if total > steps:
        waiting = [hold(1)] if shape == "log" else []
        curve = chain(rise, *waiting, decay(total - steps, start))
    else:
        curve = join(rise, scaled(start, hold()), at=[steps])
    return skip(scaled(high, curve), -1)


def WarmupCosineLR(
    total_num_steps: int,
    warmup_min_ratio: float = 0.0,
    warmup_num_steps: int = 1000,
    cos_min_ratio: float = 0.0001,
    warmup_type: str = "log",
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Warm up, then fall as half a cosine that begins one step in.

    With N = total_num_steps, W = max(2, warmup_num_steps), b = t - 1:

        t = 0   lr = 0                                       (the constructor writes it)
        b < W   lr = base_lr * (w + (1 - w) * g),   g = log(b + 1) / log(W) | b / W
        b >= W  lr = base_lr * (m + (1 - m) * (1 + cos(pi p)) / 2),
                p = min(1, (b - W + 1) / max(1, N - W))

    After a linear warmup the peak itself is never used, as in the peer.

    Args:
        total_num_steps: N, warmup included. Unit: updates; int >= 0.
        warmup_min_ratio: w, as a fraction of base_lr; in [0, 1].
        warmup_num_steps: As in `WarmupLR`.
        cos_min_ratio: m, as a fraction of base_lr; finite, >= 0.
        warmup_type: "log" or "linear".
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        DeepSpeed edaa7221, runtime/lr_schedules.py.

    Examples:
        >>> from stepsize.dialects import deepspeed
        >>> s = deepspeed.WarmupCosineLR(10, 0.0, 3, 0.0, "linear")
        >>> [round(s(t), 3) for t in range(6)]
        [0.0, 0.0, 0.333, 0.667, 0.95, 0.812]
    """
    owner = "WarmupCosineLR"
    total = length(total_num_steps, f"{owner}.total_num_steps", 0)
    start = number(warmup_min_ratio, f"{owner}.warmup_min_ratio", high=1.0)
    low = number(cos_min_ratio, f"{owner}.cos_min_ratio")
    steps, shape = _warm(owner, warmup_num_steps, warmup_type)
    rate = number(base_lr, f"{owner}.base_lr", unit="lr")
    if rate == 0:
        return scaled(0.0, hold())
    rise = _rise(steps, start, shape)
    fall = decay(max(1, total - steps), low, "cosine")
    # a logarithm is at the peak one step early, where the cosine begins
    late = join(rise, skip(fall, 1), at=[steps])
    curve = rise >> fall if shape == "log" else late
    return scaled(rate, join(scaled(0.0, hold()), curve, at=[1]))


def _ends(owner: str, low: object, high: object) -> tuple[float, float]:
    most = number(high, f"{owner}.warmup_max_lr", unit="lr")
    return number(low, f"{owner}.warmup_min_lr", high=most, unit="lr"), most


def _warm(owner: str, steps: object, kind: object) -> tuple[int, str]:
    count = length(steps, f"{owner}.warmup_num_steps", 0)
    return max(2, count), choice(kind, f"{owner}.warmup_type", ("log", "linear"))


def _rise(steps: int, start: float, shape: str) -> Schedule:
    """Return the warmup over b = 0, 1, ...; a logarithm ends one step early."""
    return warmup(steps - 1 if shape == "log" else steps, start, shape)
