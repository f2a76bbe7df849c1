"""The published benchmark: what is checked, what is claimed, what the page says."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.proof import __main__ as command
from benchmarks.proof import speed, training
from benchmarks.proof.claims import claims
from benchmarks.proof.expected import (
    GAINS,
    SIGNS,
    TESTS,
    TOLERANCES,
    checks,
    validations,
)
from benchmarks.proof.pages import page
from benchmarks.proof.tasks import FULL, PROOF, Task

from stepsize.proof import Comparison, compare, workloads
from stepsize.proof.arms import select
from stepsize.proof.results import load
from stepsize.proof.workloads.files import DATA


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    """All arms on the digits, much too short to be good."""
    return compare("digits", schedules=["all"], total_steps=30, select_seeds=2, seeds=3)


def with_tests(comparison: Comparison, **means: float) -> Comparison:
    """The same with other means of test, and differences that follow from them."""
    arms = []
    for arm in comparison.arms:
        assert arm.test is not None
        mean = means.get(arm.arm, arm.test.mean)
        difference = arm.difference and replace(
            arm.difference, mean=mean - means["constant"]
        )
        arms.append(
            replace(arm, test=replace(arm.test, mean=mean), difference=difference)
        )
    return replace(comparison, arms=tuple(arms))


def test_every_task_is_a_workload_and_every_expectation_a_task() -> None:
    names = {task.name for task in PROOF}
    assert {task.workload for task in FULL} <= set(workloads.names())
    assert len({task.name for task in FULL}) == len(FULL)
    known = {arm.name for arm in select(["all"])}
    assert set(TESTS) == set(TOLERANCES) <= names
    assert {name for arms in TESTS.values() for name in arms} <= known
    assert {(task, arm) for task, arm, *_ in GAINS} <= {
        (task, arm) for task in names for arm in known
    }
    assert {sign.task for sign in SIGNS} <= names


def test_values_are_checked_against_their_own_tolerance(comparison: Comparison) -> None:
    good = with_tests(comparison, **TESTS["digits"])
    assert all(check.ok for check in checks({"digits": good}))
    off = {**TESTS["digits"], "wsd": TESTS["digits"]["wsd"] + 0.9}
    found = checks({"digits": with_tests(comparison, **off)})
    wrong = [check.what for check in found if not check.ok]
    assert wrong == ["test, wsd", "wsd - constant, both tuned"]


def test_a_sign_is_read_at_its_rate(comparison: Comparison) -> None:
    better = {"warmup_cosine": 80.0, "constant": 83.0}
    runs = tuple(
        replace(run, peak_lr=1e-3, val=better.get(run.arm, run.val))
        if run.peak_lr == comparison.lrs[0]
        else run
        for run in comparison.runs
    )
    letters = replace(comparison, runs=runs)
    assert validations(letters, "constant", 1e-3) == {0: 83.0, 1: 83.0}
    sign = checks({"letters": letters})[-1]
    assert (sign.now, sign.before, sign.ok) == ("-3.00", "-5 to -2", True)


def test_the_claim_counts_points_and_shares_of_the_error(
    comparison: Comparison,
) -> None:
    found = with_tests(comparison, constant=90.0, warmup_cosine=93.0, wsd=90.2)
    arms = tuple(
        replace(arm, outcome="better" if arm.arm == "warmup_cosine" else arm.outcome)
        for arm in found.arms
    )
    rows = {
        (claim.unit, claim.arm): claim
        for claim in claims({"digits": replace(found, arms=arms)})
        if claim.protocol.startswith("each at its tuned rate")
    }
    points = rows["points of accuracy", "warmup_cosine"]
    assert points.gains == {"digits": pytest.approx(3.0)}
    assert points.holds == ("digits",)
    shares = rows["% of the error or loss", "warmup_cosine"]
    assert shares.gains == {"digits": pytest.approx(30.0)}
    assert rows["% of the error or loss", "wsd"].gains == {"digits": pytest.approx(2.0)}
    assert rows["% of the error or loss", "wsd"].holds == ()


def test_a_gain_within_the_noise_does_not_hold(comparison: Comparison) -> None:
    found = with_tests(comparison, constant=90.0, warmup_cosine=95.0)
    arms = tuple(replace(arm, outcome="no clear difference") for arm in found.arms)
    for claim in claims({"digits": replace(found, arms=arms)}):
        if claim.protocol.startswith("each at its tuned rate"):
            assert claim.holds == ()
            assert claim.unclear == {"digits"}


def test_the_page_has_every_arm_rate_and_reason(comparison: Comparison) -> None:
    text = page({"digits": comparison}, {"python": "3.x"}, [], {"kjv": "no file"})
    for arm in comparison.arms:
        assert f"| `{arm.arm}` | {arm.chosen_lr:g}" in text
    (verdict,) = (line for line in text.splitlines() if line.startswith("**"))
    assert all(f"`{arm.arm}`" in verdict for arm in comparison.arms[1:])
    assert "- kjv: no file" in text
    assert "| python | 3.x |" in text
    assert "`letters_6000`: letters at 6000 updates" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert not any("None" in line or "nan" in line for line in tables)


def test_results_are_kept_without_the_curves_of_the_grid(
    comparison: Comparison,
) -> None:
    slim = training.slim(comparison)
    assert [run.val for run in slim.runs] == [run.val for run in comparison.runs]
    kept = [run for run in slim.runs if run.curves]
    assert [(run.arm, run.seed) for run in kept] == [
        (run.arm, run.seed) for run in comparison.reported_runs
    ]
    value = kept[0].curves[0].values[0]
    assert value == pytest.approx(comparison.reported_runs[0].curves[0].values[0], 1e-4)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the command's tasks small."""
    tasks = (
        Task(name="digits", workload="digits", total_steps=20, lrs=(0.03, 0.1)),
        Task(name="letters", workload="letters", total_steps=20, lrs=(0.01,)),
    )

    for name in ("FULL", "PROOF"):
        monkeypatch.setattr(command, name, tasks)


@pytest.mark.usefixtures("small")
def test_the_command_trains_writes_and_leaves_out_what_has_no_data(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(DATA, str(tmp_path / "nothing"))
    monkeypatch.setattr(speed, "_REPEATS", 1)
    monkeypatch.setattr(speed, "_LONG", (4, 10))
    workloads.load.cache_clear()
    folders = ["--folder", str(tmp_path / "out"), "--store", str(tmp_path / "store")]
    command.main(folders)
    said = capsys.readouterr().out
    assert "letters: left out: workload 'letters' needs the file" in said
    assert "digits: 4 members on one core" in said
    text = (tmp_path / "out/index.md").read_text()
    assert "- letters: its data is not on this machine" in text
    assert str(tmp_path) not in text
    assert "![digits: curves, grid and differences](figures/digits.svg)" in text
    assert (tmp_path / "out/figures/digits.svg").read_text().startswith("<?xml")
    (results,) = load(tmp_path / "out/digits.json").comparisons
    assert len(results.runs) == 13 * (3 * 2 + 2 * 8)  # the default rate besides
    rows = json.loads((tmp_path / "out/speed.json").read_text())["rows"]
    assert [row["workload"] for row in rows] == ["digits"]
    workloads.load.cache_clear()


@pytest.mark.usefixtures("small")
def test_started_again_it_trains_nothing_twice_and_writes_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = ["--folder", str(tmp_path / "out"), "--store", str(tmp_path / "store")]
    command.main(["digits", *folders])
    first = load(tmp_path / "out/digits.json").comparisons

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("trained again")

    monkeypatch.setattr("stepsize.proof.population.train_population", refuse)
    command.main(["digits", *folders])
    assert load(tmp_path / "out/digits.json").comparisons == first
    before = (tmp_path / "out/index.md").read_text()
    command.main(["--pages", *folders])
    times = re.compile(r"Wall time.*")
    after = (tmp_path / "out/index.md").read_text()
    assert times.sub("", after) == times.sub("", before)


@pytest.mark.usefixtures("small")
def test_an_unknown_task_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["imagenet"])
    assert "no such task: imagenet; tasks: digits, letters" in capsys.readouterr().err
