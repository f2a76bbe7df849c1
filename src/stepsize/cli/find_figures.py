"""What was found, as pictures: PNG by matplotlib, one HTML page by plotly."""

import io
import math
from html import escape
from typing import TYPE_CHECKING, Any

from stepsize.cli.figures import COLOURS, missing, whole_page
from stepsize.cli.find_drawing import (
    HEADS,
    details,
    headline,
    loss_range,
    probe_rows,
    probes,
    ramp,
)
from stepsize.finder import Found

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Static
    from plotly.graph_objects import Figure as Interactive

LR, LOSS = "rate (log axis)", "loss"
RAMP, SMOOTHED, RATE = "ramp", "ramp, smoothed", "suggestion"
_PROBES = (COLOURS[1], COLOURS[3], COLOURS[4], COLOURS[5])
_GREY, _ROOM = "#9aa4b0", 0.06


def static(found: Found, title: str) -> "Static":
    """Return a matplotlib figure.

    Raises:
        FrameworkMissingError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing("--png needs matplotlib") from error
    raw, smooth = ramp(found)
    figure = Figure(figsize=(9, 4.8), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.plot(*_split(raw), ".", color=_GREY, markersize=4, label=RAMP)
    axes.plot(*_split(smooth), color=COLOURS[0], linewidth=2, label=SMOOTHED)
    for colour, one in zip(_PROBES, probes(found), strict=False):
        lrs, losses = _split(one.points)
        axes.errorbar(
            lrs, losses, yerr=one.errors, fmt="o", color=colour, label=one.label
        )
    if found.suggestion is not None and found.low is not None:
        axes.axvspan(found.low, found.high or found.low, color=COLOURS[2], alpha=0.15)
        axes.axvline(found.suggestion, color=COLOURS[2], linewidth=2, label=RATE)
    axes.set_xscale("log")
    axes.set_ylim(*_limits(found))
    axes.set_xlabel(LR)
    axes.set_ylabel(LOSS)
    axes.grid(visible=True, color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{title}: {headline(found)}", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=9)
    return figure


def picture(found: Found, title: str) -> bytes:
    """Return it as a PNG file."""
    buffer = io.BytesIO()
    static(found, title).savefig(buffer, format="png")
    return buffer.getvalue()


def interactive(found: Found) -> "Interactive":
    """Return a plotly figure.

    Raises:
        FrameworkMissingError: plotly is not installed.
    """
    try:
        from plotly.graph_objects import Figure, Scatter
    except ImportError as error:
        raise missing("--html needs plotly") from error
    raw, smooth = ramp(found)
    figure = Figure()
    drawn: list[tuple[Any, str, dict[str, Any]]] = [
        (raw, RAMP, {"mode": "markers", "marker": {"color": _GREY, "size": 5}}),
        (smooth, SMOOTHED, {"mode": "lines", "line": {"color": COLOURS[0]}}),
    ]
    for colour, one in zip(_PROBES, probes(found), strict=False):
        look = {"mode": "markers", "marker": {"color": colour, "size": 9}}
        bars = {"type": "data", "array": one.errors}
        drawn.append((one.points, one.label, look | {"error_y": bars}))
    for content, name, options in drawn:
        x, y = _split(content)
        hover = "lr %{x:.3g}: %{y:.4g}<extra></extra>"
        figure.add_trace(Scatter(x=x, y=y, name=name, hovertemplate=hover, **options))
    if found.suggestion is not None:
        figure.add_vrect(found.low, found.high, fillcolor=COLOURS[2], opacity=0.15)
        figure.add_vline(found.suggestion, line={"color": COLOURS[2], "width": 2.5})
        figure.add_annotation(
            text=f"{RATE} {found.suggestion:.3g}",
            # shapes of a log axis are placed by value, annotations by exponent
            x=math.log10(found.suggestion),
            y=1,
            yref="paper",
            showarrow=False,
            xanchor="left",
            xshift=6,
        )
    grid = {"gridcolor": "#e5e8ec", "zeroline": False, "linecolor": "#1c2430"}
    figure.update_layout(
        template="none",
        height=520,
        margin={"l": 90, "r": 20, "t": 20, "b": 60},
        xaxis={"title": {"text": LR}, "type": "log", "exponentformat": "e", **grid},
        yaxis={"title": {"text": LOSS}, "range": list(_limits(found)), **grid},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    return figure


def page(found: Found, title: str) -> bytes:
    """Return one HTML page with everything in it, which opens without a network."""
    text = "\n".join([headline(found), *details(found), *found.reasons])
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    rows = [
        "".join(f"<td>{escape(cell)}</td>" for cell in row) for row in probe_rows(found)
    ]
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    table = f"<table><tr>{head}</tr>{body}</table>" if rows else ""
    return whole_page(interactive(found), title, text, table)


def _split(content: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [lr for lr, _ in content], [loss for _, loss in content]


def _limits(found: Found) -> tuple[float, float]:
    low, high = loss_range(found)
    room = _ROOM * (high - low)
    return low - room, high + room
