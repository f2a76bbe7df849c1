"""The suite of every adapter, for a sharded model and torch's sharded checkpoints.

In a process of one shard; what several of them decide together is in `test_fsdp`.
"""

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.recording import Recording
from torch import distributed
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from stepsize.adapters.torch import Scheduler
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH


@pytest.fixture(autouse=True, scope="module")
def _group() -> Iterator[None]:
    store = distributed.HashStore()  # type: ignore[attr-defined]  # not in __all__
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


class Training:
    """Two layers, a group each where the case has two."""

    def __init__(self, case: Case, used: list[list[float]]) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 1))
        for layer in (*self.model, self.model):
            fully_shard(layer)
        parts = [list(layer.parameters()) for layer in self.model]
        groups = [
            {"params": part, "lr": base}
            for part, base in zip(parts, case.bases, strict=bool(case.bases))
        ]
        whole = [{"params": list(self.model.parameters()), "lr": 0.5}]
        self.optimizer = Recording(groups or whole, momentum=0.5, used=used)
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
        for batch in range(micro_batches):
            inputs = torch.linspace(0.0, 1.0 + batch, 8).reshape(2, 4)
            loss = self.model(inputs).square().mean()
            self.scaler.scale(loss * math.inf if overflows else loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.scheduler.step()

    def states(self) -> dict[str, Any]:
        model, optimizer = get_state_dict(self.model, self.optimizer)
        scheduler = json.dumps(self.scheduler.state_dict())
        return {"model": model, "optimizer": optimizer, "scheduler": scheduler}

    def load(self, folder: Path) -> None:
        found = self.states()
        load(found, checkpoint_id=folder)
        set_state_dict(
            self.model,
            self.optimizer,
            model_state_dict=found["model"],
            optim_state_dict=found["optimizer"],
        )
        self.scheduler.load_state_dict(json.loads(found["scheduler"]))


class TestFsdp(AdapterSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folders = (tmp_path / str(number) for number in itertools.count())

    def train(self, case: Case) -> Trained:
        used: list[list[float]] = []
        run, metrics = Training(case, used), iter(case.metrics)
        for attempt in itertools.count():
            if len(used) == case.updates:
                break
            if case.cooldown is not None and len(used) == case.cooldown[0]:
                run.scheduler.cooldown(case.cooldown[1])
            run.attempt(case.micro_batches, attempt in case.overflows)
            if len(used) % EPOCH == 0 and case.metrics:
                run.scheduler.observe(val_loss=next(metrics))
            if len(used) in case.stops:
                folder = next(self.folders)
                save(run.states(), checkpoint_id=folder)
                run, made = Training(case, used), len(used)
                run.load(folder)
                del used[made:]  # torch's dry run of the optimizer
        weights = []
        for weight in run.model.parameters():
            assert isinstance(weight, DTensor)
            weights.append(weight.full_tensor().tolist())
        return Trained(
            rates=used,
            weights=weights,
            update=run.scheduler.update,
            events=run.scheduler.events,
        )
