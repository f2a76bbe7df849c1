"""One clear error for each wrong use."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.recording import without

import stepsize as ss
from stepsize.adapters.torch import Rule, Scheduler
from stepsize.control import Event
from stepsize.errors import AdapterError, StepsizeError, UnresolvedError

Parameter = Callable[[], torch.nn.Parameter]
COSINE = 0.1 * ss.cosine()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({}, AdapterError, r"Scheduler\.lr must be given, or lr_factor"),
        (
            {"lr": COSINE, "lr_factor": COSINE, "total_steps": 5},
            AdapterError,
            r"Scheduler\.lr_factor must be left out when lr is given",
        ),
        ({"lr": COSINE}, UnresolvedError, "total_steps"),
        (
            {"lr": COSINE, "total_steps": 5, "horizon": ss.Horizon(steps=5)},
            AdapterError,
            r"Scheduler\.total_steps must be left out when horizon is given; got 5",
        ),
        ({"lr": COSINE, "total_steps": 0}, StepsizeError, r"Horizon\.steps must be"),
        ({"lr": COSINE, "horizon": 5}, AdapterError, r"horizon must be a Horizon"),
        ({"lr": "cosine"}, AdapterError, r"Scheduler\.lr must be .*stepsize\.parse"),
        ({"lr": float("nan")}, AdapterError, r"Scheduler\.lr must be .*; got nan"),
        ({"lr": -0.1}, AdapterError, r"Scheduler\.lr must be .*; got -0\.1"),
        ({"lr": True}, AdapterError, r"Scheduler\.lr must be .*; got True"),
        (
            {"lr": COSINE.resolve(5), "total_steps": 6},
            AdapterError,
            r"Scheduler\.lr must have the horizon .*; got Horizon\(steps=5\)",
        ),
        (
            {"lr": 0.1, "hyperparameters": {"beta": 0.1}},
            AdapterError,
            r"must be a number in at least one param group; got 'beta'.*weight_decay",
        ),
        (
            {"lr": 0.1, "hyperparameters": {"nesterov": 0.1}},
            AdapterError,
            r"must be a number in at least one param group; got 'nesterov'",
        ),
        (
            {"lr": 0.1, "hyperparameters": {"betas[0": 0.1}},
            AdapterError,
            r'like "weight_decay" or "betas\[0\]"; got \'betas\[0\'',
        ),
        (
            {"lr": 0.1, "hyperparameters": {"lr": 0.1}},
            AdapterError,
            r"Scheduler\.hyperparameters must not name lr again",
        ),
        (
            {"lr": 0.1, "hyperparameters": [("momentum", 0.1)]},
            AdapterError,
            r"Scheduler\.hyperparameters must be a mapping",
        ),
        (
            {"lr": 0.1, "hyperparameters": {"momentum": "x"}},
            AdapterError,
            r"Scheduler\.hyperparameters\['momentum'\] must be a Schedule",
        ),
        ({"lr": 0.1, "rules": 3}, AdapterError, r"Scheduler\.rules must be Rule"),
        ({"lr": 0.1, "rules": ["x"]}, AdapterError, r"Scheduler\.rules must be Rule"),
        ({"lr": 0.1, "rules": {"x": -1}}, AdapterError, r"Rule\.value must be .*-1"),
        ({"lr": 0.1, "rules": {"": 1}}, AdapterError, r"Rule\.match must be a pat"),
        ({"lr": 0.1, "rules": {True: 1}}, AdapterError, r"Rule\.match must be a pat"),
        (
            {"lr": 0.1, "rules": [Rule("x", 0.1, "momentum")]},
            AdapterError,
            r"Rule\.hyperparameter must be one of those scheduled: lr",
        ),
        (
            {"lr": 0.1, "count": "hooks"},
            AdapterError,
            r"count must be 'hook' or 'call'",
        ),
        (
            {"lr": 0.1, "on_horizon_change": "bend"},
            AdapterError,
            r"on_horizon_change must be None or 'keep' or .*; got 'bend'",
        ),
        ({"lr": 0.1, "update": -1}, AdapterError, r"update must be an int >= 0"),
        ({"lr": 0.1, "update": 1.5}, AdapterError, r"update must be an int >= 0"),
    ],
)
def test_a_wrong_argument_is_named(
    arguments: dict[str, Any],
    error: type[Exception],
    match: str,
    parameter: Parameter,
) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    with pytest.raises(error, match=match):
        Scheduler(optimizer, **arguments)
    # nothing is left behind
    assert Scheduler(optimizer, lr=0.1).update == 0


class NoHooks:
    """Has groups, and a step that nobody can hook."""

    def __init__(self, parameter: torch.nn.Parameter) -> None:
        self.param_groups = [{"params": [parameter], "lr": 0.5}]

    def step(self) -> None:
        """Do nothing."""


class Forgetful(torch.optim.SGD):
    """Does not call the constructor of Optimizer."""

    def __init__(self, parameter: torch.nn.Parameter) -> None:
        self.param_groups = [{"params": [parameter], "lr": 0.5}]


@pytest.mark.parametrize("kind", [NoHooks, Forgetful])
def test_an_optimizer_without_hooks_is_told_of_count_call(
    kind: Any, parameter: Parameter
) -> None:
    optimizer = kind(parameter())
    with pytest.raises(AdapterError, match=r"step hooks.*Forgetful|NoHooks"):
        Scheduler(optimizer, lr=COSINE, total_steps=4)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=4, count="call")
    found = []
    for _ in range(4):
        found.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    assert found == COSINE.resolve(4).rates()


@pytest.mark.parametrize(
    ("optimizer", "match"),
    [
        (None, "optimizer with param_groups; got 'NoneType'"),
        (torch.nn.Linear(1, 1), "optimizer with param_groups; got 'Linear'"),
        (torch.optim.SGD, "give the optimizer, not its class"),
        (type("Many", (), {"optimizers": []})(), "each of its optimizers a Scheduler"),
    ],
)
def test_what_is_no_optimizer_is_refused(optimizer: Any, match: str) -> None:
    with pytest.raises(AdapterError, match=match):
        Scheduler(optimizer, lr=0.1)


def test_step_takes_no_epoch_and_values_need_a_name(parameter: Parameter) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=4)
    with pytest.raises(AdapterError, match=r"without an epoch.*got 3.*update=N"):
        scheduler.step(3)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(AdapterError, match=r"hyperparameter must be one of lr"):
        scheduler.value_at(0, "momentum")
    with pytest.raises(AdapterError, match=r"group must be the index of one of 1"):
        scheduler.value_at(0, group=1)


def test_a_group_without_the_hyperparameter_has_no_value(parameter: Parameter) -> None:
    optimizer = torch.optim.SGD([{"params": [parameter()]}, {"params": [parameter()]}])
    optimizer.param_groups[1]["extra"] = 1.0
    scheduler = Scheduler(optimizer, hyperparameters={"extra": 2.0})
    assert scheduler.value_at(0, "extra", group=0) is None
    assert scheduler.value_at(0, "extra", group=1) == 2.0
    assert "extra" not in optimizer.param_groups[0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (None, "state_dict of version 1; got None"),
        ({"version": 2}, "state_dict of version 1"),
        ({"update": -1}, "update must be an int >= 0"),
        ({"update": None}, "update must be an int >= 0"),
        ({"bases": 3}, "what state_dict writes"),
        ({"bases": ["x"]}, "what state_dict writes"),
        ({"program": {}}, "a program as state_dict writes"),
        ({"program": 3}, "a program as state_dict writes"),
        ({"events": [{}]}, "Event.from_dict must be a mapping with version 1"),
    ],
)
def test_a_damaged_state_is_refused(
    change: Any, match: str, parameter: Parameter
) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=4)
    state = scheduler.state_dict()
    damaged: Any = None if change is None else state | change
    with pytest.raises(StepsizeError, match=match):
        scheduler.load_state_dict(damaged)
    assert scheduler.state_dict() == state


def test_the_state_of_a_torch_scheduler_is_recognised(parameter: Parameter) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    torchs = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=4)
    with pytest.raises(AdapterError, match=r"torch scheduler.*update=0"):
        scheduler.load_state_dict(torchs.state_dict())


_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.data())
def test_a_fuzzed_state_gives_our_errors_only(data: st.DataObject) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    cut = Event(update=2, kind="scale", values={"factor": 0.5})
    scheduler = Scheduler(
        optimizer, lr_factor=COSINE, total_steps=4, rules={"0": 0.5}, events=[cut]
    )
    state = scheduler.state_dict()
    target: Any = state
    path = data.draw(
        st.sampled_from([(), ("program",), ("program", "parts", "lr"), ("events", 0)])
    )
    for key in path:
        target = target[key]
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(_plain)
    policy: Any = data.draw(
        st.sampled_from((None, "keep", "adopt", "stretch", "bridge"))
    )
    second = Scheduler(
        optimizer,
        lr_factor=COSINE,
        total_steps=4,
        rules={"0": 0.5},
        on_horizon_change=policy,
        replace=True,
    )
    try:
        second.load_state_dict(state)
    except StepsizeError:
        return
    assert second.state_dict()["version"] == 1


def test_without_torch_the_import_says_what_to_install() -> None:
    assert without("torch", "stepsize.adapters.torch") == (
        "stepsize.errors.FrameworkMissingError: PyTorch cannot be imported. "
        "hint: pip install 'stepsize[torch]'."
    )
