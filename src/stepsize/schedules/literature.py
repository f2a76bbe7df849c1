"""Schedules of the literature by their names, each a composition of phases."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.combinators import jump
from stepsize.schedules.drops import geometric, inverse_sqrt
from stepsize.schedules.durations import Length, duration, whole
from stepsize.schedules.knots import table
from stepsize.schedules.phases import Duration, cosine, decay, hold, linear, warmup
from stepsize.schedules.schedule import Phase, Schedule, scaled


def k_decay(
    steps: Duration = None, to: float = 0.0, k: float = 1.5, shape: str = "cosine"
) -> Phase:
    """Fall later, the larger k: short for `decay(steps, to, shape, k=k)`.

        value(d) = end + (entry - end) * (1 + cos(pi (d/n)^k)) / 2       for a cosine,
        value(d) = end + (entry - end) * (1 - (d/n)^k)                   for "linear"

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        to: Last value as a fraction of the entry; finite, >= 0.
        k: Exponent of the progress; finite, > 0; 1 changes nothing.
        shape: "cosine" or "linear".

    Returns:
        The phase.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Zhang & Li 2020, arXiv:2004.05909. Here (1 + cos(pi p^k)) / 2 is written as
        cos(pi p^k / 2)^2.

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.k_decay(4, k=2)(range(5))]
        [1.0, 0.99, 0.854, 0.402, 0.0]
    """
    choice(shape, "k_decay.shape", ("cosine", "linear"))
    exponent = number(k, "k_decay.k", open_low=True)
    if shape == "cosine":
        return decay(steps, to, "cosine", k=exponent)
    return decay(steps, to, "polynomial", power=1.0, k=exponent)


def rex(steps: Duration = None, to: float = 0.0, beta: float = 0.5) -> Phase:
    """Fall late, by a reflected exponential: short for `decay(steps, to, "rex")`.

        value(d) = end + (entry - end) * (1 - p) / (1 - beta * p),   p = d / n

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        to: Last value as a fraction of the entry; finite, >= 0.
        beta: How late; in [0, 1); 0 is linear.

    Returns:
        The phase.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Chen, Wolfe & Kyrillidis 2021, arXiv:2107.04197 (beta 0.5).

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.rex(4)(range(5))]
        [1.0, 0.857, 0.667, 0.4, 0.0]
    """
    return decay(steps, to, "rex", beta=beta)


def tanh(
    steps: Duration = None, to: float = 0.0, low: float = -7.0, high: float = 3.0
) -> Phase:
    """Fall as a hyperbolic tangent: short for `decay(steps, to, "tanh")`.

        value(d) = end + (entry - end) * (1 - tanh((1 - p) low + p high)) / 2,  p = d/n

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        to: Last value as a fraction of the entry; finite, >= 0.
        low: Where the tangent begins; in [-50, 50].
        high: Where it ends.

    Returns:
        The phase; first and last value are those of the formula, its exit is `end`.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Hsueh, Li & Wu 2019, arXiv:1806.01593 ("TanhDecay").

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.tanh(2)(range(3))]
        [1.0, 0.982, 0.0]
    """
    return decay(steps, to, "tanh", low=low, high=high)


def hyperbolic(
    steps: Duration = None, to: float = 0.0, ratio: float = 1.0, shape: str = "linear"
) -> Phase:
    """Fall along a hyperbola whose start does not depend on the horizon.

    With r = ratio = steps / (largest horizon considered) and
    f(d) = sqrt(r (1 - p) (2 - r (1 + p))), p = d / n:

        linear       value(d) = entry * (1 + (1 - to) * (f(d) - f(0)))
        exponential  value(d) = entry * to^(f(0) - f(d))

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        to: Infimum as a fraction of the entry, reached for r = 1; in [0, 1].
        ratio: Steps over the upper bound; in (0, 1].
        shape: "linear" (HyperbolicLR) or "exponential" (ExpHyperbolicLR; to > 0).

    Returns:
        The phase.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Kim 2024, arXiv:2407.15200.

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.hyperbolic(2, ratio=0.5)(range(3))]
        [1.0, 0.693, 0.134]
    """
    choice(shape, "hyperbolic.shape", ("linear", "exponential"))
    low = number(to, "hyperbolic.to", high=1.0)
    share = number(ratio, "hyperbolic.ratio", high=1.0, open_low=True)
    fallen = math.sqrt(share * (2 - share))
    if shape == "linear":
        return decay(steps, 1 - (1 - low) * fallen, "hyperbolic", ratio=share)
    if low == 0:
        rule = 'be > 0 with shape="exponential"'
        raise InvalidScheduleError(describe("hyperbolic.to", rule, to))
    return decay(steps, low**fallen, "exponential-hyperbolic", ratio=share)


def mirrored_cosine(steps: Duration = None, to: float = 0.0) -> Phase:
    """Fall as a cosine mirrored at the line: short for `decay(..., "mirrored-cosine")`.

        w = 2 (1 - p) - (1 + cos(pi p)) / 2,  value(d) = w * entry + (1 - w) * end

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        to: Last value as a fraction of the entry; finite, >= 0.

    Returns:
        The phase.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Dremov et al. 2025, arXiv:2508.01483 (a cooldown shape).

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.mirrored_cosine(4)(range(5))]
        [1.0, 0.646, 0.5, 0.354, 0.0]
    """
    return decay(steps, to, "mirrored-cosine")


def lowered_linear(
    steps: Duration = None, start: float = 0.7, to: float = 0.0
) -> Schedule:
    """Drop to a share of the value, and fall evenly from there.

        value(d) = entry * (start * (1 - d/n) + to * d/n)

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        start: First value as a fraction of the entry; in (0, 1].
        to: Last value as a fraction of the entry; in [0, start].

    Returns:
        The phase, scaled.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        The cooldown of that name in Dremov et al. 2025, arXiv:2508.01483; 0.7 is their
        label, and that it scales the first value is our reading of it.

    Examples:
        >>> import stepsize as ss
        >>> ss.hold() >> ss.lowered_linear("20%")
        hold() >> 0.7 * decay("20%")
    """
    first = number(start, "lowered_linear.start", high=1.0, open_low=True)
    last = number(to, "lowered_linear.to", high=first)
    return scaled(first, linear(steps, last / first))


def natural_exponential(
    rate: float, every: Length = 1, steps: Duration = None
) -> Phase:
    """Fall exponentially at a rate: short for `geometric(exp(-rate), every, steps)`.

        value(d) = entry * exp(-rate * d / every)

    Args:
        rate: Of the decay in an interval; finite, >= 0.
        every: The interval. Unit: updates, or a text with a unit.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.

    Returns:
        The phase.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> round(ss.natural_exponential(1.0)(1), 4)
        0.3679
    """
    factor = math.exp(-number(rate, "natural_exponential.rate", high=700.0))
    return geometric(factor, every, steps)


def noam(d_model: int, warmup_steps: int, factor: float = 1.0) -> Schedule:
    """Warm up and fall as an inverse square root, absolute: the Transformer's schedule.

    With s = t + 1:

        lr(t) = factor * d_model^-0.5 * min(s^-0.5, s * warmup_steps^-1.5)

    Args:
        d_model: Width of the model; int >= 1.
        warmup_steps: Updates up to the peak; int >= 1.
        factor: Finite, > 0.

    Returns:
        The schedule, absolute, with its peak factor / sqrt(d_model * warmup_steps) at
        step warmup_steps - 1.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, eq. (3).

    Examples:
        >>> import stepsize as ss
        >>> round(ss.noam(512, 4000)(3999), 7)
        0.0006988
    """
    width = whole(d_model)
    if width is None or width < 1:
        raise InvalidScheduleError(describe("noam.d_model", "be an int >= 1", d_model))
    rise = duration(warmup_steps, "noam.warmup_steps")
    if not isinstance(rise, int):
        rule = "be an int >= 1 (unit: updates)"
        raise InvalidScheduleError(describe("noam.warmup_steps", rule, warmup_steps))
    peak = number(factor, "noam.factor", open_low=True) / math.sqrt(width * rise)
    fall = inverse_sqrt(rise)
    if rise == 1:
        return scaled(peak, fall)
    return scaled(peak, warmup(rise - 1, 1 / rise) >> fall)


def flat_cosine(flat_steps: Length = "75%", to: float = 0.0) -> Schedule:
    """Stay, then fall as a cosine: `hold >> cosine`, with peak 1.

    Args:
        flat_steps: Length of the flat part. Unit: updates, or a text with a unit.
        to: Last value as a fraction of the peak; finite, >= 0.

    Returns:
        The schedule; multiply it by the peak rate.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        fastai's `fit_flat_cos` (75 %).

    Examples:
        >>> import stepsize as ss
        >>> ss.flat_cosine()
        hold("75%") >> decay(shape="cosine")
    """
    return hold(flat_steps) >> cosine(None, to)


def knee(explore_steps: Length = "50%", warmup_steps: Duration = None) -> Schedule:
    """Explore at a high rate, then exploit: `warmup >> hold >> linear`, with peak 1.

    Args:
        explore_steps: Length of the flat part. Unit: updates, or a text with a unit.
        warmup_steps: Likewise; None leaves it out.

    Returns:
        The schedule; multiply it by the peak rate.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Iyer et al. 2020, arXiv:2003.03977.

    Examples:
        >>> import stepsize as ss
        >>> ss.knee()
        hold("50%") >> decay()
    """
    flat = hold(explore_steps) >> linear()
    return flat if warmup_steps is None else warmup(warmup_steps) >> flat


def infinite(
    warmup_steps: Length,
    cooldown_steps: Length,
    anneal_steps: Length,
    *,
    constant: float = 0.1,
    to: float = 0.01,
) -> Schedule:
    """Cool to a constant, stay, anneal: continual pre-training, with peak 1.

        warmup >> cosine to `constant` >> hold >> exponential to `to`

    Args:
        warmup_steps: Unit: updates, or a text with a unit.
        cooldown_steps: Likewise.
        anneal_steps: Likewise; the annealing may start from any checkpoint of the flat
            part.
        constant: Flat value as a fraction of the peak; in (0, 1].
        to: Last value as a fraction of the peak; in (0, constant].

    Returns:
        The schedule; multiply it by the peak rate.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Ibrahim et al. 2024, arXiv:2403.08763, "infinite learning rate schedules".

    Examples:
        >>> import stepsize as ss
        >>> ss.infinite(100, 1000, 200).resolve(total_steps=5000)(3000)
        0.1
    """
    flat = number(constant, "infinite.constant", high=1.0, open_low=True)
    last = number(to, "infinite.to", high=flat, open_low=True)
    fall = decay(anneal_steps, last / flat, "exponential")
    return warmup(warmup_steps) >> cosine(cooldown_steps, flat) >> hold() >> fall


def wsd_s(
    periods: Sequence[int],
    cooldown: float = 0.1,
    warmup_steps: Duration = None,
    *,
    to: float = 0.0,
    shape: str = "linear",
) -> Schedule:
    """Stay and cool down in each of several periods, going back to the peak: WSD-S.

    Args:
        periods: Length of each period, its cooldown included. Unit: updates; ints >= 2.
        cooldown: Share of a period that is cooldown; in (0, 1).
        warmup_steps: Before the first period. Unit: updates, or a text with a unit;
            None leaves it out.
        to: Last value of each cooldown as a fraction of the peak; finite, >= 0.
        shape: Shape of each cooldown, as in `decay`.

    Returns:
        The schedule; multiply it by the peak rate.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Wen et al. 2024, arXiv:2410.05192.

    Examples:
        >>> import stepsize as ss
        >>> ss.wsd_s([10, 20])
        hold(9) >> decay(1) >> jump(to=1.0) >> hold(18) >> decay(2)
    """
    share = number(cooldown, "wsd_s.cooldown", high=1.0, open_low=True)
    lengths = [whole(period) for period in periods]
    if not lengths or any(length is None or length < 2 for length in lengths):  # noqa: PLR2004 - both parts
        raise InvalidScheduleError(
            describe("wsd_s.periods", "be ints >= 2 (unit: updates)", periods)
        )
    result: Schedule | None = None if warmup_steps is None else warmup(warmup_steps)
    for index, length in enumerate(lengths):
        total = length or 0
        fall = min(max(round(share * total), 1), total - 1)
        period = hold(total - fall) >> decay(fall, to, shape)
        if index:
            period = jump(1.0) >> period
        result = period if result is None else result >> period
    if result is None:  # pragma: no cover - periods are not empty
        raise AssertionError
    return result


def chebyshev(steps: int, ratio: float = 10.0) -> Phase:
    """Take the inverse roots of a Chebyshev polynomial in fractal order, with peak 1.

    With M = ratio, m = 1, i the fractal permutation of d:

        value(d) = m / ((M + m)/2 - (M - m)/2 * cos(pi (2 i + 1) / (2 steps)))

    Args:
        steps: How many; a power of 2. Unit: updates.
        ratio: Largest over smallest curvature, the condition number; finite, >= 1.

    Returns:
        A table; multiply it by the peak rate.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Agarwal, Goel & Zhang 2021, arXiv:2103.01338.

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.chebyshev(4)(range(4))]
        [0.745, 0.104, 0.265, 0.138]
    """
    count = whole(steps)
    if count is None or count < 1 or count & (count - 1) or count > 2**12:
        rule = "be a power of 2, at most 4096 (unit: updates)"
        raise InvalidScheduleError(describe("chebyshev.steps", rule, steps))
    largest = number(ratio, "chebyshev.ratio", low=1.0)
    order = [0]
    while len(order) < count:
        order = [j for i in order for j in (i, 2 * len(order) - 1 - i)]
    middle, radius = (largest + 1) / 2, (largest - 1) / 2
    angles = (math.pi * (2 * i + 1) / (2 * count) for i in order)
    return table([1 / (middle - radius * math.cos(angle)) for angle in angles])
