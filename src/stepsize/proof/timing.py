"""Time of an update of a built-in workload, with a schedule and without.

Without: a loop that sets the rate once. With: the same loop under the torch adapter's
`Scheduler`, and the average of the weights where the arm has one. The validation that
policies observe is not counted. Not here: times of a user's function (effort.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, final

from stepsize.proof.arms import CONSTANT, Arm
from stepsize.proof.results import Cost
from stepsize.proof.statistics import estimate

if TYPE_CHECKING:
    from stepsize.proof.workloads.spec import Workload

BLOCKS = 5
"""Blocks that the interval is over; the loops take turns within each."""


def time_updates(
    workload: Workload, arms: Sequence[Arm], total_steps: int, *, updates: int = 20
) -> dict[str, Cost]:
    """Time each arm's updates against those of a loop that leaves the rate alone.

    Both loops take turns, an update each, so that what else the machine does hits both
    alike; a block gives the ratio of their medians.

    Args:
        workload: What is trained, on one thread.
        arms: The arms; those with another optimizer are timed with it.
        total_steps: Length that schedules are resolved for. Unit: updates; int >= 1.
        updates: Of each loop in a block; int >= 1.

    Returns:
        Arm -> cost; of the constant, that of the loop without.
    """
    from stepsize.proof.population.engine import one_torch_thread

    found = {}
    with one_torch_thread():
        for arm in arms:
            plain = _Loop(workload, None, total_steps)
            own = _Loop(workload, arm, total_steps)
            for loop in (plain, own):
                loop.update()  # allocates the optimizer's state
            ratios, seconds = [], []
            for _ in range(BLOCKS):
                turns = [(plain.update(), own.update()) for _ in range(updates)]
                without, with_arm = (
                    median(times) for times in zip(*turns, strict=True)
                )
                ratios.append(with_arm / without - 1)
                seconds.append(without if arm.name == CONSTANT else with_arm)
            found[arm.name] = Cost(
                seconds=median(seconds),
                extra=None if arm.name == CONSTANT else estimate(ratios),
                n=BLOCKS * updates,
            )
    return found


@final
class _Loop:
    """A training that is timed an update at a time."""

    def __init__(self, workload: Workload, arm: Arm | None, total_steps: int) -> None:
        import torch

        from stepsize.proof.baselines import BASELINES
        from stepsize.proof.population.chunk import first_parameters
        from stepsize.proof.population.result import quiet_model
        from stepsize.proof.population.single import torch_optimizer

        self._workload = workload
        self._model = quiet_model(workload)
        first_parameters(self._model, 0, torch.float32)
        self._model.train()
        if arm is None or arm.optimizer is None:
            self._optimizer = torch_optimizer(workload, self._model)
        else:
            make = BASELINES[arm.optimizer].make_optimizer
            self._optimizer = make(workload, self._model, total_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = workload.default_lr
        self._scheduler = None
        if arm is not None and arm.name != CONSTANT and arm.optimizer is None:
            from stepsize.adapters.torch import Scheduler

            self._scheduler = Scheduler(
                self._optimizer,
                lr=workload.default_lr * arm.schedule,
                total_steps=total_steps,
                policies=arm.policies,
            )
        self._average = None
        if arm is not None and arm.average is not None:
            from torch.optim import swa_utils

            rule = swa_utils.get_ema_multi_avg_fn(arm.average)  # type: ignore[no-untyped-call]
            self._average = swa_utils.AveragedModel(
                self._model, multi_avg_fn=rule, use_buffers=True
            )
        examples = workload.examples
        self._batches = examples.training(0, BLOCKS, workload.batch_size)
        self._generator = torch.Generator().manual_seed(0)
        self._made = 0

    def update(self) -> float:
        """Make one update. Unit: s."""
        import torch

        workload, optimizer = self._workload, self._optimizer
        index = self._batches[self._made % BLOCKS]
        self._made += 1
        started = time.perf_counter()
        inputs, targets = workload.examples.read(index, torch.float32)
        masks = self._model.draw_masks(
            workload.batch_size, self._generator, torch.float32
        )
        optimizer.zero_grad()
        loss = self._model.loss(inputs, targets, masks)
        loss.backward()  # type: ignore[no-untyped-call]
        if workload.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), workload.clip_norm)
        optimizer.step(loss.detach)  # type: ignore[arg-type]  # as torch's closures
        if self._scheduler is not None:
            self._scheduler.step()
        if self._average is not None:
            self._average.update_parameters(self._model)
        return time.perf_counter() - started
