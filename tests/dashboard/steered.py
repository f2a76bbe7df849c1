"""A training that obeys the dashboard.

    python -m tests.dashboard.steered FOLDER UPDATES

It looks for commands once a second, as by default, and ends when its curve does.
"""

import sys
import time

import torch

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.ledger import Ledger

POLL_SECONDS = 1.0
PAUSE = 0.01  # seconds an update takes, besides


def main(folder: str, total: int) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
    )
    groups = [
        {"params": model[0].parameters(), "name": "encoder"},
        {"params": model[2].parameters(), "name": "head"},
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
        optimizer,
        lr=3e-3 * ss.warmup(50) >> ss.cosine(to=0.05),
        rules={"head": 0.5},
        total_steps=total,
        ledger=ledger,
    )
    weights = torch.randn(8, 1)
    while not scheduler.done:
        inputs = torch.randn(32, 8)
        loss = (model(inputs) - torch.sin(inputs @ weights)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step(loss=loss)
        time.sleep(PAUSE)
    scheduler.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
