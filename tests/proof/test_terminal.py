import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from stepsize.cli.app import app
from stepsize.proof import workloads
from stepsize.proof.arms import DEFAULTS, FURTHER, OPTIMIZERS
from stepsize.proof.report.legend import costs
from stepsize.proof.report.terminal import show
from stepsize.proof.results import Comparison, Cost, Reach, Run, Subject
from stepsize.proof.statistics import Estimate

CELLS = {
    (arm, lr): [90.0 + i + lr, 91.0 + i * i - lr, 92.5 + i]
    for i, arm in enumerate(("constant", "warmup_cosine", "warmup_linear", "wsd"))
    for lr in (0.01, 0.1, 1.0)
}


@pytest.fixture
def comparison(
    subject: Callable[..., Subject],
    runs_of: Callable[..., tuple[Run, ...]],
    compared: Callable[..., Comparison],
) -> Comparison:
    return compared(runs_of(CELLS), subject(details={"data": "words " * 40}))


def shown(comparison: Comparison, width: int) -> str:
    out = io.StringIO()
    show(comparison, Console(file=out, width=width, no_color=True))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_nothing_is_cut_at_usual_widths(comparison: Comparison, width: int) -> None:
    text = shown(comparison, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for arm in comparison.arms:
        assert f" {arm.arm} " in text
    assert "baseline" in text
    assert "\x1b" not in text


def test_a_wide_terminal_shows_every_column(comparison: Comparison) -> None:
    wide, usual = (shown(comparison, width).split(" ─")[0] for width in (120, 80))
    assert "claim" in wide
    assert "error" in wide
    assert "claim" not in usual
    assert "Holm" in usual


def test_a_very_narrow_terminal_still_has_whole_numbers(
    comparison: Comparison,
) -> None:
    assert "…" not in shown(comparison, 40)


def test_columns_are_aligned(comparison: Comparison) -> None:
    lines = shown(comparison, 120).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(" ─"))
    rows = lines[start + 1 : start + 1 + len(comparison.arms)]
    assert len({row.index("±") for row in rows}) == 1


def test_the_verdict_is_below_the_table(comparison: Comparison) -> None:
    text = " ".join(shown(comparison, 100).split())
    assert comparison.verdict[0] in text


def test_what_an_arm_comes_with_and_costs_is_shown(comparison: Comparison) -> None:
    constant, arm, *others = comparison.arms
    share = Estimate(mean=0.012, std=0.01, low=0.002, high=0.022, n=3)
    arm = replace(
        arm,
        besides="weights averaged",
        failed_above=0.75,
        reach=Reach(share=None, never=3, n=3),
        cost=Cost(seconds=0.002, extra=share, n=3),
        retained=Estimate(mean=77.77, std=1.0, low=76.77, high=78.77, n=3),
    )
    constant = replace(constant, cost=Cost(seconds=0.001, extra=None, n=3))
    full = replace(comparison, arms=(constant, arm, *others))
    table, _, below = shown(full, 200).partition("Accuracy (%)")
    for words in ("75 %", "never", "77.77 ±1.00"):
        assert words in table
    assert "warmup_cosine: weights averaged." in " ".join(below.split())
    # times differ between repeats, which are to print the same
    assert "±1.0 %" not in shown(full, 200)
    assert costs(full) != costs(comparison) == []
    # where the columns on effort do not fit, the source that was kept still does
    assert "77.77" in shown(full, 100)
    assert "never" not in shown(full, 100).partition("Accuracy (%)")[0]


def test_the_help_names_every_workload_and_every_arm() -> None:
    done = CliRunner().invoke(app, ["compare", "--help"], env={"COLUMNS": "100"})
    words = set(re.findall(r"\w+", done.output))
    assert {*workloads.names(), *DEFAULTS, *FURTHER, *OPTIMIZERS, "all"} <= words
