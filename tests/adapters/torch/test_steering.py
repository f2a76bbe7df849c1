"""Calls that steer a running Scheduler, branches, and a changed horizon on resume."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import stepsize as ss
from stepsize.adapters.torch import Rule, Scheduler
from stepsize.control import Event, Target, Trajectory
from stepsize.errors import (
    AdapterError,
    HorizonChangedError,
    InvalidScheduleError,
    UnresolvedError,
)

Parameter = Callable[[], torch.nn.Parameter]
Recording = Callable[[type[torch.optim.Optimizer]], Any]
COSINE = 0.1 * ss.cosine()
WSD = 0.1 * ss.warmup(10) >> ss.hold() >> ss.decay("20%", shape="1-sqrt")
N = 100


@pytest.fixture
def optimizer(parameter: Parameter) -> torch.optim.Optimizer:
    return torch.optim.SGD([parameter()], lr=0.1)


def _run(optimizer: Any, updates: int) -> list[float]:
    used = []
    for _ in range(updates):
        optimizer.step()
        used.append(float(optimizer.param_groups[0]["lr"]))
    return used


def test_every_call_is_an_event_with_its_cause(
    optimizer: torch.optim.Optimizer,
) -> None:
    scheduler = Scheduler(optimizer, lr=WSD, total_steps=N)
    _run(optimizer, 20)
    calls: list[Event] = [
        scheduler.scale(0.5, over=3, reason="spikes", source="operator:ada"),
        scheduler.hold(),
        scheduler.release(),
        scheduler.extend(150),
        scheduler.shorten(120, mode="bridge"),
        scheduler.rewarm("10%", to=0.5, shape="polynomial", power=3.0),
        scheduler.replace(WSD, at="step", over=5),
        scheduler.cooldown("10%", to=0.1, shape="rex", beta=0.3, reason="now"),
    ]
    assert scheduler.events == tuple(calls)
    assert [event.kind for event in calls] == [
        "scale",
        "hold",
        "release",
        "extend",
        "shorten",
        "rewarm",
        "replace",
        "cooldown",
    ]
    assert [event.sequence for event in calls] == list(range(8))
    assert {event.update for event in calls} == {20}
    assert (calls[0].source, calls[0].reason) == ("operator:ada", "spikes")
    assert calls[1].source == "operator"
    assert calls[-1].values["beta"] == 0.3
    assert all(event.time is not None and event.time > 1.7e9 for event in calls)
    json.dumps(scheduler.state_dict())


def test_a_cooldown_now_ends_the_run(optimizer: torch.optim.Optimizer) -> None:
    scheduler = Scheduler(optimizer, lr=WSD, total_steps=N)
    used = _run(optimizer, 50)
    assert not scheduler.done
    scheduler.cooldown("10%", to=0.0, shape="1-sqrt")
    while not scheduler.done:
        used += _run(optimizer, 1)
    assert len(used) == 55
    assert used[50:] == pytest.approx(
        [0.1 * (1 - math.sqrt(a / 5)) for a in range(5)], rel=1e-14
    )
    assert scheduler.next_lr == [0.0]


def test_done_is_the_end_of_the_horizon(
    optimizer: torch.optim.Optimizer, parameter: Parameter
) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=10)
    _run(optimizer, 9)
    assert not scheduler.done
    scheduler.hold()
    _run(optimizer, 5)
    assert not scheduler.done
    scheduler.release()
    _run(optimizer, 1)
    assert scheduler.done
    scheduler.extend(12, mode="keep")
    assert not scheduler.done
    endless = torch.optim.SGD([parameter()], lr=0.1)
    never = Scheduler(endless, lr=0.1)
    _run(endless, 20)
    assert not never.done
    decay = torch.optim.SGD([parameter()], lr=0.1)
    other = Scheduler(decay, hyperparameters={"weight_decay": COSINE}, total_steps=2)
    _run(decay, 2)
    assert other.done


def test_a_call_that_makes_no_sense_changes_nothing(
    optimizer: torch.optim.Optimizer, parameter: Parameter
) -> None:
    scheduler = Scheduler(optimizer, lr_factor=ss.cosine(), total_steps=N)
    before = [scheduler.value_at(u) for u in range(N)]
    with pytest.raises(
        InvalidScheduleError, match=r"extend\.total_steps must be > 100"
    ):
        scheduler.extend(50)
    with pytest.raises(InvalidScheduleError, match="release must follow a hold"):
        scheduler.release()
    with pytest.raises(AdapterError, match=r"Target must cover a hyperparameter"):
        scheduler.scale(0.5, target=Target("momentum"))
    with pytest.raises(AdapterError, match=r"Target must cover a hyperparameter"):
        scheduler.scale(0.5, target=Target("lr", "head"))
    with pytest.raises(
        AdapterError, match=r"cooldown\.to_lr must be left out with lr_"
    ):
        scheduler.cooldown(5, to_lr=1e-5)
    assert scheduler.events == ()
    assert [scheduler.value_at(u) for u in range(N)] == before
    endless = torch.optim.SGD([parameter()], lr=0.1)
    with pytest.raises(UnresolvedError, match=r"cooldown\.steps must be in updates"):
        Scheduler(endless, lr=0.1).cooldown("10%")


def test_a_target_is_a_group_or_another_hyperparameter(parameter: Parameter) -> None:
    optimizer = torch.optim.SGD(
        [
            {"params": [parameter()], "name": "encoder"},
            {"params": [parameter()], "name": "head"},
        ],
        lr=0.1,
    )
    scheduler = Scheduler(
        optimizer,
        lr=COSINE,
        hyperparameters={"weight_decay": 0.2},
        rules=[Rule("encoder", ss.constant(0.3))],
        total_steps=N,
    )
    plain = COSINE.resolve(N)
    scheduler.cooldown(10, target=Target("lr", "head"))
    scheduler.scale(0.5, target=Target("weight_decay"))
    assert scheduler.value_at(10, group=0) == 0.3
    assert scheduler.value_at(10, group=1) == 0
    assert scheduler.value_at(10, "weight_decay", group=1) == 0.1
    assert plain(10) > 0
    _run(optimizer, 10)
    assert not scheduler.done  # the encoder goes on


# --- branches -------------------------------------------------------------------------


def test_a_branch_cools_down_from_a_checkpoint(
    optimizer: torch.optim.Optimizer, parameter: Parameter, tmp_path: Any
) -> None:
    scheduler = Scheduler(optimizer, lr=WSD, total_steps=N)
    _run(optimizer, 40)
    checkpoint = json.loads(json.dumps(scheduler.state_dict()))
    other = torch.optim.SGD([parameter()], lr=0.1)
    branch = Scheduler.branch(
        other, checkpoint, 10, shape="linear", ledger=tmp_path / "branch.jsonl"
    )
    assert branch.parent is not None
    assert branch.parent["update"] == branch.update == 40
    assert len(branch.parent["sha256"]) == 64
    assert _run(other, 10) == pytest.approx([0.01 * a for a in range(10, 0, -1)])
    assert branch.done
    assert _run(optimizer, 10) == [0.1] * 10
    # the branch is resumed as any run
    third = torch.optim.SGD([parameter()], lr=0.1)
    resumed = Scheduler(third, lr=WSD, total_steps=N, ledger=tmp_path / "branch.jsonl")
    resumed.load_state_dict(branch.state_dict())
    assert (resumed.parent, resumed.events) == (branch.parent, branch.events)
    assert resumed.state_dict() == branch.state_dict()
    assert scheduler.parent is None
    damaged = {**checkpoint, "parent": 3}
    with pytest.raises(AdapterError, match="have a parent as state_dict writes"):
        resumed.load_state_dict(damaged)
    damaged = {**checkpoint, "given": {"parts": {}}}
    with pytest.raises(AdapterError, match="have a program as state_dict writes"):
        resumed.load_state_dict(damaged)


def test_a_branch_that_cannot_be_leaves_the_optimizer_free(
    parameter: Parameter, optimizer: torch.optim.Optimizer
) -> None:
    state = Scheduler(optimizer, lr=0.1).state_dict()
    other = torch.optim.SGD([parameter()], lr=0.1)
    with pytest.raises(UnresolvedError, match=r"cooldown\.steps"):
        Scheduler.branch(other, state, "10%")
    Scheduler(other, lr=0.1)


# --- another horizon on resume --------------------------------------------------------


def _resumed(
    parameter: Parameter, mode: Any, state: Any, lr: Any = COSINE, total: Any = 2 * N
) -> Any:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    scheduler = Scheduler(optimizer, lr=lr, total_steps=total, on_horizon_change=mode)
    scheduler.load_state_dict(state)
    return scheduler, optimizer


@pytest.fixture
def state(optimizer: torch.optim.Optimizer) -> Any:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    _run(optimizer, 40)
    scheduler.scale(0.5, source="policy:plateau")
    return json.loads(json.dumps(scheduler.state_dict()))


@pytest.mark.parametrize("mode", ["keep", "adopt", "stretch", "bridge"])
def test_a_longer_horizon_is_an_event(
    parameter: Parameter, state: Any, mode: str
) -> None:
    scheduler, optimizer = _resumed(parameter, mode, state)
    event = scheduler.events[-1]
    assert (event.kind, event.source, event.update) == ("extend", "resume", 40)
    assert event.values["total_steps"] == 2 * N
    old, new = COSINE.resolve(N), COSINE.resolve(2 * N)
    at = {"adopt": new(40) * 0.5}
    assert scheduler.next_lr == [at.get(mode, old(40) * 0.5)]
    late = {
        "keep": old(120),
        "adopt": new(120),
        "bridge": new(120),
        "stretch": old(40 + 80 * 60 / 160),
    }
    assert scheduler.value_at(120) == late[mode] * 0.5
    assert scheduler.value_at(39) == old(39)
    # it is asked once: the next resume finds what it agreed to
    _run(optimizer, 10)
    again, _ = _resumed(parameter, None, scheduler.state_dict())
    assert again.events == scheduler.events
    assert again.next_lr == scheduler.next_lr
    with pytest.raises(HorizonChangedError, match=r"hint: Scheduler\(\.\.\., on_hor"):
        _resumed(parameter, None, scheduler.state_dict(), total=N)
    back, _ = _resumed(parameter, mode, scheduler.state_dict(), total=N)
    assert back.events[-1].kind == "shorten"


def test_what_stands_already_needs_no_event(
    optimizer: torch.optim.Optimizer, parameter: Parameter
) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    _run(optimizer, 40)
    scheduler.extend(2 * N)
    again, other = _resumed(parameter, "adopt", scheduler.state_dict())
    assert [event.kind for event in again.events] == ["extend", "note"]
    _run(other, 90)
    kept, _ = _resumed(parameter, "keep", again.state_dict(), total=N)
    assert [event.kind for event in kept.events] == ["extend", "note", "note"]
    assert kept.next_lr == again.next_lr


def test_another_schedule_is_entered_at_its_step(
    parameter: Parameter, state: Any
) -> None:
    other = 0.05 * ss.linear()
    wanted = other.resolve(2 * N)
    adopted, _ = _resumed(parameter, "adopt", state, other)
    assert adopted.events[-1].kind == "replace"
    assert adopted.next_lr == [wanted(40) * 0.5]
    bridged, _ = _resumed(parameter, "bridge", state, other)
    assert bridged.next_lr == [COSINE.resolve(N)(40) * 0.5]
    assert bridged.value_at(56) == wanted(56) * 0.5
    kept, _ = _resumed(parameter, "keep", state, other)
    assert kept.next_lr == [COSINE.resolve(N)(40) * 0.5]
    assert kept.events[-1].kind == "note"
    with pytest.raises(AdapterError, match="another schedule cannot be stretched to"):
        _resumed(parameter, "stretch", state, other)


def test_fixed_lengths_are_kept_and_an_ended_run_is_not_stretched(
    optimizer: torch.optim.Optimizer, parameter: Parameter
) -> None:
    fixed = 0.1 * ss.cosine(N)
    scheduler = Scheduler(
        optimizer, lr=COSINE, hyperparameters={"weight_decay": fixed}, total_steps=N
    )
    _run(optimizer, N)
    other = torch.optim.SGD([parameter()], lr=0.1)
    longer = Scheduler(
        other,
        lr=COSINE,
        hyperparameters={"weight_decay": fixed},
        total_steps=2 * N,
        on_horizon_change="stretch",
    )
    with pytest.raises(InvalidScheduleError, match="replace or rewarm gives it"):
        longer.load_state_dict(scheduler.state_dict())
    assert (longer.update, longer.events) == (0, ())
    adopt = Scheduler(
        other,
        lr=COSINE,
        hyperparameters={"weight_decay": fixed},
        total_steps=2 * N,
        on_horizon_change="adopt",
        replace=True,
    )
    adopt.load_state_dict(scheduler.state_dict())
    modes = {e.target.hyperparameter: e.values["mode"] for e in adopt.events}
    assert modes == {"lr": "adopt", "weight_decay": "keep"}


@pytest.mark.parametrize("mode", ["keep", "adopt", "bridge"])
def test_other_rules_are_no_event_of_a_curve(
    parameter: Parameter, state: Any, mode: Any
) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    scheduler = Scheduler(
        optimizer,
        lr=COSINE,
        total_steps=N,
        rules={"0": 0.1},
        on_horizon_change=mode,
    )
    if mode == "bridge":
        with pytest.raises(AdapterError, match="rules or hyperparameters differ"):
            scheduler.load_state_dict(state)
        return
    scheduler.load_state_dict(state)
    assert scheduler.events[-1].kind == "note"
    factor = 0.1 if mode == "adopt" else 1.0
    assert scheduler.next_lr == [COSINE.resolve(N)(40) * 0.5 * factor]
    again = Scheduler(
        optimizer, lr=COSINE, total_steps=N, rules={"0": 0.1}, replace=True
    )
    again.load_state_dict(scheduler.state_dict())
    assert again.next_lr == scheduler.next_lr


def test_a_wrapped_function_is_adopted_whole(
    optimizer: torch.optim.Optimizer, parameter: Parameter
) -> None:
    def make(power: int) -> ss.Schedule:
        return 0.1 * ss.opaque(f"power {power}", lambda d: 1 / (1 + d) ** power)

    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    _run(optimizer, 4)
    adopted, _ = _resumed(parameter, "adopt", scheduler.state_dict(), make(1), N)
    assert adopted.next_lr == [pytest.approx(0.1 / 5)]
    again, _ = _resumed(parameter, "adopt", adopted.state_dict(), make(2), N)
    assert again.next_lr == [pytest.approx(0.1 / 25)]
    with pytest.raises(InvalidScheduleError, match=r"opaque\.function"):
        _resumed(parameter, "keep", adopted.state_dict(), make(2), N)


def test_other_conversions_are_adopted_whole(
    optimizer: torch.optim.Optimizer, parameter: Parameter
) -> None:
    def make(steps_per_epoch: int, where: Any, **more: Any) -> Scheduler:
        horizon = ss.Horizon(steps=N, steps_per_epoch=steps_per_epoch)
        schedule = 0.1 * ss.warmup("1 epoch") >> ss.cosine()
        return Scheduler(where, lr=schedule, horizon=horizon, **more)

    first = make(10, optimizer)
    other = torch.optim.SGD([parameter()], lr=0.1)
    second = make(20, other, on_horizon_change="adopt")
    second.load_state_dict(first.state_dict())
    assert second.value_at(20) == 0.1
    assert second.value_at(10) != 0.1


# --- replay ---------------------------------------------------------------------------

_calls = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from(
            (
                ("scale", {"factor": 0.3, "over": 4}),
                ("cooldown", {"steps": "50%", "to": 0.2}),
                ("extend", {"total_steps": 60}),
                ("shorten", {"total_steps": 35, "mode": "bridge"}),
                ("rewarm", {"steps": 3, "end": 0.1}),
                ("replace", {"schedule": "0.3 * linear()", "at": "step", "over": 3}),
                ("hold", {}),
                ("release", {}),
                ("rewind", {"to": 2, "clock": "rewind"}),
            )
        ),
        st.sampled_from((Target(), Target("lr", "head"), Target("momentum"))),
    ),
    max_size=6,
)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("tensor", [False, True])
def test_schedule_horizon_and_events_give_every_value_that_was_applied(
    parameter: Parameter, recording: Recording, relative: bool, tensor: bool
) -> None:
    bases = {"encoder": 0.5, "head": 0.25, "2": 0.125}

    def value(number: float) -> Any:
        return torch.tensor(number) if tensor else number

    @given(_calls)
    def check(calls: Any) -> None:
        groups: list[dict[str, Any]] = [
            {"params": [parameter()], "lr": value(base if relative else 0.5)}
            for base in bases.values()
        ]
        for group, name in zip(groups[:2], bases, strict=False):
            group["name"] = name
        extra = {"foreach": False} if tensor else {}
        optimizer = recording(torch.optim.SGD)(groups, lr=0.5, momentum=0.9, **extra)
        which: Any = {"lr_factor" if relative else "lr": WSD}
        scheduler = Scheduler(
            optimizer,
            hyperparameters={"momentum": 0.9 * ss.linear(to=0.5)},
            total_steps=50,
            **which,
        )
        for update in range(40):
            for at, (kind, values), target in calls:
                if at == update:
                    try:
                        scheduler.add_event(
                            Event(update=at, kind=kind, values=values, target=target)
                        )
                    except InvalidScheduleError:
                        continue
            optimizer.step()
        state = json.loads(json.dumps(scheduler.state_dict()))
        events = tuple(Event.from_dict(event) for event in state["events"])
        for path, part in state["program"]["parts"].items():
            for index, name in enumerate(bases):
                lr = Trajectory(
                    ss.from_dict(part["schedule"]),
                    ss.Horizon.from_dict(part["horizon"]),
                    events,
                    path,
                    name,
                )
                factor = state["bases"][index] if relative and path == "lr" else 1.0
                for update, used in enumerate(optimizer.used):
                    wanted = lr(update) * factor
                    if tensor and path == "lr":
                        wanted = float(torch.tensor(wanted))
                    assert used[index][path] == wanted

    check()
