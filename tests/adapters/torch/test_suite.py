"""The suite of every adapter, for a plain loop in torch."""

import copy
import itertools
from typing import Any, ClassVar

import torch
from torch import Tensor

from stepsize.adapters.torch import Scheduler
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH


class Recording(torch.optim.SGD):
    """Says which rates its updates used; skips what a scaler found to overflow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.used: list[list[float]] = []
        super().__init__(*args, **kwargs)

    def step(self, closure: Any = None) -> Any:
        self.used.append([group["lr"] for group in self.param_groups])
        return super().step(closure)


class Training:
    """A linear model of one weight per group."""

    def __init__(self, case: Case) -> None:
        self.weights = [
            torch.nn.Parameter(torch.tensor([1.0, 2.0])) for _ in case.bases or (1.0,)
        ]
        groups = [
            {"params": [weight], "lr": base}
            for weight, base in zip(self.weights, case.bases or (0.1,), strict=True)
        ]
        self.optimizer = Recording(groups, momentum=0.5)
        self.scaler = torch.amp.GradScaler(
            "cpu", enabled=bool(case.overflows), init_scale=4.0
        )
        self.scheduler = Scheduler(
            self.optimizer,
            lr=None if case.bases else case.schedule,
            lr_factor=case.schedule if case.bases else None,
            total_steps=case.total_steps,
            policies=case.policies,
        )

    def attempt(self, micro_batches: int, overflows: bool) -> None:
        self.optimizer.zero_grad()
        for batch in range(micro_batches):
            features = torch.tensor([0.5, 1.0 + batch])
            loss: Tensor = sum(  # type: ignore[assignment]  # of tensors
                ((weight * features).sum() - 1.0) ** 2 for weight in self.weights
            )
            if overflows:
                loss = loss * float("inf")
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()

    def save(self) -> dict[str, Any]:
        return copy.deepcopy(
            {
                "weights": [weight.detach() for weight in self.weights],
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "used": self.optimizer.used,
            }
        )

    def load(self, saved: dict[str, Any]) -> None:
        with torch.no_grad():
            for weight, value in zip(self.weights, saved["weights"], strict=True):
                weight.copy_(value)
        self.scheduler.load_state_dict(saved["scheduler"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        self.optimizer.used = saved["used"]


class TestTorch(AdapterSuite):
    stops: ClassVar = (1, 4, 6, 11)

    def train(self, case: Case) -> Trained:
        run, metrics = Training(case), iter(case.metrics)
        for attempt in itertools.count():
            made = len(run.optimizer.used)
            if made == case.updates:
                break
            if case.cooldown is not None and made == case.cooldown[0]:
                run.scheduler.cooldown(case.cooldown[1])
            run.attempt(case.micro_batches, attempt in case.overflows)
            made = len(run.optimizer.used)
            if made % EPOCH == 0 and case.metrics:
                run.scheduler.observe(val_loss=next(metrics))
            if made in case.stops:
                saved, run = run.save(), Training(case)
                run.load(saved)
        return Trained(
            rates=run.optimizer.used,
            weights=[weight.tolist() for weight in run.weights],
            update=run.scheduler.update,
            events=run.scheduler.events,
        )
