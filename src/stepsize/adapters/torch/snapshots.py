"""Snapshots of a training in memory; `snapshot_disk` has those that outlive it.

A snapshot has every parameter and buffer, the optimizer's state and its groups'
hyperparameters, the gradient scaler, all random generators and the data's position.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from torch import Tensor

from stepsize.adapters.driving.arguments import check_count
from stepsize.adapters.torch.snapshot_disk import DiskSnapshots
from stepsize.adapters.torch.snapshot_image import Image, capture, put_back
from stepsize.adapters.torch.snapshot_measures import (
    displacement,
    nonfinite,
    weight_norm,
)
from stepsize.adapters.torch.snapshot_random import Draws
from stepsize.adapters.torch.snapshot_restoring import restoring
from stepsize.adapters.torch.snapshot_subject import Subject
from stepsize.errors import AdapterError, describe

__all__ = [
    "DiskSnapshots",
    "Draws",
    "MemorySnapshots",
    "Subject",
    "displacement",
    "nonfinite",
    "restoring",
    "weight_norm",
]


@final
class MemorySnapshots:
    """Snapshots in the memory of the devices that the training is on; a `Snapshots`.

    Each takes the memory of the parameters, buffers and optimizer state. That of a
    dropped one is written over by the next, so that a ring of them allocates nothing.

    Restoring fills the tensors that are there, wherever they still have their shape:
    parameters stay the same objects, tied weights tied, a rate that is a tensor that
    tensor. State that the optimizer did not have is cleared.

    Attributes:
        subject: Of what.

    Args:
        subject: Of what.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> snapshots = MemorySnapshots(Subject(model, optimizer))
        >>> snapshots.take(0, {"note": "the start"})
        >>> before = model.weight.clone()
        >>> model(torch.ones(2)).backward()
        >>> optimizer.step()
        >>> snapshots.restore(0, everything=False)
        {'note': 'the start'}
        >>> bool((model.weight == before).all())
        True
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._held: dict[int, Image] = {}
        self._spare: list[list[Tensor]] = []

    def take(self, label: int, extra: Mapping[str, Any]) -> None:
        """Take a snapshot of now; see `Snapshots.take`."""
        check_count(label, "MemorySnapshots.take.label")
        spare = self._spare.pop() if self._spare else ()
        image = capture(self.subject, extra, spare)
        if label in self._held:
            self.drop(label)
        self._held[label] = image

    def restore(self, label: int, *, everything: bool) -> dict[str, Any]:
        """Go back to a snapshot, and return its extra; see `Snapshots.restore`."""
        return put_back(self._image(label), self.subject, everything=everything)

    def drop(self, label: int) -> None:
        """Let go of a snapshot; its memory is used for the next one."""
        self._spare.append(self._image(label).tensors)
        del self._held[label]

    def labels(self) -> tuple[int, ...]:
        """Return the labels that are held, ascending."""
        return tuple(sorted(self._held))

    def weights(self, label: int) -> dict[str, Tensor]:
        """Return a snapshot's parameters by name: not copies, for reading only."""
        return self._image(label).weights()

    def weight_norm(self, label: int) -> float:
        """Return the norm of a snapshot's parameters together."""
        return self._image(label).weight_norm

    def _image(self, label: int) -> Image:
        if label not in self._held:
            rule = f"be one of those held: {self.labels()}"
            raise AdapterError(describe("MemorySnapshots.label", rule, label))
        return self._held[label]
