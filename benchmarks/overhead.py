"""What policies add to a training step: guard with snapshots, and plateau."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import nn

import stepsize as ss
from benchmarks.measure import cpu, interleaved
from benchmarks.results import Aim, Cell, Column, Part, Table
from stepsize.adapters.torch import Scheduler
from stepsize.control import Guard, Plateau, Policy

MOST_SHARE, MOST_MICRO = 2.0, 30.0
MICRO = 1e6
KINDS: dict[str, Callable[[], Sequence[Policy]]] = {
    "scheduler alone": tuple,
    "with Guard": lambda: (Guard(),),
    "with Plateau on the loss": lambda: (Plateau("loss"),),
}

NOTES = (
    "A step: forward, backward, optimizer.step() and scheduler.step(loss=loss), on one "
    "thread. Added: CPU time inside scheduler.step() minus that of the scheduler alone "
    "in the same round, median over the rounds.",
    "The guard looks at every loss, inspects weights and moments, and takes snapshots "
    "into memory, as by default; a round has 200 updates.",
)


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 49, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def _tiny() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def _loop(
    network: Callable[[], nn.Module],
    adam: bool,
    batch: int,
    policies: Sequence[Policy],
    updates: int,
) -> Callable[[], float]:
    """Return a loop of training that gives the seconds inside `scheduler.step`."""
    torch.manual_seed(0)
    model = network()
    optimizer: torch.optim.Optimizer = (
        torch.optim.Adam(model.parameters())
        if adam
        else torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    )
    scheduler = Scheduler(
        optimizer,
        lr=(1e-3 if adam else 1e-2) * ss.warmup(10) >> ss.hold(),
        policies=policies,
        model=model,
    )
    inputs = torch.randn(batch, 1, 28, 28)
    targets = torch.randint(10, (batch,))

    def run() -> float:
        spent = 0.0
        for _ in range(updates):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            start = cpu()
            scheduler.step(loss=loss)
            spent += cpu() - start
        return spent

    return run


def _into(found: list[float], loop: Callable[[], float]) -> Callable[[], None]:
    return lambda: found.append(loop())


def run(*, updates: int = 200, rounds: int = 15, seconds: float = 25.0) -> Part:
    """Time training with and without policies, side by side.

    Args:
        updates: Updates in a round.
        rounds: Rounds at most.
        seconds: Time for each setting, after which no round begins.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: list[tuple[Cell, ...]] = []
    aims: list[Aim] = []
    try:
        for title, network, adam, batch in (
            ("CNN, SGD with momentum", _cnn, False, 64),
            ("CNN, Adam", _cnn, True, 64),
            ("one layer, SGD with momentum", _tiny, False, 8),
            ("one layer, Adam", _tiny, True, 8),
        ):
            inside: dict[str, list[float]] = {name: [] for name in KINDS}
            loops = {
                name: _into(inside[name], _loop(network, adam, batch, make(), updates))
                for name, make in KINDS.items()
            }
            times = interleaved(loops, rounds=rounds, seconds=seconds, clock=cpu)
            step = median(times["scheduler alone"]) / updates
            for name in list(KINDS)[1:]:
                pairs = zip(inside[name], inside["scheduler alone"], strict=True)
                added = median(a - b for a, b in pairs) / updates
                share = added / step
                rows.append(
                    (f"{title}, {name}", step * 1e3, added * MICRO, 100 * share)
                )
                if name == "with Guard":
                    aims.append(
                        Aim(f"guard, {title}", added * MICRO, MOST_MICRO, "us a step")
                    )
                    if network is _cnn:
                        aims.append(
                            Aim(f"guard, {title}", 100 * share, MOST_SHARE, "%")
                        )
    finally:
        torch.set_num_threads(before)
    columns = (
        Column("training"),
        Column("a step, ms", ".3f"),
        Column("policies add, us", ".1f"),
        Column("share, %", ".2f"),
    )
    table = Table("Policies", columns, tuple(rows))
    title = "What policies add to a training step"
    return Part("overhead", title, (table,), tuple(aims), NOTES)
