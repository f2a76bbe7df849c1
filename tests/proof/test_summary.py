from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from stepsize.proof.results import Comparison, Run, Subject
from stepsize.proof.store import Sealed
from stepsize.proof.summary import Grid, function_margin, summarise

# Test values far from validation: whoever reads one of them for a choice shows it.
CELLS = {
    ("constant", 0.01): [90.0, 91.0, 90.5],
    ("constant", 0.1): [94.0, 95.0, 94.2],
    ("constant", 1.0): [20.0, 60.0, 50.0],
    ("wsd", 0.01): [80.0, 81.0, 80.5],
    ("wsd", 0.1): [92.0, 93.0, 92.2],
    ("wsd", 1.0): [95.0, 96.3, 95.1],
}

Build = Callable[..., Subject]
RunsOf = Callable[..., tuple[Run, ...]]
Compared = Callable[..., Comparison]


def test_test_is_read_once_and_only_at_the_chosen_rates(
    subject: Build, runs_of: RunsOf
) -> None:
    runs = runs_of(CELLS)
    asked: list[list[int]] = []

    def read(indices: Sequence[int]) -> list[Sealed]:
        asked.append(list(indices))
        return [(1000.0 + i, None) for i in indices]

    grid = Grid(runs, subject(), (0.01, 0.1, 1.0))
    arms, read_runs = summarise(grid, [("constant", ""), ("wsd", "")], (0, 1, 2), read)
    assert [arm.chosen_lr for arm in arms] == [0.1, 1.0]
    assert asked == [[3, 4, 5, 15, 16, 17]]
    assert [i for i, run in enumerate(read_runs) if run.test is not None] == asked[0]


def test_the_choice_does_not_depend_on_test(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    runs = runs_of(CELLS)
    first = compared(runs, subject(), lambda run: 0.0)
    second = compared(runs, subject(), lambda run: -run.peak_lr * run.seed)
    assert [a.chosen_lr for a in first.arms] == [a.chosen_lr for a in second.arms]


def test_numbers_of_an_arm_by_hand(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    constant, wsd = compared(runs_of(CELLS), subject()).arms
    assert constant.outcome == "baseline"
    assert constant.difference is None
    assert wsd.test is not None
    assert wsd.test.mean == pytest.approx((95.0 + 96.3 + 95.1) / 3)
    assert wsd.difference is not None
    assert wsd.difference.mean == pytest.approx((1.0 + 1.3 + 0.9) / 3)
    assert wsd.outcome == "better"
    assert wsd.at_edge == "high"
    assert constant.at_edge is None
    # error 5.6 -> 4.5333: a fifth is gone
    assert wsd.relative == pytest.approx(3.2 / 16.8)
    assert wsd.at_default is not None
    assert wsd.at_default.mean == pytest.approx(-2.0)
    assert wsd.grid_mean == pytest.approx(
        sum(sum(CELLS["wsd", lr]) for lr in (0.01, 0.1, 1.0)) / 9
    )
    # best cell 95.47, margin 10: 20, 60, 50 failed; of wsd all at 0.01
    assert constant.failed == pytest.approx(1 / 3)
    assert wsd.failed == pytest.approx(1 / 3)
    assert constant.diverged == 0.0


def test_less_is_better_for_a_loss(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {
        ("constant", 0.1): [2.0, 2.1, 2.2],
        ("constant", 0.3): [2.5, 2.6, 2.7],
        ("wsd", 0.1): [1.8, 1.9, 2.01],
        ("wsd", 0.3): [2.9, 3.0, 3.0],
    }
    constant, wsd = compared(runs_of(cells), subject("min", floor=4.0)).arms
    assert (constant.chosen_lr, wsd.chosen_lr) == (0.1, 0.1)
    assert wsd.difference is not None
    assert wsd.difference.mean < 0
    assert wsd.outcome == "better"
    assert wsd.relative == pytest.approx(0.59 / 6.3)


def test_a_loss_is_shown_like_a_win(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {
        ("constant", 0.1): [95.0, 96.0, 95.5],
        ("wsd", 0.1): [93.0, 94.1, 93.4],
    }
    _, wsd = compared(runs_of(cells), subject()).arms
    assert wsd.outcome == "worse"
    assert wsd.relative is not None
    assert wsd.relative < 0


def test_a_rate_at_which_a_seed_diverged_comes_last(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    runs = list(runs_of(CELLS))
    runs[17] = replace(runs[17], status="diverged", val=None, reason="nan")
    _, wsd = compared(tuple(runs), subject()).arms
    assert wsd.chosen_lr == 0.1
    assert wsd.diverged == pytest.approx(1 / 9)
    assert wsd.failed == pytest.approx(4 / 9)
    # It counts as the floor, here 0, in the mean over the grid.
    assert wsd.grid_mean == pytest.approx((80 + 81 + 80.5 + 92 + 93 + 92.2 + 191.3) / 9)


def test_no_claim_where_a_seed_is_missing_everywhere(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    runs = [
        replace(run, status="error", val=None, reason="boom")
        if run.arm == "wsd" and run.seed == 2
        else run
        for run in runs_of(CELLS)
    ]
    _, wsd = compared(tuple(runs), subject()).arms
    assert wsd.outcome == "no claim"
    assert wsd.notes == ("only 2 of 3 seeds count at its rate, so no claim is made",)


def test_unequal_budgets_are_left_out(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    runs = tuple(
        replace(run, status="unequal_budget", updates=3, reason="made 3 updates")
        if run.arm == "wsd"
        else run
        for run in runs_of(CELLS)
    )
    comparison = compared(runs, subject())
    _, wsd = comparison.arms
    assert (wsd.chosen_lr, wsd.test, wsd.difference) == (None, None, None)
    assert (wsd.unequal, wsd.runs, wsd.outcome) == (9, 0, "no claim")
    assert any(
        "Unequal budget" in sentence and "wsd (9)" in sentence
        for sentence in comparison.verdict
    )


def test_an_arm_without_a_finite_test_metric_says_so(
    subject: Build, runs_of: RunsOf
) -> None:
    def read(indices: Sequence[int]) -> list[Sealed]:
        return [(None, None) for _ in indices]

    grid = Grid(runs_of(CELLS), subject(), (0.01, 0.1, 1.0))
    arms, _ = summarise(grid, [("constant", ""), ("wsd", "")], (0, 1, 2), read)
    for arm in arms:
        assert arm.notes == ("no run at its rate has a finite test metric",)


def test_equal_means_take_the_lower_rate(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {("constant", 0.1): [90.0, 92.0], ("constant", 0.01): [92.0, 90.0]}
    (constant,) = compared(runs_of(cells), subject()).arms
    assert constant.chosen_lr == 0.01


def test_one_seed_gives_means_and_no_claim(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {("constant", 0.1): [90.0], ("wsd", 0.1): [99.0]}
    comparison = compared(runs_of(cells), subject())
    _, wsd = comparison.arms
    assert wsd.outcome == "no claim"
    assert wsd.difference is not None
    assert wsd.difference.mean == 9.0
    assert comparison.verdict[0].startswith("No claim can be made")
    assert "one seed" in comparison.verdict[0]


def test_holm_counts_the_arms(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    constant = [90.0, 91.0, 92.0, 93.0]
    near = [90.8, 91.9, 93.3, 93.5]  # p about .019 by itself
    cells = {("constant", 0.1): constant, ("near", 0.1): near}
    alone = compared(runs_of(cells), subject())
    noise = {(f"noise{i}", 0.1): [90.0 + i / 10, 90.9, 92.2, 92.6] for i in range(4)}
    among = compared(runs_of(cells | noise), subject())
    assert alone.arms[1].outcome == "better"
    assert among.arms[1].difference == alone.arms[1].difference
    assert among.arms[1].outcome == "no clear difference"
    assert any("not after correcting" in sentence for sentence in among.verdict)


def test_margin_of_an_unknown_metric(runs_of: RunsOf) -> None:
    # No bad rate: 10 % of the best holds. A loss near 0: half of the way holds.
    good = runs_of({("constant", 0.1): [0.95, 0.94]})
    assert function_margin(good, 0.95) == pytest.approx(0.095)
    tiny = runs_of({("constant", 0.1): [1e-5, 0.1, 0.2, 0.3, 0.4]})
    assert function_margin(tiny, 0.0) == pytest.approx(0.15)
    # One run that exploded moves it little.
    exploded = runs_of({("constant", 0.1): [1e-5, 0.1, 0.2, 0.3, 1e9]})
    assert function_margin(exploded, 0.0) == pytest.approx(0.15)
    assert function_margin((), 1.0) is None


def test_failures_are_split_at_the_constants_best_rate(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    constant, wsd = compared(runs_of(CELLS), subject()).arms
    # Best cell 95.47, margin 10; the constant's best rate is 0.1.
    assert (constant.failed_below, constant.failed_above) == (0.0, 1.0)
    assert (wsd.failed_below, wsd.failed_above) == (1.0, 0.0)


def test_what_is_left_of_the_source_is_read_with_test(
    subject: Build, runs_of: RunsOf
) -> None:
    runs = runs_of({("constant", 0.1): [90.0, 91.0], ("wsd", 0.1): [92.0, 93.0]})
    about = subject(default_lr=None)
    arms, read = summarise(
        Grid(runs, about, (0.1,)),
        [("constant", ""), ("wsd", "")],
        (0, 1),
        lambda indices: [(50.0 + i, 70.0 + i) for i in indices],
    )
    kept = [arm.retained.mean for arm in arms if arm.retained]
    assert kept == [70.5, 72.5]
    assert [run.retained for run in read] == [70.0, 71.0, 72.0, 73.0]
