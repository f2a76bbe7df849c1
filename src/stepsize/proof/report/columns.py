"""The columns of the table, the same in the terminal and on the page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from stepsize.proof.report.words import (
    NONE,
    claim,
    decimals,
    metric_unit,
    name,
    number,
    p_value,
    percent,
    rate,
    relative_to,
    with_interval,
    with_percent,
)
from stepsize.proof.results import ArmSummary, Comparison

EVERY_COLUMN = 5
"""The detail at which every column is shown."""

REPEATABLE = 4
"""The detail without times, so that what a repeat shows is the same to the letter."""


@final
@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        header: Two lines at most, separated by a newline.
        cell: What it shows of an arm.
        detail: From which detail on it is shown; see `columns_of`.
        is_text: Whether it is aligned to the left.
        is_coloured: Whether it has the colour of the outcome.
    """

    header: str
    cell: Callable[[ArmSummary], str]
    detail: int = 0
    is_text: bool = False
    is_coloured: bool = False


def columns_of(comparison: Comparison, detail: int) -> list[Column]:
    """Return the columns, without those that have nothing to show.

    Args:
        comparison: What to show.
        detail: 5 for every column; 4 without times; 3 without when it is as good as
            the constant and what fails at rates below and above; 2 without the
            interval at the default rate; 1 without error reduction and claim; 0 for
            the essence.
    """
    columns = [c for c in _all_columns(comparison, detail) if c.detail <= detail]
    empty = {"", NONE}
    return [c for c in columns if {c.cell(arm) for arm in comparison.arms} - empty]


def _all_columns(comparison: Comparison, detail: int) -> list[Column]:
    subject, places = comparison.subject, decimals(comparison)
    unit = metric_unit(subject) or "mean"
    default = "default" if subject.default_lr is None else rate(subject.default_lr)

    def at_default(arm: ArmSummary) -> str:
        found = arm.at_default
        if detail >= 3 or found is None:  # noqa: PLR2004 - see `table`
            return with_interval(found, places, sign=True)
        return number(found.mean, places, sign=True)

    def difference(arm: ArmSummary) -> str:
        if arm.outcome == "baseline":
            return "baseline"
        return with_interval(arm.difference, places, sign=True)

    return [
        Column("schedule", name, is_text=True, is_coloured=True),
        Column(
            "best\nrate",
            lambda arm: rate(arm.chosen_lr) + ("*" if arm.at_edge else " "),
        ),
        Column(
            f"test {subject.metric}\n{subject.unit or 'mean'} ±CI",
            lambda arm: with_interval(arm.test, places),
        ),
        Column(f"vs constant\n{unit} ±CI", difference, is_coloured=True),
        Column("p\nHolm", lambda arm: p_value(arm.holm_p), 1),
        Column(
            f"{relative_to(subject)}\ncut".strip(),
            lambda arm: percent(arm.relative, sign=True),
            2,
        ),
        Column(f"at\n{default}", at_default),
        Column("grid\nmean", lambda arm: number(arm.grid_mean, max(0, places - 1)), 1),
        Column("div-\nerged", lambda arm: percent(arm.diverged)),
        Column("fail-\ned", lambda arm: percent(arm.failed)),
        Column("failed\nbelow", lambda arm: percent(arm.failed_below), REPEATABLE),
        Column("failed\nabove", lambda arm: percent(arm.failed_above), REPEATABLE),
        Column("as good\nafter", _reach, REPEATABLE),
        Column("time\n±CI", _extra_time, EVERY_COLUMN),
        Column("source\n±CI", lambda arm: with_interval(arm.retained, places), 1),
        Column(
            "claim",
            lambda arm: claim(arm.outcome),
            2,
            is_text=True,
        ),
    ]


def _reach(arm: ArmSummary) -> str:
    """Write when an arm is as good as the constant: "56 %", "52 % (3 never)"."""
    if arm.reach is None:
        return NONE
    if arm.reach.share is None:
        return "never"
    share = percent(arm.reach.share)
    return f"{share} ({arm.reach.never} never)" if arm.reach.never else share


def _extra_time(arm: ArmSummary) -> str:
    if arm.cost is None:
        return NONE
    if arm.cost.extra is None:
        return f"{1e3 * arm.cost.seconds:.3g} ms"
    return with_percent(arm.cost.extra)
