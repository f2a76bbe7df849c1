"""The charts of the page, as plotly figures; each says its units on its axes."""

from collections.abc import Sequence
from typing import Any, final

import plotly.graph_objects as go

import stepsize as ss
from stepsize.errors import StepsizeError
from stepsize.proof.arms import CONSTANT
from stepsize.proof.report.words import (
    decimals,
    metric_title,
    metric_unit,
    number,
    percent,
    rate,
)
from stepsize.proof.results import ArmSummary, Comparison, Curve, Run
from stepsize.proof.statistics import estimate
from stepsize.proof.summary import Grid

# Okabe & Ito's palette, told apart by colour-blind readers; dark grey: the constant.
_CONSTANT_COLOUR = "#3b3b3b"
_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c6d31",
    "#6a51a3",
)
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_DRAWN_POINTS = 400
_ASIDE = 0.012  # decades between the arms' bars
_LOG_FROM = 20  # ratio of highest to lowest value from which an axis is a log one


@final
class Look:
    """Colour, dash and marker of each arm, the same in every chart."""

    def __init__(self, comparison: Comparison) -> None:
        names = [arm.arm for arm in comparison.arms if arm.arm != CONSTANT]
        self._place = {name: i for i, name in enumerate(names)}

    def colour(self, arm: str) -> str:
        """Return the colour as #rrggbb."""
        place = self._place.get(arm)
        return _CONSTANT_COLOUR if place is None else _COLOURS[place % len(_COLOURS)]

    def faint(self, arm: str) -> str:
        """Return the colour at an opacity of 8 %, for bands."""
        colour = self.colour(arm)
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},0.08)"

    def dash(self, arm: str) -> str:
        """Return the dash, which changes when the colours begin again."""
        return _DASHES[self._place.get(arm, 0) // len(_COLOURS) % len(_DASHES)]

    def symbol(self, arm: str) -> str:
        """Return the marker."""
        return _SYMBOLS[(self._place.get(arm, -1) + 1) % len(_SYMBOLS)]


def forest(comparison: Comparison) -> go.Figure:
    """Draw the paired differences to the tuned constant with their intervals."""
    figure = _figure(height=150 + 42 * max(1, len(comparison.arms) - 1))
    places, unit = decimals(comparison), metric_unit(comparison.subject)
    colours = {"better": "#009e73", "worse": "#d55e00"}
    for arm in reversed(comparison.arms[1:]):
        difference = arm.difference
        if difference is None:
            continue
        half = difference.half_width
        figure.add_trace(
            go.Scatter(
                x=[difference.mean],
                y=[arm.arm],
                mode="markers",
                marker={
                    "size": 11,
                    "symbol": "square" if half is not None else "square-open",
                    "color": colours.get(arm.outcome, "#5f6b7a"),
                },
                error_x={
                    "type": "data",
                    "array": [half],
                    "thickness": 2,
                    "width": 7,
                    "visible": half is not None,
                },
                hovertemplate=(
                    f"{arm.arm}<br>{number(difference.mean, places, sign=True)} "
                    f"± {number(half, places)} {unit}<br>{arm.outcome}<extra></extra>"
                ),
                showlegend=False,
            )
        )
    sides = ("better", "worse") if comparison.subject.sign < 0 else ("worse", "better")
    figure.add_vline(x=0, line={"color": _CONSTANT_COLOUR, "width": 1.5})
    for text, x, anchor in (
        (f"← {sides[0]}", 0.0, "left"),
        (f"{sides[1]} →", 1.0, "right"),
    ):
        figure.add_annotation(
            text=text,
            x=x,
            y=1.0,
            xref="paper",
            yref="paper",
            xanchor=anchor,
            yanchor="bottom",
            showarrow=False,
            font={"color": "#5f6b7a"},
        )
    title = f"difference in test {comparison.subject.metric}"
    figure.update_xaxes(title=f"{title} ({unit})" if unit else title, zeroline=False)
    figure.update_yaxes(type="category")
    return figure


def by_rate(comparison: Comparison, look: Look) -> go.Figure:
    """Draw validation over the peak rate (log axis), mean and interval over seeds."""
    figure = _figure(height=430)
    grid = Grid(comparison.grid_runs, comparison.subject, comparison.lrs)
    shown: list[float] = []
    middle = (len(comparison.arms) - 1) / 2
    for place, arm in enumerate(comparison.arms):
        # Side by side about the true rate, so that the bars can be told apart.
        aside = 10 ** (_ASIDE * (place - middle))
        points = [
            (lr, estimate(list(grid.vals(arm.arm, lr).values())))
            for lr in comparison.lrs
        ]
        known = [(lr, point) for lr, point in points if point is not None]
        shown += [point.mean for _, point in known]
        figure.add_trace(
            go.Scatter(
                x=[lr * aside for lr, _ in known],
                y=[point.mean for _, point in known],
                error_y={
                    "type": "data",
                    "array": [point.half_width for _, point in known],
                    "thickness": 1,
                    "width": 3,
                },
                name=arm.arm,
                mode="lines+markers",
                text=[f"{arm.arm} at {rate(lr)}" for lr, _ in known],
                hovertemplate="%{text}: %{y:.4g}<extra></extra>",
                line={"color": look.colour(arm.arm), "dash": look.dash(arm.arm)},
                marker={"symbol": look.symbol(arm.arm), "size": 8},
            )
        )
    _rate_axis(figure.update_xaxes, comparison.lrs)
    figure.update_yaxes(title=f"validation {metric_title(comparison.subject)}")
    near = _near_the_best(comparison, shown)
    if near is not None and max(shown) - min(shown) > near[1] - near[0]:
        # Failed runs would press all others into one line.
        figure.update_yaxes(range=near)
        figure.update_layout(
            updatemenus=[
                _menu(
                    ("near the best", "relayout", [{"yaxis.range": near}]),
                    ("every rate", "relayout", [{"yaxis.autorange": True}]),
                )
            ]
        )
    return figure


def _near_the_best(
    comparison: Comparison, means: Sequence[float]
) -> list[float] | None:
    """Return the axis range from the best mean to where runs count as failed."""
    margin, sign = comparison.subject.failed_margin, comparison.subject.sign
    if not means or not margin:
        return None
    best = max(means, key=lambda mean: sign * mean)
    return sorted((best + sign * margin / 4, best - sign * margin))


def heat_map(comparison: Comparison) -> go.Figure:
    """Draw the grid: schedules by rates, coloured by the mean validation metric.

    Colours end at twice the failed margin below the best cell, so that differences
    between good cells can be seen; the numbers are exact.
    """
    subject, places = comparison.subject, decimals(comparison)
    grid = Grid(comparison.grid_runs, subject, comparison.lrs)
    z: list[list[float | None]] = []
    texts: list[list[str]] = []
    hovers: list[list[str]] = []
    for arm in comparison.arms:
        cells = [_cell(grid, arm, lr, places) for lr in comparison.lrs]
        z.append([mean for mean, _, _ in cells])
        texts.append([text for _, text, _ in cells])
        hovers.append([hover for _, _, hover in cells])
    known = [value for row in z for value in row if value is not None]
    figure = _figure(height=150 + 44 * len(comparison.arms))
    if not known:
        return figure
    best = max(known, key=lambda value: subject.sign * value)
    worst = min(known, key=lambda value: subject.sign * value)
    reach = abs(best - worst)
    if subject.failed_margin:
        reach = min(reach, 2 * subject.failed_margin)
    ends = sorted((best, best - subject.sign * reach))
    figure.add_trace(
        go.Heatmap(
            x=[rate(lr) for lr in comparison.lrs],
            y=[arm.arm for arm in comparison.arms],
            z=z,
            text=texts,
            customdata=hovers,
            texttemplate="%{text}",
            hovertemplate="%{customdata}<extra></extra>",
            colorscale="Blues" if subject.sign > 0 else "Blues_r",
            zmin=ends[0],
            zmax=ends[1],
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": metric_title(subject)}, "thickness": 12},
        )
    )
    figure.update_xaxes(
        title="peak learning rate", type="category", side="bottom", showgrid=False
    )
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure


def schedules(comparison: Comparison, look: Look) -> go.Figure:
    """Draw what each schedule does with the rate, as a factor or as chosen."""
    figure = _figure(height=400)
    total = comparison.subject.total_steps
    every = max(1, total // _DRAWN_POINTS)
    updates = sorted({*range(0, total, every), total - 1})
    factors, chosen = [], []
    for arm in comparison.arms:
        values = _values(arm.schedule, total, updates)
        if values is None:
            continue
        lr = arm.chosen_lr
        factors.append(values)
        chosen.append([None if lr is None else lr * v for v in values])
        figure.add_trace(
            go.Scatter(
                x=updates,
                y=values,
                name=arm.arm,
                mode="lines",
                line={"color": look.colour(arm.arm), "dash": look.dash(arm.arm)},
                hovertemplate="update %{x}: %{y:.3g}<extra>" + arm.arm + "</extra>",
            )
        )
    figure.update_xaxes(title="update")
    figure.update_yaxes(title="factor of the peak rate", rangemode="tozero")
    figure.update_layout(
        updatemenus=[
            _menu(
                *(
                    (label, "update", [{"y": ys}, {"yaxis.title.text": title}])
                    for label, ys, title in (
                        ("factor of the peak", factors, "factor of the peak rate"),
                        ("at the chosen rate", chosen, "learning rate"),
                    )
                )
            )
        ]
    )
    return figure


def curves(comparison: Comparison, look: Look) -> list[tuple[str, go.Figure]]:
    """Draw each reported metric over the updates, at each arm's chosen rate."""
    metrics = dict.fromkeys(c.metric for run in comparison.runs for c in run.curves)
    return [(metric, _curve_figure(comparison, look, metric)) for metric in metrics]


def _curve_figure(comparison: Comparison, look: Look, metric: str) -> go.Figure:
    figure = _figure(height=400)
    for arm in comparison.arms:
        found = [
            curve
            for run in comparison.reported_runs
            if run.arm == arm.arm
            for curve in run.curves
            if curve.metric == metric
        ]
        figure.add_traces(_curve_traces(arm, found, look))
    figure.update_xaxes(title="update", rangemode="tozero")
    figure.update_layout(
        legend={"orientation": "h", "x": 0, "y": -0.2, "xanchor": "left"},
        height=440,
    )
    drawn = [y for trace in figure.data for y in trace.y if y is not None]
    if metric == "val":
        title = f"validation {metric_title(comparison.subject)}"
        best = [arm.val.mean for arm in comparison.arms if arm.val]
        near = _near_the_best(comparison, best)
        figure.update_yaxes(title=title, range=near, autorange=near is None)
    elif drawn and min(drawn) > 0 and max(drawn) / min(drawn) > _LOG_FROM:
        figure.update_yaxes(title=f"{_metric_name(metric)} (log axis)", type="log")
    else:
        figure.update_yaxes(title=_metric_name(metric))
    return figure


def _metric_name(metric: str) -> str:
    return "training loss" if metric == "train_loss" else metric


def _curve_traces(arm: ArmSummary, found: Sequence[Curve], look: Look) -> list[Any]:
    """Mean with a band from lowest to highest seed; or each seed, if they differ."""
    style = {"color": look.colour(arm.arm), "dash": look.dash(arm.arm)}
    same = found and all(curve.updates == found[0].updates for curve in found)
    whole = same and all(v is not None for curve in found for v in curve.values)
    if not whole:
        return [
            go.Scatter(
                x=curve.updates,
                y=curve.values,
                name=arm.arm,
                legendgroup=arm.arm,
                showlegend=i == 0,
                mode="lines",
                line={**style, "width": 1},
            )
            for i, curve in enumerate(found)
        ]
    columns = list(zip(*(curve.values for curve in found), strict=True))
    x = list(found[0].updates)
    low = [min(c) for c in columns]
    high = [max(c) for c in columns]
    mean = [sum(v for v in c if v is not None) / len(c) for c in columns]
    band = go.Scatter(
        x=[*x, *reversed(x)],
        y=[*high, *reversed(low)],
        fill="toself",
        fillcolor=look.faint(arm.arm),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        legendgroup=arm.arm,
        showlegend=False,
    )
    line = go.Scatter(
        x=x,
        y=mean,
        name=arm.arm,
        legendgroup=arm.arm,
        mode="lines",
        line=style,
        hovertemplate="update %{x}: %{y:.4g}<extra>" + arm.arm + "</extra>",
    )
    return [band, line] if len(found) > 1 else [line]


def _cell(
    grid: Grid, arm: ArmSummary, lr: float, places: int
) -> tuple[float | None, str, str]:
    """Return colour value, text and hover text of one cell."""
    runs: list[Run] = list(grid.cell(arm.arm, lr).values())
    point = estimate(list(grid.vals(arm.arm, lr).values()))
    lost = [run for run in runs if run.status != "finished"]
    if not runs:
        return None, "", f"{arm.arm} at {rate(lr)}: not trained"
    share = percent(len(lost) / len(runs))
    hover = f"{arm.arm} at {rate(lr)}<br>"
    if point is None:
        kinds = ", ".join(sorted({run.status.replace("_", " ") for run in lost}))
        return None, kinds, hover + f"no run counts: {kinds}"
    text = number(point.mean, places)
    hover += f"mean {text}, std {number(point.std, places)}, {point.n} seeds"
    if lost:
        text += " !"
        hover += f"<br>{share} of the runs do not count"
    if lr == arm.chosen_lr:
        text = f"<b>[{text}]</b>"
        hover += "<br>chosen for this schedule"
    return point.mean, text, hover


def _values(text: str, total_steps: int, updates: Sequence[int]) -> list[float] | None:
    """Evaluate a schedule's text; None for one that wraps a callable."""
    try:
        resolved = ss.parse(text).resolve(total_steps=total_steps)
    except StepsizeError:
        return None
    return [float(resolved(update)) for update in updates]


def _menu(*choices: tuple[str, str, list[Any]]) -> dict[str, Any]:
    """Build buttons above a chart: (label, plotly's method, its arguments)."""
    return {
        "type": "buttons",
        "direction": "right",
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "showactive": True,
        "buttons": [
            {"label": label, "method": method, "args": args}
            for label, method, args in choices
        ],
    }


def _rate_axis(update: Any, lrs: Sequence[float]) -> None:
    update(
        title="peak learning rate (log axis)",
        type="log",
        tickvals=list(lrs),
        ticktext=[rate(lr) for lr in lrs],
    )


def _figure(*, height: int) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 70, "r": 20, "t": 45, "b": 55},
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"},
        hovermode="closest",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
