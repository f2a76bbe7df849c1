"""Small multiples: every arm's curves over the constant's, its schedule under them."""

from collections.abc import Sequence
from html import escape
from statistics import fmean
from typing import final

import stepsize as ss
from stepsize.errors import StepsizeError
from stepsize.proof.arms import CONSTANT
from stepsize.proof.report.drawing import Plane, plot
from stepsize.proof.report.lines import (
    VALIDATION,
    Line,
    metric_name,
    metrics_of,
    shared_scale,
)
from stepsize.proof.report.look import Look
from stepsize.proof.report.scale import Scale
from stepsize.proof.report.tables import scrolled
from stepsize.proof.report.words import rate
from stepsize.proof.results import ArmSummary, Comparison

_SHOWN_METRICS = 3
_TICKS = 3
_DRAWN_POINTS = 200
_SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)  # of the budget, in the table of numbers


def small_multiples(comparison: Comparison, look: Look, *, anchor: str) -> str:
    """Return a card for each arm, and the numbers as tables.

    Args:
        comparison: What to show.
        look: Of the arms.
        anchor: Starts the ids of the constant's lines, which all cards show.
    """
    metrics = metrics_of(comparison)
    panels = [
        _Panel(comparison, look, metric, f"{anchor}-line-{place}")
        for place, metric in enumerate(metrics[:_SHOWN_METRICS])
    ]
    cards = ""
    for arm in comparison.arms:
        plots = "".join(panel.draw(arm.arm) for panel in panels)
        cards += (
            f'<li class="card {look.hue(arm.arm)}"><header><h4>{escape(arm.arm)}</h4>'
            f'<span class="soft">peak {rate(arm.chosen_lr)}</span></header>'
            f'<p class="note">{escape(arm.besides)}</p>'
            f"<div>{plots}{_schedule(arm, comparison.subject.total_steps, look)}</div>"
            "</li>"
        )
    numbers = "".join(panel.numbers() for panel in panels)
    return (
        f"<figure><figcaption>{_caption(comparison, metrics)}</figcaption>"
        f'<ul class="cards">{cards}</ul></figure>{numbers}'
    )


def _caption(comparison: Comparison, metrics: Sequence[str]) -> str:
    if not metrics:
        return "The learning rate of every update, as a factor of the peak."
    said = (
        "Each schedule at its chosen rate: the mean over seeds, with a band from the "
        "lowest to the highest (a thin line for each seed where they cannot be "
        "averaged); dotted: the constant. Under them the rate, as a factor of its "
        "peak (policies change it on the way). All cards have the same axes."
    )
    if VALIDATION in metrics:
        said += " Validation is cut off where a run would count as failed."
        if comparison.subject.kind == "workload":
            said += " Points before the last may read a part of it."
    left = escape(", ".join(metrics[_SHOWN_METRICS:]))
    return said + (f" Not drawn, but in results.json: {left}." if left else "")


@final
class _Panel:
    """One metric, drawn for every arm on the same axes."""

    def __init__(
        self, comparison: Comparison, look: Look, metric: str, name: str
    ) -> None:
        self._look, self._name = look, name
        self._title = metric_name(comparison, metric)
        self._total = max(1, comparison.subject.total_steps)
        self._lines = {
            arm.arm: Line.of(comparison, arm.arm, metric) for arm in comparison.arms
        }
        lines = list(self._lines.values())
        self._scale = shared_scale(comparison, metric, lines)

    def draw(self, arm: str) -> str:
        """Draw an arm's curves over the constant's mean."""
        line, scale = self._lines[arm], self._scale
        title = escape(self._title)
        if scale is None or not line.values:
            return f'<p class="what">{title}: no curve</p>'
        plane, ticks = Plane(self._total, scale), scale.ticks(_TICKS)
        end = fmean(line.until(self._total) or line.values)
        label = f"{self._title} of {arm}, in the end {end:.4g} on average"
        drawn = plane.rules(ticks) + self._reference(arm) + self._curves(plane, arm)
        axis = " (log axis)" if scale.log else ""
        return f'<p class="what">{title}{axis}</p>' + plot(
            drawn, label, beside=plane.marks(ticks), size="tall"
        )

    def _reference(self, arm: str) -> str:
        """Refer to the line of the constant's card, where it has one."""
        constant = self._lines.get(CONSTANT)
        if arm == CONSTANT or constant is None or not constant.updates:
            return ""
        return f'<use class="reference" href="#{self._name}"/>'

    def _curves(self, plane: Plane, arm: str) -> str:
        line = self._lines[arm]
        if not line.updates:
            paths = (plane.path(seed.updates, seed.values) for seed in line.seeds)
            return "".join(f'<path class="seed" d="{path}"/>' for path in paths)
        columns, band = line.columns(), ""
        if len(line.seeds) > 1:
            lows, highs = list(map(min, columns)), list(map(max, columns))
            area = plane.band(line.updates, lows, highs)
            band = f'<path class="band" d="{area}"/>'
        path = plane.path(line.updates, line.mean())
        if arm == CONSTANT:  # the other cards draw it again, in another colour
            return (
                f'<defs><path id="{self._name}" d="{path}" '
                f'vector-effect="non-scaling-stroke"/></defs>{band}'
                f'<use class="line" href="#{self._name}"/>'
            )
        dash = self._look.dash(arm)
        return f'{band}<path class="line" d="{path}" stroke-dasharray="{dash}"/>'

    def numbers(self) -> str:
        """Write the curves as a table: mean and range at shares of the budget."""
        if self._scale is None:
            return ""
        title = escape(self._title)
        head = "".join(
            f'<th scope="col">{share:.0%}<br>{share * self._total:.0f}</th>'
            for share in _SHARES
        )
        rows = ""
        for arm, line in self._lines.items():
            cells = "".join(
                f"<td>{_mean_and_range(line.until(share * self._total))}</td>"
                for share in _SHARES
            )
            name = self._look.label(arm)
            rows += f'<tr><th scope="row">{name}</th>{cells}</tr>'
        table = (
            '<table class="sticky"><thead><tr><th scope="col">after<br>updates</th>'
            f"{head}</tr></thead><tbody>{rows}</tbody></table>"
        )
        return (
            f"<details><summary>In numbers: {title}</summary>"
            f"{scrolled(table, f'In numbers: {self._title}')}</details>"
        )


def _schedule(arm: ArmSummary, total_steps: int, look: Look) -> str:
    """Draw the rate of every update as a factor of the peak."""
    every = max(1, total_steps // _DRAWN_POINTS)
    updates = sorted({*range(0, total_steps, every), total_steps - 1})
    values = _factors(arm.schedule, total_steps, updates)
    if values is None:
        return '<p class="what">planned rate / peak: a function, not drawn</p>'
    highest = max(1.0, *values)
    plane = Plane(max(1, total_steps - 1), Scale(0.0, 1.2 * highest))
    marks = plane.marks([0, highest])
    marks += '<span class="tick x first">0</span>'
    marks += f'<span class="tick x last">{total_steps} updates</span>'
    path, area = plane.path(updates, values), plane.area(updates, values)
    drawn = (
        f'<path class="area" d="{area}"/>'
        f'<path class="line" d="{path}" stroke-dasharray="{look.dash(arm.arm)}"/>'
    )
    label = f"planned rate of {arm.arm}: {arm.schedule}"
    box = plot(drawn, label, beside=marks, size="flat")
    return f'<p class="what">planned rate / peak</p>{box}'


def _factors(text: str, total_steps: int, updates: Sequence[int]) -> list[float] | None:
    """Evaluate a schedule's text; None for one that wraps a callable."""
    try:
        resolved = ss.parse(text).resolve(total_steps=total_steps)
    except StepsizeError:
        return None
    return [float(resolved(update)) for update in updates]


def _mean_and_range(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean = f"{fmean(values):.4g}"
    ends = f"{min(values):.4g} to {max(values):.4g}"
    return mean if len(values) == 1 else f"{mean} ({ends})"
