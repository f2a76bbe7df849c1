"""Schedules known by a name, each a composition of phases; no formula of its own."""

from __future__ import annotations

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.cycles import repeat
from stepsize.schedules.durations import Length, duration
from stepsize.schedules.durations import of as duration_of
from stepsize.schedules.phases import (
    Duration,
    cosine,
    decay,
    hold,
    warmup,
)
from stepsize.schedules.schedule import Phase, Schedule, scaled


def constant(lr: float) -> Schedule:
    """Keep one rate: short for `lr * hold()`. A baseline.

        value(t) = lr

    Args:
        lr: The rate. Unit: lr; finite, >= 0.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: `lr` is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> ss.constant(0.1)(1000)
        0.1
    """
    return scaled(number(lr, "constant.lr", unit="lr"), hold())


def wsd(
    warmup_steps: Duration = None,
    stable_steps: Duration = None,
    cooldown_steps: Length = "20%",
    *,
    to: float = 0.0,
    shape: str = "1-sqrt",
    start: float | None = None,
) -> Schedule:
    """Warm up, stay, cool down: `warmup >> hold >> decay`, with peak 1.

    Args:
        warmup_steps: Unit: updates, or a text with a unit; None leaves it out.
        stable_steps: Likewise; None takes what is left.
        cooldown_steps: Likewise.
        to: Last value as a fraction of the peak; finite, >= 0.
        shape: Shape of the cooldown, as in `decay`.
        start: First value as a fraction of the peak, as in `warmup`.

    Returns:
        The schedule; multiply it by the peak rate.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Hu et al. 2024, arXiv:2404.06395; Hägele et al. 2024, arXiv:2405.18392.

    Examples:
        >>> import stepsize as ss
        >>> 3e-4 * ss.wsd(500)
        3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-sqrt")
    """
    stable = hold(stable_steps) >> decay(cooldown_steps, to, shape)
    if warmup_steps is None:
        return stable
    return warmup(warmup_steps, start) >> stable


def one_cycle(
    steps: int | None = None,
    warmup_steps: Length = "30%",
    *,
    start: float = 1 / 25,
    to: float = 1 / 25e4,
    shape: str = "cosine",
    three_phase: bool = False,
) -> Schedule:
    """Rise to the peak and fall far below the start: the 1cycle policy, with peak 1.

    Args:
        steps: Length of the whole cycle. Unit: updates; int >= 2; None for the horizon.
        warmup_steps: Length of the rise. Unit: updates, or a text with a unit; a
            percentage is of the whole cycle.
        start: First value as a fraction of the peak; in [0, 1].
        to: Last value as a fraction of the peak; finite, >= 0.
        shape: "cosine" or "linear", of all parts.
        three_phase: Whether the fall back to `start` takes as long as the rise, and
            only the rest goes down to `to` (> 0 then).

    Returns:
        The schedule; multiply it by the peak rate.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range, or the parts
            leave no update for the last one.

    Source:
        Smith & Topin 2017, arXiv:1708.07120, as used by fastai and torch: start =
        peak / 25, end = start / 1e4.

    Examples:
        >>> import stepsize as ss
        >>> ss.one_cycle(100, shape="linear")
        warmup(30, start=0.04) >> decay(70, to=4e-6)
    """
    choice(shape, "one_cycle.shape", ("cosine", "linear"))
    rise, rest = _parts("one_cycle", steps, warmup_steps, three_phase=three_phase)
    if not three_phase:
        return warmup(rise, start, shape) >> decay(rest, to, shape)
    first = number(start, "one_cycle.start", high=1.0, open_low=True)
    last = number(to, "one_cycle.to") / first
    back = decay(rise, first, shape)
    return warmup(rise, first, shape) >> back >> decay(rest, last, shape)


def one_cycle_momentum(
    steps: int | None = None,
    warmup_steps: Length = "30%",
    *,
    low: float = 0.85,
    high: float = 0.95,
    shape: str = "cosine",
    three_phase: bool = False,
) -> Schedule:
    """Mirror `one_cycle` for the momentum (or beta1): high, low at the peak, high.

    Args:
        steps: As in `one_cycle`.
        warmup_steps: As in `one_cycle`.
        low: Momentum where the rate is at its peak; in (0, high].
        high: Momentum at the start and the end; in (0, 1).
        shape: "cosine" or "linear".
        three_phase: As in `one_cycle`; the last part stays at `high`.

    Returns:
        The schedule, absolute.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Smith & Topin 2017, arXiv:1708.07120.

    Examples:
        >>> import stepsize as ss
        >>> ss.one_cycle_momentum(100)([0, 30, 100])
        [0.95, 0.85, 0.95]
    """
    owner = "one_cycle_momentum"
    choice(shape, f"{owner}.shape", ("cosine", "linear"))
    top = number(high, f"{owner}.high", high=1.0, open_low=True)
    bottom = number(low, f"{owner}.low", high=top, open_low=True)
    rise, rest = _parts(owner, steps, warmup_steps, three_phase=three_phase)
    down = scaled(top, decay(rise, shape=shape, to_lr=bottom))
    if three_phase:
        return down >> decay(rise, shape=shape, to_lr=top) >> hold(rest)
    return down >> decay(rest, shape=shape, to_lr=top)


def _parts(
    owner: str, steps: int | None, warmup_steps: Length, *, three_phase: bool
) -> tuple[Length, Duration]:
    """Return the lengths of the rise and of the last part."""
    rise = duration(warmup_steps, f"{owner}.warmup_steps")
    if steps is None:
        return rise, None
    whole = duration(steps, f"{owner}.steps")
    if not isinstance(whole, int):
        rule = "be an int >= 2 (unit: updates), or None"
        hint = f"{owner}() fills the horizon, or the cycle of a repeat"
        raise InvalidScheduleError(describe(f"{owner}.steps", rule, steps, hint=hint))
    if not isinstance(rise, int):
        share = duration_of(rise)
        if share.unit != "%":
            rule = "be in updates or percent when steps is given"
            raise InvalidScheduleError(
                describe(f"{owner}.warmup_steps", rule, warmup_steps)
            )
        rise = round(share.amount * whole / 100)
    rest = whole - rise * (2 if three_phase else 1)
    if rise < 1 or rest < 1:
        rule = f"leave at least one update of {whole} for each part"
        raise InvalidScheduleError(
            describe(f"{owner}.warmup_steps", rule, warmup_steps)
        )
    return rise, rest


def warm_restarts(
    steps: Duration = None,
    n: int | None = None,
    *,
    stretch: float = 1.0,
    shrink_peak: float = 1.0,
    to: float = 0.0,
    warmup_steps: Duration = None,
) -> Phase:
    """Fall as a cosine, again and again: SGDR, with peak 1.

    Args:
        steps: Length of the first cycle, its warmup included. Unit: updates, or a text
            with a unit; None lets n cycles fill the horizon.
        n: How many cycles; int >= 1; None goes on until the end.
        stretch: Length of a cycle relative to the one before; finite, > 0.
        shrink_peak: Peak of a cycle relative to the one before; finite, > 0.
        to: Last value of a cycle as a fraction of its peak; finite, >= 0.
        warmup_steps: Warmup of each cycle, the same in all. Unit: updates; None for
            none.

    Returns:
        The schedule; multiply it by the peak rate.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Loshchilov & Hutter 2017, arXiv:1608.03983.

    Examples:
        >>> import stepsize as ss
        >>> ss.warm_restarts(10, 3, stretch=1.5, shrink_peak=0.8)
        repeat(decay(10, shape="cosine"), 3, stretch=1.5, shrink_peak=0.8)
    """
    if warmup_steps is None:
        return repeat(cosine(steps, to), n, stretch, shrink_peak)
    rise = duration(warmup_steps, "warm_restarts.warmup_steps")
    fall = None if steps is None else duration(steps, "warm_restarts.steps")
    if fall is None:
        cycle = warmup(rise, fixed=True) >> cosine(None, to)
        return repeat(cycle, n, stretch, shrink_peak)
    if not isinstance(rise, int) or not isinstance(fall, int) or rise >= fall:
        rule = "be updates, fewer than steps, which are updates too"
        raise InvalidScheduleError(
            describe("warm_restarts.warmup_steps", rule, warmup_steps)
        )
    cycle = warmup(rise, fixed=True) >> cosine(fall - rise, to)
    return repeat(cycle, n, stretch, shrink_peak)
