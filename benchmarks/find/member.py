"""One training of a task as a finder sees it: `step(lr)` and `again(stream)`."""

from __future__ import annotations

from typing import final

import torch

from benchmarks.find.stack import Stack
from benchmarks.find.task import Batch, Task

_STREAMS = 20  # for each finder seed; seeds of the truth lie above all of them
_AHEAD = 600  # batches made at once
_PARTS = 8  # of the validation data


@final
class Member:
    """A task in training with one optimizer.

    Attributes:
        used: Updates made.
    """

    def __init__(self, task: Task, optimizer: str, seed: int) -> None:
        self.used = 0
        self._task, self._optimizer, self._seed = task, optimizer, seed
        self._first = task.first(seed)[None]
        self._streams: dict[int, list[Batch]] = {}
        self.again(0)

    def again(self, stream: int) -> None:
        """Go back to the first parameters, and begin the batches of a stream."""
        if stream not in self._streams:
            number = self._seed * _STREAMS + stream
            self._streams[stream] = self._task.stream(number, _AHEAD)
        self._batches = iter(self._streams[stream])
        self._stack = Stack(self._task, self._optimizer, self._first)

    def validate(self) -> list[float]:
        """Return the losses of batches of the validation data that the truth is of."""
        columns = zip(*(c.chunk(_PARTS) for c in self._task.held_out()), strict=True)
        return [float(self._stack.losses(part)[0]) for part in columns]

    def step(self, lr: float) -> float:
        """Make one update with the next batch; return the loss before it."""
        self.used += 1
        batch = tuple(column[None] for column in next(self._batches))
        return float(self._stack.step(batch, torch.full((1, 1), lr))[0])
