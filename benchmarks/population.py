"""How much faster the population engine trains than one run after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.results import Aim, Cell, Column, Part, Table
from stepsize.proof import workloads
from stepsize.proof.population import measure_throughput

MICRO = 1e6
NOTES = (
    "Both on one thread, whole runs of the digits MLP from the draw of the parameters "
    "to the last reading; the fastest of several runs of each.",
    "One by one is ordinary training with the fastest of torch's own implementations "
    "of the optimizer.",
)


def run(
    members: Sequence[int] = (42, 168), *, repeats: int = 3, updates: int | None = None
) -> Part:
    """Time both engines.

    Args:
        members: Sizes of the population.
        repeats: Runs of which the fastest counts.
        updates: Updates of a run; None for the workload's own budget.
    """
    workload = workloads.load("digits")
    if updates is not None:
        workload = replace(workload, total_steps=updates)
    rows: list[tuple[Cell, ...]] = []
    aims: list[Aim] = []
    for size in members:
        found = measure_throughput(workload, members=size, repeats=repeats)
        rows.append(
            (
                str(size),
                MICRO * found.one_by_one,
                found.implementation,
                MICRO * found.population,
                found.ratio,
            )
        )
        aims.append(Aim(f"{size} members", found.ratio, 5, "times", at_least=True))
    table = Table(
        f"{workload.name}: {workload.model}, {workload.total_steps} updates",
        (
            Column("members"),
            Column("one by one, us an update", ".1f"),
            Column("optimizer"),
            Column("population, us a member's update", ".1f"),
            Column("times the throughput", ".2f"),
        ),
        tuple(rows),
    )
    title = "trainings a second on one core, population against one by one"
    return Part("population", title, (table,), tuple(aims), NOTES)
