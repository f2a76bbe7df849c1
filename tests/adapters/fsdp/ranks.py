"""Two processes that shard a model, on gloo: rates, resume, a decision, a rescue.

torchrun --nproc-per-node 2 -m tests.adapters.fsdp.ranks FOLDER
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import distributed
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control import Guard, Plateau

BATCH, STEPS = 8, 12
FEATURES, LABELS = load_digits(return_X_y=True)


class Training:
    """A sharded model whose ranks have batches of their own."""

    def __init__(self, **settings: Any) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
        )
        for layer in self.model:
            if list(layer.parameters()):
                fully_shard(layer)
        fully_shard(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.scheduler = Scheduler(
            self.optimizer, model=self.model, total_steps=STEPS, **settings
        )
        self.used: list[float] = []

    def update(self, factor: float = 1.0) -> Any:
        at = (self.scheduler.update * 2 + distributed.get_rank()) * BATCH
        features = torch.tensor(FEATURES[at : at + BATCH] / 16, dtype=torch.float32)
        labels = torch.tensor(LABELS[at : at + BATCH])
        loss = torch.nn.functional.cross_entropy(self.model(features), labels) * factor
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        self.optimizer.step()
        self.used.append(self.scheduler.last_lr[0])
        self.optimizer.zero_grad()
        return self.scheduler.step(loss=loss.detach())

    def weights(self) -> list[list[float]]:
        found = []
        for weight in self.model.parameters():
            assert isinstance(weight, DTensor)
            found.append(weight.full_tensor().flatten().tolist())
        return found

    def save(self, folder: Path) -> dict[str, Any]:
        model, optimizer = get_state_dict(self.model, self.optimizer)
        save({"model": model, "optimizer": optimizer}, checkpoint_id=folder)
        return self.scheduler.state_dict()

    def load(self, folder: Path, state: dict[str, Any]) -> None:
        model, optimizer = get_state_dict(self.model, self.optimizer)
        loaded: dict[str, Any] = {"model": model, "optimizer": optimizer}
        load(loaded, checkpoint_id=folder)
        set_state_dict(
            self.model,
            self.optimizer,
            model_state_dict=loaded["model"],
            optim_state_dict=loaded["optimizer"],
        )
        self.scheduler.load_state_dict(state)


def resumed(folder: Path) -> dict[str, Any]:
    settings = {"lr": 0.01 * ss.warmup(3) >> ss.cosine()}
    whole = Training(**settings)
    for _ in range(STEPS):
        whole.update()
    first = Training(**settings)
    for _ in range(5):
        first.update()
    state = json.loads(json.dumps(first.save(folder)))
    second = Training(**settings)
    second.load(folder, state)
    for _ in range(STEPS - 5):
        second.update()
    return {
        "whole": whole.used,
        "parts": first.used + second.used,
        "same": whole.weights() == second.weights(),
        "update": second.scheduler.update,
    }


def decided() -> dict[str, Any]:
    run = Training(
        lr=0.01 * ss.hold(), policies=[Plateau(patience=2, convention="torch")]
    )
    for _ in range(6):
        run.update()
        # flat in the mean only: each rank alone sees another trend
        rank = distributed.get_rank()
        run.scheduler.observe(val_loss=1.0 + (2 * rank - 1) * run.scheduler.update)
    return {"used": run.used, "events": [one.update for one in run.scheduler.events]}


def rescued() -> dict[str, Any]:
    run = Training(lr=0.01 * ss.hold(), policies=[Guard()], sync_every=1)
    for update in range(8):
        broken = update == 4 and distributed.get_rank() == 1
        rewound = run.update(math.nan if broken else 1.0)
        assert (rewound is not None) == (update == 4)
    weights = run.weights()
    return {
        "events": [one.kind for one in run.scheduler.events],
        "finite": all(math.isfinite(one) for row in weights for one in row),
        "weights": weights[-1],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    found = {
        "resumed": resumed(Path(sys.argv[1])),
        "decided": decided(),
        "rescued": rescued(),
    }
    print(json.dumps(found))
    distributed.destroy_process_group()
