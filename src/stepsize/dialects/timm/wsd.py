"""timm's warmup-stable-decay scheduler, with a stable part that may fall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

from stepsize.dialects._rises import after_warmup, base_rate, count
from stepsize.dialects.timm.noise import Range, with_noise
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.combinators import clip, jump
from stepsize.schedules.cycles import repeat
from stepsize.schedules.drops import inverse_sqrt, power_law
from stepsize.schedules.free import opaque
from stepsize.schedules.joins import join
from stepsize.schedules.phases import decay, hold
from stepsize.schedules.schedule import Phase, Schedule

STABLE = ("constant", "rsqrt", "power")
DECAYS = ("linear", "1-sqrt", "cosine", "power", "exp")
PLACES = 28
"""Digits of a time scale that is no whole number of steps."""


def WSDLRScheduler(  # noqa: N802, PLR0917 - timm's name and order
    t_initial: int,
    decay_t: int,
    lr_min: float = 0.0,
    stable_fn: str = "constant",
    stable_timescale: float | None = None,
    stable_power: float = 0.5,
    decay_fn: str | Callable[[float], float] = "1-sqrt",
    decay_power: float = 0.5,
    decay_ratio: float = 0.1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    t_in_epochs: bool = True,
    noise_range_t: Range = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = 42,
    initialize: bool = True,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Warm up, stay (or fall slowly), decay.

    With d = t - warmup_t and f = (d - t_initial + decay_t) / decay_t in [0, 1]:

        t < warmup_t: warmup_lr_init + t * (base_lr - warmup_lr_init) / warmup_t
        s(d)        = max(base_lr * stable(d), lr_min)
        else:         lr_min + (s(d) - lr_min) * decay(f)

    stable: "constant" 1, "rsqrt" (1 + d / timescale)^-0.5, "power" (1 + d / timescale)^
    -stable_power; decay: "linear" 1 - f, "1-sqrt" 1 - sqrt(f), "cosine" (1 + cos(pi f))
    / 2, "power" 1 - f^decay_power, "exp" (decay_ratio^f - decay_ratio) / (1 -
    decay_ratio), or a function of f.

    Args:
        t_initial: Length of the stable and the decay part; int >= 1. Unit: steps.
        decay_t: Length of the decay; int in [1, t_initial]. Unit: steps.
        lr_min: Last rate; finite, >= 0. Unit: lr.
        stable_fn: "constant", "rsqrt" or "power".
        stable_timescale: Finite, > 0; None is warmup_t. Unit: steps.
        stable_power: Finite, > 0.
        decay_fn: A name from above, or a function from [0, 1] to a factor >= 0 (<= 1 if
            lr_min > 0); it prints as `opaque("decay_fn")`. If it does not end at 0,
            a falling stable part goes on under it (but holds if its time scale is no
            whole number).
        decay_power: Finite, > 0.
        decay_ratio: In (0, 1).
        warmup_t: Length of the warmup, before t_initial; int >= 0. Unit: steps.
        warmup_lr_init: First rate of the warmup; finite, >= 0. Unit: lr.
        t_in_epochs: No effect.
        noise_range_t: (start, stop), or start if lr_min is 0. Unit: steps.
        noise_pct: Largest relative change by noise; in (0, 1].
        noise_std: Standard deviation of the noise; finite, >= 0.
        noise_seed: Seed of the noise; int.
        initialize: No effect.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule, warmup_t + t_initial steps long; lr_min afterwards.

    Raises:
        InvalidScheduleError: A value is outside its range, or noise has no end.
        FrameworkMissingError: Noise is asked for and torch is not installed.

    Source:
        timm 1.0.31, `WSDLRScheduler`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.timm.WSDLRScheduler(100, 20, warmup_t=5, base_lr=0.1)
        0.1 * warmup(5, start=0.0) >> hold(80) >> decay(20, shape="1-sqrt")
    """
    owner = "WSDLRScheduler"
    total = count(t_initial, f"{owner}.t_initial", low=1)
    fall = count(decay_t, f"{owner}.decay_t", low=1)
    if fall > total:
        rule = "be an int in [1, t_initial] (unit: steps)"
        raise InvalidScheduleError(describe(f"{owner}.decay_t", rule, decay_t))
    low = number(lr_min, f"{owner}.lr_min", unit="lr")
    peak = base_rate(base_lr, owner)
    steps = count(warmup_t, f"{owner}.warmup_t")
    stable = _stable(stable_fn, stable_timescale, stable_power, steps, total, owner)
    fraction = number(decay_ratio, f"{owner}.decay_ratio", high=1.0, open_low=True)
    if fraction == 1:
        rule = "be a finite number < 1"
        raise InvalidScheduleError(describe(f"{owner}.decay_ratio", rule, decay_ratio))
    power = number(decay_power, f"{owner}.decay_power", open_low=True)
    if callable(decay_fn):
        rest = _by_function(stable, decay_fn, total, fall, low, peak)
    else:
        name = choice(decay_fn, f"{owner}.decay_fn", tuple(DECAYS))
        rest = _by_shape(stable, _shape(name, power, fraction), total, fall, low, peak)
    if _is_relative(stable):
        rest = repeat(rest, 1)  # the time scale is a percentage of this one cycle
    schedule = after_warmup(
        steps, number(warmup_lr_init, f"{owner}.warmup_lr_init", unit="lr"), peak, rest
    )
    return with_noise(
        schedule,
        owner,
        noise_range_t,
        noise_pct,
        noise_std,
        noise_seed,
        zero_from=None if low else steps + total,
    )


def _stable(  # noqa: PLR0917 - the arguments of one scheduler
    stable_fn: str,
    timescale: float | None,
    power: float,
    steps: int,
    total: int,
    owner: str,
) -> Phase | None:
    """Return the phase of a stable part that falls, or None for one that stays."""
    name = choice(stable_fn, f"{owner}.stable_fn", STABLE)
    exponent = number(power, f"{owner}.stable_power", open_low=True)
    if name == "constant":
        return None
    field = f"{owner}.stable_timescale"
    if timescale is None and not steps:
        hint = "it defaults to warmup_t, so set it where there is no warmup"
        rule = "be a finite number > 0 (unit: steps)"
        raise InvalidScheduleError(describe(field, rule, timescale, hint=hint))
    given = steps if timescale is None else timescale
    tau = number(given, field, open_low=True, unit="steps")
    scale = int(tau) if tau.is_integer() else _percent(Fraction(tau) / total)
    return inverse_sqrt(scale) if name == "rsqrt" else power_law(exponent, scale)


def _percent(share: Fraction) -> str:
    whole, rest = divmod(max(round(share * 100 * 10**PLACES), 1), 10**PLACES)
    return f"{whole}.{rest:0{PLACES}d}%"


def _is_relative(stable: Phase | None) -> bool:
    return stable is not None and isinstance(stable["timescale"], str)


def _shape(name: str, power: float, ratio: float) -> tuple[str, dict[str, Any]]:
    """Return the shape of `decay` that is timm's decay function, and its numbers."""
    if name == "exp":
        return "shifted-exponential", {"ratio": ratio}
    if name == "power":
        return "polynomial", {"power": 1.0, "k": power}
    return name, {}


def _by_shape(  # noqa: PLR0917 - the parts of one schedule
    stable: Phase | None,
    shape: tuple[str, dict[str, Any]],
    total: int,
    fall: int,
    low: float,
    peak: float,
) -> Schedule:
    """Chain a stable part and a decay; where the former falls, multiply them.

    low + (s - low) w is s w + low (1 - w); 1 - w is the same shape from 0 to 1.
    """
    name, numbers = shape
    flat = total - fall
    if stable is None and low > peak:  # there is nothing to decay then
        return jump(to_lr=low) >> hold(total)
    if stable is None:
        last = decay(fall, shape=name, to_lr=low or None, **numbers)
        return hold(flat) >> last if flat else last
    down = decay(fall, shape=name, **numbers)
    down_later = hold(flat) >> down if flat else down
    if not low:
        return stable * down_later
    up = decay(fall, shape=name, to_lr=low, **numbers)
    up_later = 0.0 * hold(flat) >> up if flat else 0.0 * up
    return clip(stable, low_lr=low) * down_later + up_later


def _by_function(  # noqa: PLR0917 - the parts of one schedule
    stable: Phase | None,
    function: Callable[[float], float],
    total: int,
    fall: int,
    low: float,
    peak: float,
) -> Schedule:
    """Do as `_by_shape` with a user's function."""
    flat = total - fall
    down: Schedule = opaque("decay_fn", _Fall(function, fall), fall)
    # where the function does not end at 0, a falling stable part goes on under it
    goes_on = stable is not None and not _is_relative(stable) and function(1.0) > 0
    if goes_on:
        down = down >> hold()
    down_later = hold(flat) >> down if flat else down
    base = hold() if stable is None else stable
    if not low:
        return base * down_later
    rest = _Fall(function, fall, rest=True)
    up: Schedule = (low / peak) * opaque("1 - decay_fn", rest, fall)
    if goes_on:
        up = up >> hold()
    up_later = join(0.0 * hold(), up, at=[flat]) if flat else up
    return clip(base, low_lr=low) * down_later + up_later


@final
@dataclass(frozen=True, slots=True)
class _Fall:
    """A user's function of the progress, or what it leaves, as a function of steps."""

    function: Callable[[Any], Any]
    steps: int
    rest: bool = False

    def __call__(self, d: Any) -> Any:
        """Return the factor d steps into the decay."""
        factor = self.function(d / self.steps)
        return 1.0 - factor if self.rest else factor
