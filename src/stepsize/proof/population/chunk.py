"""The training of one stack of members, from first parameters to final iterates.

Not here: how a population is cut into stacks and given to the cores (`engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch
from torch import Generator, Tensor

from stepsize.proof.population.optimizers import make_optimizer
from stepsize.proof.population.readings import Readings
from stepsize.proof.population.result import (
    FloatArray,
    IntArray,
    member_parameters,
    read_metric,
)
from stepsize.proof.workloads.models import AbstractModel
from stepsize.proof.workloads.spec import Workload

__all__ = ["DROPOUT_STREAM", "first_parameters", "train_chunk"]

DROPOUT_STREAM = 2000  # so that masks are drawn independently of the batches


def first_parameters(model: AbstractModel, seed: int, dtype: torch.dtype) -> Tensor:
    """Draw a member's first parameters: shape (n_parameters,), from float32 draws."""
    model.float().reset(Generator().manual_seed(seed))
    drawn = [value.detach().flatten() for value in model.parameters()]
    return torch.cat(drawn).to(dtype)


def train_chunk(
    workload: Workload,
    model: AbstractModel,
    rates: FloatArray,
    seeds: Sequence[int],
    *,
    updates: IntArray,
    dtype: torch.dtype,
    advance: Callable[[int], None],
) -> tuple[Readings, Tensor]:
    """Train members side by side.

    Args:
        workload: What to train.
        model: Its model, for this call alone.
        rates: float64, shape (n_members, total_steps).
        seeds: One per member.
        updates: When curves are read.
        dtype: Of parameters and arithmetic.
        advance: Called with the number of member updates since the call before; may
            raise, which ends the training.

    Returns:
        What was read, and the final parameters, shape (n_members, n_parameters).
    """
    readings = Readings(workload.chance, len(seeds), updates)
    total = rates.shape[1]
    draws = _Draws(workload, model, seeds, total, dtype)
    stack = draws.first_parameters()
    final_rows = torch.full_like(stack, torch.nan)
    gradients = torch.empty_like(stack)
    optimizer = make_optimizer(workload, stack)
    model.to(dtype)
    shapes = model.shapes()
    values, slopes = (member_parameters(rows, shapes) for rows in (stack, gradients))
    alive: IntArray = np.arange(len(seeds))
    for update in range(total):
        inputs, targets, masks = draws.batch(update, alive)
        losses = model.stacked_gradients(values, slopes, inputs, targets, masks)
        if workload.clip_norm is not None:
            _clip(gradients, workload.clip_norm)
        lr = torch.from_numpy(rates[alive, update]).unsqueeze(1)
        optimizer.step(stack, gradients, lr)
        readings.add_losses(alive, losses)
        sound = _sound(losses, stack)
        if not bool(sound.all()):
            rows = sound.nonzero().squeeze(1)
            readings.frozen_at[alive[~sound.numpy()]] = update
            alive, stack = alive[sound.numpy()], stack[rows]
            gradients = torch.empty_like(stack)
            values, slopes = (member_parameters(x, shapes) for x in (stack, gradients))
            optimizer.keep(rows)
        reading = readings.due(update + 1)
        if reading is not None:
            readings.close(reading, alive)
            whole = update + 1 == total
            for row, member in enumerate(alive):
                index = draws.validation(int(member))
                part = index if whole else index[: workload.curve_size]
                own = {name: value[row] for name, value in values.items()}
                metric = read_metric(workload, model, own, part)
                readings.val_curve[member, reading] = metric
        advance(len(seeds))
        if not len(alive):
            advance(len(seeds) * (total - update - 1))
            break
    final_rows[torch.from_numpy(alive)] = stack
    return readings, final_rows


def _clip(gradients: Tensor, most: float) -> None:
    """Scale each member's gradient to 2-norm `most`, as clip_grad_norm_ does."""
    norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    gradients.mul_((most / (norms + 1e-6)).clamp_(max=1.0))


def _sound(losses: Tensor, stack: Tensor) -> Tensor:
    """Return which members' loss and parameters are all finite: bool, shape (n,).

    One sum per member finds all that are not; a sum of finite numbers may overflow,
    so a member it suspects is looked at in full.
    """
    sound = losses.isfinite() & stack.sum(1).isfinite()
    for member in (~sound).nonzero().flatten().tolist():
        sound[member] = losses[member].isfinite() & stack[member].isfinite().all()
    return sound


@final
class _Draws:
    """Everything random in a stack's training; members of one seed share it."""

    def __init__(
        self,
        workload: Workload,
        model: AbstractModel,
        seeds: Sequence[int],
        total: int,
        dtype: torch.dtype,
    ) -> None:
        unique = sorted(set(seeds))
        self._row = torch.tensor([unique.index(seed) for seed in seeds])
        self._workload = workload
        self._model = model
        self._dtype = dtype
        self._first = torch.stack([first_parameters(model, s, dtype) for s in unique])
        examples, size = workload.examples, workload.batch_size
        self._batches = torch.stack([examples.training(s, total, size) for s in unique])
        self._validation = [examples.validation(s) for s in unique]
        self._generators = [Generator().manual_seed(DROPOUT_STREAM + s) for s in unique]

    def first_parameters(self) -> Tensor:
        """Return all members' first parameters, shape (n_members, n_parameters)."""
        return self._first[self._row]

    def batch(
        self, update: int, alive: IntArray
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return inputs, targets and dropout masks of the members alive."""
        rows = self._row[torch.from_numpy(alive)]
        index = self._batches[rows, update]
        inputs, targets = self._workload.examples.read(index, self._dtype)
        drawn = [
            self._model.draw_masks(self._workload.batch_size, generator, self._dtype)
            for generator in self._generators
        ]
        masks = tuple(torch.stack(same)[rows] for same in zip(*drawn, strict=True))
        return inputs, targets, masks

    def validation(self, member: int) -> Tensor:
        """Return the numbers of a member's validation examples."""
        return self._validation[int(self._row[member])]
