"""`report.html`: one file with everything in it, which loads and runs nothing."""

import os
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from stepsize.proof.report.section import score, section
from stepsize.proof.report.words import listing
from stepsize.proof.results import Comparison, Results, write_whole

MARK = '<meta name="generator" content="stepsize">'
"""What tells our page from another file of that name."""


def render(results: Results) -> str:
    """Return the page as text."""
    names = dict.fromkeys(one.subject.name for one in results.comparisons)
    folder = files("stepsize.proof.report")
    template = folder.joinpath("page.html").read_text("utf-8")
    sections = (
        section(comparison, anchor=_anchor(place))
        for place, comparison in enumerate(results.comparisons)
    )
    return Template(template).substitute(
        title=escape(f"Does a schedule help on {listing(list(names))}?"),
        style=folder.joinpath("style.css").read_text("utf-8"),
        lead=_lead(results.comparisons),
        body="\n".join(sections),
        foot=_environment(results),
    )


def save_page(results: Results, path: str | os.PathLike[str]) -> Path:
    """Write the page, whole or not at all, and return its path."""
    return write_whole(render(results).encode(), path)


def _anchor(place: int) -> str:
    return f"comparison-{place}"


def _lead(comparisons: tuple[Comparison, ...]) -> str:
    """Say what the page is, and list the comparisons if there are several."""
    said = (
        '<p class="soft">Learning-rate schedules against a constant rate under equal '
        "budgets, each tuned on validation, reported on test."
    )
    if len(comparisons) == 1:
        return f"{said}</p>"
    rows = "".join(
        f'<li><a href="#{_anchor(place)}">{escape(comparison.subject.name)}</a>'
        f"{score(comparison)}</li>"
        for place, comparison in enumerate(comparisons)
    )
    return (
        f"{said} Every one stands for itself: nothing is averaged over them.</p>"
        f'<nav aria-label="Comparisons"><ul class="links overview">{rows}</ul></nav>'
    )


def _environment(results: Results) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="text">{escape(value)}'
        "</td></tr>"
        for name, value in results.environment.items()
    )
    return (
        f"<details><summary>Where it ran</summary><table>{rows}</table></details>"
        f'<p class="soft">Written {escape(results.created)}. '
        "Equal seeds give equal numbers on the same machine and versions; elsewhere "
        "they agree within rounding and its growth over a run.</p>"
    )
