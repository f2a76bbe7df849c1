"""Networks with batch norm: in a stack, in separate training, and as torch has them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Generator, nn

from stepsize.proof import workloads
from stepsize.proof.population import train_one, train_population
from stepsize.proof.workloads.convolutions import ConvNet, ResNet
from stepsize.proof.workloads.images import LabelledRows
from stepsize.proof.workloads.mlp import Mlp
from stepsize.proof.workloads.spec import Workload

FULL = 1e-8  # float64, whole runs
NETWORKS = pytest.mark.parametrize("network", [ConvNet, ResNet])


def pictures(network: type[ConvNet] | type[ResNet]) -> Workload:
    """A small workload on stripes with noise: ten classes, ten directions."""
    generator = Generator().manual_seed(0)
    labels = torch.arange(120) % 10
    axis = torch.linspace(-3, 3, 28)
    waves = torch.stack(
        [
            torch.sin(axis * (k + 1))[:, None] + torch.cos(axis * k)[None, :]
            for k in range(10)
        ]
    )
    noise = torch.randn((120, 784), generator=generator)
    return replace(
        workloads.load("digits"),
        examples=LabelledRows(
            rows=waves.view(10, 784)[labels] + 0.5 * noise,
            labels=labels,
            train_size=64,
            val_size=24,
            order="epochs",
        ),
        network=network,
        batch_size=16,
        clip_norm=None,
    )


@NETWORKS
def test_whole_runs_equal_separate_training(
    network: type[ConvNet] | type[ResNet],
) -> None:
    workload = pictures(network)
    rates = np.outer([0.01, 0.1, 0.05, 1e300, 0.02], np.linspace(1, 0.1, 12))
    seeds = [0, 1, 1, 2, 0]
    together = train_population(
        workload, rates, seeds, dtype=torch.float64, evaluations=3, threads=2
    )
    for member, seed in enumerate(seeds):
        alone = train_one(
            workload,
            rates[member],
            seed,
            dtype=torch.float64,
            evaluations=3,
            implementation="single",
        )
        assert together.frozen_at[member] == alone.frozen_at[0]
        assert alone.diverged[0] == (member == 3)
        if alone.diverged[0]:
            continue
        for ours, theirs in (
            (together.parameters[member], alone.parameters[0]),
            (together.running[member], alone.running[0]),
        ):
            torch.testing.assert_close(ours, theirs, atol=FULL, rtol=FULL)
        np.testing.assert_allclose(together.val_curve[member], alone.val_curve[0])
        np.testing.assert_allclose(together.test([member]), alone.test([0]))


def test_running_statistics_are_those_of_torch() -> None:
    """The residual network against the same one built from torch's layers."""
    own = ResNet()
    own.reset(Generator().manual_seed(3))
    images = torch.randn(16, 784, generator=Generator().manual_seed(4))
    convolutions = [own.stem]
    for block in own.blocks:
        parts = dict(block.items())  # type: ignore[operator]  # a ModuleDict
        convolutions += [
            parts[name] for name in ("first", "second", "skip") if name in parts
        ]
    strides = [2, 1, 1, 2, 1, 2, 2, 1, 2]
    theirs = []
    for one, stride in zip(convolutions, strides, strict=True):
        outputs, inputs, size, _ = one.weight.shape
        conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        conv.weight.data.copy_(one.weight)
        theirs.append(nn.Sequential(conv, nn.BatchNorm2d(outputs)))

    def run(x: torch.Tensor) -> torch.Tensor:
        x = theirs[0](x.view(-1, 1, 28, 28)).relu()
        x = (x + theirs[2](theirs[1](x).relu())).relu()
        for first in (3, 6):
            inner = theirs[first + 1](theirs[first](x).relu())
            x = (theirs[first + 2](x) + inner).relu()
        logits: torch.Tensor = own.output(x.mean((2, 3)))
        return logits

    own.train()
    torch.testing.assert_close(own(images), run(images), atol=1e-5, rtol=1e-5)
    for one, layer in zip(convolutions, theirs, strict=True):
        norm = layer[1]
        torch.testing.assert_close(one.mean, norm.running_mean)
        torch.testing.assert_close(one.variance, norm.running_var)
    own.eval()
    for layer in theirs:
        layer.eval()
    torch.testing.assert_close(own(images), run(images), atol=1e-5, rtol=1e-5)


@NETWORKS
def test_evaluating_moves_no_statistics(network: type[ConvNet] | type[ResNet]) -> None:
    model = network()
    model.reset(Generator().manual_seed(0))
    model.eval()
    before = {name: value.clone() for name, value in model.running().items()}
    model(torch.randn(8, 784))
    assert all(torch.equal(before[name], now) for name, now in model.running().items())


@NETWORKS
def test_statistics_start_afresh_with_every_draw(
    network: type[ConvNet] | type[ResNet],
) -> None:
    model = network()
    model.reset(Generator().manual_seed(0))
    first = [value.clone() for value in model.state_dict().values()]
    model.train()
    model(torch.randn(8, 784))
    model.reset(Generator().manual_seed(0))
    again = list(model.state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_number_is_learned_by_the_squared_error() -> None:
    generator = Generator().manual_seed(0)
    rows = torch.randn(200, 3, generator=generator)
    workload = replace(
        workloads.load("digits"),
        metric="loss",
        direction="min",
        examples=LabelledRows(
            rows=rows,
            labels=rows @ torch.tensor([1.0, -2.0, 0.5]),
            train_size=100,
            val_size=50,
            order="epochs",
        ),
        network=partial(Mlp, (3, 8, 1)),
    )
    rates = np.full((2, 120), 0.03)
    together = train_population(workload, rates, [0, 1], dtype=torch.float64)
    alone = train_one(
        workload, rates[1], 1, dtype=torch.float64, implementation="single"
    )
    np.testing.assert_allclose(together.val[1], alone.val[0], rtol=FULL)
    assert together.val.max() < 0.1
    model = workload.network()
    torch.nn.utils.vector_to_parameters(
        together.parameters[1].float(), model.parameters()
    )
    inputs, targets = workload.examples.read(workload.examples.test(1), torch.float32)
    by_hand = (model(inputs).squeeze(-1) - targets).square().mean().item()
    assert together.test([1])[0] == pytest.approx(by_hand, rel=1e-4)
