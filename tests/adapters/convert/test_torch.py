import copy
import math
import pickle
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.convert.schedulers import Build, advance, optimizers, schedulers
from torch.optim import lr_scheduler as peer

from stepsize.adapters.convert import convert, to_torch_lambda
from stepsize.adapters.convert.torch import copy_of
from stepsize.adapters.torch import Scheduler
from stepsize.errors import AdapterError

STOPS = st.integers(0, 40)
AFTER = 30


def made(build: Build, optimizer: torch.optim.Optimizer, stop: int) -> Any:
    """Return a scheduler at a step, or None where torch itself cannot get there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # optimizer.step() is not called
            scheduler = build(optimizer)
        advance(scheduler, stop)
    except ValueError as error:
        if "Tried to step" not in str(error):  # OneCycleLR past its end
            raise
        return None
    if any(group["lr"] < 0 for group in optimizer.param_groups):
        with pytest.raises(AdapterError, match="must give a rate at its step"):
            convert(scheduler, total_steps=stop + AFTER)
        return None
    return scheduler


def state_of(scheduler: Any) -> Any:
    optimizer = scheduler.optimizer
    groups = [
        {key: value for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
    ]
    return copy.deepcopy((scheduler.state_dict(), groups, optimizer.defaults))


@settings(max_examples=200)
@given(optimizers(), schedulers(), STOPS)
def test_a_stopped_scheduler_goes_on_with_the_same_rates(
    optimizer: torch.optim.Optimizer, build: Build, stop: int
) -> None:
    scheduler = made(build, optimizer, stop)
    if scheduler is None:
        return
    found = convert(scheduler, total_steps=stop + AFTER, faithful=True)
    assert found.step == stop
    assert found.exact
    assert found.largest_difference is not None
    assert found.largest_difference <= 1e-9
    theirs = advance(copy_of(scheduler), found.horizon - stop - 1)
    for ours, rates in zip(found.schedules, theirs, strict=True):
        for step, rate in enumerate(rates, stop):
            assert abs(ours(step) - rate) <= 1e-9 * max(rates)


@settings(max_examples=100)
@given(optimizers(), schedulers(), STOPS)
def test_nothing_of_the_user_is_touched(
    optimizer: torch.optim.Optimizer, build: Build, stop: int
) -> None:
    scheduler = made(build, optimizer, stop)
    if scheduler is None:
        return
    before = state_of(scheduler)
    convert(scheduler, total_steps=stop + AFTER)
    after = state_of(scheduler)
    assert repr(after) == repr(before)
    assert scheduler.optimizer is optimizer


@settings(max_examples=60)
@given(optimizers(), schedulers(), STOPS)
def test_the_adapter_goes_on_where_torch_stopped(
    optimizer: torch.optim.Optimizer, build: Build, stop: int
) -> None:
    scheduler = made(build, optimizer, stop)
    if scheduler is None:
        return
    found = convert(scheduler, total_steps=stop + AFTER, faithful=True)
    theirs = advance(copy_of(scheduler), found.horizon - stop - 1)
    ours = Scheduler(optimizer, lr=found.schedule, rules=found.rules, update=found.step)
    for offset in range(found.horizon - stop):
        for group, rates in zip(optimizer.param_groups, theirs, strict=True):
            assert abs(group["lr"] - rates[offset]) <= 1e-9 * max(rates)
        for group in optimizer.param_groups:
            group["params"][0].grad = torch.zeros(1)
        optimizer.step()
        ours.step()
    ours.close()


def sgd(lr: Any = 0.1, **more: Any) -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1)], lr=lr, **more)


@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step")
def test_a_defect_is_left_out_and_named() -> None:
    scheduler = peer.CosineAnnealingLR(sgd(), 10)
    found = convert(scheduler, total_steps=15)
    assert not found.exact
    assert found.at == 14
    assert found.largest_difference == pytest.approx((1 - math.cos(0.4 * math.pi)) / 2)
    assert "from step 11 on the peer has a defect" in found.notes[0]
    assert found.schedule(14) == 0.0
    faithful = convert(scheduler, total_steps=15, faithful=True)
    assert faithful.exact
    assert not faithful.schedule.lawful
    assert convert(scheduler).exact  # up to its own end


@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step")
def test_a_rate_set_by_hand_goes_on_as_torch_would() -> None:
    scheduler = peer.ExponentialLR(sgd(), 0.5)
    advance(scheduler, 3)
    scheduler.optimizer.param_groups[0]["lr"] *= 8
    found = convert(scheduler)
    assert found.exact
    assert found.schedule(4) == pytest.approx(0.1 * 8 * 0.5**4, rel=1e-12)
    assert "is 8 times what the peer's arguments give" in found.notes[0]
    rising = peer.CosineAnnealingLR(sgd(), 10, 0.01)
    advance(rising, 3)
    rising.optimizer.param_groups[0]["lr"] = 0.05
    listed = convert(rising, total_steps=10)
    assert "listed one by one" in listed.notes[0]
    assert listed.exact
    assert listed.schedule(3) == 0.05


def test_a_class_of_your_own_is_listed_over_the_horizon() -> None:
    class Mine(peer.LRScheduler):
        def get_lr(self) -> list[float | torch.Tensor]:
            return [0.5 / (1 + self.last_epoch)]

    scheduler = Mine(sgd())
    with pytest.raises(AdapterError, match="total_steps must be given"):
        convert(scheduler)
    found = convert(scheduler, total_steps=5)
    assert found.schedule(range(6)) == [0.5, 0.25, 0.5 / 3, 0.125, 0.1, 0.1]
    assert "its class is not one of the peer's own" in found.notes[0]


def test_momentum_comes_along() -> None:
    scheduler = peer.OneCycleLR(sgd(momentum=0.9), 1.0, 10)
    found = convert(scheduler)
    assert found.momentum is not None
    twin = copy_of(scheduler)
    for step in range(10):
        momentum = twin.optimizer.param_groups[0]["momentum"]
        assert found.momentum(step) == pytest.approx(momentum, rel=1e-9)
        if step < 9:
            advance(twin, 1)
    assert found.horizon == 10
    assert found.notes == ()


def test_tensor_rates_are_single_precision() -> None:
    scheduler = peer.LinearLR(sgd(torch.tensor(0.1)), 0.5, total_iters=7)
    found = convert(scheduler)
    assert found.exact
    assert 0 < (found.largest_difference or 0) < 1e-6
    assert isinstance(scheduler.optimizer.param_groups[0]["lr"], torch.Tensor)


def test_what_cannot_be_converted_says_so() -> None:
    with pytest.raises(AdapterError, match="follows a metric"):
        convert(peer.ReduceLROnPlateau(sgd()))
    with pytest.raises(AdapterError, match="must be a torch scheduler, transformers"):
        convert(object())
    with pytest.raises(AdapterError, match="must be a torch scheduler, transformers"):
        convert(sgd())
    scheduler = peer.StepLR(sgd(), 3)
    advance(scheduler, 5)
    with pytest.raises(AdapterError, match="above the step at which the peer stands"):
        convert(scheduler, total_steps=5)


@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step")
def test_out_again_to_a_lambda() -> None:
    source = peer.CosineAnnealingLR(sgd(0.3), 20)
    factor = to_torch_lambda(convert(source).schedule, base_lr=0.3)
    assert factor.exact
    assert pickle.loads(pickle.dumps(factor)) == factor
    theirs, ours = advance(source, 20), advance(peer.LambdaLR(sgd(0.3), factor), 20)
    assert ours[0] == pytest.approx(theirs[0], abs=1e-12)
    with pytest.raises(AdapterError, match="base_lr must be a finite number > 0"):
        to_torch_lambda(convert(source).schedule, base_lr=0.0)
