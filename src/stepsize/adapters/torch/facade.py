"""What a Scheduler says of its values, also under the names of an `LRScheduler`.

torch's constructor is never run: it writes rates, steps, and patches the optimizer.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from stepsize.adapters.torch.plan import Plan
from stepsize.adapters.torch.program import Program
from stepsize.adapters.torch.state import Bases
from stepsize.errors import AdapterError, describe


class Facade(LRScheduler):
    """The names of an `LRScheduler`, answered from what `Scheduler` knows."""

    _optimizer: Any
    _program: Program
    _bases: Bases
    _update: int

    def _current_plan(self) -> Plan:
        raise NotImplementedError

    def value_at(
        self, update: int, hyperparameter: str = "lr", group: int = 0
    ) -> float | None:
        """Return a group's value at any update.

        Args:
            update: Index of the update; any int.
            hyperparameter: One of `hyperparameters`.
            group: Index of the param group.

        Returns:
            The value in float64 (a tensor holds it rounded to its own dtype); None if
            the group has no such hyperparameter.

        Raises:
            AdapterError: The hyperparameter is not driven, or there is no such group.
        """
        if hyperparameter not in self._program.parts:
            rule = f"be one of {', '.join(self._program.parts)}"
            raise AdapterError(
                describe("value_at.hyperparameter", rule, hyperparameter)
            )
        groups = len(self._optimizer.param_groups)
        if not 0 <= group < groups:
            rule = f"be the index of one of {groups} param groups"
            raise AdapterError(describe("value_at.group", rule, group))
        return self._current_plan().value_at(hyperparameter, group, update)

    @property
    def last_lr(self) -> list[float]:
        """Each group's rate in the last update that was made: what to log for it.

        Before the first update, that of the first.
        """
        return self._rates(max(self._update - 1, 0))

    @property
    def next_lr(self) -> list[float]:
        """Each group's rate in the next update."""
        return self._rates(self._update)

    @property
    def base_lrs(self) -> list[float]:  # type: ignore[override]  # read-only here
        """What `lr_factor` multiplies; for absolute rates those of update 0."""
        if self._program.relative:
            self._current_plan()
            return list(self._bases.seen)
        return self._rates(0)

    def _rates(self, update: int) -> list[float]:
        groups = self._optimizer.param_groups
        if "lr" not in self._program.parts:
            return [float(group["lr"]) for group in groups]
        plan = self._current_plan()
        rates = []
        for index, group in enumerate(groups):
            rate = plan.value_at("lr", index, update)
            lr = group.get("lr")
            if rate is not None and isinstance(lr, torch.Tensor):
                rate = float(torch.tensor(rate, dtype=lr.dtype))
            rates.append(float("nan") if rate is None else rate)
        return rates

    def get_last_lr(self) -> list[float | torch.Tensor]:
        """Return `last_lr`: the rates that the last update used.

        torch's own schedulers return the next update's after `step()`.
        """
        return list(self.last_lr)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return `next_lr`."""
        return list(self.next_lr)

    @property
    def _last_lr(self) -> list[float | torch.Tensor]:  # type: ignore[override]
        return self.get_last_lr()

    @property
    def optimizer(self) -> Any:  # type: ignore[override]  # read-only here
        """The optimizer that is driven.

        Raises:
            AdapterError: SequentialLR or ChainedScheduler asks for it.
        """
        if sys._getframe(1).f_globals.get("__name__") == LRScheduler.__module__:
            raise _not_in_a_list()
        return self._optimizer

    @property
    def last_epoch(self) -> int:
        """The updates made so far."""
        return self._update

    @last_epoch.setter
    def last_epoch(self, value: int) -> None:
        rule = "not be set"
        hint = "Scheduler(..., update=N) starts at N, load_state_dict at a saved state"
        raise AdapterError(describe("Scheduler.last_epoch", rule, value, hint=hint))

    @property
    def _step_count(self) -> int:
        return self._update + 1

    @_step_count.setter
    def _step_count(self, value: int) -> None:
        """Ignore it: Accelerate adds 1 for micro-batches, which are no updates."""

    def _initial_step(self) -> None:
        raise _not_in_a_list()

    def _update_lr(self, epoch: int | None = None) -> None:
        raise _not_in_a_list()


def no_epoch(epoch: object) -> AdapterError:
    """Return the error for `step(epoch)`."""
    rule = "be called without an epoch: it follows the updates of the optimizer"
    hint = "Scheduler(..., update=N) starts at update N"
    return AdapterError(describe("Scheduler.step", rule, epoch, hint=hint))


def _not_in_a_list() -> AdapterError:
    message = (
        "Scheduler must not be part of torch's SequentialLR or ChainedScheduler. "
        "hint: join the schedules instead: a >> b runs one after the other, "
        "a * b multiplies them."
    )
    return AdapterError(message)
