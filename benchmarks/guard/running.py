"""One run of a task: with or without faults, with the guard or another remedy."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, final

import torch

from benchmarks.guard.optimizers import OPTIMIZERS
from benchmarks.guard.remedies import Remedy, remedy
from benchmarks.guard.task import Task
from stepsize.adapters.torch import Scheduler, SchedulerWarning
from stepsize.control import Event, Guard
from stepsize.testing.faults import Faults

torch.set_num_threads(1)


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        first: Score of the untrained model.
        last: Score at the end; infinite if it is not finite.
        losses: Training loss of each update.
        events: What the guard did.
    """

    first: float
    last: float
    losses: tuple[float, ...]
    events: tuple[Event, ...]

    @property
    def rewinds(self) -> list[Event]:
        """The rewinds among the events."""
        return [event for event in self.events if event.kind == "rewind"]

    @property
    def lost(self) -> int:
        """Updates that rewinds took back."""
        return sum(
            event.update - int(str(event.values["snapshot"])) for event in self.rewinds
        )

    def regret(self, healthy: Outcome) -> float:
        """Return the share of a healthy run's improvement that is missing."""
        if not torch.isfinite(torch.tensor(self.last)):
            return float("inf")
        return (self.last - healthy.last) / (healthy.first - healthy.last)


def train(
    task: Task,
    seed: int,
    rate: float,
    *,
    against: str = "nothing",
    faults: Faults | None = None,
    guard: Guard | None = None,
) -> Outcome:
    """Train to the end.

    Args:
        task: What.
        seed: Of weights and data.
        rate: Peak rate.
        against: "guard", or a name of `REMEDIES`.
        faults: What goes wrong.
        guard: Another guard than the default one.
    """
    faults = Faults() if faults is None else faults
    training = task.make(seed)
    torch.manual_seed(seed)
    model = training.model
    optimizer = OPTIMIZERS[task.optimizer](model.parameters())
    guarded = against == "guard"
    scheduler = Scheduler(
        optimizer,
        lr=faults.schedule(task.schedule(rate)),
        total_steps=task.updates,
        policies=[guard or Guard()] if guarded else [],
        model=model,
    )
    other = remedy("nothing" if guarded else against, model, optimizer)
    first = training.score()
    losses = []
    parameters = list(model.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchedulerWarning)  # that the guard gave up
        for update in range(task.updates):
            batch = faults.batch(update, *training.batch(faults.data(update)))
            optimizer.zero_grad()
            loss = faults.loss(update, training.of(batch))
            loss.backward()  # type: ignore[no-untyped-call]
            faults.gradients(update, parameters)
            losses.append(loss.item())
            _update(optimizer, scheduler, other, losses[-1], parameters)
            scheduler.step(loss=loss)
    last = training.score()
    return Outcome(first, last, tuple(losses), scheduler.events)


def _update(
    optimizer: Any, scheduler: Scheduler, other: Remedy, loss: float, parameters: Any
) -> None:
    """Make the update; one that is not allowed leaves all but the clock alone."""
    restarts = getattr(other, "restarts", 0)
    if not other.allows(loss, parameters):
        for one in parameters:
            one.grad = None
    if getattr(other, "restarts", 0) > restarts:
        scheduler.scale(0.5, source="operator:restart")
    optimizer.step()
