"""Decays that need no end: they fall by a rule, as long as the run lasts."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.curve import Leaf, Piece, constant
from stepsize.schedules.durations import Length, duration
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import Laid, Place, finite, unresolved
from stepsize.schedules.lowering import MOST_PIECES, too_many
from stepsize.schedules.phases import Duration, measure, timing
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


def _interval(phase: Phase, name: str, place: Place) -> Fraction:
    return place.span.updates(phase[name], fixed=phase["fixed"])


def _plain(value: Fraction) -> float:
    return int(value) if value.denominator == 1 else float(value)


def _formula(leaf: Leaf, place: Place) -> Laid:
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
        return _formula(Leaf("staircase", begin, (entry, factor, int(every))), place)
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
    return _formula(Leaf("geometric", place.begin, numbers), place)


def _lower_inverse_sqrt(phase: Phase, place: Place) -> Laid:
    tau = _plain(_interval(phase, "timescale", place))
    return _formula(Leaf("inverse_sqrt", place.begin, (place.entry, tau)), place)


KINDS = {
    "step": Kind(build=step, measure=measure, lower=_lower_step),
    "multistep": Kind(build=multistep, measure=measure, lower=_lower_multistep),
    "geometric": Kind(build=geometric, measure=measure, lower=_lower_geometric),
    "inverse_sqrt": Kind(
        build=inverse_sqrt, measure=measure, lower=_lower_inverse_sqrt
    ),
}
