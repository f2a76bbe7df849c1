"""A run with an event log: killed at any moment, it is the run that was not killed."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.lives import notes

import stepsize as ss
from stepsize.adapters.torch import Scheduler, SchedulerWarning
from stepsize.control import Event, Trajectory
from stepsize.errors import AdapterError, InvalidScheduleError, LedgerError
from stepsize.ledger import EventLog

Parameter = Callable[[], torch.nn.Parameter]
SCHEDULE = 0.1 * ss.cosine()
N = 20
ROOT = Path(__file__).parents[3]


def _read(folder: Path) -> tuple[dict[int, Any], list[Any], Any]:
    """Return the rates by update, the events, and the last checkpoint."""
    rates: dict[int, Any] = {}
    for update, *values in notes(folder / "rates"):
        # every life that made an update made it in the same way
        assert rates.setdefault(update, values) == values
    state = torch.load(folder / "checkpoint")["scheduler"]
    logged = [event.to_dict() for event in EventLog(folder / "events.jsonl").events()]
    assert logged == state["events"]
    for event in logged:
        event.pop("time")
    return rates, logged, state


def _check_kills(folder: Path, kills: int, seed: int) -> None:
    script = "tests.adapters.torch.killed_run"
    call = [sys.executable, "-m", script, str(folder), str(kills), str(seed)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    rates, events, state = _read(folder / "whole")
    assert len(events) == 5 + sum(update % 7 == 3 for update in rates)
    runs = sorted(folder.glob("run*"))
    assert runs
    for run in runs:
        assert _read(run)[:2] == (rates, events)
    # and schedule, horizon and events alone say the same
    part = state["program"]["parts"]["lr"]
    for group, name in enumerate(("encoder", "head")):
        lr = Trajectory(
            ss.from_dict(part["schedule"]),
            ss.Horizon.from_dict(part["horizon"]),
            tuple(Event.from_dict(event) for event in state["events"]),
            group=name,
        )
        for update, (applied, _) in rates.items():
            assert lr(update).hex() == applied[group]


@pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL")
def test_a_killed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    _check_kills(tmp_path, 20, seed=1)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL")
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_run_killed_200_times(tmp_path: Path, seed: int) -> None:
    _check_kills(tmp_path, 20, seed=seed)


@pytest.fixture
def optimizer(parameter: Parameter) -> torch.optim.Optimizer:
    return torch.optim.SGD([parameter()], lr=0.1)


def _make(optimizer: torch.optim.Optimizer, path: Path, **more: Any) -> Scheduler:
    return Scheduler(
        optimizer, lr=SCHEDULE, total_steps=N, ledger=path, replace=True, **more
    )


def test_an_event_is_on_disk_before_its_rate_is_used(
    optimizer: torch.optim.Optimizer,
) -> None:
    seen: list[float] = []

    class Watching:
        def append(self, event: Event) -> None:
            seen.append(optimizer.param_groups[0]["lr"])
            if event.values["factor"] == 0.1:
                message = "the disk is full"
                raise LedgerError(message)

        def events(self) -> list[Event]:
            return []

    scheduler = Scheduler(optimizer, lr=SCHEDULE, total_steps=N, ledger=Watching())
    scheduler.scale(0.5)
    assert seen == [0.1]
    assert optimizer.param_groups[0]["lr"] == 0.05
    with pytest.raises(LedgerError, match="full"):
        scheduler.scale(0.1)
    assert optimizer.param_groups[0]["lr"] == 0.05
    assert len(scheduler.events) == 1


def test_what_cannot_be_applied_is_not_logged(
    optimizer: torch.optim.Optimizer, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    scheduler = _make(optimizer, path)
    with pytest.raises(InvalidScheduleError, match="release must follow a hold"):
        scheduler.release()
    assert not path.exists()


def test_a_run_without_checkpoint_begins_again_with_what_people_said(
    optimizer: torch.optim.Optimizer, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    first = _make(optimizer, path)
    optimizer.step()
    first.scale(0.5, source="operator:ada")
    first.scale(0.5, source="policy:plateau")
    again = _make(optimizer, path)
    assert [event.source for event in again.events] == ["operator:ada"]
    assert again.value_at(1) == SCHEDULE.resolve(N)(1) * 0.5


@pytest.mark.parametrize("how", ["optimizer", "update"])
def test_a_log_stands_in_for_a_lost_state(
    optimizer: torch.optim.Optimizer, parameter: Parameter, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "events.jsonl"
    first = _make(optimizer, path)
    first.scale(0.5, source="policy:plateau")
    for _ in range(3):
        optimizer.step()
    other = torch.optim.SGD([parameter()], lr=0.1)
    if how == "update":
        again = _make(other, path, update=3)
    else:
        again = _make(other, path)
        other.load_state_dict(optimizer.state_dict())
        with pytest.warns(SchedulerWarning, match="goes on at update 3"):
            other.step()
    assert again.events == first.events


def test_a_policy_that_decides_otherwise_is_reported(
    optimizer: torch.optim.Optimizer, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    first = _make(optimizer, path)
    state = first.state_dict()
    first.scale(0.5, source="policy:plateau")
    again = _make(optimizer, path)
    again.load_state_dict(state)
    optimizer.step()
    assert [event.kind for event in again.events] == []
    saved = again.state_dict()
    assert [event["kind"] for event in saved["events"]] == ["note"]
    assert again.value_at(5) == SCHEDULE.resolve(N)(5)


def test_copies_go_on_in_the_same_log(
    optimizer: torch.optim.Optimizer, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    pair = (optimizer, _make(optimizer, path))
    optimizer.step()
    pair[1].scale(0.5)
    for copied in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        assert copied[1].events == pair[1].events
        copied[1].state_dict()
        copied[1].close()
    copied[1].scale(0.5)
    assert len(EventLog(path).events()) == 2


def test_the_log_of_another_run_is_refused(
    optimizer: torch.optim.Optimizer, parameter: Parameter, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    scheduler = _make(optimizer, path)
    scheduler.scale(0.5)
    optimizer.step()
    other = torch.optim.SGD([parameter()], lr=0.1)
    plain = Scheduler(other, lr=SCHEDULE, total_steps=N)
    other.step()
    with pytest.raises(LedgerError, match="be the log of this run"):
        scheduler.load_state_dict(plain.state_dict())


def test_a_ledger_is_a_path_or_a_sink(optimizer: torch.optim.Optimizer) -> None:
    with pytest.raises(AdapterError, match=r"Scheduler\.ledger must be the path of"):
        Scheduler(optimizer, lr=0.1, ledger=3)  # type: ignore[arg-type]  # the point
