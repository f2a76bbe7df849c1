"""Tasks of regression: likelihoods, coordinates, a teacher, factors of a matrix."""

from __future__ import annotations

from functools import cache
from typing import final

import torch
from sklearn.datasets import load_diabetes, load_sample_image
from torch import Generator, Tensor, nn

from benchmarks.guard.images import plain, squared
from benchmarks.guard.task import Batch, Task, Training, rows


@cache
def diabetes() -> Batch:
    inputs, targets = load_diabetes(return_X_y=True)
    features = torch.from_numpy(inputs).float()
    wanted = torch.from_numpy(targets).float().unsqueeze(1)
    return features / features.std(0), (wanted - wanted.mean()) / wanted.std()


@cache
def picture() -> Batch:
    """Coordinates and colours of a photograph, every tenth pixel."""
    pixels = torch.from_numpy(load_sample_image("china.jpg").copy()).float() / 255
    small = pixels[::10, ::10]
    rows_, columns = small.shape[:2]
    grid = torch.cartesian_prod(
        torch.linspace(-1, 1, rows_), torch.linspace(-1, 1, columns)
    )
    waves = torch.cat([grid * 3.0 * 2**power for power in range(4)], dim=1)
    return torch.cat((waves.sin(), waves.cos()), dim=1), small.reshape(-1, 3)


@cache
def teacher() -> Batch:
    """Outputs of a random network."""
    own = Generator().manual_seed(7)
    inputs = torch.randn(4000, 20, generator=own)
    first = torch.randn(20, 12, generator=own) / 20**0.5
    second = torch.randn(12, 3, generator=own) / 12**0.5
    return inputs, (inputs @ first).relu() @ second


@cache
def ratings() -> Batch:
    """Entries of a matrix of rank 6, with noise: row, column and value."""
    own = Generator().manual_seed(11)
    left = torch.randn(120, 6, generator=own)
    right = torch.randn(90, 6, generator=own)
    pairs = torch.stack(
        (
            torch.randint(120, (8000,), generator=own),
            torch.randint(90, (8000,), generator=own),
        ),
        dim=1,
    )
    values = (left[pairs[:, 0]] * right[pairs[:, 1]]).sum(1) / 6**0.5
    return pairs, values + 0.1 * torch.randn(8000, generator=own)


def likelihood(output: Tensor, batch: Batch) -> Tensor:
    """Negative log likelihood of a Gaussian whose deviation is learned too."""
    mean, spread = output.chunk(2, dim=1)
    return (spread + (batch[1] - mean).square() * (-2 * spread).exp() / 2).mean()


def gaussian(seed: int) -> Training:
    torch.manual_seed(seed)
    model = plain(nn.Tanh, 20, 64, 6)
    batch, held = rows(*teacher(), seed, 32)
    return Training(model, batch, likelihood, held)


def coordinates(seed: int) -> Training:
    torch.manual_seed(seed)
    model = plain(nn.ReLU, 16, 64, 64, 3)
    batch, held = rows(*picture(), seed, 128)
    return Training(model, batch, squared, held)


def student(seed: int) -> Training:
    torch.manual_seed(seed)
    model = plain(nn.ReLU, 20, 64, 3)
    batch, held = rows(*teacher(), seed, 32)
    return Training(model, batch, squared, held)


def tabular(seed: int) -> Training:
    """Real rows, few of them, in batches of 8: noisy."""
    torch.manual_seed(seed)
    model = plain(nn.ReLU, 10, 32, 1)
    inputs, targets = diabetes()
    order = torch.randperm(442, generator=Generator().manual_seed(seed))
    held, rest = order[:100], order[100:]

    def batch(update: int) -> Batch:
        own = Generator().manual_seed(seed * 100_003 + update)
        pick = rest[torch.randint(len(rest), (8,), generator=own)]
        return inputs[pick], targets[pick]

    return Training(model, batch, squared, (inputs[held], targets[held]))


@final
class Factors(nn.Module):
    """Two tables whose rows are multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Embedding(120, 8), nn.Embedding(90, 8)
        for table in (self.left, self.right):
            nn.init.normal_(table.weight, std=0.3)

    def forward(self, pairs: Tensor) -> Tensor:
        left, right = self.left(pairs[:, 0]), self.right(pairs[:, 1])
        product: Tensor = (left * right).sum(1)
        return product


def factors(seed: int) -> Training:
    torch.manual_seed(seed)
    batch, held = rows(*ratings(), seed, 128)
    return Training(Factors(), batch, squared, held)


TASKS = (
    Task(
        name="Gaussian likelihood, Adam",
        half="check",
        make=gaussian,
        optimizer="adam",
        shape="cosine",
        rates=(-3.5, -1),
    ),
    Task(
        name="picture, Adam",
        half="build",
        make=coordinates,
        optimizer="adam",
        shape="constant",
        rates=(-4, -1.5),
    ),
    Task(
        name="teacher, Lion",
        half="check",
        make=student,
        optimizer="lion",
        shape="warmup cosine",
        rates=(-4, -1.5),
    ),
    Task(
        name="tabular, SGD",
        half="build",
        make=tabular,
        optimizer="sgd",
        shape="constant",
        rates=(-3.5, -0.5),
    ),
    Task(
        name="matrix factors, SGD",
        half="check",
        make=factors,
        optimizer="sgd",
        shape="cosine",
        rates=(-1, 2),
        updates=500,
    ),
)
