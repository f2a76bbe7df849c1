"""A training after the finder is the training without it, to the bit."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.adapters.torch.find_world import Training
from torch.nn.functional import cross_entropy

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.adapters.torch.finder import find_lr
from stepsize.adapters.torch.finder_block import finding
from stepsize.control import Plateau

LATE = 30  # a step in the middle of the search


def find(training: Training, **options: Any) -> Any:
    return find_lr(
        training.model,
        training.optimizer,
        cross_entropy,
        training.loader,
        scaler=training.scaler,
        autocast=training.autocast,
        **({"fast": True} | options),
    )


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"optimizer": torch.optim.RMSprop},
    "own generator": {"generator": torch.Generator().manual_seed(9)},
    "bfloat16": {"autocast": torch.bfloat16},
    "scaler": {"scaled": True},
    "float16 and scaler": {"autocast": torch.float16, "scaled": True},
    "workers": {"num_workers": 2},
    "persistent workers": {"num_workers": 2, "persistent_workers": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epochs", [0, 1])
def test_training_goes_on_as_without_it(kind: str, epochs: int) -> None:
    def trained(*, found: bool) -> Any:
        options = dict(KINDS[kind])
        if "generator" in options:
            options["generator"] = torch.Generator().manual_seed(9)
        training = Training(**options)
        training.train(epochs)
        if found:
            before = training.print()
            result = find(training, steps=60 if options.get("num_workers") else 500)
            assert result.steps > 5
            assert training.print() == before
        training.train(2)
        return training.print()

    assert trained(found=True) == trained(found=False)


def failed(place: int) -> None:
    if place == LATE:
        message = "out of memory"
        raise RuntimeError(message)


def interrupted(place: int) -> None:
    """Press Ctrl-C, in this very process."""
    if place == LATE:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass


@pytest.mark.parametrize("end", [failed, interrupted])
@pytest.mark.parametrize("inside", ["loss", "tell"])
def test_after_an_exception_and_after_ctrl_c(
    end: Callable[[int], None], inside: str
) -> None:
    training = Training(scaled=True)
    training.train(1)
    calls = 0

    def counted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        end(calls)
        return cross_entropy(*args) if len(args) == 2 else None

    before = training.print()
    with pytest.raises((RuntimeError, KeyboardInterrupt)):
        find_lr(
            training.model,
            training.optimizer,
            counted if inside == "loss" else cross_entropy,
            training.loader,
            scaler=training.scaler,
            tell=counted if inside == "tell" else None,
        )
    assert calls == LATE
    assert training.print() == before
    training.train(1)
    other = Training(scaled=True)
    other.train(2)
    assert training.print() == other.print()


def test_modes_what_is_trained_and_gradients_are_as_they_were() -> None:
    training = Training()
    model: Any = training.model
    training.train(1)
    model[0].weight.requires_grad_(False)
    model[5].bias.grad = None
    model[1].eval()
    before = training.print()
    gradients = [one.grad for one in model.parameters()]
    find(training)
    assert training.print() == before
    assert not model[0].weight.requires_grad
    now = [one.grad for one in model.parameters()]
    assert all(old is new for old, new in zip(gradients, now, strict=True))


class Noisy(torch.nn.Module):
    """Draws from a generator of its own; a loss with a moving average."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.own = torch.Generator().manual_seed(1)
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.mean = 0.9 * self.mean + 0.1 * outputs.detach().mean(0)
        noise = torch.randn(outputs.shape, generator=self.own)
        return cross_entropy(outputs - self.mean + noise, targets)


def test_a_loss_with_a_state_and_a_generator() -> None:
    training, loss_fn = Training(), Noisy()
    before = loss_fn.own.get_state()

    def found(seed: int) -> Any:
        return find_lr(
            training.model,
            training.optimizer,
            loss_fn,
            training.loader,
            seed=seed,
            fast=True,
        ).to_dict()

    first = found(0)
    assert not loss_fn.mean.any()
    assert loss_fn.own.get_state().equal(before)
    loss_fn.own.manual_seed(7)
    assert found(0) == first
    assert found(1) != first


def test_a_frozen_batch_norm_stays_frozen_while_finding() -> None:
    training = Training()
    model: Any = training.model
    model[1].eval()
    seen = set()
    model[1].register_forward_pre_hook(lambda one, _: seen.add(one.training))
    find(training)
    assert seen == {False}


def test_a_model_in_eval_mode_is_trained_and_put_back() -> None:
    training = Training()
    training.model.eval()
    seen = set()
    training.model.register_forward_pre_hook(lambda one, _: seen.add(one.training))
    find(training)
    assert seen == {True}
    assert not any(module.training for module in training.model.modules())


@pytest.mark.parametrize("workers", [False, True])
def test_in_the_middle_of_an_epoch(workers: bool) -> None:
    options: dict[str, Any] = (
        {"num_workers": 1, "persistent_workers": True} if workers else {}
    )

    def trained(*, found: bool) -> Any:
        training = Training(**options)
        for place, batch in enumerate(training.loader):
            if place == 2 and found:
                find(training, steps=60)
            training.losses.append(float(training.step(batch)))
        training.train(1)
        return training.print()

    assert trained(found=True) == trained(found=False)


@pytest.mark.parametrize("kind", ["ours", "torch"])
def test_a_scheduler_neither_writes_nor_counts_meanwhile(kind: str) -> None:
    def trained(*, found: bool) -> Any:
        training = Training()
        optimizer = training.optimizer
        ours = Scheduler(
            optimizer,
            lr=0.02 * ss.warmup(5) >> ss.cosine(),
            total_steps=40,
            hyperparameters={"weight_decay": ss.linear(to=0.5)},
            policies=[Plateau("loss", patience=3)],
        )
        if kind == "torch":
            ours.close()
        theirs = torch.optim.lr_scheduler.StepLR(optimizer, 3)
        scheduler: Any = ours if kind == "ours" else theirs
        rates = []

        def steps(many: int) -> None:
            batches = iter(training.loader)
            for _ in range(many):
                loss = training.step(next(batches))
                rates.append(optimizer.param_groups[0]["lr"])
                training.losses.append(float(loss))
                if kind == "ours":
                    scheduler.step(loss=loss)
                else:
                    scheduler.step()

        steps(4)
        if found:
            tried = set()
            with finding(training.model, optimizer, batches=training.loader) as finder:

                def step() -> torch.Tensor:
                    loss = training.step(next(finder.batches))
                    tried.add(optimizer.param_groups[0]["lr"])
                    return loss

                finder.run(step, fast=True)
            assert len(tried) > 20
        steps(6)
        return rates, training.print(), getattr(scheduler, "update", None)

    assert trained(found=True) == trained(found=False)


def test_torch_still_warns_of_a_scheduler_that_steps_first() -> None:
    training = Training()
    scheduler = torch.optim.lr_scheduler.StepLR(training.optimizer, 3)
    find(training)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
