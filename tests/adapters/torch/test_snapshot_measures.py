"""What is measured of weights and moments: counted exactly, with no false alarm."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.torch.snapshot_world import OPTIMIZERS, World
from torch import nn

from stepsize.adapters.torch.snapshots import (
    MemorySnapshots,
    Subject,
    displacement,
    nonfinite,
    weight_norm,
)
from stepsize.errors import AdapterError

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_bad_element_is_counted_wherever_it_is(name: str) -> None:
    world = World(OPTIMIZERS[name])
    world.train(3)
    assert nonfinite(world.subject) == 0
    world.net.wide.data[0, 1] = NAN
    bias: Any = world.net.conv.bias
    bias.data[:2] = -INF
    assert nonfinite(world.subject) == 3
    for state in world.optimizer.state.values():
        if not isinstance(state, dict):
            continue
        tensors = [one for one in state.values() if isinstance(one, torch.Tensor)]
        for one in tensors:
            one.view(-1)[0] = NAN
        if tensors:
            assert nonfinite(world.subject) == 3 + len(tensors)
            return


def test_one_bad_gradient_stays_in_lions_momentum() -> None:
    world = World(OPTIMIZERS["lion"], scaled=False)
    world.train(2)
    world.net.wide.grad = torch.full((6, 4), NAN)
    world.optimizer.step()
    assert all(bool(one.isfinite().all()) for one in world.net.parameters())
    assert nonfinite(world.subject) == 24


def test_masks_are_no_alarm_and_statistics_are() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3))
    model.register_buffer("mask", torch.full((4, 4), -INF).triu(1))
    frozen: Any = model[1].bias
    frozen.requires_grad_(False).fill_(-INF)
    subject = Subject(model, torch.optim.SGD(model.parameters()))
    assert nonfinite(subject) == 0
    mean: Any = model[0].running_mean
    mean[1] = NAN
    assert nonfinite(subject) == 1


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(3e38, torch.float32), (6e4, torch.float16), (3e38, torch.bfloat16)],
)
def test_a_norm_that_overflows_is_no_alarm(value: float, dtype: torch.dtype) -> None:
    weight = nn.Parameter(torch.full((10,), value, dtype=dtype))
    subject = Subject(None, torch.optim.SGD([weight]))
    assert nonfinite(subject) == 0
    exact = float(weight.detach()[0].double()) * math.sqrt(10)
    assert weight_norm(subject) == pytest.approx(exact, rel=1e-6)
    weight.data[3] = INF
    assert nonfinite(subject) == 1
    assert weight_norm(subject) == INF


def test_odd_kinds_of_tensors() -> None:
    weight = nn.Parameter(torch.ones(3, dtype=torch.complex64))
    optimizer: Any = torch.optim.SGD([weight])
    optimizer.state[weight] = {
        "int": torch.ones(3, dtype=torch.int32),
        "empty": torch.empty(0),
        "float8": torch.ones(3).to(torch.float8_e4m3fn),
        "sparse": torch.tensor([0.0, NAN, 1.0]).to_sparse(),
        "list": [{"nested": torch.tensor([INF])}],
    }
    assert nonfinite(Subject(None, optimizer)) == 2
    weight.data[0] = torch.tensor(complex(0, NAN))
    assert nonfinite(Subject(None, optimizer)) == 3


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=6),
    st.floats(-10, 10, width=32),
    st.sampled_from([torch.float16, torch.float32, torch.float64]),
)
def test_displacement_is_the_formula(
    values: list[float], step: float, dtype: torch.dtype
) -> None:
    start = torch.tensor(values, dtype=dtype)
    weight = nn.Parameter(start.clone())
    subject = Subject(None, torch.optim.SGD([weight]))
    snapshots = MemorySnapshots(subject)
    snapshots.take(3, {})
    assert displacement(subject, snapshots, 3) == 0.0
    weight.data += step
    moved = (weight.detach() - start).double().norm().item()
    size = start.double().norm().item()
    found = displacement(subject, snapshots, 3)
    if size == 0:
        assert found == (INF if moved else 0.0)
    else:
        assert found == pytest.approx(moved / size, rel=1e-5)
        assert weight_norm(subject) == pytest.approx(
            weight.detach().double().norm().item(), rel=1e-5, abs=1e-30
        )


def test_displacement_of_what_is_not_finite() -> None:
    weight = nn.Parameter(torch.ones(3))
    subject = Subject(None, torch.optim.SGD([weight]))
    snapshots = MemorySnapshots(subject)
    snapshots.take(0, {})
    weight.data[0] = NAN
    assert math.isnan(displacement(subject, snapshots, 0))
    weight.data[0] = INF
    assert displacement(subject, snapshots, 0) == INF


def test_a_store_without_weights_is_refused() -> None:
    subject = Subject(None, torch.optim.SGD([nn.Parameter(torch.ones(3))]))
    with pytest.raises(AdapterError, match=r"store must have weights\(label\) and"):
        displacement(subject, {}, 0)
