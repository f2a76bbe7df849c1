"""A training that is steered: from this process, from another, on several ranks."""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.torch.steered_run import Run

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.adapters.torch.remote import Remote
from stepsize.control import Event
from stepsize.errors import AdapterError
from stepsize.ledger import JsonlStore, Ledger, LedgerWarning
from stepsize.ledger.bounds import Bounds
from stepsize.ledger.commands import make_command
from stepsize.ledger.history import History
from stepsize.ledger.records import Answer, Command, Metric, Spec
from stepsize.ledger.verify import verify


def history(folder: Path) -> History:
    return History(JsonlStore(folder).read())


def answers(folder: Path) -> dict[str, Answer | None]:
    return {k: answer for k, (_, answer) in history(folder).commands().items()}


def ask(folder: Path, verb: str, values: Any = None, **more: Any) -> Command:
    command = make_command(verb, values, **{"reason": "a test", **more})
    JsonlStore(folder).append(command)
    return command


def test_what_is_recorded_follows_from_spec_and_events(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(12)
    run.scheduler.scale(0.5, over=4, reason="noisy", source="operator:ada")
    run.updates(10)
    run.remote.close()
    found = verify(JsonlStore(tmp_path))
    assert (found.findings, found.rounded) == ((), 0)
    assert found.rates == 22 * 6
    metrics = [
        entry.record
        for entry in JsonlStore(tmp_path).read()
        if isinstance(entry.record, Metric)
    ]
    assert [one.update for one in metrics] == list(range(22))
    assert [one.rates["lr"] for one in metrics] == [tuple(one) for one in run.used]
    assert [one.values["loss"] for one in metrics] == run.losses


def test_a_hand_edit_is_a_finding(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(3)

    def edit(optimizer: Any, args: object, kwargs: object) -> None:
        optimizer.param_groups[0]["lr"] = 0.7  # after the Scheduler's own hook

    handle = run.optimizer.register_step_pre_hook(edit)
    run.updates(1)
    handle.remove()
    run.updates(3)
    run.remote.close()
    findings = verify(JsonlStore(tmp_path)).findings
    assert [one.code for one in findings] == ["rate"]
    assert "was 0.7" in findings[0].text


def test_metrics_come_every_so_many_updates(tmp_path: Path) -> None:
    run = Run(tmp_path, metrics_every=5, poll_seconds=None)
    run.updates(12)
    run.remote.close()
    found = history(tmp_path)
    assert found.metrics == 3
    assert found.latest is not None
    assert found.latest.update == 10


@pytest.mark.parametrize("close", ["scheduler", "ledger"])
def test_a_closed_run_says_how_far_it_came(tmp_path: Path, close: str) -> None:
    run = Run(tmp_path, metrics_every=10)
    run.updates(17)
    run.remote.close() if close == "scheduler" else run.remote.ledger.close()
    assert history(tmp_path).update == 17


def test_notes_of_another_process_begin_no_other_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(3)
    run.scheduler.scale(0.5, reason="noisy")
    run.updates(3)
    with Ledger(tmp_path) as other:
        other.note("I looked at it", source="operator:bob")
        other.advice("go on")
    run.updates(3)
    run.remote.close()
    assert verify(JsonlStore(tmp_path)).findings == ()
    assert len(history(tmp_path).lives) == 1


def test_a_search_before_the_run_is_of_its_first_process(tmp_path: Path) -> None:
    with Ledger(tmp_path) as before:
        before.finder({"lr": 0.1}, "the steepest point")
    run = Run(tmp_path)
    run.updates(3)
    run.remote.close()
    (life,) = history(tmp_path).lives
    assert life.run is not None
    assert life.last == 2
    assert verify(JsonlStore(tmp_path)).findings == ()


def test_a_group_that_is_added_is_a_new_spec(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(3)
    more = torch.nn.Parameter(torch.ones(2))
    run.optimizer.add_param_group({"params": [more], "name": "late"})
    run.updates(3)
    run.remote.close()
    specs = [
        entry.record
        for entry in JsonlStore(tmp_path).read()
        if isinstance(entry.record, Spec)
    ]
    assert [one.groups for one in specs] == [
        ("encoder", "head"),
        ("encoder", "head", "late"),
    ]
    assert verify(JsonlStore(tmp_path)).findings == ()


def test_a_command_is_applied_and_answered(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(5)
    command = ask(tmp_path, "cooldown", {"steps": "50%", "to": 0.1})
    run.updates(5)
    answer = answers(tmp_path)[command.id]
    assert answer is not None
    (event,) = run.scheduler.events
    assert (answer.status, answer.update, answer.events) == ("applied", 6, (0,))
    assert (event.update, event.kind) == (6, "cooldown")
    assert event.source == f"operator:{command.author}"
    assert event.reason == f"a test [command {command.id}]"
    run.remote.close()
    assert verify(JsonlStore(tmp_path)).findings == ()


def test_commands_that_wait_together_are_done_one_after_the_other(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path)
    run.updates(2)
    asked = [ask(tmp_path, "scale", {"factor": 0.5}) for _ in range(3)]
    run.updates(4)
    found = answers(tmp_path)
    given = [found[one.id] for one in asked]
    assert [one.update for one in given if one is not None] == [3, 4, 5]
    assert run.scheduler.next_lr[0] == pytest.approx(
        run.planned(run.scheduler.update) / 8
    )
    run.remote.close()


def test_an_id_is_done_once(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(2)
    for _ in range(3):
        ask(tmp_path, "scale", {"factor": 0.5}, id="tuesday")
    run.updates(5)
    assert len(run.scheduler.events) == 1
    run.remote.close()


@pytest.mark.parametrize(
    ("more", "bounds", "why"),
    [
        ({"expected_step": 90}, {}, "it was meant for step 90, within 0, and this is"),
        ({"seen": 4}, {}, "the curve was changed after its author looked at it"),
        ({"groups": "decoder"}, {}, "lr of groups 'decoder' is not driven here"),
        ({"hyperparameter": "momentum"}, {}, "momentum of groups '*' is not driven"),
        ({"author": "eve@x"}, {"people": ["ada@*"]}, "eve@x may not steer this run"),
        ({}, {"verbs": ["hold"]}, "scale is not among hold"),
        ({"reason": " "}, {}, "a reason is required"),
        ({}, {"factor": [0.8, 1.2]}, "the factor 3 is not between 0.8 and 1.2"),
        ({}, {"lr": [0, 0.1]}, "it leads to a rate of "),
        ({}, {"most_per_day": 0}, "0 commands were applied in the last 24 hours"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, more: dict[str, Any], bounds: dict[str, Any], why: str
) -> None:
    run = Run(tmp_path, bounds=Bounds(**bounds))
    run.updates(2)
    command = ask(tmp_path, "scale", {"factor": 3.0}, **more)
    run.updates(3)
    answer = answers(tmp_path)[command.id]
    assert answer is not None
    assert (answer.status, answer.events) == ("refused", ())
    assert why in answer.why
    assert run.scheduler.events == ()
    run.remote.close()


def test_one_that_has_expired_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    command = ask(tmp_path, "hold", expires_seconds=1e-6)
    run.updates(3)
    answer = answers(tmp_path)[command.id]
    assert answer is not None
    assert (answer.status, answer.why) == ("refused", "it has expired")
    run.remote.close()


def test_an_event_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    command = ask(tmp_path, "release")
    run.updates(3)
    answer = answers(tmp_path)[command.id]
    assert answer is not None
    assert answer.why.startswith("release must follow a hold")
    run.remote.close()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"verb": "scale", "values": {"factor": "high"}}, "scale.factor must be a fin"),
        ({"verb": "scale", "values": {}}, "scale.factor must be a finite number"),
        ({"verb": "rm -rf"}, "Command.verb must be one of"),
        ({"verb": "stop", "values": {"x": 1}}, "stop must have no values but none"),
        ({"verb": "deadline", "values": {"at": "x"}}, "deadline.at must be a time"),
        ({"verb": "deadline", "values": {"at": 9e9, "length": []}}, "Deadline.length"),
        ({"verb": "deadline", "values": {"at": 1.0}}, "Deadline.budget_seconds must"),
        ({"verb": "hold", "reason": "x" * 3000}, "reason must have at most 2000"),
        ({"verb": "hold", "groups": ""}, "Target.groups must be a text"),
        ({"verb": "replace", "values": {"schedule": "("}}, "parse"),
    ],
)
def test_what_anybody_may_have_written_stops_nothing(
    tmp_path: Path, fields: dict[str, Any], why: str
) -> None:
    run = Run(tmp_path, bounds=Bounds(factor=(0.5, 2.0), reason=False))
    run.updates(2)
    given = {"id": "1", "author": "eve@home"} | fields
    JsonlStore(tmp_path).append(Command(**given))
    run.updates(3)
    answer = answers(tmp_path)["1"]
    assert answer is not None
    assert answer.status == "refused"
    assert why in answer.why
    run.remote.close()
    assert verify(JsonlStore(tmp_path)).findings == ()


def test_a_ledger_is_that_of_one_scheduler(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    optimizers = [
        torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=1.0) for _ in range(2)
    ]
    first = Scheduler(optimizers[0], lr=0.1 * ss.hold(), ledger=ledger)
    with pytest.raises(AdapterError, match=r"Scheduler\.ledger must be that of one"):
        Scheduler(optimizers[1], lr=0.3 * ss.hold(), ledger=ledger)
    assert optimizers[1].param_groups[0]["lr"] == 1.0
    first = Scheduler(optimizers[0], lr=0.2 * ss.hold(), ledger=ledger, replace=True)
    first.close()
    Scheduler(optimizers[1], lr=0.1 * ss.hold(), ledger=ledger).close()


def test_the_loop_is_told_of_wishes(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(2)
    assert not run.remote.asked("stop")
    ask(tmp_path, "stop")
    assert not run.scheduler.done
    run.updates(2)
    assert run.scheduler.done
    assert run.remote.asked("stop")
    assert not run.remote.asked("stop")
    run.remote.close()


def test_a_deadline_ends_the_run_in_time(tmp_path: Path) -> None:
    run = Run(tmp_path, total=100_000)
    run.clock = 1e9
    run.remote._station._clock = lambda: run.clock  # type: ignore[union-attr]  # one
    run.updates(1)
    deadline = {"at": 1e9 + 1000.0, "length": "20%"}
    command = ask(tmp_path, "deadline", deadline, expires_seconds=None)
    made = 0
    while not run.scheduler.done and made < 3000:
        run.updates(1)
        run.clock += 1.0
        made += 1
    answer = answers(tmp_path)[command.id]
    assert answer is not None
    assert answer.status == "applied"
    kinds = [event.kind for event in run.scheduler.events]
    assert kinds[0] == "cooldown"
    assert {event.source for event in run.scheduler.events} == {"clock:deadline"}
    assert made == pytest.approx(1000, abs=20)
    assert run.scheduler.next_lr[0] == pytest.approx(0.0, abs=1e-6)
    run.remote.close()
    assert verify(JsonlStore(tmp_path)).findings == ()


def test_a_resume_knows_what_was_asked(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(5)
    state = run.save()
    done = ask(tmp_path, "scale", {"factor": 0.5})
    run.updates(5)
    applied = answers(tmp_path)[done.id]
    assert applied is not None
    again = Run(tmp_path)
    again.load(state)
    again.updates(5)
    assert again.used == run.used[5:]
    later = ask(tmp_path, "hold")
    again.updates(15)
    assert [event.kind for event in again.scheduler.events] == ["scale", "hold"]
    assert again.scheduler.events[0].update == applied.update
    answer = answers(tmp_path)[later.id]
    assert answer is not None
    again.remote.close()
    assert verify(JsonlStore(tmp_path)).findings == ()


def test_a_state_loaded_in_the_same_process_is_a_resume(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(5)
    state = run.save()
    run.updates(20)
    run.load(state)
    ask(tmp_path, "scale", {"factor": 0.5})
    run.updates(5)
    assert [event.update for event in run.scheduler.events] == [6]
    run.remote.close()
    assert [one.last for one in history(tmp_path).lives] == [24, 9]
    assert verify(JsonlStore(tmp_path)).findings == ()


def test_a_crash_before_the_answer_does_nothing_twice(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(5)
    state = run.save()
    command = ask(tmp_path, "scale", {"factor": 0.5})
    run.remote._station.answer = lambda *_: None  # type: ignore[union-attr,method-assign]  # killed there
    run.updates(2)
    assert answers(tmp_path)[command.id] is None
    again = Run(tmp_path)
    again.load(state)
    again.updates(10)
    assert len(again.scheduler.events) == 1
    answer = answers(tmp_path)[command.id]
    assert answer is not None
    assert answer.why == "it was applied before the process began again"
    again.remote.close()


def test_looks_are_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = JsonlStore.read

    def counted(store: JsonlStore, from_n: int = 0) -> Any:
        reads.append(from_n)
        return read(store, from_n)

    run = Run(tmp_path, poll_seconds=3600.0, metrics_every=1000)
    run.updates(50)
    monkeypatch.setattr(JsonlStore, "read", counted)
    run.updates(200)
    assert len(reads) <= 3
    run.remote.close()


def test_rates_in_tensors_are_compared_as_they_are_held(tmp_path: Path) -> None:
    run = Run(tmp_path, tensor=True)
    run.updates(8)
    run.remote.close()
    found = verify(JsonlStore(tmp_path))
    assert found.findings == ()
    spec = history(tmp_path).spec
    assert spec is not None
    dtypes = [one.dtype for one in spec.sources["lr"] if one is not None]
    assert dtypes == ["float32", "float32"]


def test_it_can_be_left_out(tmp_path: Path) -> None:
    run = Run(tmp_path, poll_seconds=None)
    ask(tmp_path, "stop")
    run.updates(3)
    assert not run.remote.asked("stop")
    assert answers(tmp_path) == {next(iter(answers(tmp_path))): None}
    run.remote.close()


def test_records_that_cannot_be_read_are_told_once(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(3)
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + b"{\n")
    with pytest.warns(LedgerWarning) as told:
        run.updates(5)
    assert len([one for one in told if "Commands cannot" in str(one.message)]) == 1


def test_the_ledger_must_be_that_of_the_scheduler(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(AdapterError, match=r"Scheduler must have one Remote"):
        Remote(run.scheduler, run.remote.ledger)
    assert Remote.of(run.scheduler, run.remote.ledger) is run.remote
    run.remote.close()
    with pytest.raises(AdapterError, match=r"Scheduler\.ledger must have the same"):
        Remote(run.scheduler, Ledger(tmp_path))


def test_hooks_keep_nothing_alive(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(2)
    run.remote.ledger.close()
    optimizer = run.optimizer
    del run
    gc.collect()
    with pytest.warns(UserWarning, match="garbage-collected"):
        optimizer.step()


def test_updates_without_hooks_are_looked_at_by_hand(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, metrics_every=1, poll_seconds=1e-6)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=1.0)
    scheduler = Scheduler(optimizer, lr=0.5, count="call", ledger=ledger)
    remote = Remote.of(scheduler, ledger)
    command = ask(tmp_path, "scale", {"factor": 0.5})
    for _ in range(3):
        scheduler.step()
        remote.look()
    assert answers(tmp_path)[command.id] is not None
    assert scheduler.next_lr == [0.25]
    remote.close()


def test_a_branch_is_a_run_of_its_own_that_obeys(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.updates(10)
    run.scheduler.scale(0.5, reason="noisy", source="operator:ada")
    run.updates(10)
    state = run.save()["scheduler"]
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(2))], "name": name}
        for name in ("encoder", "head")
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    where = tmp_path / "branch"
    ledger = Ledger(where, metrics_every=1, poll_seconds=1e-9, flush_seconds=0.0)
    branch = Scheduler.branch(
        optimizer, state, 40, rules={"head": 0.5}, ledger=ledger, reason="to try it"
    )
    command = ask(where, "scale", {"factor": 0.5}, author="bob@home")
    used = []
    while not branch.done:
        optimizer.step()
        used.append(optimizer.param_groups[0]["lr"])
        branch.step(loss=1.0)
    branch.close()
    answer = answers(where)[command.id]
    assert answer is not None
    assert (answer.status, len(used)) == ("applied", 40)
    found = history(where)
    assert [(one.kind, one.source) for one in found.events] == [
        ("scale", "operator:ada"),
        ("cooldown", "operator"),
        ("scale", "operator:bob@home"),
    ]
    told = verify(JsonlStore(where))
    assert (told.findings, told.rates) == ((), 40 * 6)
    assert found.rates().at(50)[0] == used[30]
    # the run it came from knows nothing of that, and goes on
    run.updates(10)
    assert [one.kind for one in run.scheduler.events] == ["scale"]
    assert answers(tmp_path / "run") == {}
    run.remote.close()


# --- several processes -------------------------------------------------------------


def started(folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    call = [sys.executable, "-m", "tests.adapters.torch.steered_run", str(folder)]
    return subprocess.Popen([*call, *more])


def until(reached: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait for something that a process does."""
    ends = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.05)


def begun(folder: Path) -> bool:
    return (folder / "ledger.jsonl").exists() and history(folder).update > 0


def test_another_process_steers_a_training_that_is_killed_and_resumed(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    first = started(run, "5000")
    until(lambda: begun(run), first)
    asked = [ask(run, "scale", {"factor": 0.5, "over": 20}, author="ada@home")]
    until(lambda: all(answers(run).values()), first)
    asked += [ask(run, "hold"), ask(run, "extend", {"total_steps": 6000})]
    until(lambda: all(answers(run).values()), first)
    made = history(run).update
    until(lambda: history(run).update > made + 30, first)
    first.kill()
    first.wait()
    before = history(run)
    second = started(run, "5000")
    until(
        lambda: len(history(run).lives) == 2 and history(run).lives[1].last > 0, second
    )
    asked += [ask(run, "release"), ask(run, "cooldown", {"steps": 40})]
    assert second.wait(120) == 0
    after = history(run)
    assert [event.kind for event in after.events] == [
        "scale",
        "hold",
        "extend",
        "release",
        "cooldown",
    ]
    assert after.events[:3] == before.events
    for command, event in zip(asked, after.events, strict=True):
        answer = answers(run)[command.id]
        assert answer is not None
        assert (answer.status, answer.update) == ("applied", event.update)
        assert event.source == f"operator:{command.author}"
        assert event.reason.startswith("a test")
    assert after.events[0].source == "operator:ada@home"
    found = verify(JsonlStore(run))
    assert found.findings == ()
    assert found.rates > 100
    said = json.loads((run / "end.json").read_text())
    assert said["update"] == after.events[-1].update + 40
    assert said["next"] == [0.0, 0.0]


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_ranks_obey_at_the_same_update(tmp_path: Path, size: int) -> None:
    run = tmp_path / "run"
    process = started(run, "100000", str(size))
    until(lambda: begun(run), process)
    asked = [
        ask(run, "scale", {"factor": 0.5}),
        ask(run, "hold"),
        ask(run, "extend", {"total_steps": 200_000}),
        ask(run, "release"),
        ask(run, "release"),
        ask(run, "cooldown", {"steps": 30}),
    ]
    assert process.wait(180) == 0
    given = [answers(run)[one.id] for one in asked]
    assert [one.status for one in given if one is not None] == [
        *["applied"] * 4,
        "refused",
        "applied",
    ]
    ranks = json.loads((run / "end.json").read_text())
    assert len(ranks) == size
    assert all(one == ranks[0] for one in ranks), "they differ"
    updates = [event["update"] for event in ranks[0]["events"]]
    assert updates == [one.update for one in given if one is not None and one.events]
    found = verify(JsonlStore(run))
    assert found.findings == ()
    assert history(run).lives[0].run.ranks == size  # type: ignore[union-attr]  # there is one


def test_a_training_without_a_ledger_takes_no_events_of_it(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.updates(3)
    run.scheduler.add_event(
        Event(update=9, kind="scale", values={"factor": 2.0}, source="operator:ada")
    )
    run.updates(10)
    run.remote.close()
    assert verify(JsonlStore(tmp_path)).findings == ()
