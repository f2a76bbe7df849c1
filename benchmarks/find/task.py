"""What a task is: a model as a pure function of its parameters, and real data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Generator, Tensor

Parameters = Mapping[str, Tensor]
Batch = tuple[Tensor, ...]
Loss = Callable[[Parameters, Batch], Tensor]
# Shape, and the standard deviation of the first values; "one" means all ones.
Shapes = Mapping[str, tuple[tuple[int, ...], float | str]]

_VALIDATION_ROWS = 512


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """A training to find a rate for.

    Attributes:
        name: Unique.
        about: Data, model and loss, in a few words.
        shapes: Of the parameters, by name, with the scale of their first values.
        loss: Mean loss of one member on a batch.
        train: Columns of the training data, rows along the first axis.
        validation: The same for validation.
        batch: Examples in a batch.
        steps: Updates of the training whose outcome is the truth.
        optimizers: Which are measured.
        clip: Largest 2-norm of a gradient, None for any.
        noise: Width of the standard normal noise that a batch has as its last column,
            0 for none.
        begin: Makes first parameters, instead of drawing them by `shapes`.
    """

    name: str
    about: str
    shapes: Shapes
    loss: Loss
    train: Batch
    validation: Batch
    batch: int
    steps: int
    optimizers: tuple[str, ...]
    clip: float | None = None
    noise: int = 0
    begin: Callable[[Generator], Tensor] | None = None

    def sizes(self) -> list[int]:
        """Return the number of values of each parameter."""
        return [torch.Size(shape).numel() for shape, _ in self.shapes.values()]

    def first(self, seed: int) -> Tensor:
        """Return first parameters as one row."""
        generator = Generator().manual_seed(seed)
        if self.begin is not None:
            return self.begin(generator)
        return draw(self.shapes, generator)

    def named(self, stack: Tensor) -> dict[str, Tensor]:
        """Return a stack's parameters by name, shape (n_members, *shape)."""
        parts = torch.split(stack, self.sizes(), dim=1)
        return {
            name: part.view(len(stack), *shape)
            for (name, (shape, _)), part in zip(self.shapes.items(), parts, strict=True)
        }

    def stream(self, seed: int, count: int) -> list[Batch]:
        """Return the batches of a run: every epoch a fresh order."""
        generator = Generator().manual_seed(10_000 + seed)
        rows = len(self.train[0])
        order: list[Tensor] = []
        size = min(self.batch, rows)
        for _ in range(-(-count // (rows // size))):
            shuffled = torch.randperm(rows, generator=generator)
            order += list(shuffled[: rows // size * size].view(-1, size))
        batches: list[Batch] = []
        for index in order[:count]:
            columns = tuple(column[index] for column in self.train)
            if self.noise:
                drawn = torch.randn(size, self.noise, generator=generator)
                columns = (*columns, drawn)
            batches.append(columns)
        return batches

    def held_out(self) -> Batch:
        """Return the validation examples, at most 512, with their noise."""
        columns = tuple(column[:_VALIDATION_ROWS] for column in self.validation)
        if self.noise:
            generator = Generator().manual_seed(99)
            drawn = torch.randn(len(columns[0]), self.noise, generator=generator)
            columns = (*columns, drawn)
        return columns


def draw(shapes: Shapes, generator: Generator) -> Tensor:
    """Draw first parameters, one row."""
    parts: list[Tensor] = []
    for shape, scale in shapes.values():
        if isinstance(scale, str):
            parts.append(torch.ones(shape).flatten())
        else:
            parts.append((torch.randn(shape, generator=generator) * scale).flatten())
    return torch.cat(parts)
