"""Schedules that go up and down: waves, triangles, cyclical rates."""

from __future__ import annotations

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, ending, number
from stepsize.schedules.curve import Leaf, Piece
from stepsize.schedules.cycles import repeat
from stepsize.schedules.drops import formula_to_the_end, geometric
from stepsize.schedules.durations import Length, duration
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import Laid, Place
from stepsize.schedules.phase_curves import measure
from stepsize.schedules.phases import Duration, decay, hold, timing, warmup
from stepsize.schedules.schedule import Phase, Schedule, scaled


def wave(
    steps: Duration = None,
    to: float = 0.0,
    cycles: float = 1.0,
    *,
    to_lr: float | None = None,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Swing as a cosine between the value that was handed over and a low one.

        value(d) = end + (entry - end) * (1 + cos(2 pi cycles d / steps)) / 2

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        to: Lowest value as a fraction of the entry; finite, >= 0.
        cycles: Full swings within `steps`; 0.5 is `cosine`; finite, > 0.
        to_lr: Lowest value, absolute. Unit: lr; finite, >= 0.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the length alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        `num_cycles` of transformers' cosine schedules.

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.wave(4, to=0.5)(range(5))]
        [1.0, 0.75, 0.5, 0.75, 1.0]
    """
    fraction, absolute = ending(to, to_lr, "wave")
    args = (
        *timing("wave", steps, weight, fixed=fixed)[:1],
        ("to", fraction),
        ("cycles", number(cycles, "wave.cycles", open_low=True)),
        ("to_lr", absolute),
        *timing("wave", steps, weight, fixed=fixed)[1:],
    )
    return Phase("wave", (), args)


def cyclic(  # noqa: PLR0917 - a cycle's two lengths and its height
    up: Length,
    down: Length | None = None,
    low: float = 0.25,
    mode: str = "triangular",
    factor: float = 1.0,
    n: int | None = None,
) -> Schedule:
    """Rise and fall evenly, again and again: cyclical learning rates, with peak 1.

    Cycle i = 0, 1, ... and h(d) the triangle from 0 to 1 and back:

        triangular   value = low + (1 - low) * h
        triangular2  value = low + (1 - low) * h / 2^i
        exp_range    value = low + (1 - low) * h * factor^t

    Args:
        up: Length of the rise. Unit: updates, or a text with a unit.
        down: Length of the fall; None is that of the rise.
        low: Lowest value as a fraction of the peak; in [0, 1].
        mode: "triangular", "triangular2" or "exp_range".
        factor: Of exp_range, for one update; in (0, 1].
        n: How many cycles; int >= 1; None goes on until the end.

    Returns:
        The schedule; multiply it by the peak rate. For another scale function multiply
        the triangle yourself: `low * hold() + repeat(...) * opaque(name, function)`.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Smith 2017, arXiv:1506.01186.

    Examples:
        >>> import stepsize as ss
        >>> ss.cyclic(2, low=0.5)(range(6))
        [0.5, 0.75, 1.0, 0.75, 0.5, 0.75]
    """
    choice(mode, "cyclic.mode", ("triangular", "triangular2", "exp_range"))
    floor = number(low, "cyclic.low", high=1.0)
    decline = number(factor, "cyclic.factor", high=1.0, open_low=True)
    if mode != "exp_range" and decline != 1:
        rule = 'be left out unless mode is "exp_range"'
        raise InvalidScheduleError(describe("cyclic.factor", rule, factor))
    rise = duration(up, "cyclic.up")
    fall = rise if down is None else duration(down, "cyclic.down")
    triangle = warmup(rise, 0.0) >> decay(fall)
    shrink = 0.5 if mode == "triangular2" else 1.0
    height: Schedule = repeat(triangle, n, shrink_peak=shrink)
    if mode == "exp_range":
        height = height * geometric(decline)
    if floor == 1:
        return hold()
    return scaled(1 - floor, height) + scaled(floor, hold())


def polynomial_cycles(
    every: Length,
    to: float = 0.0,
    power: float = 1.0,
    steps: Duration = None,
    *,
    to_lr: float | None = None,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Fall as a power again and again, each fall as if the run had begun with it.

    With n = every and c = max(1, ceil(d / n)):

        value(d) = end + (entry - end) * (1 - d / (c n))^power

    Args:
        every: Steps between two ends. Unit: updates, or a text with a unit.
        to: Value at each end as a fraction of the entry; finite, >= 0.
        power: Exponent; finite, > 0.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        to_lr: Value at each end, absolute. Unit: lr; finite, >= 0.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the lengths alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Keras' PolynomialDecay with cycle=True.

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.polynomial_cycles(2)(range(5))]
        [1.0, 0.5, 0.0, 0.25, 0.0]
    """
    fraction, absolute = ending(to, to_lr, "polynomial_cycles")
    timed = timing("polynomial_cycles", steps, weight, fixed=fixed)
    args = (
        ("every", duration(every, "polynomial_cycles.every")),
        ("to", fraction),
        ("power", number(power, "polynomial_cycles.power", open_low=True)),
        timed[0],
        ("to_lr", absolute),
        *timed[1:],
    )
    return Phase("polynomial_cycles", (), args)


def slanted_triangular(
    steps: int | None = None, warmup_steps: Length = "10%", ratio: float = 32.0
) -> Schedule:
    """Rise steeply and fall slowly, evenly both: ULMFiT's schedule, with peak 1.

        from 1/ratio up to 1 over `warmup_steps`, then down to 1/ratio

    Args:
        steps: Length of the whole. Unit: updates; int >= 2; None for the horizon.
        warmup_steps: Length of the rise. Unit: updates or percent.
        ratio: Peak over lowest value; finite, >= 1.

    Returns:
        The schedule; multiply it by the peak rate.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Howard & Ruder 2018, arXiv:1801.06146, section 3.2 (10 %, 32).

    Examples:
        >>> import stepsize as ss
        >>> ss.slanted_triangular(ratio=4)
        warmup("10%", start=0.25) >> decay(to=0.25)
    """
    from stepsize.schedules.named import one_cycle

    low = 1 / number(ratio, "slanted_triangular.ratio", low=1.0)
    return one_cycle(steps, warmup_steps, start=low, to=low, shape="linear")


def _lower_wave(phase: Phase, place: Place) -> Laid:
    begin, stop = place.begin, place.closed("wave")
    entry, absolute = place.entry, phase["to_lr"]
    end = entry * phase["to"] if absolute is None else absolute
    n = stop - begin
    if n == 0:
        return Laid([], entry)
    leaf = Leaf("wave", begin, (n, entry, end, phase["cycles"]))
    return Laid([Piece(begin, leaf)], leaf.at(stop))


def _lower_polynomial_cycles(phase: Phase, place: Place) -> Laid:
    every = place.span.updates(phase["every"], fixed=phase["fixed"])
    n = int(every) if every.denominator == 1 else float(every)
    entry, absolute = place.entry, phase["to_lr"]
    end = entry * phase["to"] if absolute is None else absolute
    numbers = (entry, end, n, phase["power"])
    return formula_to_the_end(Leaf("polynomial_cycles", place.begin, numbers), place)


def _wave_ends_at_zero(phase: Phase, *, entry_zero: bool) -> bool:
    low = phase["to_lr"] if phase["to_lr"] is not None else phase["to"]
    at_low = phase["cycles"] % 1 == 0.5  # noqa: PLR2004 - half a swing
    return entry_zero or bool(low == 0 and at_low)


def _multiplies(phase: Phase) -> bool:
    return phase["to_lr"] is None


KINDS = {
    "polynomial_cycles": Kind(
        build=polynomial_cycles,
        measure=measure,
        lower=_lower_polynomial_cycles,
        multiplies=_multiplies,
    ),
    "wave": Kind(
        build=wave,
        measure=measure,
        lower=_lower_wave,
        multiplies=_multiplies,
        ends_at_zero=_wave_ends_at_zero,
    ),
}
