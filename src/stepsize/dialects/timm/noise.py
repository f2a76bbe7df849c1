"""timm's noise on the rate, as a factor; its numbers are torch's, drawn once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stepsize.errors import FrameworkMissingError, InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import jump
from stepsize.schedules.cycles import is_elastic
from stepsize.schedules.durations import whole
from stepsize.schedules.knots import table
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule

Range = float | Sequence[float] | None
"""timm's `noise_range_t`: from a step on, or from one to before another."""


def with_noise(  # noqa: PLR0917 - timm's arguments
    schedule: Schedule,
    owner: str,
    noise_range_t: Range,
    noise_pct: float,
    noise_std: float,
    noise_seed: int | None,
    *,
    zero_from: int | None = None,
) -> Schedule:
    """Scatter a schedule as timm does.

        value(t) * (1 + z(t))   for t in the range

    with z(t) normal(0, noise_std) from torch's generator seeded with noise_seed + t,
    drawn again until |z| < noise_pct.

    Args:
        schedule: What to scatter.
        owner: Name of the scheduler, for errors.
        noise_range_t: None for no noise, (start, stop), or start. Unit: steps.
        noise_pct: Largest relative change; in (0, 1].
        noise_std: Finite, >= 0.
        noise_seed: Int; None is 42.
        zero_from: Step from which the rate is 0 for good; None if it never is.

    Returns:
        The schedule times a table of factors. (Tables of more than some 3000 steps
        evaluate, but their text is beyond what `parse` reads.)

    Raises:
        InvalidScheduleError: A value is outside its range, or the noise has no end.
        FrameworkMissingError: torch is not installed.
    """
    if noise_range_t is None:
        return schedule
    limit = number(noise_pct, f"{owner}.noise_pct", high=1.0, open_low=True)
    spread = number(noise_std, f"{owner}.noise_std")
    seed = 42 if noise_seed is None else whole(noise_seed)
    if seed is None:
        raise InvalidScheduleError(
            describe(f"{owner}.noise_seed", "be an int", noise_seed)
        )
    start, stop = _bounds(noise_range_t, owner, zero_from)
    if stop <= start:
        return schedule
    factors = table([1.0 + z for z in _draw(range(start, stop), seed, spread, limit)])
    back = factors >> jump(to=1.0)
    if is_elastic(schedule):  # in a product the length of the other would cut it
        back = back >> hold()
    return schedule * (hold(start) >> back if start else back)


def _bounds(given: object, owner: str, zero_from: int | None) -> tuple[int, int]:
    """Return the first step with noise and the one after the last."""
    field = f"{owner}.noise_range_t"
    if isinstance(given, Sequence) and not isinstance(given, str):
        if len(given) != 2:  # noqa: PLR2004 - a pair
            rule = "be None, a step, or (start, stop) (unit: steps)"
            raise InvalidScheduleError(describe(field, rule, given))
        first, last = (number(x, field, unit="steps") for x in given)
        stop = math.ceil(last)
        return math.ceil(first), stop if zero_from is None else min(stop, zero_from)
    first = number(given, field, unit="steps")
    if zero_from is None:
        rule = "be (start, stop) for a schedule that goes on (unit: steps)"
        raise InvalidScheduleError(describe(field, rule, given))
    return math.ceil(first), zero_from


def _draw(steps: range, seed: int, spread: float, limit: float) -> list[float]:
    try:
        import torch
    except ImportError as error:
        hint = "install torch, which draws timm's noise"
        message = describe("noise_range_t", "have torch at hand", steps, hint=hint)
        raise FrameworkMissingError(message) from error
    drawn = []
    for step in steps:
        generator = torch.Generator()
        generator.manual_seed(seed + step)
        z = math.inf
        while abs(z) >= limit:
            z = torch.randn(1, generator=generator).item() * spread
        drawn.append(z)
    return drawn
