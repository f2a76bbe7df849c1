"""The part of the page that is about one comparison."""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from stepsize.errors import FrameworkMissingError
from stepsize.proof.report.columns import columns_of
from stepsize.proof.report.legend import costs, legend, setting
from stepsize.proof.report.words import rate
from stepsize.proof.results import Comparison, Run

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

AddFigure = Callable[["Figure", str], str]
"""Takes a figure and its caption, returns its HTML."""


def section(comparison: Comparison, add: AddFigure, *, anchor: str) -> str:
    """Return heading, verdict, table, charts, failed runs and the command."""
    try:
        from stepsize.proof.report import figures
    except ImportError as error:
        raise FrameworkMissingError(
            "the report needs plotly. hint: pip install 'stepsize[proof]'"
        ) from error
    subject, look = comparison.subject, figures.Look(comparison)
    facts = [
        f"<strong>{escape(fact.capitalize())}</strong>: {escape(value)}"
        for fact, value in subject.details.items()
    ]
    parts = [
        f'<h2 id="{anchor}">{escape(subject.name)}</h2>',
        f"<p>{escape(subject.title)}. {escape(setting(comparison))}.</p>",
        f'<p class="soft">{"<br>".join(facts)}</p>' if facts else "",
        '<div class="verdict">'
        + "".join(f"<p>{escape(sentence)}</p>" for sentence in comparison.verdict)
        + "</div>",
        _table(comparison),
        *(f'<p class="soft">{escape(line)}</p>' for line in legend(comparison)),
        *(f'<p class="soft">{escape(line)}</p>' for line in costs(comparison)),
    ]
    if any(arm.difference for arm in comparison.arms):
        parts += [
            "<h3>Difference to the tuned constant</h3>",
            add(
                figures.forest(comparison),
                "Paired by seed, each at its own best rate; bars are 95 % intervals, "
                "before correction. An interval that covers 0 shows no difference.",
            ),
        ]
    if comparison.tuning == "grid" and len(comparison.lrs) > 1:
        parts += [
            "<h3>How much the rate matters</h3>",
            add(
                figures.by_rate(comparison, look),
                "Mean validation over seeds at each peak rate of the grid, schedules "
                "side by side; bars are 95 % intervals.",
            ),
            add(
                figures.heat_map(comparison),
                "The same as a grid. [ ]: the rate chosen for the schedule. !: some "
                "runs do not count. Colours end at twice the margin of a failed run.",
            ),
        ]
    parts += [
        "<h3>The schedules</h3>",
        add(
            figures.schedules(comparison, look),
            "The learning rate of every update, as a factor of the peak or at the "
            "chosen rate.",
        ),
    ]
    drawn = figures.curves(comparison, look)
    if drawn:
        caption = (
            "Each at its chosen rate: mean over seeds, band from lowest to highest. "
            "Double-click shows everything."
        )
        if subject.kind == "workload":
            caption += " Points before the last may read a part of validation."
        charts = "".join(add(figure, caption) for _, figure in drawn)
        parts += ["<h3>Training</h3>", f'<div class="pair">{charts}</div>']
    parts += [_not_finished(comparison), "<h3>Repeat it</h3>"]
    parts.append(f"<pre>{escape(comparison.repeat)}</pre>")
    return "\n".join(parts)


def _table(comparison: Comparison) -> str:
    columns = columns_of(comparison, detail=3)
    sides = ["left" if column.is_text else "" for column in columns]
    head = "".join(
        f'<th class="{side}">{_header(column.header)}</th>'
        for side, column in zip(sides, columns, strict=True)
    )
    rows = "".join(
        f'<tr class="{arm.outcome}">'
        + "".join(
            f'<td class="{side}{" mark" if column.is_coloured else ""}">'
            f"{escape(column.cell(arm))}</td>"
            for side, column in zip(sides, columns, strict=True)
        )
        + "</tr>"
        for arm in comparison.arms
    )
    texts = "".join(
        f'<tr><td>{escape(arm.arm)}</td><td class="left"><code>{escape(arm.schedule)}'
        "</code></td></tr>"
        for arm in comparison.arms
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        "<details><summary>The schedules as text (times the peak rate)</summary>"
        f'<div class="scroll"><table>{texts}</table></div></details>'
    )


def _header(text: str) -> str:
    """Write a header: two lines, but not a word broken into two."""
    return escape(text.replace("-\n", "")).replace("\n", "<br>")


def _trace(run: Run) -> str:
    if not run.traceback:
        return ""
    return (
        "<details><summary>Traceback</summary>"
        f"<pre>{escape(run.traceback)}</pre></details>"
    )


def _not_finished(comparison: Comparison) -> str:
    """List the runs that did not finish, with their reasons."""
    lost = [run for run in comparison.runs if run.status != "finished"]
    if not lost:
        return ""
    rows = "".join(
        f"<tr><td>{escape(run.arm)}</td><td>{rate(run.peak_lr)}</td><td>{run.seed}</td>"
        f'<td class="left">{escape(run.status.replace("_", " "))}</td>'
        f'<td class="left"><code>{escape(run.reason)}</code>{_trace(run)}</td></tr>'
        for run in lost
    )
    return (
        f"<details><summary>Runs that did not finish: {len(lost)} of "
        f"{len(comparison.runs)}</summary>"
        '<div class="scroll"><table><tr><th>Schedule</th><th>Rate</th><th>Seed</th>'
        f'<th class="left">Status</th><th class="left">Reason</th></tr>{rows}'
        "</table></div></details>"
    )
