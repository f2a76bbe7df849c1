"""`report.html`: one file with everything in it, which opens without a network."""

import os
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, final

from stepsize.errors import FrameworkMissingError
from stepsize.proof.report.section import section
from stepsize.proof.report.words import listing
from stepsize.proof.results import Results, write_whole

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MARK = '<meta name="generator" content="stepsize">'
"""What tells our page from another file of that name."""


@final
class FigureSheet:
    """Numbers the figures of a page and holds their data."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, figure: "Figure", caption: str) -> str:
        """Return the HTML of a figure with its caption."""
        name = f"figure-{self._count}"
        self._count += 1
        # "<" would end the script element early.
        data = figure.to_json(engine="json").replace("<", "\\u003c")
        height = int(figure.layout.height)
        return (
            f'<figure><div data-figure="{name}" style="height:{height}px"></div>'
            f'<script type="application/json" id="{name}">{data}</script>'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )


def render(results: Results) -> str:
    """Return the page as text.

    Raises:
        FrameworkMissingError: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise FrameworkMissingError(
            "the report needs plotly. hint: pip install 'stepsize[proof]'"
        ) from error
    names = [comparison.subject.name for comparison in results.comparisons]
    figures = FigureSheet()
    body = [
        '<p class="soft">Schedules against a constant learning rate under equal '
        "budgets, each tuned on validation, reported on test. Every workload stands "
        "for itself.</p>"
    ]
    if len(names) > 1:
        links = (f'<a href="#{i}">{escape(name)}</a>' for i, name in enumerate(names))
        body.append(f"<nav>{''.join(links)}</nav>")
    body += [
        section(comparison, figures.add, anchor=str(i))
        for i, comparison in enumerate(results.comparisons)
    ]
    body.append(_environment(results))
    template = files("stepsize.proof.report").joinpath("page.html").read_text("utf-8")
    return Template(template).substitute(
        title=escape(f"Does a schedule help on {listing(names)}?"),
        body="\n".join(body),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
    )


def save_page(results: Results, path: str | os.PathLike[str]) -> Path:
    """Write the page, whole or not at all, and return its path."""
    return write_whole(render(results).encode(), path)


def _environment(results: Results) -> str:
    rows = "".join(
        f'<tr><td class="left">{escape(name)}</td><td class="left">{escape(value)}'
        "</td></tr>"
        for name, value in results.environment.items()
    )
    times = "; ".join(
        f"{comparison.subject.name} {comparison.seconds:.0f} s"
        for comparison in results.comparisons
    )
    return (
        f"<h2>Where it ran</h2><table>{rows}</table>"
        f'<p class="soft">Written {escape(results.created)}. Time: {escape(times)}. '
        "Equal seeds give equal numbers on the same machine and versions; elsewhere "
        "they agree within rounding and its growth over a run.</p>"
    )
