"""Comparisons that were killed and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stepsize.proof import Comparison, ComparisonInterrupted, compare
from stepsize.proof.results import load
from stepsize.proof.store import RUNS

COMMAND = [sys.executable, "-c", "from stepsize.cli import main; main()"]

SCRIPT = """
import os
import time
from pathlib import Path


def train(schedule, *, total_steps, seed, report):
    time.sleep(0.05)
    lr = schedule(total_steps // 2)
    val = abs(lr - 0.1) + seed / 100 + (0.01 if schedule(0) < lr else 0)
    with Path(__file__).with_name("made").open("a") as made:
        made.write(f"\\n{schedule.schedule} {seed}\\n")  # a kill may tear a line
    report(total_steps, val=val)
    return {"val": val, "test": val + 1, "direction": "min", "updates": total_steps}
"""
ARGUMENTS = [
    "compare",
    "mine.py:train",
    "--schedules=wsd,warmup_cosine",
    "--total-steps=20",
    "--lrs=0.03,0.1,0.3",
    "--select-seeds=2",
    "--seeds=4",
    "--jobs=2",
]
RUNS_IN_ALL = 3 * 3 * 2 + 3 * 4


def folder_with_script(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / "mine.py").write_text(SCRIPT)
    return folder


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *ARGUMENTS],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "100"},
    )


def kept(folder: Path) -> list[dict[str, Any]]:
    """The runs of whole lines: the last may just be written, the file not be there."""
    path = folder / ".stepsize" / "compare" / "mine.py-train" / RUNS
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def executions(folder: Path) -> Counter[str]:
    """How often each run has come to its end in a worker."""
    return Counter(filter(None, (folder / "made").read_text().splitlines()))


@pytest.mark.skipif(os.name == "nt", reason="kills a POSIX process group")
def test_killed_twice_no_finished_run_is_made_twice_and_the_report_is_the_same(
    tmp_path: Path,
) -> None:
    whole, killed = (folder_with_script(tmp_path, name) for name in ("a", "b"))
    out, _ = start(whole).communicate(timeout=120)
    snapshots = list[Counter[str]]()
    for runs in (5, RUNS_IN_ALL - 8):  # among the grid, among the fresh seeds
        process = start(killed)
        deadline = time.monotonic() + 60
        try:
            while len(kept(killed)) < runs:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, kept(killed)
                time.sleep(0.01)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        # Of what is kept; a run may end just before the kill and not be kept yet.
        made = executions(killed)
        finished = [
            f"{line['about']['schedule']} {line['about']['seed']}"
            for line in kept(killed)
        ]
        assert len(finished) >= runs
        snapshots.append(Counter({run: made[run] for run in finished}))
    last = start(killed)
    out_killed, err = last.communicate(timeout=120)
    assert "had finished before and are taken from the store" in err
    assert out_killed == out
    made = executions(killed)
    for snapshot in snapshots:
        assert {run: made[run] for run in snapshot} == snapshot
    lines = kept(killed)
    assert len({line["key"] for line in lines}) == len(lines) == RUNS_IN_ALL
    one, other = (load(folder / "results.json") for folder in (whole, killed))
    assert one.comparisons == other.comparisons


class _Stop:
    """Interrupts once the batches so far are stored."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, done: int, total: int) -> None:
        if done > self.after:
            raise KeyboardInterrupt


def test_a_population_that_was_interrupted_gives_the_same_numbers(
    tmp_path: Path,
) -> None:
    def digits(**more: Any) -> Comparison:
        settings: dict[str, Any] = {
            "schedules": ["wsd"],
            "total_steps": 10,
            "seeds": 10,
            "lrs": [0.01, 0.03, 0.1, 0.3],
        }
        return compare("digits", **(settings | more))

    with pytest.raises(ComparisonInterrupted) as stopped:
        digits(store=tmp_path, on_progress=_Stop(after=700))
    assert len(stopped.value.comparison.runs) == 64
    stored: list[tuple[int, int]] = []
    again = digits(store=tmp_path, on_stored=lambda *counts: stored.append(counts))
    assert stored == [(64, 80)]
    assert again == digits()


def test_a_further_schedule_is_all_that_is_trained(tmp_path: Path) -> None:
    folder = folder_with_script(tmp_path, "a")
    settings: dict[str, Any] = {
        "total_steps": 20,
        "lrs": [0.1],
        "seeds": 2,
        "store": tmp_path / "store",
        "jobs": 2,
    }
    compare(f"{folder}/mine.py:train", schedules=["wsd"], **settings)
    compare(f"{folder}/mine.py:train", schedules=["wsd", "cosine"], **settings)
    made = executions(folder)
    assert len(made) == 6
    assert set(made.values()) == {1}
