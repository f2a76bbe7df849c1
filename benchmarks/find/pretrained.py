"""First parameters that have been trained before, for tasks of fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from torch import Generator, Tensor

from benchmarks.find.stack import train_values
from benchmarks.find.task import Batch, Loss, Shapes, Task

_PEAK = 3e-3


def pretrained(
    name: str, shapes: Shapes, loss: Loss, columns: Batch, *, updates: int
) -> Callable[[Generator], Tensor]:
    """Return a `Task.begin`: the same trained model for every seed.

    It is made on first use, with Adam under a linear decay from 3e-3.
    """

    @cache
    def made() -> Tensor:
        source = Task(
            name=name,
            about="pretraining",
            shapes=shapes,
            loss=loss,
            train=columns,
            validation=columns,
            batch=32,
            steps=updates,
            optimizers=("adam",),
        )
        rates = _PEAK * (1.0 - np.arange(updates) / updates)
        return train_values(source, "adam", rates, seed=77)

    def begin(generator: Generator) -> Tensor:
        del generator
        return made().clone()

    return begin
