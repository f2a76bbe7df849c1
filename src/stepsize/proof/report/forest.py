"""The forest plot: paired differences to the tuned constant with their intervals."""

from html import escape
from statistics import median

from stepsize.proof.report.look import Look
from stepsize.proof.report.scale import Scale
from stepsize.proof.report.words import claim, decimals, metric_unit, number
from stepsize.proof.results import ArmSummary, Comparison

_FAR = 4.0
"""An interval that reaches this many times as far as the middle one is cut off there,
so that it does not press the others into one line."""

_TICKS = 6


def forest(comparison: Comparison, look: Look) -> str:
    """Return the plot as a list, the best arm first; every row says its numbers."""
    arms = [arm for arm in comparison.arms if arm.difference is not None]
    if not arms:
        return ""
    sign = comparison.subject.sign
    arms.sort(key=lambda arm: -sign * (arm.difference.mean if arm.difference else 0))
    scale = _scale(arms)
    left, right = ("better", "worse") if sign < 0 else ("worse", "better")
    unit = metric_unit(comparison.subject)
    of = f" in {escape(unit)}" if unit else ""
    rows = "".join(_row(arm, comparison, look, scale) for arm in arms)
    return (
        "<figure><figcaption>Test metric minus that of the tuned constant"
        f"{of}, paired by seed, each at its own best rate; lines are 95 % intervals, "
        "before correction. One that crosses 0 shows no difference.</figcaption>"
        f'<ol class="rows forest">{_axis(scale, left, right)}{rows}</ol></figure>'
    )


def _scale(arms: list[ArmSummary]) -> Scale:
    ends = [
        [end for end in (arm.difference.low, arm.difference.high) if end is not None]
        or [arm.difference.mean]
        for arm in arms
        if arm.difference is not None
    ]
    furthest = [max(map(abs, pair)) for pair in ends]
    limit = _FAR * median(furthest) or max(furthest)
    shown = [min(limit, max(-limit, end)) for pair in ends for end in pair]
    return Scale.around([0.0, *shown])


def _axis(scale: Scale, left: str, right: str) -> str:
    marks = "".join(
        f'<i style="left:{_place(scale, tick)}">{f"{tick:+g}" if tick else 0}</i>'
        for tick in scale.ticks(_TICKS)
    )
    return (
        '<li class="ends" aria-hidden="true"><span></span>'
        f'<span class="track"><span class="sides"><span>← {left}</span>'
        f"<span>{right} →</span></span></span><span></span></li>"
        '<li class="ends" aria-hidden="true"><span></span>'
        f'<span class="track">{marks}</span><span></span></li>'
    )


def _row(arm: ArmSummary, comparison: Comparison, look: Look, scale: Scale) -> str:
    found, places = arm.difference, decimals(comparison)
    if found is None:
        return ""
    grid = "".join(
        f'<i class="grid" style="left:{_place(scale, tick)}"></i>'
        for tick in scale.ticks(_TICKS)
    )
    interval = ""
    span = "no interval"
    if found.low is not None and found.high is not None:
        low, high = (number(end, places, sign=True) for end in (found.low, found.high))
        span = f"{low} to {high}"
        interval = _interval(scale, found.low, found.high)
    kind = arm.outcome.replace(" ", "-")
    return (
        f'<li class="{kind}"><span class="who">{look.label(arm.arm)}</span>'
        f'<span class="track" aria-hidden="true">{grid}'
        f'<i class="zero" style="left:{_place(scale, 0.0)}"></i>{interval}'
        f"{_mean(scale, found.mean)}</span>"
        f'<span class="say"><b>{number(found.mean, places, sign=True)}</b> '
        f'<span class="span soft">{span}</span> '
        f'<span class="tag {kind}">{claim(arm.outcome)}</span></span></li>'
    )


def _interval(scale: Scale, low: float, high: float) -> str:
    """Draw an interval; an end outside of the axis has no bar across."""
    start, end = scale.at(low), scale.at(high)
    cut = (" cut-low" if start < 0 else "") + (" cut-high" if end > 1 else "")
    start, end = (min(1.0, max(0.0, place)) for place in (start, end))
    where = f"left:{100 * start:.2f}%;width:{100 * (end - start):.2f}%"
    return f'<i class="bar{cut}" style="{where}"></i>'


def _mean(scale: Scale, mean: float) -> str:
    place = scale.at(mean)
    if place < 0:
        return '<i class="off low">◀</i>'
    if place > 1:
        return '<i class="off high">▶</i>'
    return f'<i class="dot" style="left:{_place(scale, mean)}"></i>'


def _place(scale: Scale, value: float) -> str:
    return f"{100 * scale.at(value):.2f}%"
