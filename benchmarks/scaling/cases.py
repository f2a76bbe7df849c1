"""What is trained: built-in workloads under two optimizers, at any batch and length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any, final

import numpy as np
import torch

import stepsize as ss
from stepsize.adapters.torch.noise import gradient_noise
from stepsize.planner.scaling.noise import NoiseMeter
from stepsize.proof.population import train_population
from stepsize.proof.population.result import FloatArray
from stepsize.proof.workloads import load
from stepsize.proof.workloads.models import AbstractModel
from stepsize.proof.workloads.spec import Workload

SHAPE = ss.warmup("5%") >> ss.cosine()
SEEDS = (0, 1, 2)
FINDER, AHEAD = 5000, 600  # its first seed, which no run has; batches of a stream
PASSES = 200  # of the noise scale, for each seed
# In factors of 2, so that k = 2, 4, 8, 16 moves along it.
GRIDS = {"sgd": 2.0 ** np.arange(-8, 3), "adamw": 2.0 ** np.arange(-13, -2)}
NAMES = {"sgd": "SGD + momentum", "adamw": "AdamW"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A workload under an optimizer, with the batch from which it is scaled.

    Attributes:
        workload: Its name.
        optimizer: "sgd" (momentum 0.9) or "adamw".
        batch: Unit: samples (windows of text).
        steps: Updates at that batch, of equal samples.
        few: Updates at every batch, of equal updates.
    """

    workload: str
    optimizer: str
    batch: int
    steps: int
    few: int

    def setting(self) -> dict[str, Any]:
        """Return the optimizer's hyperparameters at the batch it is scaled from."""
        own = load(self.workload)
        if self.optimizer == "sgd":
            return {"momentum": 0.9, "weight_decay": 1e-4}
        decay = own.weight_decay if own.optimizer == "adamw" else 0.01
        named = {"betas[0]": own.betas[0], "betas[1]": own.betas[1]}
        return {**named, "eps": own.eps, "weight_decay": decay}

    def recipe(self, lr: float, steps: int) -> ss.Recipe:
        """Return the recipe that is scaled."""
        setting = self.setting().items()
        return ss.Recipe(
            lr=lr * SHAPE,
            optimizer=NAMES[self.optimizer],
            horizon=ss.Horizon(steps=steps, samples_per_step=self.batch),
            hyperparameters=tuple((name, ss.constant(v)) for name, v in setting),
        )


CASES = tuple(
    Case(workload=name, optimizer=optimizer, batch=batch, steps=steps, few=few)
    for name, batch, steps, few in (
        ("digits", 8, 1600, 300),
        ("mnist5k", 8, 1600, 300),
        ("charlm", 4, 800, 200),
    )
    for optimizer in ("sgd", "adamw")
)


def chance(name: str) -> float:
    """Return the loss of a model that knows nothing: log of the number of classes."""
    own = load(name)
    return own.chance if own.metric == "loss" else log(10)


def trained(case: Case, recipes: Sequence[ss.Recipe]) -> FloatArray:
    """Return validation losses, shape (n_recipes, n_seeds).

    The recipes differ in their rates alone; a run that diverges, or ends above chance,
    counts as chance.
    """
    first = recipes[0]
    others = {name: value(0) for name, value in first.hyperparameters}
    run = first.horizon
    if run is None or run.samples_per_step is None or run.total_steps is None:
        raise TypeError(run)
    workload = _workload(case, int(run.samples_per_step), run.total_steps, others)
    rows = [np.asarray(_rates(recipe)) for recipe in recipes for _ in SEEDS]
    found = train_population(
        workload, np.stack(rows), [*SEEDS] * len(recipes), evaluations=1
    )
    losses = np.where(np.isfinite(found.val), found.val, workload.chance)
    return np.minimum(losses, workload.chance).reshape(len(recipes), len(SEEDS))


def noise_scale(case: Case, tuned: ss.Recipe) -> float | None:
    """Return the gradient noise scale in the middle of a run, over seeds; in samples.

    Args:
        case: What is trained.
        tuned: Its recipe, with the best rate of the grid.
    """
    others = {name: value(0) for name, value in tuned.hyperparameters}
    rates = np.asarray(_rates(tuned))
    rates = rates[: len(rates) // 2]
    workload = _workload(case, case.batch, len(rates), others)
    found = train_population(workload, np.stack([rates] * len(SEEDS)), SEEDS)
    meter = NoiseMeter()
    for seed, row in zip(SEEDS, found.parameters, strict=True):
        model = workload.network()
        torch.nn.utils.vector_to_parameters(row, model.parameters())
        order = iter(workload.examples.training(seed + 1000, PASSES, case.batch))

        def loss(model: AbstractModel = model, order: Any = order) -> torch.Tensor:
            return model.loss(*workload.examples.read(next(order), torch.float32))

        meter = meter.observe(
            gradient_noise(loss, model.parameters(), batch=case.batch, batches=PASSES)
        )
    return meter.scale


@final
class Training:
    """A case in training as a finder sees it: `step(lr)` and `again(stream)`."""

    def __init__(self, case: Case, recipe: ss.Recipe) -> None:
        others = {name: value(0) for name, value in recipe.hyperparameters}
        self._workload = _workload(case, case.batch, case.steps, others)
        self.again(0)

    def again(self, stream: int) -> None:
        """Go back to the first parameters, and begin the batches of a stream."""
        own = self._workload
        model = own.network()
        model.reset(torch.Generator().manual_seed(FINDER))
        self._model = model
        order = own.examples.training(FINDER + stream, AHEAD, own.batch_size)
        self._order = iter(order)
        self._optimizer: torch.optim.Optimizer
        if own.optimizer == "sgd":
            self._optimizer = torch.optim.SGD(
                model.parameters(), momentum=own.momentum, weight_decay=own.weight_decay
            )
        else:
            self._optimizer = torch.optim.AdamW(
                model.parameters(),
                betas=own.betas,
                eps=own.eps,
                weight_decay=own.weight_decay,
            )

    def step(self, lr: float) -> float:
        """Make one update with the next batch; return the loss before it."""
        own = self._workload
        self._optimizer.param_groups[0]["lr"] = lr
        self._optimizer.zero_grad()
        loss = self._model.loss(*own.examples.read(next(self._order), torch.float32))
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        if own.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), own.clip_norm)
        self._optimizer.step()
        return float(loss.detach())


def _rates(recipe: ss.Recipe) -> list[float]:
    if recipe.lr is None:
        raise TypeError(recipe)
    return [float(lr) for lr in recipe.lr.resolve(horizon=recipe.horizon).rates()]


def _workload(case: Case, batch: int, steps: int, others: dict[str, float]) -> Workload:
    own = load(case.workload)
    return replace(
        own,
        optimizer="sgd" if case.optimizer == "sgd" else "adamw",
        metric="loss",
        direction="min",
        unit="nats",
        chance=chance(case.workload),
        total_steps=steps,
        batch_size=batch,
        momentum=others.get("momentum", 0.0),
        betas=(others.get("betas[0]", 0.9), others.get("betas[1]", 0.999)),
        eps=others.get("eps", 1e-8),
        weight_decay=others.get("weight_decay", 0.0),
    )
