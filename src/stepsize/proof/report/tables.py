"""The tables of the page: all numbers, the schedules as text, the runs that failed."""

from collections.abc import Sequence
from html import escape

from stepsize.proof.report.columns import EVERY_COLUMN, columns_of
from stepsize.proof.report.look import Look
from stepsize.proof.report.words import count, listing, name, rate
from stepsize.proof.results import Comparison, Run


def summary_table(comparison: Comparison, look: Look) -> str:
    """Return the table of all arms with every column that has something to show."""
    columns = columns_of(comparison, EVERY_COLUMN)[1:]
    head = "".join(
        f'<th scope="col"{_side(column.is_text)}>{_header(column.header)}</th>'
        for column in columns
    )
    rows = ""
    for arm in comparison.arms:
        cells = "".join(
            f'<td class="{"left" if column.is_text else ""}'
            f'{" mark" if column.is_coloured else ""}">'
            f"{escape(column.cell(arm))}</td>"
            for column in columns
        )
        doubt = name(arm).removeprefix(arm.arm)
        rows += (
            f'<tr class="{arm.outcome.replace(" ", "-")}"><th scope="row" '
            f'class="mark">{look.label(arm.arm)}{doubt}</th>{cells}</tr>'
        )
    return scrolled(
        f'<table class="sticky"><thead><tr><th scope="col">schedule</th>{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table>",
        "All numbers",
    )


def schedule_table(comparison: Comparison, look: Look) -> str:
    """Return the arms as text, with what they come with."""
    rows = "".join(
        f'<tr><th scope="row">{look.label(arm.arm)}</th><td class="text">'
        f"<code>{escape(arm.schedule)}</code>"
        f"{'<br>' + escape(arm.besides) if arm.besides else ''}</td></tr>"
        for arm in comparison.arms
    )
    return (
        "<details><summary>The schedules as text (times the peak rate)</summary>"
        + scrolled(f"<table>{rows}</table>", "The schedules as text")
        + "</details>"
    )


def lost_runs(comparison: Comparison) -> str:
    """List the runs that did not finish, those with equal reason and trace together."""
    lost = [run for run in comparison.runs if run.status != "finished"]
    alike: dict[tuple[str, str, str], list[Run]] = {}
    for run in lost:
        alike.setdefault((run.status, run.reason, run.traceback), []).append(run)
    groups = "".join(
        f"<li><p><strong>{escape(status.replace('_', ' '))}</strong>, "
        f"{count(len(runs), 'run')}: {escape('; '.join(_where(runs)))}</p>"
        f"<p><code>{escape(reason)}</code></p>{_trace(trace)}</li>"
        for (status, reason, trace), runs in alike.items()
    )
    return (
        f"<p>Runs that did not finish: {len(lost)} of {len(comparison.runs)}, for "
        f'{count(len(alike), "reason")}.</p><ul class="lost">{groups}</ul>'
    )


def scrolled(table: str, label: str) -> str:
    """Wrap a table that may be wider than the page, so that keys can scroll it."""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(label)}">'
        f"{table}</div>"
    )


def _header(text: str) -> str:
    """Write a header: two lines, but not a word broken into two."""
    return escape(text.replace("-\n", "")).replace("\n", "<br>")


def _side(is_text: bool) -> str:
    return ' class="left"' if is_text else ""


def _where(runs: Sequence[Run]) -> list[str]:
    """Word where runs are: "wsd at 0.1, seeds 0 and 1"."""
    seeds: dict[tuple[str, float], list[str]] = {}
    for run in runs:
        seeds.setdefault((run.arm, run.peak_lr), []).append(str(run.seed))
    return [
        f"{arm} at {rate(lr)}, seed{'s' if len(found) > 1 else ''} {listing(found)}"
        for (arm, lr), found in seeds.items()
    ]


def _trace(trace: str) -> str:
    if not trace:
        return ""
    return f"<details><summary>Traceback</summary><pre>{escape(trace)}</pre></details>"
