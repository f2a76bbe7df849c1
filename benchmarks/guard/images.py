"""Tasks on digits and MNIST: classifiers, an autoencoder, a variational one."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.guard.task import Batch, Task, Training, rows
from stepsize.proof import workloads
from stepsize.proof.workloads.images import LabelledRows


def entropy(output: Tensor, batch: Batch) -> Tensor:
    return functional.cross_entropy(output, batch[1])


def squared(output: Tensor, batch: Batch) -> Tensor:
    return (output - batch[1]).square().mean()


def labelled(name: str) -> Batch:
    """Rows and labels of a built-in workload."""
    examples = cast("LabelledRows", workloads.load(name).examples)
    return examples.rows, examples.labels


@cache
def digits() -> Batch:
    return labelled("digits")


@cache
def mnist() -> Batch:
    """5000 images, 14x14."""
    pixels, labels = labelled("mnist5k")
    return functional.avg_pool2d(pixels.view(-1, 1, 28, 28), 2), labels


def plain(activation: type[nn.Module], *widths: int) -> nn.Sequential:
    """A perceptron."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1])


def digits_mlp(seed: int) -> Training:
    torch.manual_seed(seed)
    model = plain(nn.ReLU, 64, 64, 64, 10)
    batch, held = rows(*digits(), seed, 32)
    return Training(model, batch, entropy, held)


def digits_tanh(seed: int) -> Training:
    torch.manual_seed(seed)
    model = plain(nn.Tanh, 64, 128, 10)
    batch, held = rows(*digits(), seed, 16)
    return Training(model, batch, entropy, held)


def digits_conv(seed: int) -> Training:
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 12, 3),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(96, 10),
    )
    batch, held = rows(*digits(), seed, 32)
    return Training(model, batch, entropy, held)


def mnist_norm(seed: int) -> Training:
    """A convolutional network with batch norm."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    batch, held = rows(*mnist(), seed, 32)
    return Training(model, batch, entropy, held)


def mnist_drop(seed: int) -> Training:
    """A perceptron with dropout, layer norm and GELU."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(196, 96),
        nn.LayerNorm(96),
        nn.GELU(),
        nn.Dropout(0.3),
        nn.Linear(96, 96),
        nn.GELU(),
        nn.Dropout(0.3),
        nn.Linear(96, 10),
    )
    batch, held = rows(*mnist(), seed, 32)
    return Training(model, batch, entropy, held)


def autoencoder(seed: int) -> Training:
    torch.manual_seed(seed)
    model = plain(nn.SiLU, 64, 48, 12, 48, 64)
    pixels, _ = digits()
    batch, held = rows(pixels, pixels, seed, 32)
    return Training(model, batch, squared, held)


@final
class Variational(nn.Module):
    """Encoder and decoder; the output is the image, then mean and log variance."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = plain(nn.ReLU, 64, 64, 16)
        self.decoder = plain(nn.ReLU, 8, 64, 64)

    def forward(self, inputs: Tensor) -> Tensor:
        mean, spread = self.encoder(inputs).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (spread / 2).exp()
        return torch.cat((self.decoder(code), mean, spread), dim=1)


def evidence(output: Tensor, batch: Batch) -> Tensor:
    """Negative evidence bound, with a Gaussian of deviation 0.2: it gets negative."""
    image, mean, spread = output[:, :64], output[:, 64:72], output[:, 72:]
    fit = ((image - batch[1]).square() / 0.08 - 0.69).sum(dim=1)
    divergence = (mean.square() + spread.exp() - 1 - spread).sum(dim=1) / 2
    bound: Tensor = (fit + divergence).mean()
    return bound


def variational(seed: int) -> Training:
    torch.manual_seed(seed)
    pixels, _ = digits()
    batch, held = rows(pixels, pixels, seed, 32)
    return Training(Variational(), batch, evidence, held)


TASKS = (
    Task(
        name="digits MLP, SGD",
        half="build",
        make=digits_mlp,
        optimizer="sgd",
        shape="warmup cosine",
        rates=(-2.5, 0.5),
    ),
    Task(
        name="digits tanh, Adam",
        half="check",
        make=digits_tanh,
        optimizer="adam",
        shape="constant",
        rates=(-3.5, -1),
    ),
    Task(
        name="digits conv, Lion",
        half="build",
        make=digits_conv,
        optimizer="lion",
        shape="cosine",
        rates=(-4, -1.5),
    ),
    Task(
        name="MNIST conv + batch norm, SGD",
        half="check",
        make=mnist_norm,
        optimizer="sgd",
        shape="wsd",
        rates=(-2.5, 0.5),
        updates=300,
    ),
    Task(
        name="MNIST dropout, AdamW",
        half="build",
        make=mnist_drop,
        optimizer="adamw",
        shape="linear",
        rates=(-4, -1.5),
    ),
    Task(
        name="autoencoder, RMSprop",
        half="check",
        make=autoencoder,
        optimizer="rmsprop",
        shape="warmup cosine",
        rates=(-4, -1.5),
    ),
    Task(
        name="variational, Adam",
        half="build",
        make=variational,
        optimizer="adam",
        shape="wsd",
        rates=(-4, -1.5),
    ),
)
