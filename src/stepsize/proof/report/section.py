"""The part of the page that is about one comparison: the verdict first."""

from collections import Counter
from html import escape

from stepsize.proof.report.curves import small_multiples
from stepsize.proof.report.failures import failure_bars
from stepsize.proof.report.forest import forest
from stepsize.proof.report.heat import heat_map
from stepsize.proof.report.legend import costs, legend, setting
from stepsize.proof.report.look import Look
from stepsize.proof.report.tables import lost_runs, schedule_table, summary_table
from stepsize.proof.report.words import claim, count
from stepsize.proof.results import Comparison, Outcome

_SCORED: tuple[Outcome, ...] = ("better", "worse", "no clear difference", "no claim")


def section(comparison: Comparison, *, anchor: str) -> str:
    """Return heading, verdict, figures, tables, lost runs and the command.

    Args:
        comparison: What to show.
        anchor: The id of the heading; those of the parts start with it.
    """
    subject, look = comparison.subject, Look(comparison)
    parts = [(title, body) for title, body in _parts(comparison, look, anchor) if body]
    links = "".join(
        f'<li><a href="#{anchor}-{number}">{title}</a></li>'
        for number, (title, _) in enumerate(parts)
    )
    shown = "".join(
        f'<h3 id="{anchor}-{number}" tabindex="-1">{title}</h3>{body}'
        for number, (title, body) in enumerate(parts)
    )
    name = escape(subject.name)
    return (
        f'<section><h2 id="{anchor}" tabindex="-1">{name}</h2>'
        f"<p>{escape(subject.title)}. {escape(setting(comparison))}.</p>"
        f'{_verdict(comparison)}<ul class="links">{links}</ul>'
        f"{shown}</section>"
    )


def score(comparison: Comparison) -> str:
    """Return how many schedules are better, worse and neither, as a list."""
    counts = Counter(arm.outcome for arm in comparison.arms)
    shown = "".join(
        f'<li class="{outcome.replace(" ", "-")}">'
        f"{counts[outcome]} {claim(outcome)}</li>"
        for outcome in _SCORED
        if counts[outcome]
    )
    return f'<ul class="score">{shown}</ul>' if shown else ""


def _parts(comparison: Comparison, look: Look, anchor: str) -> list[tuple[str, str]]:
    """Return titles and bodies, those without a body to be left out."""
    whole = comparison.tuning == "grid"
    several = len(comparison.lrs) > 1
    lost = any(run.status != "finished" for run in comparison.runs)
    notes = "".join(
        f'<p class="soft">{escape(line)}</p>'
        for line in (*legend(comparison), *costs(comparison))
    )
    return [
        ("Difference to the tuned constant", forest(comparison, look)),
        ("All numbers", summary_table(comparison, look) + notes),
        (
            "How much the rate matters",
            heat_map(comparison, look) if whole and several else "",
        ),
        ("Runs that failed", failure_bars(comparison, look)),
        (
            "Training",
            small_multiples(comparison, look, anchor=anchor)
            + schedule_table(comparison, look),
        ),
        ("Runs that did not finish", lost_runs(comparison) if lost else ""),
        ("What was trained, and how to repeat it", _repeat(comparison)),
    ]


def _verdict(comparison: Comparison) -> str:
    first, *others = comparison.verdict or ("Interrupted: there is no verdict.",)
    qualified = "".join(f"<li>{escape(sentence)}</li>" for sentence in others)
    return (
        f'<div class="verdict"><p>{escape(first)}</p>{score(comparison)}'
        f"{f'<ul>{qualified}</ul>' if qualified else ''}</div>"
    )


def _repeat(comparison: Comparison) -> str:
    facts = "".join(
        f"<p><strong>{escape(fact.capitalize())}</strong>: {escape(value)}</p>"
        for fact, value in comparison.subject.details.items()
    )
    engine = f" by the engine {comparison.engine}" if comparison.engine else ""
    return (
        f"{facts}<p>{count(len(comparison.runs), 'run')}{escape(engine)} in "
        f"{comparison.seconds:.0f} s.</p><pre>{escape(comparison.repeat)}</pre>"
    )
