"""Two owners, garbage, copies, and what it passes for."""

import copy
import gc
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ChainedScheduler, LRScheduler, SequentialLR

import stepsize as ss
from stepsize.adapters.torch import Scheduler, SchedulerWarning
from stepsize.control import Event
from stepsize.errors import AdapterError, HorizonChangedError, InvalidScheduleError

Parameter = Callable[[], torch.nn.Parameter]
N = 10
COSINE = 0.1 * ss.cosine()
RATES = COSINE.resolve(N).rates()


@pytest.fixture
def optimizer(parameter: Parameter) -> torch.optim.Optimizer:
    return torch.optim.SGD([parameter()], lr=0.1)


def _lr(optimizer: torch.optim.Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])


# --- owners --------------------------------------------------------------------------
def test_a_second_scheduler_raises_or_replaces(
    optimizer: torch.optim.Optimizer,
) -> None:
    first = Scheduler(optimizer, lr=COSINE, total_steps=N)
    with pytest.raises(AdapterError, match=r"lr twice .* replace=True"):
        Scheduler(optimizer, lr=1.0)
    optimizer.step()
    assert first.update == 1
    second = Scheduler(optimizer, lr=1.0, replace=True)
    optimizer.step()
    assert (first.update, second.update, _lr(optimizer)) == (1, 1, 1.0)
    first.close()  # again: changes nothing
    optimizer.step()
    assert second.update == 2


def test_close_lets_go(optimizer: torch.optim.Optimizer) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    scheduler.close()
    optimizer.param_groups[0]["lr"] = 7.0
    optimizer.step()
    assert (scheduler.update, _lr(optimizer)) == (0, 7.0)
    assert Scheduler(optimizer, lr=COSINE, total_steps=N).update == 0


def test_the_hooks_do_not_keep_the_scheduler_alive(
    optimizer: torch.optim.Optimizer,
) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    optimizer.step()
    del scheduler
    gc.collect()
    with pytest.warns(SchedulerWarning, match=r"garbage-collected.*keep a reference"):
        optimizer.step()
    optimizer.step()  # said once
    again = Scheduler(optimizer, lr=COSINE, total_steps=N)
    hooks: Any = optimizer
    assert len(hooks._optimizer_step_pre_hooks) == 1
    assert again.update == 0


# --- copies --------------------------------------------------------------------------
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_copied_pair_is_a_pair(
    optimizer: torch.optim.Optimizer, order: tuple[int, int]
) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    optimizer.step()
    pair: list[Any] = [optimizer, scheduler]
    copied = copy.deepcopy([pair[place] for place in order])
    other, second = (copied[order.index(place)] for place in (0, 1))
    other.step()
    other.step()
    assert (scheduler.update, second.update) == (1, 3)
    assert (_lr(optimizer), _lr(other)) == (RATES[0], RATES[2])
    assert second.optimizer is other


def test_a_closed_scheduler_copies_closed(optimizer: torch.optim.Optimizer) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    scheduler.close()
    second = copy.deepcopy(scheduler)
    second.optimizer.step()
    assert second.update == 0


def test_a_shallow_copy_would_be_a_double(optimizer: torch.optim.Optimizer) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    with pytest.raises(AdapterError, match="twice for the same optimizer"):
        copy.copy(scheduler)
    assert scheduler.update == 0


# --- an LRScheduler by name ----------------------------------------------------------
def test_it_passes_for_an_lr_scheduler(optimizer: torch.optim.Optimizer) -> None:
    step = optimizer.step
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    assert isinstance(scheduler, LRScheduler)
    assert optimizer.step == step  # torch's constructor would have patched it
    assert scheduler.base_lrs == [RATES[0]]
    assert scheduler.get_last_lr() == scheduler._last_lr == [RATES[0]]
    optimizer.step()
    scheduler.step()
    assert (scheduler.last_epoch, scheduler._step_count) == (1, 2)
    assert scheduler.get_last_lr() == [RATES[0]]  # what the update used
    assert scheduler.get_lr() == [RATES[1]]
    wanted = 'Scheduler(lr=0.1 * decay(shape="cosine"), update=1)'
    assert repr(scheduler) == wanted


def test_what_is_logged_is_what_the_update_used(
    optimizer: torch.optim.Optimizer,
) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    logged = []
    for update in range(N):
        optimizer.step()
        if update % 2:
            scheduler.step()
        logged.append(scheduler.get_last_lr()[0])
        if not update % 2:
            scheduler.step()
    assert logged == RATES


def test_torchs_lists_of_schedulers_are_refused(
    optimizer: torch.optim.Optimizer,
) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    torchs = torch.optim.lr_scheduler.ConstantLR(optimizer)
    with pytest.raises(AdapterError, match=r"SequentialLR.*a >> b"):
        SequentialLR(optimizer, [scheduler, torchs], milestones=[3])
    with pytest.raises(AdapterError, match=r"ChainedScheduler.*a >> b"):
        ChainedScheduler([torchs, scheduler])
    with pytest.raises(AdapterError, match=r"a >> b"):
        scheduler._initial_step()
    with pytest.raises(AdapterError, match=r"a >> b"):
        scheduler._update_lr()
    with pytest.raises(AdapterError, match=r"last_epoch must not be set.*update=N"):
        scheduler.last_epoch = 3


# --- state ---------------------------------------------------------------------------
def test_loading_is_idempotent(optimizer: torch.optim.Optimizer) -> None:
    scheduler = Scheduler(optimizer, lr_factor=ss.cosine(), total_steps=N)
    for _ in range(4):
        optimizer.step()
    state = json.loads(json.dumps(scheduler.state_dict()))
    for _ in range(3):
        scheduler.load_state_dict(state)
        assert scheduler.state_dict() == state
        assert _lr(optimizer) == ss.cosine().resolve(N)(4) * 0.1


def test_a_loaded_state_says_what_a_factor_multiplies(parameter: Parameter) -> None:
    one = torch.optim.SGD([parameter()], lr=0.1)
    state = Scheduler(one, lr_factor=ss.cosine(), total_steps=N).state_dict()
    two = torch.optim.SGD([parameter()], lr=0.7)  # the script was edited
    second = Scheduler(two, lr_factor=ss.cosine(), total_steps=N)
    second.load_state_dict(state)
    assert second.base_lrs == [0.1]
    assert _lr(two) == 0.1
    two.add_param_group({"params": [parameter()], "lr": 0.3})
    assert second.base_lrs == [0.1, 0.3]


def test_the_optimizers_state_alone_carries_the_count(parameter: Parameter) -> None:
    one = torch.optim.SGD([parameter()], lr=0.1)
    first = Scheduler(one, lr_factor=ss.cosine(), total_steps=N)
    for _ in range(4):
        one.step()
    saved = one.state_dict()
    assert first.update == 4
    two = torch.optim.SGD([parameter()], lr=0.1)
    second = Scheduler(two, lr_factor=ss.cosine(), total_steps=N)
    two.load_state_dict(saved)
    assert second.update == 4
    assert "stepsize_update:lr" not in two.param_groups[0]
    with pytest.warns(SchedulerWarning, match="goes on at update 4"):
        two.step()
    assert second.last_lr == [ss.cosine().resolve(N)(4) * 0.1]
    # an update that was said is not replaced, nor is one in the middle of a run
    three = torch.optim.SGD([parameter()], lr=0.1)
    three.load_state_dict(saved)
    third = Scheduler(three, lr_factor=ss.cosine(), total_steps=N, update=0)
    three.load_state_dict(saved)
    assert third.update == 0
    first_again = first.update
    one.step()
    one.load_state_dict(saved)
    assert first.update == first_again + 1


def test_update_starts_in_the_middle(optimizer: torch.optim.Optimizer) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N, update=6)
    assert (scheduler.update, _lr(optimizer)) == (6, RATES[6])


def test_another_schedule_needs_a_policy(parameter: Parameter) -> None:
    def make(**arguments: Any) -> Scheduler:
        optimizer = torch.optim.SGD([parameter()], lr=0.1)
        kept.append(optimizer)
        return Scheduler(optimizer, **arguments)

    kept: list[Any] = []
    first = make(lr=COSINE, total_steps=N)
    for _ in range(4):
        kept[0].step()
    state = first.state_dict()
    with pytest.raises(HorizonChangedError) as caught:
        make(lr=COSINE, total_steps=2 * N).load_state_dict(state)
    longer = COSINE.resolve(2 * N)
    text = str(caught.value)
    assert f"lr of update 4: {RATES[4]:.6g} saved, {longer(4):.6g} here" in text
    assert "Horizon(steps=10)" in text
    assert "Horizon(steps=20)" in text
    assert '"keep"' in text
    assert '"adopt"' in text

    keep = make(lr=COSINE, total_steps=2 * N, on_horizon_change="keep")
    adopt = make(lr=COSINE, total_steps=2 * N, on_horizon_change="adopt")
    for _ in range(2):
        keep.load_state_dict(state)
        adopt.load_state_dict(state)
    assert keep.next_lr == [RATES[4]]
    assert adopt.next_lr == [longer(4)]
    for scheduler, mode in ((keep, "keep"), (adopt, "adopt")):
        assert scheduler.state_dict()["program"] == state["program"]
        (event,) = scheduler.events
        assert (event.kind, event.source, event.update) == ("extend", "resume", 4)
        assert event.values["mode"] == mode


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"lr_factor": COSINE, "total_steps": N}, "saved lr, here lr_factor"),
        ({"lr": COSINE, "total_steps": N, "rules": {"x": 0.5}}, "the rules differ"),
        (
            {"lr": COSINE, "total_steps": N, "hyperparameters": {"weight_decay": 0}},
            "weight_decay: only here",
        ),
        ({"hyperparameters": {"weight_decay": 0.0}}, "lr: only in the saved state"),
        ({"lr": 0.1}, r"lr here:  0\.1 \* hold"),
    ],
)
def test_every_difference_is_said(
    optimizer: torch.optim.Optimizer,
    parameter: Parameter,
    arguments: dict[str, Any],
    match: str,
) -> None:
    state = Scheduler(optimizer, lr=COSINE, total_steps=N).state_dict()
    other = torch.optim.SGD([parameter()], lr=0.1)
    scheduler = Scheduler(other, **arguments)
    with pytest.raises(HorizonChangedError, match=match):
        scheduler.load_state_dict(state)


def test_keep_restores_rules_too(
    optimizer: torch.optim.Optimizer, parameter: Parameter
) -> None:
    def first(group: Any) -> bool:
        return bool(group["params"])

    rules: Any = {first: 0.5, "1": ss.linear()}
    state = json.loads(
        json.dumps(
            Scheduler(optimizer, lr=COSINE, total_steps=N, rules=rules).state_dict()
        )
    )
    other = torch.optim.SGD([parameter()], lr=0.1)
    scheduler = Scheduler(other, lr=0.1, rules={first: 0.25}, on_horizon_change="keep")
    scheduler.load_state_dict(state)
    assert scheduler.state_dict()["program"] == state["program"]
    assert [event.kind for event in scheduler.events] == ["note"]
    assert scheduler.next_lr == [RATES[0] * 0.5]
    third = torch.optim.SGD([parameter()], lr=0.1)
    without = Scheduler(third, lr=0.1, on_horizon_change="keep")
    with pytest.raises(AdapterError, match=r"Rule\.match must be given"):
        without.load_state_dict(state)
    plain = Scheduler(third, lr=0.1, replace=True)
    with pytest.raises(HorizonChangedError, match="saved one cannot be read here"):
        plain.load_state_dict(state)


def test_events_given_must_be_in_the_state(
    optimizer: torch.optim.Optimizer, parameter: Parameter
) -> None:
    cut = Event(update=5, kind="scale", values={"factor": 0.5})
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    without = scheduler.state_dict()
    scheduler.add_event(cut)
    state = scheduler.state_dict()
    other = torch.optim.SGD([parameter()], lr=0.1)
    again = Scheduler(other, lr=COSINE, total_steps=N, events=scheduler.events)
    with pytest.raises(AdapterError, match=r"Scheduler\.events must be those of"):
        again.load_state_dict(without)
    again.load_state_dict(state)
    assert again.events == scheduler.events
    again.load_state_dict(without)  # going back to a checkpoint is allowed
    assert again.events == ()


def test_an_event_for_the_past_is_refused(optimizer: torch.optim.Optimizer) -> None:
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    optimizer.step()
    with pytest.raises(InvalidScheduleError, match="at least 1, the next update"):
        scheduler.add_event(Event(update=0, kind="scale", values={"factor": 0.5}))


def test_no_warning_in_the_ordinary_orders(parameter: Parameter) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = torch.optim.AdamW([parameter()], lr=0.1)
        first = Scheduler(one, lr=COSINE, total_steps=N)
        one.step()
        first.step()
        two = torch.optim.AdamW([parameter()], lr=0.1)
        two.load_state_dict(one.state_dict())
        second = Scheduler(two, lr=COSINE, total_steps=N)
        second.load_state_dict(first.state_dict())
        two.step()
        second.step()
    assert second.update == 2
