"""What a workload is: data, model, optimizer, budget and how its metric is read.

Not here: any particular workload, or how one is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from stepsize.proof.workloads.models import AbstractModel

__all__ = ["Examples", "Workload"]


class Examples(Protocol):
    """A data set whose examples are numbered, and its three disjoint splits.

    Training chooses the weights, validation the rate and the schedule; the test split
    is for the one number that is reported.
    """

    def read(self, index: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of the examples numbered in `index` (any shape)."""
        ...

    def training(self, seed: int, updates: int, batch_size: int) -> Tensor:
        """Return the batches of a whole run: int64, shape (updates, batch_size)."""
        ...

    def validation(self, seed: int) -> Tensor:
        """Return the numbers of the validation examples, in a fixed order."""
        ...

    def test(self, seed: int) -> Tensor:
        """Return the numbers of the test examples, in a fixed order."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workload:
    """One small training that every schedule gets with the same budget.

    Attributes:
        name: What `load` calls it.
        title: A few words for a heading.
        data: Which data, from where, under which licence: a sentence.
        model: The model in a line, with its number of parameters.
        optimizer: "sgd" (momentum) or "adamw".
        metric: "accuracy" (percent of the examples) or "loss" (the model's criterion).
        unit: "%", "nats/char" or "of the variance".
        direction: "max" if more is better, else "min".
        total_steps: The budget. Unit: optimizer updates; int >= 1.
        peak_lrs: The grid of peak rates, rising, in factors of about 3; it reaches at
            least one failing value on each side where the workload has one.
        default_lr: The rate that the optimizer is commonly given when nobody tunes.
        tuned_lrs: Best peak rate of each schedule named, by mean validation metric.
        seeds: How many seeds a comparison uses unless told otherwise.
        failed_margin: A run this much worse than the best cell has failed.
            Unit: that of the metric.
        chance: The metric of a model that learned nothing; also what a diverged run
            is given.
        batch_size: Examples per update.
        momentum: Of "sgd".
        betas: Of "adamw".
        eps: Of "adamw".
        weight_decay: On all parameters; coupled in "sgd", decoupled in "adamw".
        clip_norm: Gradients are scaled down to this 2-norm; None: left as they are.
        curve_size: Validation examples read for a curve's points before its last,
            which reads all. Unit: examples.
        examples: The data.
        network: Makes the model, its parameters not yet drawn.
        source: What the model was trained on before, for reading how much of that it
            has kept; None: nothing.
        source_metric: The metric on the source's test split before this training.
        fingerprint: Start of the SHA-256 of the data, where versions of it differ.
    """

    name: str
    title: str
    data: str
    model: str
    optimizer: Literal["sgd", "adamw"]
    metric: Literal["accuracy", "loss"]
    unit: str
    direction: Literal["max", "min"]
    total_steps: int
    peak_lrs: tuple[float, ...]
    default_lr: float
    seeds: int
    failed_margin: float
    chance: float
    batch_size: int
    curve_size: int
    examples: Examples
    network: Callable[[], AbstractModel]
    tuned_lrs: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = None
    source: Examples | None = None
    source_metric: float | None = None
    fingerprint: str | None = None

    def describe(self) -> dict[str, object]:
        """Return everything but the data and the model itself, as plain JSON values."""
        settings: dict[str, object] = {
            "weight_decay": self.weight_decay,
            "clip_norm": self.clip_norm,
        }
        if self.optimizer == "sgd":
            settings["momentum"] = self.momentum
        else:
            settings["betas"] = list(self.betas)
            settings["eps"] = self.eps
        return {
            "name": self.name,
            "title": self.title,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "model": self.model,
            "optimizer": self.optimizer,
            "optimizer_settings": settings,
            "batch_size": self.batch_size,
            "metric": self.metric,
            "unit": self.unit,
            "direction": self.direction,
            "total_steps": self.total_steps,
            "peak_lrs": list(self.peak_lrs),
            "default_lr": self.default_lr,
            "tuned_lrs": dict(self.tuned_lrs),
            "seeds": self.seeds,
            "failed_margin": self.failed_margin,
            "chance": self.chance,
            "source_metric": self.source_metric,
        }
