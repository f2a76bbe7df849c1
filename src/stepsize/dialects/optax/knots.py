"""optax' schedules that pass through given points."""
# ruff: noqa: PLR0917 - the order is the peer's

from __future__ import annotations

from collections.abc import Mapping

from stepsize.dialects._parts import count, rate, times
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.knots import knots
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule, scaled


def piecewise_interpolate_schedule(
    interpolate_type: str,
    init_value: float,
    boundaries_and_scales: Mapping[int, float] | None = None,
) -> Schedule:
    """Pass through init_value at 0 and, at each boundary, that times all scales so far.

    Between two of them, v and w, with p the share of the way:

        linear  lr = (w - v) * p + v
        cosine  lr = w + (v - w) / 2 * (cos(pi p) + 1)

    Args:
        interpolate_type: "linear" or "cosine".
        init_value: First value. Unit: lr; finite, >= 0.
        boundaries_and_scales: Step -> factor >= 0; None for none. One at step 0
            changes the first value. Unit: updates; ints >= 0.

    Returns:
        The schedule, as long as its last boundary.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, piecewise_interpolate_schedule.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.optax.piecewise_interpolate_schedule(
        ...     "linear", 0.25, {2: 2.0, 4: 0.5})(range(6))
        [0.25, 0.375, 0.5, 0.375, 0.25, 0.25]
    """
    owner = "piecewise_interpolate_schedule"
    choice(interpolate_type, f"{owner}.interpolate_type", ("linear", "cosine"))
    first = rate(init_value, f"{owner}.init_value")
    return _through(owner, interpolate_type, first, boundaries_and_scales or {})


def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Rise to the peak, fall back and then below, evenly: the 1cycle policy.

        peak / div -> peak at int(pct_start N) -> peak / div at int(pct_final N)
        -> peak / (div * final_div) at N,    N = transition_steps

    A boundary that falls on another replaces it, and one at 0 changes the first value,
    as in the peer: with int(pct_start N) = 0 it starts at the peak.

    Args:
        transition_steps: N. Unit: updates; int >= 1.
        peak_value: Highest value. Unit: lr; finite, >= 0.
        pct_start: Share of the rise; finite, >= 0.
        pct_final: Share after which the last fall begins; finite, >= 0.
        div_factor: Peak over first value; finite, > 0.
        final_div_factor: First over last value; finite, > 0.

    Returns:
        The schedule, N long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, linear_onecycle_schedule; Smith & Topin 2017, arXiv:1708.07120.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.optax.linear_onecycle_schedule(100, 1.0)
        >>> [round(s(t), 6) for t in (0, 30, 85, 100)]
        [0.04, 1.0, 0.04, 4e-06]
    """
    owner = "linear_onecycle_schedule"
    steps = count(transition_steps, f"{owner}.transition_steps", 1)
    peak = rate(peak_value, f"{owner}.peak_value")
    rise = int(number(pct_start, f"{owner}.pct_start") * steps)
    fall = int(number(pct_final, f"{owner}.pct_final") * steps)
    div = number(div_factor, f"{owner}.div_factor", open_low=True)
    last = number(final_div_factor, f"{owner}.final_div_factor", open_low=True)
    points = {rise: div, fall: 1.0 / div, steps: 1.0 / last}
    return _through(owner, "linear", peak / div, points)


def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Rise to the peak and fall far below the start, by cosines: the 1cycle policy.

        peak / div -> peak at int(pct_start N) -> peak / (div * final_div) at N

    A boundary at 0 changes the first value, as in the peer: with int(pct_start N) = 0
    it starts at the peak.

    Args:
        transition_steps: N. Unit: updates; int >= 1.
        peak_value: Highest value. Unit: lr; finite, >= 0.
        pct_start: Share of the rise; finite, >= 0.
        div_factor: Peak over first value; finite, > 0.
        final_div_factor: First over last value; finite, > 0.

    Returns:
        The schedule, N long.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        optax 0.2.8, cosine_onecycle_schedule; Smith & Topin 2017, arXiv:1708.07120.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.optax.cosine_onecycle_schedule(100, 1.0)
        >>> [round(s(t), 6) for t in (0, 15, 30, 100)]
        [0.04, 0.52, 1.0, 4e-06]
    """
    owner = "cosine_onecycle_schedule"
    steps = count(transition_steps, f"{owner}.transition_steps", 1)
    peak = rate(peak_value, f"{owner}.peak_value")
    rise = int(number(pct_start, f"{owner}.pct_start") * steps)
    div = number(div_factor, f"{owner}.div_factor", open_low=True)
    last = number(final_div_factor, f"{owner}.final_div_factor", open_low=True)
    points = {rise: div, steps: 1.0 / (div * last)}
    return _through(owner, "cosine", peak / div, points)


def _through(
    owner: str, pieces: str, first: float, scales: Mapping[int, float]
) -> Schedule:
    """Return the knots that a dictionary of scales stands for."""
    field = f"{owner}.boundaries_and_scales"
    points, value = {0: 1.0}, 1.0
    for boundary, scale in sorted(scales.items()):
        value *= number(scale, field)
        points[count(boundary, field)] = value
    top = max(points.values())
    if len(points) == 1:
        return scaled(first * points[0], hold())
    if top == 0:
        return scaled(0.0, hold())
    heights = [(position, height / top) for position, height in points.items()]
    return times(first * top, knots(heights, pieces))
