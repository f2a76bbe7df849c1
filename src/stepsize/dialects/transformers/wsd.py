"""transformers' warmup-stable-decay schedule."""

from __future__ import annotations

from stepsize.dialects._rises import base_rate, count
from stepsize.dialects.transformers.plain import fresh
from stepsize.dialects.transformers.swings import swing
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.combinators import jump, skip
from stepsize.schedules.phases import decay, hold, warmup
from stepsize.schedules.schedule import Schedule, chain

SHAPES = ("linear", "cosine", "1-sqrt")


def get_wsd_schedule(  # noqa: PLR0917 - the peer's order
    num_warmup_steps: int,
    num_decay_steps: int,
    num_training_steps: int | None = None,
    num_stable_steps: int | None = None,
    warmup_type: str = "linear",
    decay_type: str = "cosine",
    min_lr_ratio: float = 0,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Warm up, stay, decay: all between base_lr * r and base_lr, r = min_lr_ratio.

        warmup:  base_lr * (r + (1 - r) * g(p)),  g = p | (1 - cos(pi p)) / 2 |
                 1 - sqrt(1 - p)
        stable:  base_lr
        decay:   base_lr * (r + (1 - r) * h(p)),  h = 1 - p | (1 + cos(2 pi num_cycles
                 p)) / 2 | 1 - sqrt(p)
        after:   base_lr * r

    with p the progress in each part.

    Args:
        num_warmup_steps: Int >= 0. Unit: updates.
        num_decay_steps: Int >= 0. Unit: updates.
        num_training_steps: All steps; gives the stable ones if num_stable_steps is
            None (less than none of them: the decay begins in its middle).
        num_stable_steps: Int >= 0; it wins where both are given. Unit: updates.
        warmup_type: "linear", "cosine" or "1-sqrt".
        decay_type: "linear", "cosine" or "1-sqrt".
        min_lr_ratio: First and last rate as a share of base_lr; in [0, 1].
        num_cycles: Full swings of a cosine decay; 0.5 falls once.
        last_epoch: -1.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule. With another `num_cycles` the rate jumps at the end of the decay.

    Raises:
        InvalidScheduleError: A value is outside its range, or neither
            num_training_steps nor num_stable_steps is given.

    Source:
        transformers 5.23.0, `get_wsd_schedule`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.transformers.get_wsd_schedule(10, 20, 100, base_lr=0.1)
        0.1 * warmup(10, start=0.0) >> hold(70) >> decay(20, shape="cosine")
    """
    owner = "get_wsd_schedule"
    fresh(last_epoch, owner)
    rise = count(num_warmup_steps, f"{owner}.num_warmup_steps")
    fall = count(num_decay_steps, f"{owner}.num_decay_steps")
    if num_stable_steps is not None:
        flat = count(num_stable_steps, f"{owner}.num_stable_steps")
    elif num_training_steps is not None:
        total = count(num_training_steps, f"{owner}.num_training_steps")
        flat = total - rise - fall
    else:
        rule = "be given, or num_training_steps (unit: updates)"
        raise InvalidScheduleError(describe(f"{owner}.num_stable_steps", rule, None))
    up = choice(warmup_type, f"{owner}.warmup_type", SHAPES)
    down = choice(decay_type, f"{owner}.decay_type", SHAPES)
    ratio = number(min_lr_ratio, f"{owner}.min_lr_ratio", high=1.0)
    cycles = number(num_cycles, f"{owner}.num_cycles", low=-1e9, high=1e9)
    parts: list[Schedule] = [warmup(rise, ratio, up)] if rise else []
    if flat > 0:
        parts.append(hold(flat))
    if fall + min(flat, 0) > 0:
        last = _fall(fall, ratio, down, cycles)
        parts.append(skip(last, -flat) if flat < 0 else last)
    exact = parts and fall + min(flat, 0) > 0 and (down != "cosine" or cycles == 0.5)  # noqa: PLR2004 - half a swing
    if not exact:
        parts += [jump(to=ratio), hold()]
    return base_rate(base_lr, owner) * chain(*parts)


def _fall(steps: int, ratio: float, shape: str, cycles: float) -> Schedule:
    if shape == "cosine":
        return swing(steps, cycles, ratio)
    return decay(steps, ratio, shape)
