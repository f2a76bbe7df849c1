import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stepsize.proof.results import load

COMMAND = [sys.executable, "-c", "from stepsize.cli import main; main()"]

SCRIPT = """
import time
import numpy as np


def train(schedule, *, total_steps, seed, policies=(), report):
    print("not for the terminal")
    rng = np.random.default_rng(seed)
    rates, x = schedule.resolve(total_steps=total_steps), 3.0 + rng.normal()
    for update in range(total_steps):
        x -= rates(update) * (x + rng.normal())
        report(update, loss=x * x)
    return {"val": x * x, "test": x * x, "direction": "min", "updates": total_steps}


def slow(schedule, *, total_steps, seed, report):
    time.sleep(0.3 if seed < 2 else 60)
    return {"val": 1.0, "test": 1.0, "direction": "min", "updates": total_steps}


def falling(schedule, *, total_steps, seed, report):
    if schedule(0) == schedule(total_steps - 1):
        raise RuntimeError("it is constant")
    return train(schedule, total_steps=total_steps, seed=seed, report=report)


def broken(schedule, *, total_steps, seed, report):
    raise RuntimeError("no data")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(SCRIPT)
    return tmp_path


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    return subprocess.run(
        [*COMMAND, *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "100"},
    )


SMALL = ("--schedules", "wsd", "--total-steps", "30", "--seeds", "3")


def test_a_function_gets_a_table_a_page_and_results(folder: Path) -> None:
    done = run(folder, "compare", "mine.py:train", *SMALL, "--lrs", "0.01,0.1")
    assert done.returncode == 0, done.stderr
    assert "baseline" in done.stdout
    assert "not for the terminal" not in done.stdout + done.stderr
    assert "mine.py:train: 100 %" in done.stderr
    assert f"Report:  {folder}/report.html" in done.stderr
    assert (folder / "report.html").read_text().count("<figure>") == 4
    (comparison,) = load(folder / "results.json").comparisons
    assert comparison.lrs == (0.01, 0.1)
    assert " ".join(comparison.verdict) in " ".join(done.stdout.split())
    # The command it names repeats it, table and all.
    again = run(folder, *shlex.split(comparison.repeat)[1:])
    assert again.stdout == done.stdout


def test_files_go_where_they_are_wanted(folder: Path) -> None:
    done = run(
        folder,
        "compare",
        "mine.py:train",
        *SMALL,
        "--lrs=0.1",
        "--json=a.json",
        "--report=b.html",
    )
    assert done.returncode == 0, done.stderr
    names = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert names == {"mine.py", "a.json", "b.html", ".stepsize"}
    assert json.loads((folder / "a.json").read_text())["schema"].startswith("stepsize")


def test_all_runs_failing_is_one_clear_error(folder: Path) -> None:
    done = run(folder, "compare", "mine.py:broken", *SMALL, "--lrs=0.1")
    assert done.returncode == 1
    assert "error: constant at 0.1, seed" in done.stderr
    assert "error: all 6 runs failed, so there is nothing to compare" in done.stderr
    assert "RuntimeError: no data" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (folder / "report.html").exists()


def test_nothing_to_compare_with_is_a_failure_with_a_report(folder: Path) -> None:
    done = run(folder, "compare", "mine.py:falling", *SMALL, "--lrs=0.1")
    assert done.returncode == 1
    assert "error: No claim can be made: no run of the constant rate" in done.stderr
    assert "wsd" in done.stdout
    assert (folder / "report.html").exists()
    assert load(folder / "results.json").comparisons[0].arms[0].test is None


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal to a group")
def test_interrupted_runs_are_said_and_kept(folder: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "compare", "mine.py:slow", *SMALL, "--lrs=0.1", "--jobs=2"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    said = ""
    while "25 %" not in said:  # the first two of six runs
        line = process.stderr.readline()
        assert line, said
        said += line
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "of 6 runs had finished" in err
    assert "They are in results.json" in err
    assert "Traceback" not in err
    assert out == ""
    (partial,) = load(folder / "results.json").comparisons
    assert partial.interrupted
    assert partial.arms == ()
    assert 2 <= len(partial.runs) < 6
    assert all(run.test is None for run in partial.runs)


def test_started_again_only_what_is_missing_is_trained(folder: Path) -> None:
    arguments = ("compare", "mine.py:train", *SMALL, "--lrs=0.01,0.1")
    first = run(folder, *arguments)
    assert "from the store" not in first.stderr
    again = run(folder, *arguments)
    assert again.stdout == first.stdout
    assert "12 of 12 runs had finished before and are taken from the" in again.stderr
    fresh = run(folder, *arguments, "--fresh")
    assert fresh.stdout == first.stdout
    assert "from the store" not in fresh.stderr


def test_rates_are_chosen_by_halving_on_seeds_of_their_own(folder: Path) -> None:
    arguments = ("--lrs=0.001,0.01,0.03,0.1,0.3", "--halving", "--select-seeds=2")
    done = run(folder, "compare", "mine.py:train", *SMALL, *arguments, "--store=kept")
    assert done.returncode == 0, done.stderr
    assert "2 + 3 seeds" in done.stdout
    assert "Rates were chosen on 2 seeds; the numbers are of 3 other" in done.stdout
    assert (folder / "kept" / "mine.py-train" / "runs.jsonl").is_file()
    (comparison,) = load(folder / "results.json").comparisons
    assert comparison.tuning == "halving"
    assert {rung.arm for rung in comparison.rungs} == {"constant", "wsd"}
    assert "--halving" in comparison.repeat


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--engine=threads"], 2, "engine"),
        (["--engine=population"], 1, "must be for a built-in workload"),
        (["--address=auto"], 1, "compare.address must be for the engine 'ray'"),
        (["--store=mine.py"], 2, "is a file"),
        (["--store=/proc/none"], 1, "compare.store must be a folder to read and write"),
        (["--select-seeds=0"], 2, "select-seeds"),
    ],
)
def test_options_that_do_not_fit(
    folder: Path, arguments: list[str], code: int, message: str
) -> None:
    done = run(folder, "compare", "mine.py:train", *SMALL, *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert " 0 %" not in done.stderr  # before anything is trained
    assert done.stdout == ""
