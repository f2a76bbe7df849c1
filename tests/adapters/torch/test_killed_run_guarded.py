"""A run with guard and policies, killed at any moment, is the one that was not."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.torch.guard_training import FACTORS
from tests.adapters.torch.killed_run_guarded import COMMANDS, UPDATES
from tests.adapters.torch.snapshot_world import bits
from tests.lives import notes

import stepsize as ss
from stepsize.control import Event, Trajectory
from stepsize.ledger import EventLog

ROOT = Path(__file__).parents[3]


def _read(folder: Path) -> tuple[dict[int, Any], list[Any], Any]:
    """Return what was applied by update, the events, and the last checkpoint."""
    applied: dict[int, Any] = {}
    for update, *values in notes(folder / "rates"):
        # every life that made an update made it in the same way: rates, loss, rewind
        assert applied.setdefault(update, values) == values, (folder.name, update)
    state = torch.load(folder / "checkpoint", weights_only=True)
    logged = [event.to_dict() for event in EventLog(folder / "events.jsonl").events()]
    assert logged == state["scheduler"]["events"]
    for event in logged:
        event.pop("time")
    return applied, logged, state


def _check_kills(folder: Path, kills: int, seed: int) -> None:
    script = "tests.adapters.torch.killed_run_guarded"
    call = [sys.executable, "-m", script, str(folder), str(kills), str(seed)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    applied, events, state = _read(folder / "whole")
    assert sorted(applied) == list(range(max(applied) + 1))
    assert UPDATES * 0.8 < len(applied) <= UPDATES
    sources = {event["source"].split(":")[0] for event in events}
    assert sources == {"guard", "policy", "operator"}
    assert sum(one["source"] == "operator:ada" for one in events) == len(COMMANDS)
    assert sum(one["kind"] == "rewind" for one in events) >= 2
    runs = sorted(folder.glob("run*"))
    assert runs
    for run in runs:
        found = _read(run)
        assert found[:2] == (applied, events)
        for name in ("model", "optimizer", "random", "data", "attempts"):
            assert bits(found[2][name]) == bits(state[name]), (run.name, name)
        for name in ("state", "noticed"):
            policies = [one["scheduler"]["policies"][name] for one in (found[2], state)]
            assert policies[0] == policies[1]
    # and schedule, horizon and events alone say the same
    part = state["scheduler"]["program"]["parts"]["lr"]
    for group, (name, factor) in enumerate(FACTORS.items()):
        lr = Trajectory(
            ss.from_dict(part["schedule"]),
            ss.Horizon.from_dict(part["horizon"]),
            tuple(map(Event.from_dict, state["scheduler"]["events"])),
            group=name,
        )
        for update, (rates, _, _) in applied.items():
            assert (lr(update) * factor).hex() == rates[group]


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL")


def test_a_killed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    _check_kills(tmp_path, 4, seed=1)


@pytest.mark.slow
def test_a_run_killed_20_times(tmp_path: Path) -> None:
    _check_kills(tmp_path, 20, seed=2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3, 13))
def test_a_run_killed_200_times(tmp_path: Path, seed: int) -> None:
    _check_kills(tmp_path, 20, seed=seed)
