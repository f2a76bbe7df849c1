"""fastai's annealers and their combination, over a whole horizon."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any

from stepsize.dialects._rises import count
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.cycles import repeat
from stepsize.schedules.joins import join
from stepsize.schedules.phases import decay, hold, warmup
from stepsize.schedules.schedule import Schedule

SIMPLEST, ROUNDING, PLACES = 10**5, Fraction(1, 10**13), 28
"""Largest denominator of a simple share; what counts as rounding; digits kept."""


def SchedLin(  # noqa: N802 - fastai's name
    start: float, end: float, *, total_steps: int | None = None
) -> Schedule:
    """Go evenly from `start` to `end`.

        start + p * (end - start),   p = t / N

    Args:
        start: First value; finite, >= 0.
        end: Value at the end; finite, >= 0.
        total_steps: N; int >= 1; None is the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `SchedLin` and `sched_lin`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.fastai.SchedLin(1.0, 0.0, total_steps=4)(range(5))
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    return spread(_between("SchedLin", start, end, "linear"), total_steps, "SchedLin")


def SchedCos(  # noqa: N802 - fastai's name
    start: float, end: float, *, total_steps: int | None = None
) -> Schedule:
    """Go from `start` to `end` as half a cosine.

        start + (1 + cos(pi * (1 - p))) * (end - start) / 2,   p = t / N

    Args:
        start: First value; finite, >= 0.
        end: Value at the end; finite, >= 0.
        total_steps: N; int >= 1; None is the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `SchedCos` and `sched_cos`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.fastai.SchedCos(0.1, 0.0)
        0.1 * decay(shape="cosine")
    """
    return spread(_between("SchedCos", start, end, "cosine"), total_steps, "SchedCos")


def SchedNo(  # noqa: N802 - fastai's name
    start: float, end: float, *, total_steps: int | None = None
) -> Schedule:
    """Stay at `start`.

        start

    Args:
        start: The value; finite, >= 0.
        end: No effect; finite, >= 0.
        total_steps: Length; int >= 1; None is the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `SchedNo` and `sched_no`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.fastai.SchedNo(0.1, 0.0)
        0.1 * hold()
    """
    number(end, "SchedNo.end")
    stay = number(start, "SchedNo.start") * hold()
    return spread(stay, total_steps, "SchedNo")


def SchedExp(  # noqa: N802 - fastai's name
    start: float, end: float, *, total_steps: int | None = None
) -> Schedule:
    """Go from `start` to `end` by equal factors.

        start * (end / start)^p,   p = t / N

    Args:
        start: First value; finite, > 0.
        end: Value at the end; finite, > 0.
        total_steps: N; int >= 1; None is the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `SchedExp` and `sched_exp`.

    Examples:
        >>> from stepsize import dialects
        >>> rates = dialects.fastai.SchedExp(1.0, 0.01, total_steps=2)(range(3))
        >>> [round(rate, 6) for rate in rates]
        [1.0, 0.1, 0.01]
    """
    number(start, "SchedExp.start", open_low=True)
    number(end, "SchedExp.end", open_low=True)
    curve = _between("SchedExp", start, end, "exponential")
    return spread(curve, total_steps, "SchedExp")


def SchedPoly(  # noqa: N802 - fastai's name
    start: float, end: float, power: float, *, total_steps: int | None = None
) -> Schedule:
    """Go from `start` to `end` as a power.

        start + (end - start) * p^power,   p = t / N

    Args:
        start: First value; finite, >= 0.
        end: Value at the end; finite, >= 0.
        power: Finite, > 0.
        total_steps: N; int >= 1; None is the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `SchedPoly`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.fastai.SchedPoly(0.0, 1.0, 2.0, total_steps=4)(range(5))
        [0.0, 0.0625, 0.25, 0.5625, 1.0]
    """
    exponent = number(power, "SchedPoly.power", open_low=True)
    curve = _between("SchedPoly", start, end, "polynomial", exponent)
    return spread(curve, total_steps, "SchedPoly")


sched_lin = SchedLin
sched_cos = SchedCos
sched_no = SchedNo
sched_exp = SchedExp


def combine_scheds(
    pcts: Sequence[float],
    scheds: Sequence[Schedule],
    *,
    total_steps: int | None = None,
) -> Schedule:
    """Play schedules one after the other, each over its share.

        scheds[i]((p - P_i) / pcts[i])   for P_i <= p,  P_i = pcts[0] + ... + pcts[i-1]

    Args:
        pcts: Shares; each in [0, 1]; their sum is 1.
        scheds: Schedules without a length of their own, one a share.
        total_steps: Length; int >= 1; None is the horizon. Unit: updates.

    Returns:
        The schedule. A boundary lies where its share ends, not at a whole step.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `combine_scheds`.

    Examples:
        >>> from stepsize import dialects
        >>> up, down = dialects.fastai.SchedLin(0, 1), dialects.fastai.SchedLin(1, 0)
        >>> s = dialects.fastai.combine_scheds([0.5, 0.5], [up, down])
        >>> s
        repeat(join(warmup(start=0.0), decay(), at=["50%"]), 1, boundaries="real")
        >>> s.resolve(total_steps=4)(range(5))
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    owner = "combine_scheds"
    if len(pcts) != len(scheds) or not pcts:
        rule = f"be {len(scheds)} shares, one a schedule, at least one"
        raise InvalidScheduleError(describe(f"{owner}.pcts", rule, pcts))
    shares = [
        Fraction(repr(number(pct, f"{owner}.pcts", high=1.0, unit="share")))
        for pct in pcts
    ]
    ends = list(accumulate(shares))
    if abs(ends[-1] - 1) > ROUNDING * 10:
        rule = "have the sum 1"
        raise InvalidScheduleError(describe(f"{owner}.pcts", rule, list(pcts)))
    whole = scheds[0]
    if len(scheds) > 1:
        whole = join(*scheds, at=[_percent(end) for end in ends[:-1]])
    return spread(repeat(whole, 1, boundaries="real"), total_steps, owner)


def combined_cos(
    pct: float,
    start: float,
    middle: float,
    end: float,
    *,
    total_steps: int | None = None,
) -> Schedule:
    """Go from `start` to `middle` and on to `end`, each as half a cosine.

    Args:
        pct: Share of the first part; in [0, 1].
        start: First value; finite, >= 0.
        middle: Value between the parts; finite, >= 0.
        end: Value at the end; finite, >= 0.
        total_steps: Length; int >= 1; None is the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `combined_cos`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.fastai.combined_cos(0.5, 0.0, 1.0, 0.0, total_steps=4)
        >>> [round(rate, 6) for rate in s(range(5))]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    first = number(pct, "combined_cos.pct", high=1.0)
    rest = float(1 - Fraction(repr(first)))
    parts = [SchedCos(start, middle), SchedCos(middle, end)]
    return combine_scheds([first, rest], parts, total_steps=total_steps)


def LRFinder(  # noqa: N802 - fastai's name
    start_lr: float = 1e-7,
    end_lr: float = 10,
    num_it: int = 100,
    stop_div: bool = True,
) -> Schedule:
    """Sweep the rate upwards by equal factors: the schedule of a range test.

        start_lr * (end_lr / start_lr)^(t / num_it)

    Args:
        start_lr: First rate; finite, > 0. Unit: lr.
        end_lr: Rate at step num_it; finite, > 0. Unit: lr.
        num_it: Length; int; at least 6 are made. Unit: updates.
        stop_div: No effect: stopping early is up to whoever runs the test.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `LRFinder` and `lr_find`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.fastai.LRFinder()
        >>> [float(f"{s(t):.3g}") for t in (0, 50, 100)]
        [1e-07, 0.001, 10.0]
    """
    steps = count(num_it, "LRFinder.num_it")
    first = number(start_lr, "LRFinder.start_lr", open_low=True, unit="lr")
    last = number(end_lr, "LRFinder.end_lr", open_low=True, unit="lr")
    return first * decay(max(steps, 6), last / first, "exponential")


lr_find = LRFinder


def spread(schedule: Schedule, total_steps: int | None, owner: str) -> Schedule:
    """Give an elastic schedule a length of its own, if there is one."""
    if total_steps is None:
        return schedule
    steps = count(total_steps, f"{owner}.total_steps", low=1)
    return hold(steps) * schedule


def _between(
    owner: str, start: float, end: float, shape: str, power: float | None = None
) -> Schedule:
    """Go from one value to another; it scales with a number in front."""
    a, b = number(start, f"{owner}.start"), number(end, f"{owner}.end")
    if a == b:
        return a * hold()
    if a < b:
        rises: dict[str, Any] = {} if power is None else {"power": power}
        return b * warmup(None, a / b, shape, **rises)
    falls: dict[str, Any] = {} if power is None else {"power": 1.0, "k": power}
    return a * decay(None, b / a, shape, **falls)


def _percent(share: Fraction) -> str:
    """Return a share as a percentage of 28 digits after the point.

    Sums of shares are fractions that floats only come near: 1/12 + 7/24 is 3/8, and a
    boundary there belongs to the batch at 3/8.
    """
    near = share.limit_denominator(SIMPLEST)
    exact = near if abs(near - share) < ROUNDING else share
    whole, rest = divmod(round(exact * 100 * 10**PLACES), 10**PLACES)
    return f"{whole}.{rest:0{PLACES}d}%"
