"""A training with a guard and policies that is killed again and again.

    python -m tests.adapters.torch.killed_run_guarded FOLDER KILLS SEED

Every life is a process of its own, forked from this one; it finds checkpoint, snapshots
and event log in its folder and goes on. FOLDER/run*/rates has a line for every update
that any life made.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from tests.adapters.torch.guard_training import Training, load, save
from tests.lives import lives, note

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control import Event, Greedy, Guard, Plateau
from stepsize.testing.faults import Faults, InfLoss, NaNGradient, RateFactor

UPDATES = 160
EVERY = 15  # updates between checkpoints
COMMANDS: dict[int, tuple[str, dict[str, Any]]] = {
    33: ("scale", {"factor": 0.8, "over": 5}),
    77: ("hold", {}),
    83: ("release", {"resume": "catch-up"}),
    120: ("cooldown", {"steps": 30}),
}
FAULTS = Faults(
    InfLoss(52), RateFactor(300.0, start=88, length=14), NaNGradient(131), InfLoss(140)
)


def build(folder: Path | None) -> Training:
    where: dict[str, Any] = {}
    if folder is not None:
        where = {"ledger": folder / "events.jsonl", "snapshots": folder / "snapshots"}
    return Training(
        "adam",
        [
            Guard(snapshot_every=10, prove_after=5, give_back_after=15, over=4),
            Plateau("loss", patience=4, factor=0.9, name="on loss"),
            Plateau(patience=2, convention="torch", factor=0.9),
            Greedy("accuracy", mode="max", patience=1, factor=0.95, name="greedy"),
        ],
        noisy=True,
        faults=FAULTS,
        schedule=ss.warmup(10) >> ss.cosine(to=0.05),
        updates=UPDATES,
        **where,
    )


def train(folder: Path | None = None) -> Training:
    torch.set_num_threads(1)
    run = build(folder)
    if folder is not None and (folder / "checkpoint").exists():
        load(run, folder / "checkpoint")
    scheduler = run.scheduler
    while not scheduler.done:
        _speak(scheduler)
        update = scheduler.update
        back = run.attempt()
        if folder is not None:
            rates = [rate.hex() for rate in run.applied[-1]]
            rewound = back and [back.update, back.snapshot, back.reason]
            note(folder / "rates", update, rates, run.losses[-1], rewound)
        if scheduler.update % 8 == 0:
            value = run.score()
            scheduler.observe(val_loss=value, accuracy=-round(value, 1))
        if folder is not None and scheduler.update % EVERY == 0:
            save(run, folder / "checkpoint")
    if folder is not None:
        save(run, folder / "checkpoint")
    return run


def _speak(scheduler: Scheduler) -> None:
    """A person, who says everything once."""
    update = scheduler.update
    if update not in COMMANDS or any(
        event.update == update and event.source == "operator:ada"
        for event in scheduler.events
    ):
        return
    kind, values = COMMANDS[update]
    scheduler.add_event(
        Event(update=update, kind=kind, values=values, source="operator:ada")
    )


if __name__ == "__main__":
    lives(train, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
