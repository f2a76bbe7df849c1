"""What is done to a run: nothing, a rate too high from the start, a burst, bad data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from benchmarks.guard.task import Task
from stepsize.testing.faults import (
    BadBatch,
    Faults,
    GradientFactor,
    NaNGradient,
    RateFactor,
    RepeatedData,
)

BURST = 40
"""Length of a burst, which begins in the middle. Unit: updates."""


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that happens.

    Attributes:
        name: In the table.
        group: Conditions that are counted together.
        rate: Factor on the best rate.
        faults: Of a run with that many updates.
        start: Where it begins, as a fraction of the run; None: there is no fault.
        fits: Whether it can happen to a task.
    """

    name: str
    group: str
    rate: float = 1.0
    faults: Callable[[int], tuple[object, ...]] = lambda _: ()
    start: float | None = None
    fits: Callable[[Task], bool] = lambda _: True

    def of(self, task: Task) -> Faults:
        """Return the faults of a task's run."""
        return Faults(*self.faults(task.updates))


def _burst(factor: float) -> Condition:
    def faults(updates: int) -> tuple[object, ...]:
        return (RateFactor(factor, start=updates // 2, length=BURST),)

    return Condition(f"burst x{factor:g}", "burst", faults=faults, start=0.5)


def _hidden(factor: float) -> Condition:
    def faults(updates: int) -> tuple[object, ...]:
        return (GradientFactor(factor, start=updates // 2, length=BURST),)

    return Condition(
        f"gradients x{factor:g}",
        "hidden burst",
        faults=faults,
        start=0.5,
        fits=lambda task: task.optimizer == "sgd",
    )


def _dense(task: Task) -> bool:
    """Whether inputs are real numbers, not codes."""
    return task.make(0).held[0].is_floating_point()


HEALTHY = (
    Condition("best rate", "healthy"),
    Condition("best / 4", "healthy", rate=0.25),
)

HARMED = (
    *(Condition(f"start x{k}", "start", rate=float(k), start=0.0) for k in (10, 30)),
    Condition("start x100", "start", rate=100.0, start=0.0),
    _burst(30.0),
    _burst(100.0),
    _hidden(30.0),
    _hidden(100.0),
    Condition(
        "one NaN gradient",
        "broken",
        faults=lambda updates: (NaNGradient(updates * 6 // 10),),
        start=0.6,
    ),
    Condition(
        "one bad batch",
        "data",
        faults=lambda updates: (BadBatch(updates * 4 // 10),),
        start=0.4,
        fits=_dense,
    ),
    Condition(
        "ten bad batches",
        "data",
        faults=lambda updates: (BadBatch(updates * 4 // 10, 10),),
        start=0.4,
        fits=_dense,
    ),
    Condition(
        "a batch 30 times",
        "data",
        faults=lambda updates: (RepeatedData(updates * 4 // 10, 30),),
        start=0.4,
    ),
)
