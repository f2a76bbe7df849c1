"""Which runs failed and how, and the bars that show it."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Literal

from stepsize.proof.report.look import Look
from stepsize.proof.report.words import (
    count,
    decimals,
    metric_unit,
    number,
    percent,
)
from stepsize.proof.results import ArmSummary, Comparison, Run
from stepsize.proof.summary import Grid, best_cell, failed

Failure = Literal["threshold", "nan", "error"]

WORDS: dict[Failure, str] = {
    "threshold": "by threshold",
    "nan": "not finite",
    "error": "exception",
}


def failures(comparison: Comparison) -> dict[str, list[tuple[Run, Failure | None]]]:
    """Return arm -> its runs on the grid and how each failed; None: it did not.

    A run fails by threshold if it ends worse than the best cell by more than the
    subject's margin; where not every rate was trained, no run does.
    """
    subject = comparison.subject
    grid = Grid(comparison.grid_runs, subject, comparison.lrs)
    best = best_cell(grid)

    def kind(run: Run) -> Failure | None:
        if run.status == "diverged":
            return "nan"
        if run.status == "error" or run.val is None:
            return "error"
        whole = comparison.tuning == "grid"
        return "threshold" if whole and failed(run, subject, best) else None

    return {
        arm.arm: [(run, kind(run)) for run in grid.counted(arm.arm)]
        for arm in comparison.arms
    }


def tally(kinds: Sequence[Failure | None]) -> str:
    """Word how runs failed: "2 of 8 (25 %): 1 by threshold, 1 not finite"."""
    counts = Counter(kind for kind in kinds if kind is not None)
    failed = sum(counts.values())
    if not failed:
        return f"none of {len(kinds)}"
    share = f"{failed} of {len(kinds)} ({percent(failed / len(kinds))})"
    if len(counts) == 1:
        return f"{share} {WORDS[next(iter(counts))]}"
    how = ", ".join(
        f"{counts[kind]} {word}" for kind, word in WORDS.items() if counts[kind]
    )
    return f"{share}: {how}"


def failure_bars(comparison: Comparison, look: Look) -> str:
    """Return the bars as a list: one row per arm, which says its numbers."""
    found = failures(comparison)
    rows = "".join(
        _row(arm, [kind for _, kind in found[arm.arm]], look)
        for arm in comparison.arms
        if found[arm.arm]
    )
    if not rows:
        return ""
    keys = "".join(
        f'<li><span class="patch by-{kind}"></span>{word}</li>'
        for kind, word in WORDS.items()
        if comparison.tuning == "grid" or kind != "threshold"
    )
    return (
        f"<figure><figcaption>{_caption(comparison)}</figcaption>"
        f'<ul class="legend">{keys}</ul><ol class="rows failures">{rows}</ol></figure>'
    )


def _caption(comparison: Comparison) -> str:
    """Say of what the shares are, and what the words mean."""
    margin, rules = comparison.subject.failed_margin, []
    if margin is not None and comparison.tuning == "grid":
        worse = f"{number(margin, decimals(comparison))} "
        worse += metric_unit(comparison.subject)
        rules.append(
            f"by threshold: ended worse than the best cell by over {worse.rstrip()}"
        )
    rules += [
        "not finite: the loss or the metric became NaN or infinite",
        "exception: raised, or returned the wrong thing",
    ]
    over = f"{count(len(comparison.lrs), 'rate')} and "
    over += count(len(comparison.select_seeds or comparison.seeds), "seed")
    return escape(
        f"Share of each schedule's runs over {over} that failed; {'; '.join(rules)}."
    )


def _row(arm: ArmSummary, kinds: Sequence[Failure | None], look: Look) -> str:
    counts = Counter(kinds)
    parts = "".join(
        f'<span class="by-{kind}" style="width:{100 * counts[kind] / len(kinds):.2f}%">'
        "</span>"
        for kind in WORDS
        if counts[kind]
    )
    return (
        f'<li><span class="who">{look.label(arm.arm)}</span>'
        f'<span class="stack" aria-hidden="true">{parts}</span>'
        f'<span class="say">{tally(kinds)}</span></li>'
    )
