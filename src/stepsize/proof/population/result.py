"""What a population gives back, and how its members are read on a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import final

import numpy as np
import torch
from torch import Size, Tensor
from torch.func import functional_call

from stepsize.errors import ProofError, describe
from stepsize.proof.workloads.models import AbstractModel
from stepsize.proof.workloads.spec import Workload

__all__ = ["FloatArray", "Population", "member_parameters", "read_metric"]

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

_ROWS = 512  # examples read at once: many more do not fit in a core's cache


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """The trained members, in the order they were given; k readings on the way.

    A member has diverged when its loss or one of its parameters was not finite at some
    update. It is frozen there: the metric of a model that learned nothing
    (`workload.chance`) stands for it from then on, its training loss is NaN.

    Attributes:
        workload: What was trained.
        seeds: int64, shape (n_members,).
        val: Validation metric of the final iterate, shape (n_members,).
        train_loss: Mean loss of the batches since the reading before, shape
            (n_members, k). Unit: nats per target.
        val_curve: Validation metric on `workload.curve_size` examples, the last on
            all (it equals `val`), shape (n_members, k).
        updates: int64, shape (k,): how many updates were done at each reading.
        diverged: bool, shape (n_members,).
        frozen_at: int64, shape (n_members,): index of the update at which the member
            diverged, or the number of updates.
        seconds: Wall time of the whole training, evaluation included.
        parameters: Of the final iterates, or of the averages that were asked for;
            shape (n_members, n_parameters); NaN where diverged.
        running: The statistics of batches that go with them, shape
            (n_members, n_running); no columns for a model without.
    """

    workload: Workload
    seeds: IntArray
    val: FloatArray
    train_loss: FloatArray
    val_curve: FloatArray
    updates: IntArray
    diverged: BoolArray
    frozen_at: IntArray
    seconds: float
    parameters: Tensor
    running: Tensor

    def test(self, members: Sequence[int]) -> FloatArray:
        """Read the test split, for the members named only.

        Args:
            members: Numbers in [0, n_members); may be empty.

        Returns:
            The test metric of each, in the order named.

        Raises:
            ProofError: A number is out of range.
        """
        return self._read(members, self.workload)

    def retained(self, members: Sequence[int]) -> FloatArray:
        """Read the test split of what the model was trained on before.

        Args:
            members: Numbers in [0, n_members); may be empty.

        Returns:
            The metric of each there, to be compared with `workload.source_metric`.

        Raises:
            ProofError: A number is out of range, or the workload has no source.
        """
        if self.workload.source is None:
            rule = "be a workload whose model was trained on something before"
            raise ProofError(describe("Population.retained", rule, self.workload.name))
        return self._read(
            members, replace(self.workload, examples=self.workload.source)
        )

    def _read(self, members: Sequence[int], workload: Workload) -> FloatArray:
        count = len(self.seeds)
        for member in members:
            if not 0 <= member < count:
                rule = f"hold numbers in [0, {count}) (unit: members)"
                raise ProofError(describe("Population.test.members", rule, member))
        model = quiet_model(workload).to(self.parameters.dtype)
        shapes = model.shapes()
        states = {name: value.shape for name, value in model.running().items()}
        found = [
            workload.chance
            if self.diverged[member]
            else read_metric(
                workload,
                model,
                member_parameters(self.parameters[member], shapes)
                | member_parameters(self.running[member], states),
                workload.examples.test(int(self.seeds[member])),
            )
            for member in members
        ]
        return np.array(found, dtype=np.float64)


def quiet_model(workload: Workload) -> AbstractModel:
    """Make the workload's model and leave torch's own random state as it was."""
    with torch.random.fork_rng(devices=[]):
        return workload.network()


def member_parameters(row: Tensor, shapes: dict[str, Size]) -> dict[str, Tensor]:
    """Return one name's view for each parameter of rows, shape (..., n_parameters)."""
    if not shapes:
        return {}
    sizes = [shape.numel() for shape in shapes.values()]
    pieces = torch.split(row, sizes, dim=-1)
    return {
        name: piece.view(*piece.shape[:-1], *shape)
        for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
    }


@torch.no_grad()
def read_metric(
    workload: Workload,
    model: AbstractModel,
    parameters: Mapping[str, Tensor],
    index: Tensor,
) -> float:
    """Return the workload's metric of one member on the examples numbered.

    Args:
        workload: Says which metric and where the examples are.
        model: Its model; its own parameters are not used.
        parameters: The member's, and its running statistics, by name, all of one
            dtype, which is the model's.
        index: int64, shape (n_examples,), not empty.

    Returns:
        The metric; `workload.chance` if it is not finite, which a large loss of finite
        parameters may be.
    """
    dtype = next(iter(parameters.values())).dtype
    model.eval()
    total, count = 0.0, 0
    for part in torch.split(index, _ROWS):
        inputs, targets = workload.examples.read(part, dtype)
        outputs = functional_call(model, dict(parameters), (inputs,))
        count += targets.numel()
        if workload.metric == "accuracy":
            total += 100.0 * int((outputs.argmax(-1) == targets).sum())
        else:
            total += float(model.criterion(outputs, targets, reduction="sum"))
    return total / count if isfinite(total) else workload.chance
