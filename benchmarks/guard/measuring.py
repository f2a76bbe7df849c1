"""All runs of the benchmark, as rows of plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from benchmarks.guard.conditions import HARMED, HEALTHY, Condition
from benchmarks.guard.rates import best
from benchmarks.guard.running import Outcome, train
from benchmarks.guard.task import Task
from stepsize.control import Guard


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run.

    Attributes:
        task: Name of the task.
        half: Of the tasks.
        seed: Of weights and data.
        condition: Its name.
        group: Its group.
        against: "guard", or the remedy.
        regret: Share of the healthy run's improvement that is missing.
        rewinds: How many.
        lost: Updates that they took back.
        delay: Updates from the fault to the first rewind; None: there was none.
        same: Whether it ended as the same run without the guard, to the bit.
        told: What the guard said.
    """

    task: str
    half: str
    seed: int
    condition: str
    group: str
    against: str
    regret: float
    rewinds: int
    lost: int
    delay: int | None
    same: bool
    told: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain; an infinite regret is None."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"regret": self.regret if math.isfinite(self.regret) else None}


def measure(
    tasks: Sequence[Task],
    seeds: Sequence[int],
    *,
    against: Sequence[str] = ("nothing", "guard"),
    conditions: Sequence[Condition] = (*HEALTHY, *HARMED),
    guard: Guard | None = None,
    tell: Callable[[Row], None] = lambda _: None,
) -> list[Row]:
    """Make all runs; remedies other than the guard only where there is a fault."""
    rows = []
    for task in tasks:
        for row in _of_task(task, seeds, against, conditions, guard):
            tell(row)
            rows.append(row)
    return rows


def _of_task(
    task: Task,
    seeds: Sequence[int],
    against: Sequence[str],
    conditions: Sequence[Condition],
    guard: Guard | None,
) -> Iterator[Row]:
    rate = best(task.name)
    for seed in seeds:
        healthy = train(task, seed, rate)
        for condition in conditions:
            if not condition.fits(task):
                continue
            plain: Outcome | None = None
            for name in against:
                if condition.start is None and name not in ("nothing", "guard"):
                    continue
                outcome = train(
                    task,
                    seed,
                    rate * condition.rate,
                    against=name,
                    faults=condition.of(task),
                    guard=guard,
                )
                if name == "nothing":
                    plain = outcome
                yield _row(
                    task,
                    seed,
                    condition,
                    name,
                    outcome=outcome,
                    healthy=healthy,
                    plain=plain,
                )


def _row(
    task: Task,
    seed: int,
    condition: Condition,
    name: str,
    *,
    outcome: Outcome,
    healthy: Outcome,
    plain: Outcome | None,
) -> Row:
    first = outcome.rewinds[0].update if outcome.rewinds else None
    begin = None if condition.start is None else int(condition.start * task.updates)
    return Row(
        task=task.name,
        half=task.half,
        seed=seed,
        condition=condition.name,
        group=condition.group,
        against=name,
        regret=outcome.regret(healthy),
        rewinds=len(outcome.rewinds),
        lost=outcome.lost,
        delay=None if first is None or begin is None else first - begin,
        same=plain is not None
        and (outcome.last, outcome.losses) == (plain.last, plain.losses),
        told=tuple(
            f"{event.update} {event.kind} {dict(event.values)} {event.reason}"
            for event in outcome.events
            if event.source == "guard"
        ),
    )
