"""The same training by ordinary means: one model, one `torch.optim` optimizer.

What the population engine is checked against and measured against.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Generator, Tensor, nn

from stepsize.proof.population.chunk import (
    DROPOUT_STREAM,
    first_parameters,
    flat_running,
)
from stepsize.proof.population.engine import check_rates
from stepsize.proof.population.readings import Readings, reading_updates
from stepsize.proof.population.result import (
    FloatArray,
    Population,
    quiet_model,
    read_metric,
)
from stepsize.proof.workloads.models import AbstractModel
from stepsize.proof.workloads.spec import Workload

__all__ = ["MakeOptimizer", "torch_optimizer", "train_one"]

Implementation = Literal["single", "foreach", "fused"]

MakeOptimizer = Callable[[Workload, nn.Module, int], torch.optim.Optimizer]
"""Makes an optimizer for a model and a number of updates."""


def train_one(
    workload: Workload,
    rates: FloatArray,
    seed: int,
    *,
    evaluations: int = 20,
    dtype: torch.dtype = torch.float32,
    implementation: Implementation = "fused",
    watch_parameters: bool = True,
    make_optimizer: MakeOptimizer | None = None,
) -> Population:
    """Train one member, its rate set before every update.

    Args:
        workload: What to train.
        rates: float64, shape (total_steps,): the absolute rate of every update.
        seed: Of first parameters, split, batches and dropout.
        evaluations: How often curves are read.
        dtype: Of parameters and arithmetic.
        implementation: Which of torch's implementations of the optimizer.
        watch_parameters: Look for non-finite parameters after every update, and not
            only for a non-finite loss; it costs a few percent of the time.
        make_optimizer: Makes another optimizer than the workload's own. One that has
            `eval()` and `train()`, as those without a schedule do, is evaluated in its
            eval mode.

    Returns:
        A population of one.

    Raises:
        ProofError: The rates are not finite or negative, or there are none.
    """
    started = time.perf_counter()
    rates = np.asarray(rates, dtype=np.float64)
    check_rates(rates.reshape(1, -1), (seed,))
    total = len(rates)
    readings = Readings(workload.chance, 1, reading_updates(total, evaluations))
    model = quiet_model(workload)
    first_parameters(model, seed, dtype)
    model.to(dtype).train()
    if make_optimizer is None:
        optimizer = torch_optimizer(workload, model, implementation)
    else:
        optimizer = make_optimizer(workload, model, total)
    examples = workload.examples
    batches = examples.training(seed, total, workload.batch_size)
    validation = examples.validation(seed)
    generator = Generator().manual_seed(DROPOUT_STREAM + seed)
    members = np.arange(1)
    for update, rate in enumerate(rates.tolist()):
        inputs, targets = examples.read(batches[update], dtype)
        masks = model.draw_masks(workload.batch_size, generator, dtype)
        optimizer.zero_grad()
        loss = model.loss(inputs, targets, masks)
        loss.backward()  # type: ignore[no-untyped-call]
        if workload.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), workload.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step(loss.detach)  # type: ignore[arg-type]  # some look at it
        readings.add_losses(members, loss.detach().view(1))
        sound = math.isfinite(loss.item())
        if watch_parameters:
            sound = sound and all(bool(p.isfinite().all()) for p in model.parameters())
        if not sound:
            readings.frozen_at[0] = update
            break
        reading = readings.due(update + 1)
        if reading is not None:
            readings.close(reading, members)
            whole = update + 1 == total
            part = validation if whole else validation[: workload.curve_size]
            readings.val_curve[0, reading] = _evaluate(workload, model, optimizer, part)
    diverged = readings.frozen_at < total
    _set_mode(optimizer, "eval")
    parameters = torch.cat([p.detach().flatten() for p in model.parameters()])
    if diverged[0]:
        parameters.fill_(torch.nan)
    return Population(
        workload=workload,
        seeds=np.array([seed], dtype=np.int64),
        val=readings.val_curve[:, -1],
        train_loss=readings.train_loss,
        val_curve=readings.val_curve,
        updates=readings.updates,
        diverged=diverged,
        frozen_at=readings.frozen_at,
        seconds=time.perf_counter() - started,
        parameters=parameters[None],
        running=flat_running(model)[None],
    )


def _evaluate(
    workload: Workload,
    model: AbstractModel,
    optimizer: torch.optim.Optimizer,
    index: Tensor,
) -> float:
    """Read the metric on the examples numbered, and go on in training mode."""
    _set_mode(optimizer, "eval")
    own = dict(model.named_parameters()) | model.running()
    metric = read_metric(workload, model, own, index)
    model.train()
    _set_mode(optimizer, "train")
    return metric


def _set_mode(optimizer: torch.optim.Optimizer, mode: str) -> None:
    """Call `optimizer.eval()` or `.train()`, of those that have them."""
    switch = getattr(optimizer, mode, None)
    if switch is not None:
        switch()


def torch_optimizer(
    workload: Workload, model: nn.Module, implementation: Implementation = "fused"
) -> torch.optim.Optimizer:
    """Make the workload's optimizer, its rate 0."""
    fused = True if implementation == "fused" else None
    foreach = implementation == "foreach" if fused is None else None
    if workload.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(),
            lr=0.0,
            momentum=workload.momentum,
            weight_decay=workload.weight_decay,
            fused=fused,
            foreach=foreach,
        )
    return torch.optim.AdamW(
        model.parameters(),
        lr=0.0,
        betas=workload.betas,
        eps=workload.eps,
        weight_decay=workload.weight_decay,
        fused=fused,
        foreach=foreach,
    )
