"""Trainings by several real processes; prints what became of each of them, as JSON.

    python -m tests.adapters.torch.rank_training FOLDER SCENARIO SIZE [SIZE AFTERWARDS]

The second size is that of the group which goes on where a killed one was.
"""

import functools
import json
import math
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tests.adapters.torch.rank_group import together, tried
from tests.adapters.torch.rank_rewinding import Back
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.adapters.torch.ranks import Ranks
from stepsize.control import CooldownOnPlateau, Deadline, Event, Greedy, Plateau

SCHEDULE = 0.1 * ss.warmup(5) >> ss.hold() >> ss.cosine(to=0.001)
EVERY = 50  # updates between comparisons
TIMEOUT = 10.0  # seconds
PLANTED = 120  # update of an event that one rank alone adds
KILLED = 37  # update in which a rank is killed
SOME = [n / 64 for n in range(64)]  # values of metrics


class Run:
    """A model on each rank, and what was applied to it."""

    def __init__(self, updates: int, policies: list[Any], **options: Any) -> None:
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(3, 2)
        self.model = DistributedDataParallel(self.inner)
        groups: list[dict[str, Any]] = [
            {"params": [self.inner.weight], "name": "weight"},
            {"params": [self.inner.bias], "name": "bias", "lr": 0.2},
        ]
        self.optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
        self.scheduler = Scheduler(
            self.optimizer,
            lr_factor=SCHEDULE,
            total_steps=updates,
            policies=policies,
            model=self.inner,
            ranks=Ranks(check_every=EVERY, timeout_seconds=TIMEOUT),
            **options,
        )
        self.rates: dict[int, list[str]] = {}
        self.rewound: list[list[int]] = []

    def train(self, inputs: float) -> torch.Tensor:
        """Make the gradients of a batch, return its loss."""
        batch = torch.full((4, 3), inputs)
        loss: torch.Tensor = self.model(batch).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        return loss.detach()

    def update(self, loss: Any) -> None:
        scheduler = self.scheduler
        update = scheduler.update
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.rates[update] = [g["lr"].hex() for g in self.optimizer.param_groups]
        back = scheduler.step(loss=loss)
        if back is not None:
            self.rewound.append([back.update, back.snapshot])

    def told(self) -> dict[str, Any]:
        events = [event.to_dict() | {"time": None} for event in self.scheduler.events]
        return {
            "rates": self.rates,
            "events": [{**one, "sequence": None} for one in events],
            "weights": [p.tolist() for p in self.inner.parameters()],
            "rewound": self.rewound,
        }


def council() -> list[Any]:
    return [
        Plateau("loss", patience=7, name="on loss"),
        Plateau(patience=3, convention="torch", factor=0.7),
        Greedy("accuracy", mode="max", patience=2, factor=0.9),
        CooldownOnPlateau(Plateau("score", patience=400), length="30%"),
    ]


def randomised(rank: int, updates: int = 1000) -> Any:
    """Random losses, NaN on some ranks, metrics that only some have, in any order."""
    run = Run(updates, council())
    scheduler = run.scheduler
    own, common = random.Random(rank), random.Random(99)
    while not scheduler.done:
        if common.random() < 0.01:
            scheduler.scale(common.uniform(0.8, 1.25), over=common.randrange(9))
        run.train(1.0)
        loss = own.choice([math.nan, None, *(own.random() for _ in range(20))])
        run.update(loss)
        if common.random() < 0.2:
            names = [name for name in ("val_loss", "accuracy") if own.random() < 0.7]
            own.shuffle(names)
            values = [
                own.choice([math.nan, math.inf, *own.choices(SOME, k=18)])
                for _ in names
            ]
            scheduler.observe(**dict(zip(names, values, strict=True)))
    return run.told()


def planted(rank: int) -> Any:
    """Rank 1 alone adds an event, and its policy then decides at other updates."""
    steady = Plateau("loss", patience=5, factor=0.99)
    return _planted(rank, steady)


def hidden(rank: int) -> Any:
    """Rank 1 alone adds an event, of which the policies notice nothing."""
    return _planted(rank, Deadline(1e6))


def _planted(rank: int, policy: Any) -> Any:
    run = Run(400, [policy])

    def go() -> None:
        while not run.scheduler.done:
            if run.scheduler.update == PLANTED and rank == 1:
                run.scheduler.scale(0.5, reason="planted", source="operator:eve")
            run.train(1.0)
            run.update(1.0)

    return tried(go) | {"update": run.scheduler.update}


def rewinding(rank: int) -> Any:
    """The loss is infinite on the last rank only, once, and so are the gradients."""
    run = Run(60, [Back()])
    last = distributed.get_world_size() - 1
    while not run.scheduler.done:
        bad = run.scheduler.update == 33 and rank == last
        run.update(run.train(math.inf if bad else 1.0 + rank))
    return run.told()


def alone(rank: int) -> Any:
    """Rank 0 alone observes: a mistake that is easily made."""
    run = Run(60, [Plateau()])

    def go() -> None:
        while not run.scheduler.done:
            run.update(run.train(1.0))
            if rank == 0 and run.scheduler.update % 10 == 0:
                run.scheduler.observe(val_loss=1.0)

    start = time.monotonic()
    return tried(go) | {"seconds": time.monotonic() - start, "rates": run.rates}


def apart(rank: int) -> Any:
    """The same mistake, in a training that is not synchronised otherwise."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    scheduler = Scheduler(optimizer, lr=0.1, total_steps=60, policies=[Plateau()])

    def go() -> None:
        while not scheduler.done:
            optimizer.step()
            scheduler.step(loss=1.0)
            if rank == 0 and scheduler.update == 10:
                scheduler.observe(val_loss=1.0)

    return tried(go)


def failing(rank: int) -> Any:
    """A policy raises, on rank 0, where it decides."""
    run = Run(60, [Plateau("loss", nan="raise")])

    def go() -> None:
        while not run.scheduler.done:
            run.update(run.train(math.nan if run.scheduler.update == 7 else 1.0))

    start = time.monotonic()
    return tried(go) | {"seconds": time.monotonic() - start}


def resumable(rank: int, folder: Path, kill: int | None) -> Any:
    """Events of policies and of people, a checkpoint at each tenth update."""
    size = distributed.get_world_size()
    policies = [
        Plateau(patience=3, convention="torch", factor=0.7),
        Plateau("loss", patience=5, name="on loss"),
    ]
    run = Run(80, policies, ledger=folder / "events.jsonl")
    scheduler, saved = run.scheduler, folder / "checkpoint"
    if saved.exists():
        state = torch.load(saved)
        run.inner.load_state_dict(state["model"])
        run.optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
    distributed.barrier()

    def go() -> dict[str, Any]:
        while not scheduler.done:
            update = scheduler.update
            by_hand = ("operator:ada", update)
            if update in (12, 33) and by_hand not in _events(scheduler):
                event = Event(
                    update=update,
                    kind="scale",
                    values={"factor": 0.5, "over": 4},
                    source="operator:ada",
                )
                scheduler.add_event(event)
            loss = run.train(1.0)  # the same on any number of ranks
            if update == kill and rank == size - 1:
                os.kill(os.getpid(), signal.SIGKILL)
            run.update(loss)
            if scheduler.update % 2 == 0:
                spread = (rank - (size - 1) / 2) / 8  # exact: its mean is zero
                scheduler.observe(val_loss=(scheduler.update * 5 % 7) / 8 + spread)
            if scheduler.update % 10 == 0 and rank == 0:
                save(run, saved)
        return run.told()

    start = time.monotonic()
    found: dict[str, Any] = tried(go)
    return found | {"seconds": time.monotonic() - start}


def save(run: Run, path: Path) -> None:
    parts = {
        "model": run.inner.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "scheduler": run.scheduler.state_dict(),
    }
    torch.save(parts, path.with_name("half"))
    path.with_name("half").replace(path)


def _events(scheduler: Scheduler) -> list[tuple[str, int]]:
    return [(event.source, event.update) for event in scheduler.events]


def main(folder: Path, scenario: str, size: int, after: int = 0) -> Any:
    if scenario != "killed":
        works = {
            "randomised": randomised,
            "short": lambda rank: randomised(rank, 120),
            "planted": planted,
            "hidden": hidden,
            "rewinding": rewinding,
            "alone": alone,
            "apart": apart,
            "failing": failing,
        }
        return together(size, works[scenario], folder / "group")
    found = {}
    for name, many, kill in (
        ("whole", size, None),
        ("run", size, KILLED),
        ("run", after, None),
    ):
        run = folder / name
        run.mkdir(exist_ok=True)
        key = f"{name} {many}"
        work = functools.partial(resumable, folder=run, kill=kill)
        found[key] = together(many, work, run / key)
    return found


if __name__ == "__main__":
    sizes = [int(size) for size in sys.argv[3:]]
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], *sizes)))
