"""Curves as pictures: PNG and SVG by matplotlib, one HTML page by plotly."""

import io
import textwrap
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from stepsize.cli.curves import Curve, at, key_steps, spans_decades
from stepsize.errors import FrameworkMissingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Static
    from plotly.graph_objects import Figure as Interactive

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#b8860b",
    "#56b4e9",
    "#5f3dc4",
    "#333333",
)
DASHES = ("solid", "dash", "dot", "dashdot")
_LINES = ("-", "--", ":", "-.")
UPDATE, RATE, LOG_RATE = "update", "rate", "rate (log axis)"


def static(curves: Sequence[Curve]) -> "Static":
    """Return a matplotlib figure.

    Raises:
        FrameworkMissingError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing("--png and --svg need matplotlib") from error
    figure = Figure(figsize=(9, 4.8), dpi=120, layout="constrained")
    axes = figure.subplots()
    for index, curve in enumerate(curves):
        axes.plot(
            curve.steps,
            curve.values,
            color=COLOURS[index % len(COLOURS)],
            linestyle=_LINES[index % len(_LINES)],
            linewidth=2,
            label=textwrap.shorten(curve.label, 60, placeholder="..."),
        )
    log = spans_decades(curves)
    if log:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(bottom=_lowest(curves) / 1.5)
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlim(0, max(curves[0].total - 1, 1))
    axes.set_xlabel(UPDATE)
    axes.set_ylabel(LOG_RATE if log else RATE)
    axes.grid(visible=True, color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=9)
    else:
        title = "\n".join(textwrap.wrap(curves[0].text, 95)[:3])
        axes.set_title(title, fontsize=10, family="monospace", loc="left")
    return figure


def picture(curves: Sequence[Curve], form: str) -> bytes:
    """Return the curves as a file of the form "png" or "svg"."""
    buffer = io.BytesIO()
    figure = static(curves)
    from matplotlib import rc_context

    metadata = {"Date": None} if form == "svg" else None
    with rc_context({"svg.hashsalt": "stepsize"}):  # equal inputs, equal files
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def interactive(curves: Sequence[Curve]) -> "Interactive":
    """Return a plotly figure.

    Raises:
        FrameworkMissingError: plotly is not installed.
    """
    try:
        from plotly.graph_objects import Figure, Scatter
    except ImportError as error:
        raise missing("--html needs plotly") from error
    log = spans_decades(curves)
    figure = Figure()
    for index, curve in enumerate(curves):
        figure.add_trace(
            Scatter(
                x=list(curve.steps),
                y=[v if v > 0 or not log else None for v in curve.values],
                name=textwrap.shorten(curve.label, 60, placeholder="..."),
                mode="lines",
                line={
                    "color": COLOURS[index % len(COLOURS)],
                    "dash": DASHES[index % len(DASHES)],
                    "width": 2.5,
                },
                hovertemplate="update %{x}: %{y:.4g}<extra></extra>",
            )
        )
    grid = {"gridcolor": "#e5e8ec", "zeroline": False, "linecolor": "#1c2430"}
    figure.update_layout(
        template="none",
        height=520,
        margin={"l": 90, "r": 20, "t": 20, "b": 60},
        xaxis={"title": {"text": UPDATE}, **grid},
        yaxis={
            "title": {"text": LOG_RATE if log else RATE, "standoff": 12},
            "type": "log" if log else "linear",
            "rangemode": "normal" if log else "tozero",
            "exponentformat": "e",
            **({"dtick": 1} if log else {}),
            **grid,
        },
        showlegend=len(curves) > 1,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    return figure


def page(curves: Sequence[Curve], title: str) -> bytes:
    """Return one HTML page with everything in it, which opens without a network."""
    figure = interactive(curves)
    labelled = len(curves) > 1
    texts = [f"{c.label}: {c.text}" if labelled else c.text for c in curves]
    head = "".join(f"<th>{escape(name)}</th>" for name in _heads(curves))
    body = "".join(
        f"<tr><td>{t}</td>" + "".join(f"<td>{at(c, t):.6g}</td>" for c in curves)
        for t in key_steps(curves)
    )
    table = f"<table><tr>{head}</tr>{body}</table>"
    return whole_page(figure, title, "\n".join(texts), table)


def whole_page(figure: "Interactive", title: str, text: str, table: str) -> bytes:
    """Return a page with a figure, text above it, and a table below, in HTML."""
    from plotly.offline import get_plotlyjs

    template = files("stepsize.cli").joinpath("page.html").read_text("utf-8")
    return (
        Template(template)
        .substitute(
            title=escape(title),
            texts=escape(text),
            table=table,
            plotly=get_plotlyjs().replace("</script", "<\\/script"),
            # "<" would end the script element early.
            data=figure.to_json(engine="json").replace("<", "\\u003c"),
        )
        .encode()
    )


def _heads(curves: Sequence[Curve]) -> list[str]:
    names: list[Any] = [c.label for c in curves] if len(curves) > 1 else [RATE]
    return [UPDATE, *names]


def _lowest(curves: Sequence[Curve]) -> float:
    high = max(max(curve.values) for curve in curves)
    return min(v for curve in curves for v in curve.values if v > high * 1e-12)


def missing(what: str) -> FrameworkMissingError:
    """Word that a package is not installed."""
    return FrameworkMissingError(f"{what}. hint: pip install 'stepsize[plot]'")
