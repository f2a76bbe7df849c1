"""What a scheduler adds to an update of the optimizer."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import final

from benchmarks.loops import LOOPS, PEAK, FreeOptimizer, Loop, bare, cosine, rate_of
from benchmarks.measure import cpu, interleaved, quantile
from benchmarks.results import Aim, Cell, Column, Part, Table
from stepsize.adapters.torch.plan import TABLE

HAND, OURS, TORCH = "hand-written", "stepsize", "torch CosineAnnealingLR"
SETTINGS = ((1, False), (8, False), (64, False), (64, True))
MICRO = 1e6

NOTES = (
    "Cost: a loop minus the loop without scheduler in the same round, median over the "
    "rounds; so are the ratios. Fastest: the fastest loop minus the fastest without.",
    "stepsize includes both optimizer hooks, step() with its double-call check, one "
    "`scale` event in the past and one to come, and the refill of its table.",
    "An update of the optimizer runs the hooks and does nothing else. `own rates`: "
    "every group has another rate, which the curve multiplies (lr_factor).",
)


@final
@dataclass(frozen=True, slots=True)
class Cost:
    """What a scheduler adds to an update. Unit: seconds."""

    by_round: Sequence[float]
    least: float

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return median(self.by_round)


def run(
    settings: Sequence[tuple[int, bool]] = SETTINGS,
    *,
    names: Iterable[str] = tuple(LOOPS),
    updates: int = TABLE,
    rounds: int = 41,
    seconds: float = 15.0,
    refills: int = 300,
) -> Part:
    """Time every loop.

    Args:
        settings: Param groups, and whether each has a rate of its own.
        names: Which of `LOOPS`.
        updates: Updates of each loop in a round. A whole table of ours by default, so
            that each round pays for one refill.
        rounds: Rounds at most.
        seconds: Time for each setting, after which no round begins.
        refills: How many refills are timed one by one.
    """
    chosen = tuple(names)
    tables, aims = [], []
    for groups, own_rates in settings:
        costs = measure(
            groups,
            own_rates=own_rates,
            names=chosen,
            updates=updates,
            rounds=rounds,
            seconds=seconds,
        )
        tables.append(_table(groups, costs, own_rates=own_rates))
        if TORCH in costs:
            aims += _aims(groups, costs, own_rates=own_rates)
    times, every = refill_times(refills)
    tables.append(_refill_table(times, every))
    title = "one update with a scheduler, beyond the same update without"
    return Part("steps", title, tuple(tables), tuple(aims), NOTES)


def measure(
    groups: int,
    *,
    own_rates: bool,
    names: Sequence[str],
    updates: int,
    rounds: int,
    seconds: float,
) -> dict[str, Cost]:
    """Return what each scheduler adds to an update, by its name."""
    total = (rounds + 1) * updates + 2
    loops: dict[str, Loop] = {}
    for name in names:
        optimizer = FreeOptimizer(groups, own_rates=own_rates)
        loops[name] = LOOPS[name](optimizer, total, own_rates=own_rates)
        loops[name](0, updates)  # warm up, and see that the curve is the same
        check_rates(name, optimizer, updates, total, own_rates=own_rates)
    alone = FreeOptimizer(groups, own_rates=own_rates)
    loops["bare"] = bare(alone, total, own_rates=own_rates)
    done = dict.fromkeys(loops, updates)

    def go(name: str) -> None:
        start = done[name]
        done[name] = start + updates
        loops[name](start, start + updates)

    work = {name: partial(go, name) for name in loops}
    times = interleaved(work, rounds=rounds, seconds=seconds, clock=cpu)
    without = times.pop("bare")
    return {
        name: Cost(
            by_round=[(a - b) / updates for a, b in zip(mine, without, strict=True)],
            least=(min(mine) - min(without)) / updates,
        )
        for name, mine in times.items()
    }


def check_rates(
    name: str, optimizer: FreeOptimizer, step: int, total: int, *, own_rates: bool
) -> None:
    """See that a loop has written what all must write after `step` updates.

    Raises:
        RuntimeError: It has not, so its cost says nothing.
    """
    for index, group in enumerate(optimizer.param_groups):
        expected = rate_of(index, own_rates=own_rates) * cosine(step, total)
        if not math.isclose(group["lr"], expected, abs_tol=1e-9 * PEAK):
            message = f"{name} wrote {group['lr']!r} instead of {expected!r}"
            raise RuntimeError(message)


def refill_times(refills: int) -> tuple[list[float], list[float]]:
    """Return the seconds of updates that refill our table, and of all the others."""
    total = (refills + 1) * TABLE + 2
    optimizer = FreeOptimizer(1)
    loop = LOOPS[OURS](optimizer, total, own_rates=False)
    loop(0, TABLE - 1)  # so that the next update is a refill
    refilling: list[float] = []
    others: list[float] = []
    clock = time.perf_counter
    for number in range(refills):
        start = (number + 1) * TABLE - 1
        for step in range(start, start + TABLE):
            begin = clock()
            loop(step, step + 1)
            spent = clock() - begin
            (refilling if step == start else others).append(spent)
    return refilling, others


def _ratio(cost: Cost, base: Cost) -> float:
    pairs = zip(cost.by_round, base.by_round, strict=True)
    # where the difference of two loops is lost in jitter there is nothing to divide by
    ratios = [a / b for a, b in pairs if b > 0]
    return median(ratios) if ratios else math.nan


def _table(groups: int, costs: dict[str, Cost], *, own_rates: bool) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, mine in costs.items():
        against = [
            _ratio(mine, costs[other]) if other in costs else None
            for other in (HAND, TORCH)
        ]
        rows.append((name, MICRO * mine.median, MICRO * mine.least, *against))
    which = f"{groups} param group{'s' if groups > 1 else ''}"
    return Table(
        f"{which}, own rates" if own_rates else which,
        (
            Column("loop"),
            Column("median us", ".2f"),
            Column("fastest us", ".2f"),
            Column("/ hand-written", ".2f"),
            Column("/ torch", ".3f"),
        ),
        tuple(rows),
    )


def _aims(groups: int, costs: dict[str, Cost], *, own_rates: bool) -> list[Aim]:
    if own_rates:
        return []
    mine = costs[OURS]
    if groups == 1:
        return [Aim("a step at 1 group, hooks included", MICRO * mine.median, 1, "us")]
    if groups != 64:
        return []
    by_hand, by_torch = _ratio(mine, costs[HAND]), _ratio(mine, costs[TORCH])
    return [
        Aim("a step at 64 groups", by_hand, 2.5, "hand-written loops"),
        Aim("a step at 64 groups", by_torch, 1 / 8, "of torch's"),
    ]


def _refill_table(refilling: Sequence[float], others: Sequence[float]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            name,
            float(len(times)),
            *(MICRO * quantile(times, share) for share in (0.5, 0.99)),
            MICRO * max(times),
        )
        for name, times in (("refill", refilling), ("every other", others))
    )
    return Table(
        f"updates of stepsize one by one, 1 group; every {TABLE}th refills the table",
        (
            Column("update"),
            Column("timed", ".0f"),
            Column("median us", ".1f"),
            Column("p99 us", ".1f"),
            Column("max us", ".1f"),
        ),
        rows,
    )
