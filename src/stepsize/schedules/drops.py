"""Decays that need no end: they fall by a rule, as long as the run lasts."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import flag, number
from stepsize.schedules.curve import Leaf, Piece, constant
from stepsize.schedules.durations import Length, duration
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import (
    MOST_PIECES,
    Laid,
    Place,
    finite,
    too_many,
    unresolved,
)
from stepsize.schedules.phase_curves import measure
from stepsize.schedules.phases import Duration, timing
from stepsize.schedules.schedule import Phase


def step(
    every: Length,
    factor: float = 0.1,
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Multiply at equal intervals: step decay.

        value(d) = entry * factor^floor(d / every)

    Args:
        every: Interval between drops. Unit: updates, or a text with a unit.
        factor: What each drop multiplies by; finite, > 0.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the lengths alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> ss.step(2, factor=0.5)(range(6))
        [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    args = (
        ("every", duration(every, "step.every")),
        ("factor", number(factor, "step.factor", open_low=True)),
        *timing("step", steps, weight, fixed=fixed),
    )
    return Phase("step", (), args)


def multistep(
    milestones: Sequence[Length],
    factor: float = 0.1,
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Multiply at given points.

        value(d) = entry * factor^(number of milestones <= d)

    Args:
        milestones: Points, from the start of the phase, in order; a point given twice
            multiplies twice. Unit: updates, or texts with a unit.
        factor: What each drop multiplies by; finite, > 0.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the lengths alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range, there is no
            milestone, or (on resolving) they are not in order.

    Examples:
        >>> import stepsize as ss
        >>> ss.multistep([2, 3], factor=0.5)(range(5))
        [1.0, 1.0, 0.5, 0.25, 0.25]
    """
    if isinstance(milestones, (str, bytes)) or not isinstance(milestones, Sequence):
        rule = "be a list of durations"
        raise InvalidScheduleError(describe("multistep.milestones", rule, milestones))
    if not milestones:
        rule = "have at least one milestone"
        raise InvalidScheduleError(describe("multistep.milestones", rule, milestones))
    points = tuple(duration(m, "multistep.milestones", zero=True) for m in milestones)
    args = (
        ("milestones", points),
        ("factor", number(factor, "multistep.factor", open_low=True)),
        *timing("multistep", steps, weight, fixed=fixed),
    )
    return Phase("multistep", (), args)


def geometric(
    factor: float,
    every: Length = 1,
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Multiply by the same factor in every interval, smoothly: exponential decay.

        value(d) = entry * factor^(d / every)

    Args:
        factor: What an interval multiplies by; finite, > 0.
        every: The interval. Unit: updates, or a text with a unit.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the lengths alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> ss.geometric(0.5)(range(4))
        [1.0, 0.5, 0.25, 0.125]
    """
    args = (
        ("factor", number(factor, "geometric.factor", open_low=True)),
        ("every", duration(every, "geometric.every")),
        *timing("geometric", steps, weight, fixed=fixed),
    )
    return Phase("geometric", (), args)


def inverse_sqrt(
    timescale: Length = 10_000,
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Fall as an inverse square root, without a horizon.

        value(d) = entry * sqrt(timescale / (d + timescale))

    After `warmup(w)` a timescale of w gives peak * sqrt(w / t), as in the source.

    Args:
        timescale: Steps after which the value has fallen by sqrt(2). Unit: updates, or
            a text with a unit.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the lengths alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, eq. (3).

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.inverse_sqrt(1)(range(4))]
        [1.0, 0.707, 0.577, 0.5]
    """
    args = (
        ("timescale", duration(timescale, "inverse_sqrt.timescale")),
        *timing("inverse_sqrt", steps, weight, fixed=fixed),
    )
    return Phase("inverse_sqrt", (), args)


def power_law(
    exponent: float = 0.51,
    timescale: Length = 1,
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Fall as a power of time, without a horizon.

        value(d) = entry * (timescale / (d + timescale))^exponent

    Args:
        exponent: 0.5 is `inverse_sqrt`, 1 an inverse time decay; finite, > 0.
        timescale: Steps after which time has doubled. Unit: updates, or a text with a
            unit.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the lengths alone.

    Returns:
        The phase; its exit is the value at d = steps. Follow it by `decay` for the
        power schedule with a tail.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Shen et al. 2024, arXiv:2408.13359 (exponent 0.51).

    Examples:
        >>> import stepsize as ss
        >>> ss.power_law(1.0, 2)([0, 2, 6])
        [1.0, 0.5, 0.25]
    """
    args = (
        ("exponent", number(exponent, "power_law.exponent", open_low=True)),
        ("timescale", duration(timescale, "power_law.timescale")),
        *timing("power_law", steps, weight, fixed=fixed),
    )
    return Phase("power_law", (), args)


def inverse_time(
    rate: float,
    every: Length = 1,
    steps: Duration = None,
    *,
    staircase: bool = False,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Fall as the inverse of time.

        value(d) = entry / (1 + rate * d / every)     (floor(d / every) for a staircase)

    Args:
        rate: How much the divisor grows in an interval; finite, >= 0.
        every: The interval. Unit: updates, or a text with a unit.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        staircase: Whether the value changes at whole intervals only.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the lengths alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Robbins & Monro 1951; the form is that of Keras' InverseTimeDecay.

    Examples:
        >>> import stepsize as ss
        >>> ss.inverse_time(1.0, 2)(range(4))
        [1.0, 0.6666666666666666, 0.5, 0.4]
    """
    args = (
        ("rate", number(rate, "inverse_time.rate")),
        ("every", duration(every, "inverse_time.every")),
        ("staircase", flag(staircase, "inverse_time.staircase")),
        *timing("inverse_time", steps, weight, fixed=fixed),
    )
    return Phase("inverse_time", (), args)


def _interval(phase: Phase, name: str, place: Place) -> Fraction:
    return place.span.updates(phase[name], fixed=phase["fixed"])


def _plain(value: Fraction) -> float:
    return int(value) if value.denominator == 1 else float(value)


def formula_to_the_end(leaf: Leaf, place: Place) -> Laid:
    """Lay out one formula, ending where the place does."""
    begin, stop = place.begin, place.stop
    if stop is None:
        return Laid([Piece(begin, leaf)], place.entry)
    last = finite(leaf.at(stop), "drop")
    return Laid([Piece(begin, leaf)] if stop > begin else [], last)


def _lower_step(phase: Phase, place: Place) -> Laid:
    every, factor = _interval(phase, "every", place), phase["factor"]
    begin, entry = place.begin, place.entry
    if every.denominator == 1:
        return formula_to_the_end(
            Leaf("staircase", begin, (entry, factor, int(every))), place
        )
    if place.length is None:
        raise unresolved("the length of step")
    count = int(place.length / every) + 1
    if count > MOST_PIECES:
        raise too_many(count)
    points = [index * every for index in range(1, count)]
    return _drops(points, factor, place)


def _lower_multistep(phase: Phase, place: Place) -> Laid:
    fixed = phase["fixed"]
    points = [place.span.updates(m, fixed=fixed) for m in phase["milestones"]]
    if points != sorted(points):
        rule = "be in order"
        got = list(phase["milestones"])
        raise InvalidScheduleError(describe("multistep.milestones", rule, got))
    return _drops(points, phase["factor"], place)


def _drops(points: Sequence[Fraction], factor: float, place: Place) -> Laid:
    """Lay out constants that change by `factor` at each point."""
    bound, value = place.span.bound, place.entry
    pieces = [Piece(place.begin, constant(value))]
    for index, point in enumerate(points, start=1):
        if place.length is not None and point > place.length:
            break
        value = finite(place.entry * factor**index, "drop")
        pieces.append(Piece(bound(place.start + point), constant(value)))
    stop = place.stop
    inside = [piece for piece in pieces if stop is None or piece.start < stop]
    return Laid(inside, value)


def _lower_geometric(phase: Phase, place: Place) -> Laid:
    every = _plain(_interval(phase, "every", place))
    numbers = (place.entry, phase["factor"], every)
    return formula_to_the_end(Leaf("geometric", place.begin, numbers), place)


def _lower_inverse_sqrt(phase: Phase, place: Place) -> Laid:
    tau = _plain(_interval(phase, "timescale", place))
    return formula_to_the_end(
        Leaf("inverse_sqrt", place.begin, (place.entry, tau)), place
    )


def _lower_power_law(phase: Phase, place: Place) -> Laid:
    tau = _plain(_interval(phase, "timescale", place))
    numbers = (place.entry, tau, phase["exponent"])
    return formula_to_the_end(Leaf("power_law", place.begin, numbers), place)


def _lower_inverse_time(phase: Phase, place: Place) -> Laid:
    every = _plain(_interval(phase, "every", place))
    shape = "inverse_stairs" if phase["staircase"] else "inverse_time"
    numbers = (place.entry, phase["rate"], every)
    return formula_to_the_end(Leaf(shape, place.begin, numbers), place)


KINDS = {
    "power_law": Kind(build=power_law, measure=measure, lower=_lower_power_law),
    "inverse_time": Kind(
        build=inverse_time, measure=measure, lower=_lower_inverse_time
    ),
    "step": Kind(build=step, measure=measure, lower=_lower_step),
    "multistep": Kind(build=multistep, measure=measure, lower=_lower_multistep),
    "geometric": Kind(build=geometric, measure=measure, lower=_lower_geometric),
    "inverse_sqrt": Kind(
        build=inverse_sqrt, measure=measure, lower=_lower_inverse_sqrt
    ),
}
