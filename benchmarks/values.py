"""A million values of a schedule, against numpy written by hand and against optax."""

from __future__ import annotations

import time
from functools import partial
from statistics import median

import numpy as np

from benchmarks.formulas import PEAK, Array, Case, cases
from benchmarks.measure import cpu, interleaved, ratio
from benchmarks.results import Aim, Cell, Column, Part, Table

TOTAL, CYCLES = 1_000_000, 1000
CLOSE = 1e-12  # of the peak
MILLI = 1e3
NOTES = (
    "Bare: numpy written by hand, each phase over its own span of np.arange; ours "
    "takes the same array and finds the phases. All values agree to 1e-12 of the peak.",
    "Random order: against numpy written by hand for any order (masks, or arithmetic "
    "on the cycle). Resolving is done once and is not in the other numbers.",
)


def run(
    *,
    total: int = TOTAL,
    cycles: int = CYCLES,
    rounds: int = 21,
    seconds: float = 5.0,
    peers: bool = True,
) -> Part:
    """Time every case.

    Args:
        total: Values; a multiple of `cycles`.
        cycles: Cycles of the repeats.
        rounds: Rounds at most.
        seconds: Time for each case, after which no round begins.
        peers: Whether to time optax too, and ours on JAX.
    """
    steps = np.arange(total)
    shuffled = np.random.default_rng(0).permutation(total)
    rows: list[tuple[Cell, ...]] = []
    aims: list[Aim] = []
    every = cases(total, cycles)
    for case in every:
        resolving = _resolving(case, total)
        compare(case, steps, shuffled)
        times = _times(case, steps, shuffled, rounds=rounds, seconds=seconds)
        ordered = ratio(times["ours"], times["bare"])
        scattered = ratio(times["ours shuffled"], times["any order"])
        mine, bare, mixed, by_hand = (MILLI * median(one) for one in times.values())
        rows.append(
            (case.name, bare, mine, ordered, by_hand, mixed, scattered, resolving)
        )
        aims.append(Aim(f"{case.name}", ordered, 2, "times bare numpy"))
        aims.append(Aim(f"{case.name}, random order", scattered, 2, "times by hand"))
    tables = [_table(total, rows)]
    if peers:
        from benchmarks import jitted

        table, more = jitted.run(total, cycles, rounds=rounds, seconds=seconds)
        tables.append(table)
        aims += more
    title = f"{total} values of one schedule"
    return Part("values", title, tuple(tables), tuple(aims), NOTES)


def compare(case: Case, steps: Array, shuffled: Array) -> None:
    """See that all forms give the same values.

    Raises:
        RuntimeError: They do not, so that their times say nothing.
    """
    resolved = case.resolve(steps.size)
    bare = case.bare(steps)
    for what, values, expected in (
        ("ours", resolved(steps), bare),
        ("ours, shuffled", resolved(shuffled), bare[shuffled]),
        ("by hand, shuffled", case.any_order(shuffled), bare[shuffled]),
    ):
        error = float(np.abs(values - expected).max()) / PEAK
        if not error <= CLOSE:
            message = f"{case.name}, {what}: off by {error:.2g} of the peak"
            raise RuntimeError(message)


def _resolving(case: Case, total: int) -> float:
    begin = time.process_time()
    case.resolve(total)
    return MILLI * (time.process_time() - begin)


def _times(
    case: Case, steps: Array, shuffled: Array, *, rounds: int, seconds: float
) -> dict[str, list[float]]:
    resolved = case.resolve(steps.size)
    work = {
        "ours": partial(resolved, steps),
        "bare": partial(case.bare, steps),
        "ours shuffled": partial(resolved, shuffled),
        "any order": partial(case.any_order, shuffled),
    }
    return interleaved(work, rounds=rounds, seconds=seconds, clock=cpu)


def _table(total: int, rows: list[tuple[Cell, ...]]) -> Table:
    return Table(
        f"{total} values on numpy, ms (medians)",
        (
            Column("schedule"),
            Column("bare", ".1f"),
            Column("ours", ".1f"),
            Column("/ bare", ".2f"),
            Column("random, by hand", ".1f"),
            Column("random, ours", ".1f"),
            Column("/ by hand", ".2f"),
            Column("resolve", ".1f"),
        ),
        tuple(rows),
    )
