from collections.abc import Callable
from dataclasses import replace

import pytest

from stepsize.proof.report.verdict import verdict
from stepsize.proof.report.words import decimals, number, p_value, percent
from stepsize.proof.results import Comparison, Curve, Run, Rung, Subject

Build = Callable[..., Subject]
RunsOf = Callable[..., tuple[Run, ...]]
Compared = Callable[..., Comparison]


def test_says_plainly_that_none_helps(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {
        ("constant", 0.1): [97.0, 96.0, 98.0],
        ("wsd", 0.1): [96.8, 96.3, 97.9],
        ("cosine", 0.1): [96.0, 96.6, 97.2],
    }
    first = compared(runs_of(cells), subject(default_lr=None)).verdict[0]
    assert first == (
        "No schedule helps here: against the tuned constant (97.00 % at 0.1), none of "
        "2 is better beyond the noise of 3 seeds. The most favourable is wsd, +0.00 "
        "points (95 % interval -0.66 to +0.66, 0 % less error)."
    )


def test_says_what_helps_and_what_hurts(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {
        ("constant", 0.1): [2.0, 2.1, 2.2],
        ("wsd", 0.1): [1.8, 1.9, 2.01],
        ("step", 0.1): [2.3, 2.4, 2.51],
    }
    about = subject("min", default_lr=None, floor=4.0)
    said = compared(runs_of(cells), about).verdict
    assert said[0] == (
        "wsd helps here, against the tuned constant (2.100 nats at 0.1): wsd -0.197 "
        "nats (95 % interval -0.211 to -0.182, 9 % less loss)."
    )
    assert said[1] == (
        "Worse than the tuned constant: step +0.303 nats (95 % interval +0.289 to "
        "+0.318, 14 % more loss)."
    )


def test_the_untuned_rate_is_named_as_a_choice_of_rate(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {
        ("constant", 0.01): [90.0, 91.0, 92.0],
        ("constant", 0.1): [95.0, 96.0, 97.0],
        ("wsd", 0.01): [80.0, 81.1, 82.0],
        ("wsd", 0.1): [95.1, 95.9, 97.0],
    }
    said = compared(runs_of(cells), subject(default_lr=0.01)).verdict
    assert any(
        "all at 0.01" in s and "worse: wsd" in s and "choice of the rate" in s
        for s in said
    )


@pytest.mark.parametrize(
    ("lrs", "word"), [((0.1, 1.0), "lower"), ((0.001, 0.1), "higher")]
)
def test_an_edge_of_the_grid_is_flagged(
    subject: Build,
    runs_of: RunsOf,
    compared: Compared,
    lrs: tuple[float, float],
    word: str,
) -> None:
    best = [95.0, 96.0, 97.1]
    cells = {("constant", lr): best if lr == 0.1 else [50.0] * 3 for lr in lrs}
    said = compared(runs_of(cells), subject()).verdict
    assert any(f"repeat with {word} rates" in sentence for sentence in said)


def test_rates_found_beforehand_are_said(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {("constant", 0.1): [95.0, 96.0], ("wsd", 0.1): [95.1, 96.3]}
    comparison = compared(runs_of(cells), subject())
    said = verdict(replace(comparison, tuning="given"))
    assert any("found beforehand" in sentence for sentence in said)


def test_nothing_to_compare_with(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    runs = [
        replace(run, status="diverged", val=None) if run.arm == "constant" else run
        for run in runs_of({("constant", 0.1): [1.0], ("wsd", 0.1): [95.0]})
    ]
    said = compared(tuple(runs), subject()).verdict
    assert said[0].startswith("No claim can be made: no run of the constant")


def test_numbers_as_text(subject: Build, runs_of: RunsOf, compared: Compared) -> None:
    assert number(-0.001, 2, sign=True) == "+0.00"
    assert number(None, 2) == "-"
    assert number(-1.234e38, 2, sign=True) == "-1.234e+38"
    assert number(123456.0, 0) == "123456"
    assert (p_value(0.0002), p_value(0.03), p_value(1.0)) == ("<.001", ".030", "1.00")
    assert percent(-0.004, sign=True) == "+0 %"
    for value, places in ((97.1, 2), (2.345, 3), (0.1234, 3), (1e-7, 9), (0.0, 2)):
        comparison = compared(runs_of({("constant", 0.1): [value]}), subject())
        assert decimals(comparison) == places


def test_fresh_seeds_halving_failures_and_reach_are_said(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {
        ("constant", 0.1): [95.0, 96.0],
        ("constant", 1.0): [10.0, 11.0],
        ("wsd", 0.1): [95.1, 96.3],
        ("wsd", 1.0): [94.0, 95.0],
    }
    curve = Curve("val", (5, 10), (95.5, 96.0))
    runs = tuple(replace(run, curves=(curve,)) for run in runs_of(cells))
    comparison = compared(runs, subject(default_lr=None))
    rung = Rung(arm="wsd", total_steps=5, scores=(), kept=(0.1,))
    said = verdict(replace(comparison, select_seeds=(7,), rungs=(rung,)))
    assert (
        "Failed at rates above 0.1, the constant's best: constant 100 % and wsd 0 %."
    ) in said
    assert (
        "Share of the budget until validation is as good as the constant's in the "
        "end: wsd 75 %."
    ) in said
    assert (
        "Rates were chosen on 1 seed; the numbers are of 2 other seeds, which chose "
        "nothing."
    ) in said
    assert any("complete trainings of 5 updates and more" in s for s in said)


def test_a_claim_that_the_bootstrap_does_not_bear_out_says_so(
    subject: Build, runs_of: RunsOf, compared: Compared
) -> None:
    cells = {("constant", 0.1): [95.0] * 5, ("wsd", 0.1): [96.0, 96.1, 96.2, 96.0, 96]}
    comparison = compared(runs_of(cells), subject(default_lr=None))
    wsd = comparison.arms[1]
    assert wsd.difference is not None
    assert wsd.outcome == "better"
    assert not any("bootstrap" in sentence for sentence in comparison.verdict)
    doubtful = replace(wsd, difference=replace(wsd.difference, bootstrap=(-0.1, 2.0)))
    said = verdict(replace(comparison, arms=(comparison.arms[0], doubtful)))
    assert any("bootstrap interval, -0.10 to +2.00, covers 0" in s for s in said)
