"""A training that obeys commands.

    python -m tests.adapters.torch.steered_run FOLDER UPDATES [RANKS]

It saves a checkpoint every 10 updates, goes on from the last, ends when the curve does
and says in FOLDER/end.json where it is.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

import stepsize as ss
from stepsize.adapters.torch import Ranks, Scheduler
from stepsize.adapters.torch.remote import Remote
from stepsize.ledger import Ledger
from stepsize.ledger.bounds import Bounds

SCHEDULE = 0.1 * ss.warmup(4) >> ss.cosine(to=0.1)
PAUSE = 0.004  # seconds an update takes, besides


class Run:
    """A small training with two groups, and three hyperparameters that are driven."""

    clock: float

    def __init__(
        self,
        folder: Path,
        *,
        total: int = 100,
        tensor: bool = False,
        metrics_every: int = 1,
        poll_seconds: float | None = 1e-9,
        bounds: Bounds | None = None,
    ) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(3, 1)
        groups: list[dict[str, Any]] = [
            {"params": [self.model.weight], "name": "encoder"},
            {"params": [self.model.bias], "name": "head"},
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=torch.tensor(0.1) if tensor else 0.1,
        )
        ledger = Ledger(
            folder,
            metrics_every=metrics_every,
            poll_seconds=poll_seconds,
            flush_seconds=0.0,
            bounds=bounds,
        )
        self.scheduler = Scheduler(
            self.optimizer,
            lr=SCHEDULE,
            hyperparameters={
                "weight_decay": 0.1 * ss.cosine(),
                "betas[0]": 0.9 * ss.hold(),
            },
            rules={"head": 0.5},
            total_steps=total,
            ledger=ledger,
        )
        self.remote = Remote.of(self.scheduler, ledger)
        self.used: list[list[float]] = []
        self.losses: list[float] = []
        used = self.used

        def look(optimizer: Any, args: object, kwargs: object) -> None:
            used.append([float(one["lr"]) for one in optimizer.param_groups])

        self.optimizer.register_step_pre_hook(look)

    def updates(self, count: int) -> None:
        for _ in range(count):
            loss = self.model(torch.ones(2, 3)).square().mean()
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.scheduler.step()
            self.remote.loss(loss)
            self.losses.append(loss.item())

    def planned(self, update: int) -> float:
        return float(SCHEDULE.resolve(total_steps=100)(update))

    def save(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])


def train(folder: Path, total: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    run = Run(folder, total=total, metrics_every=3, poll_seconds=0.02)
    saved = folder / "checkpoint"
    if saved.exists():
        run.load(torch.load(saved))
    first = Ranks.here() is None
    while not run.scheduler.done:
        run.updates(1)
        time.sleep(PAUSE)
        if first and run.scheduler.update % 10 == 0:
            torch.save(run.save(), folder / "half")
            (folder / "half").replace(saved)
    run.remote.close()
    return {
        "update": run.scheduler.update,
        "next": run.scheduler.next_lr,
        "events": [one.to_dict() | {"time": None} for one in run.scheduler.events],
        "used": [[one.hex() for one in row] for row in run.used],
    }


def main(folder: Path, total: int, ranks: int) -> None:
    folder.mkdir(exist_ok=True)
    if ranks == 1:
        end: Any = train(folder, total)
    else:
        from tests.adapters.torch.rank_group import together

        end = together(ranks, lambda _: train(folder, total), folder / "group", 150.0)
    (folder / "end.json").write_text(json.dumps(end))


if __name__ == "__main__":
    where, updates, *rest = sys.argv[1:]
    main(Path(where), int(updates), int(rest[0]) if rest else 1)
