"""Trains many members of one task side by side, as one batched program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from benchmarks.find.optimizers import Rule
from benchmarks.find.task import Batch, Task

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@final
class Stack:
    """Members of a task in training: parameters and optimizer state, a row each."""

    def __init__(self, task: Task, optimizer: str, first: Tensor) -> None:
        self.task = task
        self.values = first.clone()
        self.rule = Rule.start(optimizer, self.values)
        self._slopes = vmap(grad_and_value(task.loss), randomness="error")
        self._losses = vmap(task.loss, randomness="error")

    def step(self, batch: Batch, lr: Tensor) -> Tensor:
        """Make one update; return the losses before it, shape (n_members,).

        Args:
            batch: Columns of shape (n_members, batch, ...).
            lr: Shape (n_members, 1).
        """
        slopes, losses = self._slopes(self.task.named(self.values), batch)
        flat = torch.cat([g.reshape(len(losses), -1) for g in slopes.values()], dim=1)
        if self.task.clip is not None:
            norm = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
            flat = flat * (self.task.clip / (norm + 1e-6)).clamp(max=1.0)
        self.rule.step(self.values, flat, lr)
        before: Tensor = losses.detach()
        return before

    def keep(self, rows: Tensor) -> None:
        """Forget all members but these."""
        self.values = self.values[rows]
        self.rule.keep(rows)

    def evaluate(self) -> Tensor:
        """Return the members' validation losses."""
        return self.losses(self.task.held_out())

    def losses(self, columns: Batch) -> Tensor:
        """Return each member's loss of a batch that all share."""
        parts: list[Tensor] = []
        for part in torch.split(self.values, 4):  # more at once do not fit in the cache
            shared = tuple(c.expand(len(part), *c.shape) for c in columns)
            with torch.no_grad():
                parts.append(self._losses(self.task.named(part), shared))
        return torch.cat(parts)


def train(
    task: Task,
    optimizer: str,
    rates: Floats,
    inits: Sequence[int],
    streams: Sequence[int],
    *,
    most: int = 64,
) -> tuple[Floats, Floats]:
    """Train members with their own rates, first parameters and batches.

    Args:
        task: What to train.
        optimizer: By name.
        rates: Shape (n_members, n_updates).
        inits: Seed of each member's first parameters.
        streams: Seed of each member's batches.
        most: Members trained at once.

    Returns:
        Validation losses at the end, shape (n_members,), and the batch loss before
        each update, shape (n_members, n_updates); NaN from where a member's loss or
        parameters stop being finite.
    """
    count, updates = rates.shape
    ends: Floats = np.full(count, np.nan)
    curves: Floats = np.full((count, updates), np.nan)
    for start in range(0, count, most):
        members = np.arange(start, min(start + most, count))
        ends[members], curves[members] = _train(
            task,
            optimizer,
            rates[members],
            [inits[int(i)] for i in members],
            [streams[int(i)] for i in members],
        )
    return ends, curves


def _train(
    task: Task,
    optimizer: str,
    rates: Floats,
    inits: Sequence[int],
    streams: Sequence[int],
) -> tuple[Floats, Floats]:
    count, updates = rates.shape
    first = {seed: task.first(seed) for seed in set(inits)}
    batches = {seed: task.stream(seed, updates) for seed in set(streams)}
    stack = Stack(task, optimizer, torch.stack([first[seed] for seed in inits]))
    lrs = torch.from_numpy(rates).float()
    ends: Floats = np.full(count, np.nan)
    curves: Floats = np.full((count, updates), np.nan)
    alive = np.arange(count)
    names = sorted(set(streams))
    place = np.array([names.index(seed) for seed in streams])
    for update in range(updates):
        rows = torch.from_numpy(place[alive])
        columns = zip(*(batches[seed][update] for seed in names), strict=True)
        batch = tuple(torch.stack(column)[rows] for column in columns)
        losses = stack.step(batch, lrs[alive, update].unsqueeze(1))
        curves[alive, update] = losses.double().numpy()
        sound = losses.isfinite() & stack.values.abs().amax(1).lt(1e18)
        if not bool(sound.all()):
            stack.keep(sound.nonzero().squeeze(1))
            alive = alive[sound.numpy()]
            if not len(alive):
                return ends, curves
    ends[alive] = stack.evaluate().double().numpy()
    return ends, curves


def train_values(task: Task, optimizer: str, rates: Floats, *, seed: int) -> Tensor:
    """Train one member and return its final parameters, one row."""
    stack = Stack(task, optimizer, task.first(seed)[None])
    for batch, lr in zip(task.stream(seed, len(rates)), rates.tolist(), strict=True):
        stack.step(tuple(column[None] for column in batch), torch.full((1, 1), lr))
    return stack.values[0]
