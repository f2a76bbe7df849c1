"""The suite of every adapter, for torch's SGD, Adam and AdamW."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from stepsize import Schedule
from stepsize.adapters.torch import Scheduler
from stepsize.control import Event
from stepsize.testing.adapters import LoopSuite

Recording = Callable[[type[torch.optim.Optimizer]], Any]


class TorchRun:
    """A training of one parameter per group."""

    def __init__(self, optimizer: Any, **arguments: Any) -> None:
        self.optimizer = optimizer
        self.scheduler = Scheduler(optimizer, **arguments)
        self.framework: Any = None

    def update(self) -> None:
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones_like(parameter)
        self.optimizer.step()
        self.scheduler.step()

    def used(self) -> Sequence[float]:
        rates = [group["lr"] for group in self.optimizer.used[-1]]
        assert rates == self.scheduler.last_lr
        return rates

    def edit(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def add_event(self, event: Event) -> None:
        self.scheduler.add_event(event)

    def save(self) -> Any:
        state = self.scheduler.state_dict()
        self.saved[str(state)] = copy.deepcopy(self.optimizer.state_dict())
        return state

    saved: dict[str, Any] = {}  # noqa: RUF012 - the checkpoints of every run

    def load(self, saved: Any, framework_first: bool) -> None:
        if framework_first:
            self.optimizer.load_state_dict(self.saved[str(saved)])
        self.scheduler.load_state_dict(saved)
        if not framework_first:
            self.optimizer.load_state_dict(self.saved[str(saved)])


class OnTorch(LoopSuite):
    base: type[torch.optim.Optimizer]

    @pytest.fixture(autouse=True)
    def _keep(self, recording: Recording) -> None:
        self.recording = recording

    def make_run(
        self,
        schedule: Schedule,
        *,
        total_steps: int,
        base_lrs: Sequence[float],
        lr_factor: bool,
    ) -> TorchRun:
        groups = [
            {"params": [torch.nn.Parameter(torch.ones(2))], "lr": lr} for lr in base_lrs
        ]
        optimizer = self.recording(self.base)(groups, lr=0.1)
        which = "lr_factor" if lr_factor else "lr"
        return TorchRun(optimizer, total_steps=total_steps, **{which: schedule})


class TestSGD(OnTorch):
    base = torch.optim.SGD


class TestAdam(OnTorch):
    base = torch.optim.Adam


class TestAdamW(OnTorch):
    base = torch.optim.AdamW
