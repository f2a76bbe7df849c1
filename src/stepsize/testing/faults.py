"""What goes wrong in trainings, as values: put them into any torch loop, to test with.

    from stepsize.testing.faults import Faults, NaNGradient, RateFactor

    faults = Faults(RateFactor(30.0, start=200, length=40), NaNGradient(300))
    schedule = faults.schedule(schedule)
    for update in range(400):
        inputs, targets = faults.batch(update, *batches[faults.data(update)])
        loss = faults.loss(update, criterion(model(inputs), targets))
        loss.backward()
        faults.gradients(update, model.parameters())
        optimizer.step()

Each fault is a frozen value with the one method that it needs. None touches a random
generator that the training uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.durations import whole
from stepsize.schedules.knots import knots
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule

_SEEDS = 2**31


@runtime_checkable
class OfSchedule(Protocol):
    """A fault of the rate, in the schedule."""

    def schedule(self, schedule: Schedule) -> Schedule:
        """Return the schedule with the fault."""


@runtime_checkable
class OfData(Protocol):
    """A fault of the order of the data."""

    def data(self, update: int) -> int:
        """Return the update whose batch is used."""


@runtime_checkable
class OfBatch(Protocol):
    """A fault of what is in a batch."""

    def batch(
        self, update: int, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the batch with the fault; what was given is not changed."""


@runtime_checkable
class OfLoss(Protocol):
    """A fault of the loss."""

    def loss(self, update: int, loss: Tensor, *, rank: int = 0) -> Tensor:
        """Return the loss with the fault."""


@runtime_checkable
class OfGradients(Protocol):
    """A fault of the gradients, put in between backward and the update."""

    def gradients(self, update: int, parameters: Iterable[Tensor]) -> None:
        """Change the gradients in place."""


@final
@dataclass(frozen=True, slots=True)
class RateFactor:
    """A rate that is wrong by a factor, in the schedule itself.

        lr(t) = schedule(t) * factor   for start <= t < start + length

    Attributes:
        factor: Finite and > 0.
        start: First step of it; int >= 0.
        length: Unit: updates; int >= 1; None: to the end. start + length must not lie
            beyond the horizon.

    Examples:
        >>> import stepsize as ss
        >>> wrong = RateFactor(30.0, start=2, length=2).schedule(0.1 * ss.hold())
        >>> [round(wrong.resolve(total_steps=6)(step), 3) for step in range(6)]
        [0.1, 0.1, 3.0, 3.0, 0.1, 0.1]
    """

    factor: float
    _: KW_ONLY
    start: int = 0
    length: int | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.factor, "RateFactor.factor", open_low=True)
        _count(self.start, "RateFactor.start", low=0)
        if self.length is not None:
            _count(self.length, "RateFactor.length", low=1)

    def schedule(self, schedule: Schedule) -> Schedule:
        """Return the schedule times the factor where it is wrong."""
        points = [(0, 1.0)] if self.start else []
        points.append((self.start, self.factor))
        if self.length is None:
            if not self.start:
                return self.factor * schedule
        else:
            points.append((self.start + self.length, 1.0))
        return schedule * (knots(points, pieces="step") >> hold())


@final
@dataclass(frozen=True, slots=True)
class GradientFactor:
    """Gradients that are too large: a rate too high that no schedule tells of.

    An optimizer that divides by the size of gradients (Adam) hardly sees it.

    Attributes:
        factor: Finite and > 0.
        start: First update of it; int >= 0.
        length: Unit: updates; int >= 1; None: to the end.

    Examples:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> weight.grad = torch.ones(2)
        >>> GradientFactor(100.0, start=5, length=1).gradients(5, [weight])
        >>> weight.grad
        tensor([100., 100.])
    """

    factor: float
    _: KW_ONLY
    start: int = 0
    length: int | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.factor, "GradientFactor.factor", open_low=True)
        _count(self.start, "GradientFactor.start", low=0)
        if self.length is not None:
            _count(self.length, "GradientFactor.length", low=1)

    def gradients(self, update: int, parameters: Iterable[Tensor]) -> None:
        """Multiply every gradient."""
        if _within(update, self.start, self.length):
            for gradient in _gradients(parameters):
                gradient.mul_(self.factor)


@final
@dataclass(frozen=True, slots=True)
class BadBatch:
    """Inputs that are far too large: a broken file, a missing normalisation.

    Attributes:
        update: The first that has one; int >= 0.
        count: Updates in a row; int >= 1.
        factor: On the inputs, which are floating point; finite and > 0.

    Examples:
        >>> BadBatch(3).batch(3, torch.ones(2), torch.zeros(2))[0]
        tensor([1000., 1000.])
    """

    update: int
    count: int = 1
    factor: float = 1e3

    def __post_init__(self) -> None:
        """Check every field."""
        _count(self.update, "BadBatch.update", low=0)
        _count(self.count, "BadBatch.count", low=1)
        number(self.factor, "BadBatch.factor", open_low=True)

    def batch(
        self, update: int, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Multiply the inputs."""
        if not _within(update, self.update, self.count):
            return inputs, targets
        if not inputs.is_floating_point():
            rule = "meet inputs of a floating point dtype"
            raise InvalidScheduleError(describe("BadBatch", rule, inputs.dtype))
        return inputs * self.factor, targets


@final
@dataclass(frozen=True, slots=True)
class LabelNoise:
    """Targets that belong to other inputs of the same batch.

    Attributes:
        start: First update of it; int >= 0.
        length: Unit: updates; int >= 1; None: to the end.
        seed: Of the order; int >= 0.

    Examples:
        >>> LabelNoise(0, 1).batch(0, torch.zeros(4), torch.arange(4))[1].sort().values
        tensor([0, 1, 2, 3])
    """

    start: int
    length: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every field."""
        _count(self.start, "LabelNoise.start", low=0)
        if self.length is not None:
            _count(self.length, "LabelNoise.length", low=1)
        _count(self.seed, "LabelNoise.seed", low=0)

    def batch(
        self, update: int, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Put the targets into another order, which depends on seed and update."""
        if not _within(update, self.start, self.length):
            return inputs, targets
        own = torch.Generator().manual_seed((self.seed * 1_000_003 + update) % _SEEDS)
        order = torch.randperm(len(targets), generator=own)
        return inputs, targets[order.to(targets.device)]


@final
@dataclass(frozen=True, slots=True)
class RepeatedData:
    """The same batch over and over: a loader that is stuck.

    Attributes:
        start: The update whose batch is repeated; int >= 0.
        length: Updates that use it, `start` among them; int >= 1.

    Examples:
        >>> [RepeatedData(2, 3).data(update) for update in range(6)]
        [0, 1, 2, 2, 2, 5]
    """

    start: int
    length: int

    def __post_init__(self) -> None:
        """Check every field."""
        _count(self.start, "RepeatedData.start", low=0)
        _count(self.length, "RepeatedData.length", low=1)

    def data(self, update: int) -> int:
        """Return the update whose batch is used."""
        return self.start if _within(update, self.start, self.length) else update


@final
@dataclass(frozen=True, slots=True)
class NaNGradient:
    """One element of each gradient is NaN.

    SGD and Adam lose their weights to it. Lion's weights survive and its momentum does
    not: the sign of NaN is 0, so the model stands still at a finite loss.

    Attributes:
        update: The first that has it; int >= 0.
        count: Updates in a row; int >= 1.

    Examples:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> weight.grad = torch.ones(2)
        >>> NaNGradient(7).gradients(7, [weight])
        >>> weight.grad
        tensor([nan, 1.])
    """

    update: int
    count: int = 1

    def __post_init__(self) -> None:
        """Check every field."""
        _count(self.update, "NaNGradient.update", low=0)
        _count(self.count, "NaNGradient.count", low=1)

    def gradients(self, update: int, parameters: Iterable[Tensor]) -> None:
        """Put NaN into the first element of every gradient."""
        if _within(update, self.update, self.count):
            _fill_first(parameters, math.nan)


@final
@dataclass(frozen=True, slots=True)
class Overflow:
    """Gradients that overflow: a GradScaler skips these attempts and lowers its scale.

    An attempt that was skipped is no update, so what counts here are attempts.

    Attributes:
        attempt: The first that overflows; int >= 0.
        count: Attempts in a row; int >= 1.

    Examples:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> weight.grad = torch.ones(2)
        >>> Overflow(7).gradients(7, [weight])
        >>> weight.grad
        tensor([inf, 1.])
    """

    attempt: int
    count: int = 1

    def __post_init__(self) -> None:
        """Check every field."""
        _count(self.attempt, "Overflow.attempt", low=0)
        _count(self.count, "Overflow.count", low=1)

    def gradients(self, update: int, parameters: Iterable[Tensor]) -> None:
        """Put infinity into the first element of every gradient."""
        if _within(update, self.attempt, self.count):
            _fill_first(parameters, math.inf)


@final
@dataclass(frozen=True, slots=True)
class InfLoss:
    """A loss that is infinite, on one of the ranks.

    Attributes:
        update: The first that has it; int >= 0.
        rank: Where; int >= 0.
        count: Updates in a row; int >= 1.

    Examples:
        >>> InfLoss(3, rank=1).loss(3, torch.tensor(0.5), rank=1)
        tensor(inf)
    """

    update: int
    rank: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        """Check every field."""
        _count(self.update, "InfLoss.update", low=0)
        _count(self.rank, "InfLoss.rank", low=0)
        _count(self.count, "InfLoss.count", low=1)

    def loss(self, update: int, loss: Tensor, *, rank: int = 0) -> Tensor:
        """Add infinity, so that the gradients stay what they are."""
        if rank == self.rank and _within(update, self.update, self.count):
            return loss + math.inf
        return loss


@final
@dataclass(frozen=True, slots=True, init=False)
class Faults:
    """Several faults as one, each applied where it belongs, in the order given.

    Attributes:
        faults: They; may be none.

    Raises:
        InvalidScheduleError: One of them is none.

    Examples:
        >>> faults = Faults(RepeatedData(2, 2), BadBatch(2))
        >>> faults.data(3), faults.batch(2, torch.ones(1), torch.ones(1))[0].item()
        (2, 1000.0)
        >>> faults.loss(2, torch.tensor(0.5))
        tensor(0.5000)
    """

    faults: tuple[Any, ...]

    def __init__(self, *faults: Any) -> None:
        kinds = (OfSchedule, OfData, OfBatch, OfLoss, OfGradients)
        for fault in faults:
            if not isinstance(fault, kinds):
                rule = "be faults of stepsize.testing.faults"
                raise InvalidScheduleError(describe("Faults", rule, fault))
        object.__setattr__(self, "faults", faults)

    def schedule(self, schedule: Schedule) -> Schedule:
        """Return the schedule with the faults."""
        for fault in self.faults:
            if isinstance(fault, OfSchedule):
                schedule = fault.schedule(schedule)
        return schedule

    def data(self, update: int) -> int:
        """Return the update whose batch is used."""
        for fault in self.faults:
            if isinstance(fault, OfData):
                update = fault.data(update)
        return update

    def batch(
        self, update: int, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the batch with the faults."""
        for fault in self.faults:
            if isinstance(fault, OfBatch):
                inputs, targets = fault.batch(update, inputs, targets)
        return inputs, targets

    def loss(self, update: int, loss: Tensor, *, rank: int = 0) -> Tensor:
        """Return the loss with the faults."""
        for fault in self.faults:
            if isinstance(fault, OfLoss):
                loss = fault.loss(update, loss, rank=rank)
        return loss

    def gradients(self, update: int, parameters: Iterable[Tensor]) -> None:
        """Change the gradients in place."""
        held = list(parameters)
        for fault in self.faults:
            if isinstance(fault, OfGradients):
                fault.gradients(update, held)


def _within(update: int, start: int, length: int | None) -> bool:
    return start <= update and (length is None or update < start + length)


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [one.grad for one in parameters if one.grad is not None]


def _fill_first(parameters: Iterable[Tensor], value: float) -> None:
    for gradient in _gradients(parameters):
        if gradient.numel():
            gradient[(0,) * gradient.dim()] = value


def _count(value: object, owner: str, *, low: int) -> None:
    found = whole(value)
    if found is None or found < low:
        raise InvalidScheduleError(describe(owner, f"be an int >= {low}", value))
