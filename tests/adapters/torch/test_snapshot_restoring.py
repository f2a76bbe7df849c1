"""`restoring`: a training after it is the training without it, to the bit."""

import os
import random
import signal
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.torch.snapshot_world import OPTIMIZERS, Stream, World, bits
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from stepsize.adapters.torch.snapshots import Draws, Subject, restoring
from stepsize.errors import AdapterError


def disturb(world: World) -> None:
    """Do what a range test does, and worse."""
    net: Any = world.net
    optimizer = world.optimizer
    optimizer.zero_grad(set_to_none=False)
    for factor in (1.0, 30.0, 1e6):
        for group in optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].mul_(factor)
            else:
                group["lr"] *= factor
            group.setdefault("initial_lr", 0.1)
        world.train(2)
    net.eval()
    net.drop.train()
    net.conv.bias.requires_grad_(False)
    world.optimizer.zero_grad(set_to_none=False)
    net.wide.grad = torch.full((6, 4), 7.0)
    net.conv.weight.grad = None
    optimizer.state.clear()
    torch.manual_seed(77)
    random.random()
    np.random.seed(5)


def interrupted() -> None:
    """Press Ctrl-C, in this very process."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass


def failed() -> None:
    message = "out of memory"
    raise RuntimeError(message)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("trained", [0, 3])
@pytest.mark.parametrize("end", [None, failed, interrupted])
def test_no_trace_is_left(
    name: str, trained: int, end: Callable[[], None] | None
) -> None:
    def make() -> World:
        made = World(OPTIMIZERS[name])
        made.seed(4)
        made.train(trained)
        made.net.norm.eval()
        made.net.norm.weight.requires_grad_(False)
        return made

    world = make()
    before = world.print(), world.print_modes()
    gradients = [one.grad for one in world.net.parameters()]

    def inside() -> None:
        with restoring(world.subject):
            disturb(world)
            assert world.print() != before[0]
            if end is not None:
                end()

    if end is None:
        inside()
    else:
        with pytest.raises((RuntimeError, KeyboardInterrupt)):
            inside()
    assert (world.print(), world.print_modes()) == before
    now = [one.grad for one in world.net.parameters()]
    assert all(old is new for old, new in zip(gradients, now, strict=True))
    later = world.train(5), world.print()
    other = make()
    assert (other.train(5), other.print()) == later


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(sorted(OPTIMIZERS)),
    tries=st.lists(st.integers(0, 4), max_size=4),
)
def test_it_can_be_restored_again_and_again(name: str, tries: list[int]) -> None:
    world = World(OPTIMIZERS[name])
    world.train(1)
    before = world.print(), world.print_modes()
    with restoring(world.subject) as again:
        first: list[float] = []
        for updates in tries:
            losses = world.train(updates)
            common = min(len(losses), len(first))
            assert losses[:common] == first[:common]
            first = max(first, losses, key=len)
            again()
            assert (world.print(), world.print_modes()) == before
    assert (world.print(), world.print_modes()) == before


def test_a_second_interruption_while_restoring() -> None:
    class Pressing(Stream):
        pressed = False

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            if not self.pressed:
                self.pressed = True
                interrupted()
            super().load_state_dict(state_dict)

    world = World(OPTIMIZERS["adam"], data=Pressing())
    world.train(2)
    before = world.print(), world.print_modes()
    with pytest.raises(KeyboardInterrupt), restoring(world.subject):
        disturb(world)
    assert (world.print(), world.print_modes()) == before


def test_modes_can_be_left_as_they_are() -> None:
    world = World(OPTIMIZERS["sgd"])
    with restoring(world.subject, modes=False):
        world.net.eval()
    assert not world.net.training


def test_in_the_middle_of_an_update() -> None:
    losses = []
    for disturbed in (False, True):
        world = World(OPTIMIZERS["adam"])
        world.seed(1)
        world.train(1)
        optimizer, scaler = world.optimizer, world.scaler
        loss = world.net(next(world.data)).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        if disturbed:
            with restoring(world.subject):
                scaler.update()
                world.train(2)
                scaler.scale(world.net(next(world.data)).sum()).backward()
                scaler.unscale_(optimizer)
        with pytest.raises(RuntimeError, match="already been called"):
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        losses.append((world.train(3), world.print()))
    assert losses[0] == losses[1]


def test_sparse_gradients_come_back() -> None:
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters())
    table(torch.tensor([1, 3])).sum().backward()
    gradient: Any = table.weight.grad
    before = bits(gradient.to_dense())
    with restoring(Subject(table, optimizer)):
        optimizer.zero_grad()
        table(torch.tensor([2])).sum().backward()
    now: Any = table.weight.grad
    assert now is gradient
    assert bits(gradient.to_dense()) == before


# --- data ----------------------------------------------------------------------------


def loaders(workers: int) -> Iterable[DataLoader[Any]]:
    data = TensorDataset(torch.arange(12.0))
    options: dict[str, Any] = {"num_workers": workers, "batch_size": 3}
    yield DataLoader(data, shuffle=True, **options)
    yield DataLoader(
        data, shuffle=True, generator=torch.Generator().manual_seed(1), **options
    )
    sampler = RandomSampler(data, generator=torch.Generator().manual_seed(2))
    yield DataLoader(data, sampler=sampler, **options)


class Noisy(torch.utils.data.Dataset[torch.Tensor]):
    """Draws in the worker."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        return index + torch.rand(())


def epoch(loader: DataLoader[Any]) -> Any:
    return [bits(batch) for batch in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shuffled_loader_goes_on_as_without(workers: int) -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters())
    for plain, used in zip(loaders(workers), loaders(workers), strict=True):
        torch.manual_seed(5)
        expected = [epoch(plain), epoch(plain), epoch(plain)]
        torch.manual_seed(5)
        found = [epoch(used)]
        with restoring(Subject(model, optimizer, data=Draws(used))):
            assert epoch(used) == expected[1]
            next(iter(used))
        found += [epoch(used), epoch(used)]
        assert found == expected


def test_workers_that_persist_begin_again() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters())

    def make() -> DataLoader[Any]:
        options: dict[str, Any] = {"num_workers": 1, "persistent_workers": True}
        return DataLoader(Noisy(), shuffle=True, **options)

    plain, used = make(), make()
    torch.manual_seed(5)
    expected = [epoch(plain), epoch(plain)]
    torch.manual_seed(5)
    with restoring(Subject(model, optimizer, data=Draws(used))):
        epoch(used)
    assert [epoch(used), epoch(used)] == expected


def test_a_sampler_that_counts_epochs() -> None:
    data = TensorDataset(torch.arange(12.0))
    sampler: Any = torch.utils.data.DistributedSampler(data, 2, 0)
    loader = DataLoader(data, sampler=sampler)
    draws = Draws(loader)
    state = draws.state_dict()
    sampler.set_epoch(4)
    draws.load_state_dict(state)
    assert sampler.epoch == 0


def test_bad_draws() -> None:
    with pytest.raises(AdapterError, match=r"sources must be DataLoaders or .*; got 3"):
        Draws(3)  # type: ignore[arg-type]
