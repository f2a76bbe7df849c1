"""A training that is killed again and again, each time at a random moment.

    python -m tests.adapters.torch.killed_run FOLDER KILLS SEED

Each life is a process of its own, forked from this one, which imported torch but never
used it. It goes on from the last checkpoint in FOLDER; the one after the last kill runs
to its end. FOLDER/rates has a line for every update that any of them made.
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from tests.lives import lives, note

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control import Event, Target

SCHEDULE = 0.1 * ss.warmup("10%") >> ss.cosine(to=0.01)
COMMANDS: dict[int, tuple[str, dict[str, Any]]] = {
    8: ("scale", {"factor": 0.5, "over": 5}),
    14: ("extend", {"total_steps": 70, "mode": "bridge"}),
    24: ("hold", {}),
    28: ("release", {}),
    44: ("cooldown", {"steps": "50%", "to": 0.1}),
}
EVERY = 5  # updates between checkpoints
PAUSE = 0.002  # seconds; spreads the kills over the updates


def train(folder: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(
        [
            {"params": model[0].parameters(), "name": "encoder"},
            {"params": model[1].parameters(), "name": "head"},
        ],
        lr=0.1,
    )
    scheduler = Scheduler(
        optimizer, lr=SCHEDULE, total_steps=60, ledger=folder / "events.jsonl"
    )
    saved = folder / "checkpoint"
    if saved.exists():
        state = torch.load(saved)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
    loss = torch.zeros(())
    while not scheduler.done:
        decide(scheduler, scheduler.update)
        loss = model(torch.ones(2, 3)).square().mean()
        loss.backward()
        update = scheduler.update
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        rates = [rate.hex() for rate in scheduler.last_lr]
        note(folder / "rates", update, rates, loss.item())
        time.sleep(PAUSE)
        if scheduler.update % EVERY == 0:
            save(folder, model, optimizer, scheduler)
    save(folder, model, optimizer, scheduler)


def decide(scheduler: Scheduler, update: int) -> None:
    """A policy, which decides anew in each life, and a person, who speaks once."""
    if update % 7 == 3:
        scheduler.scale(
            0.9, reason="every week", source="policy:weekly", target=Target("lr", "h*")
        )
    if update in COMMANDS and not any(
        event.update == update and event.source == "operator:ada"
        for event in scheduler.events
    ):
        kind, values = COMMANDS[update]
        scheduler.add_event(
            Event(update=update, kind=kind, values=values, source="operator:ada")
        )


def save(folder: Path, model: Any, optimizer: Any, scheduler: Scheduler) -> None:
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    torch.save({k: v.state_dict() for k, v in parts.items()}, folder / "half")
    (folder / "half").replace(folder / "checkpoint")


if __name__ == "__main__":
    lives(train, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
