"""Two processes of Accelerate: how often each scheduler moves, and what they decide.

torchrun --nproc-per-node 2 -m tests.adapters.accelerate.ranks
"""

import json
from typing import Any

import torch
from accelerate import Accelerator
from tests.adapters.recording import Recording

import stepsize as ss
from stepsize.adapters.accelerate import plan_horizon, prepare_scheduler
from stepsize.adapters.torch import Scheduler
from stepsize.control import Plateau

BATCH, SAMPLES = 4, 96


def train(
    accelerator: Any, make: Any, *metric: float, observe: bool = False
) -> dict[str, Any]:
    """Train for one epoch; return the rates that were used, updates and events."""
    torch.manual_seed(0)
    used: list[list[float]] = []
    model = torch.nn.Linear(3, 1)
    optimizer = Recording(model.parameters(), lr=0.1, used=used)
    data = torch.utils.data.TensorDataset(torch.randn(SAMPLES, 3))
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    scheduler, live = make(accelerator, optimizer, loader)
    for batch in loader:
        with accelerator.accumulate(model):
            loss = model(batch[0]).square().mean()
            accelerator.backward(loss)
            optimizer.step()
            scheduler.step(*metric)
            optimizer.zero_grad()
        if observe and accelerator.sync_gradients:
            # each process has measured something else
            live.observe(val_loss=1.0 + accelerator.process_index)
    return {
        "used": [rates[0] for rates in used],
        "update": getattr(live, "update", None),
        "events": [event.update for event in getattr(live, "events", ())],
    }


def theirs(accelerator: Any, optimizer: Any, loader: Any) -> Any:
    lines = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=6)
    return accelerator.prepare(lines), lines


def their_plateau(accelerator: Any, optimizer: Any, loader: Any) -> Any:
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
    return accelerator.prepare(plateau), plateau


def ours(accelerator: Any, optimizer: Any, loader: Any) -> Any:
    horizon = plan_horizon(accelerator, loader, epochs=1)
    made = prepare_scheduler(
        accelerator, optimizer, lr=0.1 * ss.linear(), horizon=horizon
    )
    return made, made


def plain(accelerator: Any, optimizer: Any, loader: Any) -> Any:
    made = Scheduler(optimizer, lr=0.1 * ss.linear(), total_steps=6)
    return accelerator.prepare(made), made


def deciding(accelerator: Any, optimizer: Any, loader: Any) -> Any:
    made = prepare_scheduler(
        accelerator,
        optimizer,
        lr=0.1 * ss.hold(),
        total_steps=6,
        policies=[Plateau(patience=2, convention="torch")],
    )
    return made, made


if __name__ == "__main__":
    both = Accelerator(cpu=True, gradient_accumulation_steps=2)
    found = {
        "processes": both.num_processes,
        "theirs": train(both, theirs),
        "their_plateau": train(both, their_plateau, 1.0),
        "ours": train(both, ours),
        "plain": train(both, plain),
        "deciding": train(both, deciding, observe=True),
    }
    print(json.dumps(found))
    torch.distributed.destroy_process_group()
