"""The training of one stack of members, from first parameters to final iterates.

Not here: how a population is cut into stacks and given to the cores (`engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Generator, Tensor

from stepsize.proof.population.averages import Averages
from stepsize.proof.population.optimizers import make_optimizer
from stepsize.proof.population.readings import Readings, reading_updates
from stepsize.proof.population.result import (
    FloatArray,
    IntArray,
    member_parameters,
    read_metric,
)
from stepsize.proof.population.steering import OBSERVATIONS, Steering
from stepsize.proof.workloads.models import AbstractModel
from stepsize.proof.workloads.spec import Workload

__all__ = ["DROPOUT_STREAM", "Member", "first_parameters", "train_chunk"]

DROPOUT_STREAM = 2000  # so that masks are drawn independently of the batches
_WHOLE = 100.0  # percent


def first_parameters(model: AbstractModel, seed: int, dtype: torch.dtype) -> Tensor:
    """Draw a member's first parameters: shape (n_parameters,), from float32 draws."""
    model.float().reset(Generator().manual_seed(seed))
    drawn = [value.detach().flatten() for value in model.parameters()]
    return torch.cat(drawn).to(dtype)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One training.

    Attributes:
        rates: float64, shape (total_steps,): the rate of every update, unless
            `steering` changes it.
        seed: Of first parameters, split, batches and dropout.
        average: Decay of a moving average of parameters and running statistics, on
            which the member is evaluated; None: none.
        steering: Its policies; None: none.
    """

    rates: FloatArray
    seed: int
    average: float | None = None
    steering: Steering | None = None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Final:
    """What a stack ends with.

    Attributes:
        readings: What was read on the way.
        parameters: Those evaluated, shape (n_members, n_parameters); NaN where
            diverged.
        running: The statistics that go with them, shape (n_members, n_running).
    """

    readings: Readings
    parameters: Tensor
    running: Tensor


def train_chunk(
    workload: Workload,
    model: AbstractModel,
    members: Sequence[Member],
    *,
    updates: IntArray,
    dtype: torch.dtype,
    advance: Callable[[int], None],
) -> Final:
    """Train members side by side.

    Args:
        workload: What to train.
        model: Its model, for this call alone.
        members: What is to be trained.
        updates: When curves are read.
        dtype: Of parameters and arithmetic.
        advance: Called with the number of member updates since the call before; may
            raise, which ends the training.
    """
    readings = Readings(workload.chance, len(members), updates)
    total = len(members[0].rates)
    stack = _Stack(workload, model, members, dtype)
    steered = any(member.steering is not None for member in members)
    observed = set(reading_updates(total, OBSERVATIONS).tolist()) if steered else set()
    for update in range(total):
        if update in observed:
            stack.steer(update)
        losses = stack.update(update)
        readings.add_losses(stack.alive, losses)
        readings.freeze(stack.drop(losses), update)
        stack.average()
        reading = readings.due(update + 1)
        if reading is not None:
            readings.close(reading, stack.alive)
            size = None if update + 1 == total else workload.curve_size
            for row, member in enumerate(stack.alive):
                readings.val_curve[member, reading] = stack.validate(row, size)
        advance(len(members))
        if not len(stack.alive):
            advance(len(members) * (total - update - 1))
            break
    return Final(readings, *stack.final())


def flat_running(model: AbstractModel) -> Tensor:
    """Return a model's running statistics, shape (n_running,)."""
    pieces = [value.flatten() for value in model.running().values()]
    return torch.cat(pieces) if pieces else torch.empty(0)


@final
class _Stack:
    """The members that train on, a row each of every matrix.

    Attributes:
        alive: Their numbers, rising.
    """

    def __init__(
        self,
        workload: Workload,
        model: AbstractModel,
        members: Sequence[Member],
        dtype: torch.dtype,
    ) -> None:
        total = len(members[0].rates)
        seeds = [member.seed for member in members]
        self.alive: IntArray = np.arange(len(members))
        self._workload = workload
        self._model = model
        self._members = members
        self._rates = np.stack([member.rates for member in members])
        self._draws = _Draws(workload, model, seeds, total, dtype)
        self._stack = self._draws.first_parameters()
        model.to(dtype).train()
        self._shapes = model.shapes()
        self._states = {name: value.shape for name, value in model.running().items()}
        self._running = flat_running(model).repeat(len(seeds), 1)
        self._optimizer = make_optimizer(workload, self._stack)
        self._averages = Averages(
            {
                number: member.average
                for number, member in enumerate(members)
                if member.average is not None
            }
        )
        self._lay_out()

    def _lay_out(self) -> None:
        """Make the views, by name, that the model computes with."""
        self._gradients = torch.empty_like(self._stack)
        self._values = member_parameters(self._stack, self._shapes)
        self._slopes = member_parameters(self._gradients, self._shapes)
        self._moving = member_parameters(self._running, self._states)

    def steer(self, update: int) -> None:
        """Let policies change the rates from this update on."""
        for row, member in enumerate(self.alive):
            steering = self._members[member].steering
            if steering is None:
                continue
            metric = self.validate(row, self._workload.curve_size)
            less = metric if self._workload.direction == "min" else _WHOLE - metric
            rates = steering.observe(update, less)
            if rates is not None:
                self._rates[member, update:] = rates

    def update(self, update: int) -> Tensor:
        """Make an update; return the losses before it, shape (n_alive,)."""
        inputs, targets, masks = self._draws.batch(update, self.alive)
        losses = self._model.stacked_gradients(
            self._values, self._slopes, inputs, targets, masks, running=self._moving
        )
        if self._workload.clip_norm is not None:
            _clip(self._gradients, self._workload.clip_norm)
        lr = torch.from_numpy(self._rates[self.alive, update]).unsqueeze(1)
        self._optimizer.step(self._stack, self._gradients, lr)
        return losses

    def drop(self, losses: Tensor) -> IntArray:
        """Go on without the members that have diverged; return their numbers."""
        sound = _sound(losses, self._stack)
        kept = sound.numpy()
        if kept.all():
            return np.empty(0, dtype=np.int64)
        gone: IntArray = self.alive[~kept]
        rows = sound.nonzero().squeeze(1)
        self.alive = self.alive[kept]
        self._stack, self._running = self._stack[rows], self._running[rows]
        self._lay_out()
        self._optimizer.keep(rows)
        return gone

    def average(self) -> None:
        """Take the update just made into the averages."""
        self._averages.add(self.alive, self._stack, self._running)

    def validate(self, row: int, size: int | None) -> float:
        """Return the validation metric of a row, on so many examples or on all."""
        parameters, running = self._evaluated(row)
        own = member_parameters(parameters, self._shapes)
        own |= member_parameters(running, self._states)
        index = self._draws.validation(int(self.alive[row]))[:size]
        return read_metric(self._workload, self._model, own, index)

    def final(self) -> tuple[Tensor, Tensor]:
        """Return what all members are evaluated on; NaN where diverged."""
        count = len(self._members)
        parameters = self._stack.new_full((count, self._stack.shape[1]), torch.nan)
        running = self._running.new_full((count, self._running.shape[1]), torch.nan)
        for row, member in enumerate(self.alive):
            parameters[member], running[member] = self._evaluated(row)
        return parameters, running

    def _evaluated(self, row: int) -> tuple[Tensor, Tensor]:
        member = int(self.alive[row])
        return self._averages.evaluated(member, self._stack[row], self._running[row])


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
