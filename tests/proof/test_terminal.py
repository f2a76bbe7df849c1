import io
from collections.abc import Callable

import pytest
from rich.console import Console

from stepsize.proof.report.terminal import show
from stepsize.proof.results import Comparison, Run, Subject

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
