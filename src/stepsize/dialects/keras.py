"""The schedules of Keras, by their names; no Keras is imported.

A Keras schedule has absolute rates and counts the optimizer's iterations. With
`gradient_accumulation_steps` Keras counts every micro-batch, so its schedules run that
many times too fast; a step is an update here.

Not here: the callback `ReduceLROnPlateau`, which needs a metric and so is a policy of
control. `name` is accepted and not read.
"""
# ruff: noqa: N802, PLR0917 - names and order are the peer's

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

from stepsize.dialects._parts import change, count, rate, times
from stepsize.dialects._real import lay
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import reverse
from stepsize.schedules.cycles import repeat
from stepsize.schedules.drops import geometric, inverse_time, step
from stepsize.schedules.durations import LONGEST
from stepsize.schedules.knots import knots
from stepsize.schedules.layout import exact
from stepsize.schedules.phases import cosine, decay, hold, warmup
from stepsize.schedules.schedule import Schedule, chain, scaled
from stepsize.schedules.waves import polynomial_cycles

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateScheduler",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]

TINY = 1e-6
"""Cycles that shrink are played until so little of their common length is left."""


def ExponentialDecay(
    initial_learning_rate: float,
    decay_steps: float,
    decay_rate: float,
    staircase: bool = False,
    name: str = "ExponentialDecay",
) -> Schedule:
    """Multiply by the same factor in every interval, smoothly or at its end.

        lr(t) = initial_learning_rate * decay_rate^(t / decay_steps)  (floor: staircase)

    Args:
        initial_learning_rate: First rate. Unit: lr; finite, >= 0.
        decay_steps: Interval. Unit: updates; > 0, an int for a staircase.
        decay_rate: Factor; finite, >= 0.
        staircase: Whether the rate changes at whole intervals only.
        name: Not read.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Keras 3.15, keras.optimizers.schedules.ExponentialDecay.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.keras.ExponentialDecay(0.1, 1000, 0.96)
        0.1 * geometric(factor=0.96, every=1000)
    """
    del name
    owner = "ExponentialDecay"
    first = rate(initial_learning_rate, f"{owner}.initial_learning_rate")
    every = _length(decay_steps, f"{owner}.decay_steps", whole=staircase)
    factor = number(decay_rate, f"{owner}.decay_rate")
    if factor == 0:
        last = int(every) if staircase else 1
        return times(first, knots([(0, 1.0), (last, 0.0)], "step"))
    if staircase:
        return times(first, step(int(every), factor))
    if every.denominator == 1:
        return times(first, geometric(factor, int(every)))
    return times(first, geometric(factor ** (1 / float(every))))


def InverseTimeDecay(
    initial_learning_rate: float,
    decay_steps: float,
    decay_rate: float,
    staircase: bool = False,
    name: str = "InverseTimeDecay",
) -> Schedule:
    """Fall as the inverse of time, smoothly or in stairs.

        lr(t) = initial_learning_rate / (1 + decay_rate * t / decay_steps)

    with floor(t / decay_steps) for a staircase.

    Args:
        initial_learning_rate: First rate. Unit: lr; finite, >= 0.
        decay_steps: Interval. Unit: updates; > 0, an int for a staircase.
        decay_rate: How much the divisor grows in an interval; finite, >= 0.
        staircase: Whether the rate changes at whole intervals only.
        name: Not read.

    Returns:
        The schedule, endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Keras 3.15, keras.optimizers.schedules.InverseTimeDecay.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.keras.InverseTimeDecay(0.1, 10, 0.5)
        0.1 * inverse_time(0.5, 10)
    """
    del name
    owner = "InverseTimeDecay"
    first = rate(initial_learning_rate, f"{owner}.initial_learning_rate")
    every = _length(decay_steps, f"{owner}.decay_steps", whole=staircase)
    growth = number(decay_rate, f"{owner}.decay_rate")
    if every.denominator == 1:
        curve = inverse_time(growth, int(every), staircase=bool(staircase))
        return times(first, curve)
    return times(first, inverse_time(growth / float(every)))


def PiecewiseConstantDecay(
    boundaries: Sequence[float],
    values: Sequence[float],
    name: str = "PiecewiseConstant",
) -> Schedule:
    """Take a value for each part, from one step after its boundary.

        lr(t) = values[0] for t <= boundaries[0],
                values[i] for boundaries[i-1] < t <= boundaries[i]

    A boundary belongs to the part before it: one update later than in torch and optax.

    Args:
        boundaries: In order; at least one. Unit: updates.
        values: One more than boundaries. Unit: lr; finite, >= 0.
        name: Not read.

    Returns:
        The schedule, as long as its last boundary plus one.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Keras 3.15, keras.optimizers.schedules.PiecewiseConstantDecay.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.keras.PiecewiseConstantDecay([2, 3], [1.0, 0.5, 0.1])(range(6))
        [1.0, 1.0, 1.0, 0.5, 0.1, 0.1]
    """
    del name
    owner = "PiecewiseConstantDecay"
    rates = [rate(value, f"{owner}.values") for value in values]
    field = f"{owner}.boundaries"
    limits = [number(b, field, low=-math.inf, unit="updates") for b in boundaries]
    if not limits or any(b < a for a, b in pairwise(limits)):
        raise InvalidScheduleError(
            describe(
                field, "be at least one step, in order (unit: updates)", boundaries
            )
        )
    if len(rates) != len(limits) + 1:
        rule = f"be {len(limits) + 1} rates, one more than boundaries"
        raise InvalidScheduleError(describe(f"{owner}.values", rule, values))
    points = {0: rates[0]}
    for limit, value in zip(limits, rates[1:], strict=True):
        points[max(math.floor(limit) + 1, 0)] = value
    top = max(points.values())
    if top == 0:
        return scaled(0.0, hold())
    heights = [(position, value / top) for position, value in points.items()]
    return scaled(top, knots(heights, "step"))


def PolynomialDecay(
    initial_learning_rate: float,
    decay_steps: float,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    name: str = "PolynomialDecay",
) -> Schedule:
    """Go to a last rate as a power of the steps left.

    With n = decay_steps and c = min(t, n):

        lr(t) = (initial_learning_rate - end_learning_rate) * (1 - c / n)^power
                + end_learning_rate

    With `cycle`, c = t, and n is the first multiple of decay_steps that is >= t.

    Args:
        initial_learning_rate: First rate. Unit: lr; finite, >= 0; > 0 with `cycle`.
        decay_steps: Length. Unit: updates; > 0; an int with `cycle`.
        end_learning_rate: Last rate. Unit: lr; finite, >= 0.
        power: Finite, >= 0; 0 keeps the first rate.
        cycle: Whether to go on, each time over a longer fall.
        name: Not read.

    Returns:
        The schedule, decay_steps long, or endless.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Keras 3.15, keras.optimizers.schedules.PolynomialDecay.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.keras.PolynomialDecay(0.5, 100, 0.125)
        0.5 * decay(100, to=0.25)
    """
    del name
    owner = "PolynomialDecay"
    first = rate(initial_learning_rate, f"{owner}.initial_learning_rate")
    steps = _length(decay_steps, f"{owner}.decay_steps", whole=cycle)
    last = rate(end_learning_rate, f"{owner}.end_learning_rate")
    exponent = number(power, f"{owner}.power")
    if exponent == 0 or first == last:
        return scaled(max((first - last) + last, 0.0), hold())  # the peer's rounding
    if cycle:
        if first == 0:
            field, rule = f"{owner}.initial_learning_rate", "be > 0 with cycle=True"
            raise InvalidScheduleError(describe(field, rule, initial_learning_rate))
        return scaled(first, polynomial_cycles(int(steps), last / first, exponent))

    def way(length: int | str) -> Schedule:
        if first > last:
            if exponent == 1:
                return decay(length, last / first)
            return decay(length, last / first, "polynomial", power=exponent)
        if exponent == 1:
            return warmup(length, first / last)
        # 1 - p^k backwards is 1 - (1 - p)^k: it rises fast and then slowly
        fall = decay(length, first / last, "polynomial", power=1.0, k=exponent)
        return reverse(fall)

    return scaled(max(first, last), lay([(way, steps)]))


def CosineDecay(
    initial_learning_rate: float,
    decay_steps: float,
    alpha: float = 0.0,
    name: str = "CosineDecay",
    warmup_target: float | None = None,
    warmup_steps: float = 0,
) -> Schedule:
    """Fall to a fraction of the rate as half a cosine, perhaps after a warmup.

    With c = min(t, decay_steps):

        lr(t) = initial_learning_rate * ((1 - alpha) * (1 + cos(pi c / decay_steps)) / 2
                                         + alpha)

    With a warmup_target, first evenly from initial_learning_rate to it over
    warmup_steps, and then this curve from the target: decay_steps *excludes* the
    warmup.

    Args:
        initial_learning_rate: First rate. Unit: lr; finite, >= 0.
        decay_steps: Length of the fall. Unit: updates; > 0.
        alpha: Last rate as a fraction of the highest; finite, >= 0.
        name: Not read.
        warmup_target: Rate after the warmup. Unit: lr; finite, >= 0; None for no
            warmup.
        warmup_steps: Unit: updates; >= 0; not read without a target.

    Returns:
        The schedule, warmup_steps + decay_steps long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Keras 3.15, keras.optimizers.schedules.CosineDecay.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.keras.CosineDecay(0.0, 90, warmup_target=0.1, warmup_steps=10)
        0.1 * warmup(10, start=0.0) >> decay(90, shape="cosine")
    """
    del name
    owner = "CosineDecay"
    first = rate(initial_learning_rate, f"{owner}.initial_learning_rate")
    fall = _length(decay_steps, f"{owner}.decay_steps")
    last = number(alpha, f"{owner}.alpha")

    def drop(length: int | str) -> Schedule:
        return cosine(length, last)

    if warmup_target is None:
        return times(first, lay([(drop, fall)]))
    top = rate(warmup_target, f"{owner}.warmup_target")
    rise = _length(warmup_steps, f"{owner}.warmup_steps", zero=True)
    if not rise:
        return times(top, lay([(drop, fall)]))
    if rise.denominator == fall.denominator == 1:
        rest = drop(int(fall)) if top else hold(int(fall))
        return chain(change(first, top, int(rise)), rest)
    if top == 0:
        return times(first, lay([(decay, rise)]))

    def climb(length: int | str) -> Schedule:
        if first > top:
            return scaled(first / top, decay(length, top / first))
        return warmup(length, first / top)

    return scaled(top, lay([(climb, rise), (drop, fall)]))


def CosineDecayRestarts(
    initial_learning_rate: float,
    first_decay_steps: float,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
    name: str = "SGDRDecay",
) -> Schedule:
    """Fall as half a cosine, again and again, each cycle longer and lower.

    With c the steps since cycle i = 0, 1, ... began, of the real length
    T_i = first_decay_steps * t_mul^i:

        lr(t) = initial_learning_rate
                * ((1 - alpha) * m_mul^i * (1 + cos(pi c / T_i)) / 2 + alpha)

    The peer finds the cycle by a logarithm: at some boundaries it misses (in float32 at
    81910 for a first cycle of 10) and gives the lowest rate for the highest. Here
    boundaries are exact. With t_mul < 1 the peer is NaN from
    first_decay_steps / (1 - t_mul) on; here the last rate stays.

    Args:
        initial_learning_rate: First rate. Unit: lr; finite, >= 0.
        first_decay_steps: Length of the first cycle. Unit: updates; > 0.
        t_mul: Length of a cycle relative to the one before; finite, > 0.
        m_mul: Height of a cycle above alpha, relative to the one before; finite, >= 0.
        alpha: Lowest rate as a fraction of the first; finite, >= 0; <= 1 unless m_mul
            is 1.
        name: Not read.

    Returns:
        The schedule, endless; it ends where cycles shrink to nothing.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Keras 3.15, keras.optimizers.schedules.CosineDecayRestarts; Loshchilov & Hutter
        2017, arXiv:1608.03983.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.keras.CosineDecayRestarts(0.1, 10)
        0.1 * repeat(decay(10, shape="cosine"), stretch=2.0, boundaries="real")
    """
    del name
    owner = "CosineDecayRestarts"
    first = rate(initial_learning_rate, f"{owner}.initial_learning_rate")
    steps = _length(first_decay_steps, f"{owner}.first_decay_steps")
    stretch = number(t_mul, f"{owner}.t_mul", open_low=True)
    shrink = number(m_mul, f"{owner}.m_mul")
    if shrink == 1:
        low = number(alpha, f"{owner}.alpha")
        return times(first, _cycles(steps, stretch, 1.0, low))
    low = number(alpha, f"{owner}.alpha", high=1.0)
    if low == 1:
        return scaled(first, hold())
    if shrink == 0:  # one cycle, and no height after it
        return times(first, lay([(lambda length: cosine(length, low), steps)]))
    height = _cycles(steps, stretch, shrink, 0.0)
    if not low:
        return times(first, height)
    return times(first, scaled(low, hold()) + scaled(1 - low, height))


def LearningRateScheduler(
    schedule: Callable[..., float],
    verbose: int = 0,
    *,
    epochs: int,
    base_lr: float = 1.0,
    steps_per_epoch: int = 1,
) -> Schedule:
    """Set the rate at the beginning of each epoch by a function, a callback of Keras.

        lr(t) = v[e],  e = t // steps_per_epoch,  v[e] = schedule(e, v[e-1]),
        v[-1] = base_lr

    The function is called once for each epoch, at once; the values are stored. Keras
    keeps the rate in its own dtype (float32 unless changed) between epochs, here it is
    a float64.

    Args:
        schedule: From the epoch and the rate before (or from the epoch alone) to a rate
            >= 0.
        verbose: Not read.
        epochs: How many epochs to ask for; the last rate stays. Int >= 1.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.
        steps_per_epoch: Unit: updates; int >= 1; 1 makes an epoch a step.

    Returns:
        The schedule, absolute: it does not depend on base_lr unless `schedule` does.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Keras 3.15, keras.callbacks.LearningRateScheduler.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.keras.LearningRateScheduler(
        ...     lambda epoch, lr: lr / 2 if epoch else lr, epochs=3, steps_per_epoch=2,
        ...     base_lr=0.5)(range(6))
        [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    """
    del verbose
    owner = "LearningRateScheduler"
    if not callable(schedule):
        raise InvalidScheduleError(
            describe(f"{owner}.schedule", "be a function", schedule)
        )
    rounds = count(epochs, f"{owner}.epochs", 1, unit="epochs")
    size = count(steps_per_epoch, f"{owner}.steps_per_epoch", 1)
    value = rate(base_lr, f"{owner}.base_lr")
    found = []
    for epoch in range(rounds):
        try:
            new = schedule(epoch, value)
        except TypeError:  # as the peer: a function of the epoch alone
            new = schedule(epoch)
        value = rate(new, f"{owner}.schedule({epoch})")
        found.append((epoch * size, value))
    top = max(height for _, height in found)
    if top == 0:
        return scaled(0.0, hold())
    return scaled(top, knots([(at, height / top) for at, height in found], "step"))


def _cycles(steps: Fraction, stretch: float, shrink: float, low: float) -> Schedule:
    """Return cosine cycles with real boundaries, as many as there are."""
    length = float(steps)
    if steps.denominator == 1:
        cycle: Schedule = cosine(int(steps), low)
    elif stretch == 1 and Fraction(length) != steps:
        field = "CosineDecayRestarts.first_decay_steps"
        rule = "be a whole number, or at least a binary fraction, with t_mul=1"
        raise InvalidScheduleError(describe(field, rule, length, hint="round it"))
    else:
        cycle = knots([(0, 1.0), (length, low)], "cosine")
    cycles = None
    if stretch < 1:
        left = TINY * (1 - stretch) / length
        cycles = max(math.ceil(math.log(left) / math.log(stretch)), 1)
    return repeat(cycle, cycles, stretch, shrink, boundaries="real")


def _length(
    value: object, field: str, *, whole: object = False, zero: bool = False
) -> Fraction:
    """Return a length > 0 exactly; whole where it must be.

    Raises:
        InvalidScheduleError: It is none.
    """
    if whole:
        return Fraction(count(value, field, 1))
    length = number(
        value, field, high=float(LONGEST), open_low=not zero, unit="updates"
    )
    return exact(int(length) if length.is_integer() else length)
