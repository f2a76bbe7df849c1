"""The training loops that are timed: the same loop with each scheduler in it.

Every loop follows the same curve, half a cosine from the group's rate to 0, and every
optimizer makes updates that do nothing, so that what is left is the scheduler.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import chain
from types import ModuleType
from typing import Any

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.optimizer import (
    _global_optimizer_post_hooks,
    _global_optimizer_pre_hooks,
)

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control.events import Event

PEAK = 0.1

Loop = Callable[[int, int], None]
"""Makes the updates start, ..., stop - 1."""


class FreeOptimizer(torch.optim.Optimizer):
    """An optimizer whose update does nothing.

    Its `step` goes through the hooks as torch's wrapper of every `step` does, and
    leaves out only that wrapper's record for the profiler: 5 to 10 us whose jitter
    would hide schedulers of less than 1 us.
    """

    def __init__(self, groups: int, *, own_rates: bool = False) -> None:
        parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(groups)]
        super().__init__(
            [
                {"params": [parameter], "lr": rate_of(group, own_rates=own_rates)}
                for group, parameter in enumerate(parameters)
            ],
            {"lr": PEAK},
        )

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no losses
        args, kwargs = (self,), {}  # type: ignore[var-annotated]  # as torch makes them
        for hook in chain(
            _global_optimizer_pre_hooks.values(),
            self._optimizer_step_pre_hooks.values(),
        ):
            hook(self, args, kwargs)
        for hook in chain(
            self._optimizer_step_post_hooks.values(),
            _global_optimizer_post_hooks.values(),
        ):
            hook(self, args, kwargs)

    step.hooked = True  # type: ignore[attr-defined]  # torch wraps what is not marked


def rate_of(group: int, *, own_rates: bool) -> float:
    """Return the rate that a param group is given."""
    return PEAK * 0.9**group if own_rates else PEAK


def cosine(step: int, total: int) -> float:
    """Return the factor of the curve that all loops follow."""
    return 0.5 * (1.0 + math.cos(math.pi * step / total))


def bare(optimizer: FreeOptimizer, total: int, *, own_rates: bool) -> Loop:
    """Return the loop without a scheduler."""

    def loop(start: int, stop: int) -> None:
        for _ in range(start, stop):
            optimizer.step()

    return loop


def hand_written(optimizer: FreeOptimizer, total: int, *, own_rates: bool) -> Loop:
    """Return the loop that does by hand what is needed, and checks nothing."""
    cos, pi = math.cos, math.pi

    def even(start: int, stop: int) -> None:
        for step in range(start, stop):
            optimizer.step()
            lr = PEAK * 0.5 * (1.0 + cos(pi * (step + 1) / total))
            for group in optimizer.param_groups:
                group["lr"] = lr

    def own(start: int, stop: int) -> None:
        for step in range(start, stop):
            optimizer.step()
            factor = 0.5 * (1.0 + cos(pi * (step + 1) / total))
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor

    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return own if own_rates else even


def ours(optimizer: FreeOptimizer, total: int, *, own_rates: bool) -> Loop:
    """Return the loop with a Scheduler and its events: one before, one to come."""
    events = [
        Event(update=0, kind="scale", values={"factor": 0.5}),
        Event(update=total - 1, kind="scale", values={"factor": 0.5}),
    ]
    if own_rates:
        factor = 2.0 * ss.cosine()
        scheduler = Scheduler(
            optimizer, lr_factor=factor, total_steps=total, events=events
        )
    else:
        rate = 2.0 * PEAK * ss.cosine()
        scheduler = Scheduler(optimizer, lr=rate, total_steps=total, events=events)
    return _stepping(optimizer, scheduler)


def of_torch(optimizer: FreeOptimizer, total: int, *, own_rates: bool) -> Loop:
    """Return the loop with torch's scheduler."""
    return _stepping(optimizer, CosineAnnealingLR(optimizer, total))


def of_transformers(optimizer: FreeOptimizer, total: int, *, own_rates: bool) -> Loop:
    """Return the loop with the LambdaLR that transformers makes."""
    from transformers.optimization import get_cosine_schedule_with_warmup

    return _stepping(optimizer, get_cosine_schedule_with_warmup(optimizer, 0, total))


def of_timm(optimizer: FreeOptimizer, total: int, *, own_rates: bool) -> Loop:
    """Return the loop with timm's scheduler, counting updates."""
    scheduler = _timm_cosine()(optimizer, t_initial=total, t_in_epochs=False)

    def loop(start: int, stop: int) -> None:
        for step in range(start, stop):
            optimizer.step()
            scheduler.step_update(step + 1)

    return loop


def _stepping(optimizer: FreeOptimizer, scheduler: Any) -> Loop:
    def loop(start: int, stop: int) -> None:
        for _ in range(start, stop):
            optimizer.step()
            scheduler.step()

    return loop


def _timm_cosine() -> Any:
    """Import timm's schedulers alone: `import timm` needs torchvision."""
    if "timm" not in sys.modules:
        found = find_spec("timm")
        if found is None or found.submodule_search_locations is None:
            message = "benchmarks need timm. hint: make bench"
            raise ModuleNotFoundError(message, name="timm")
        package = ModuleType("timm")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["timm"] = package
    from timm.scheduler.cosine_lr import CosineLRScheduler

    return CosineLRScheduler


LOOPS: dict[str, Callable[..., Loop]] = {
    "hand-written": hand_written,
    "stepsize": ours,
    "torch CosineAnnealingLR": of_torch,
    "timm CosineLRScheduler": of_timm,
    "transformers LambdaLR": of_transformers,
}
