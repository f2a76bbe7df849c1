"""A training that obeys the dashboard, on one process or on several.

    python -m tests.dashboard.steered FOLDER UPDATES [RANKS]

It looks for commands once a second, as by default, saves a checkpoint every 20 updates
and goes on from the last, and ends when its curve does. FOLDER/rank-N has a line for
every update that rank N made: the update, and the rates that it used.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tests.lives import note
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.ledger import Ledger

POLL_SECONDS = 1.0
PAUSE = 0.01  # seconds an update takes, besides
EVERY = 20  # updates between checkpoints
SCHEDULE = 3e-3 * ss.warmup(50) >> ss.cosine(to=0.05)


def train(folder: Path, total: int, rank: int, size: int) -> int:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inner = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
    )
    model: Any = inner if size == 1 else DistributedDataParallel(inner)
    groups = [
        {"params": inner[0].parameters(), "name": "encoder"},
        {"params": inner[2].parameters(), "name": "head"},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    ledger = Ledger(
        folder,
        metrics_every=5,
        flush_seconds=0.2,
        poll_seconds=POLL_SECONDS,
        tags={"commit": "1a2b3c"},
    )
    scheduler = Scheduler(
        optimizer, lr=SCHEDULE, rules={"head": 0.5}, total_steps=total, ledger=ledger
    )
    parts: dict[str, Any] = {
        "model": inner,
        "optimizer": optimizer,
        "scheduler": scheduler,
    }
    saved = folder / "checkpoint"
    if saved.exists():
        state = torch.load(saved)
        for name, part in parts.items():
            part.load_state_dict(state[name])
    weights = torch.linspace(-1.0, 1.0, 8)[:, None]
    torch.manual_seed(1 + rank + size * scheduler.update)

    def used(optimizer: Any, args: object, kwargs: object) -> None:
        rates = [group["lr"].hex() for group in optimizer.param_groups]
        note(folder / f"rank-{rank}", scheduler.update, rates)

    optimizer.register_step_pre_hook(used)  # after the Scheduler's own
    while not scheduler.done:
        inputs = torch.randn(32, 8)
        loss = (model(inputs) - torch.sin(inputs @ weights)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step(loss=loss)
        time.sleep(PAUSE)
        if rank == 0 and scheduler.update % EVERY == 0:
            state = {name: part.state_dict() for name, part in parts.items()}
            torch.save(state, folder / "half")
            (folder / "half").replace(saved)
    scheduler.close()
    return scheduler.update


def main(folder: Path, total: int, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if size == 1:
        train(folder, total, 0, 1)
        return
    from tests.adapters.torch.rank_group import together

    def work(rank: int) -> int:
        try:
            return train(folder, total, rank, size)
        finally:
            distributed.barrier()

    ends = together(size, work, folder / f"group-{os.getpid()}", 600.0)
    if any(one != ends[0] or not isinstance(one, int) for one in ends):
        raise RuntimeError(ends)


if __name__ == "__main__":
    where, updates, *rest = sys.argv[1:]
    main(Path(where), int(updates), int(rest[0]) if rest else 1)
