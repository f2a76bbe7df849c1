"""The same cases on JAX: ours and optax's, compiled, beside numpy by hand.

Chains in optax are `join_schedules` of its own schedules; it has no 1-sqrt, so that is
written as a function, as its users do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.formulas import PEAK, Array, Case, cases
from benchmarks.measure import interleaved, ratio, wall
from benchmarks.results import Aim, Cell, Column, Table

CLOSE = 1e-9  # of the peak: some of optax's formulas cancel
MILLI = 1e3

Optax = Callable[[Any], Any]
"""An optax schedule."""


def run(
    total: int, cycles: int, *, rounds: int, seconds: float
) -> tuple[Table, list[Aim]]:
    """Time every case compiled: float64, `jit`, for optax with `vmap`.

    optax's time is in proportion to the number of cycles, so it gets a tenth of them,
    and so do ours in that row.
    """
    fewer = max(2, cycles // 10)
    peers = in_optax(total, fewer)
    every = cases(total, cycles)
    every.insert(4, next(c for c in cases(total, fewer) if "equal" in c.name))
    rows: list[tuple[Cell, ...]] = []
    aims: list[Aim] = []
    with jax.enable_x64(True):
        for case in every:
            peer = peers.get(case.name)
            row, compiling = _row(case, peer, total, rounds=rounds, seconds=seconds)
            rows.append(row)
            if case.name.startswith(f"{cycles} cycles"):
                aims.append(Aim(f"{case.name}, jax.jit of ours", compiling, 1, "s"))
    return _table(total, rows), aims


def _row(
    case: Case, peer: Optax | None, total: int, *, rounds: int, seconds: float
) -> tuple[tuple[Cell, ...], float]:
    steps = np.arange(total)
    on_device = jnp.asarray(steps)
    resolved = case.resolve(total)
    expected = case.bare(steps)
    mine, compiling = _compiled(resolved, on_device)
    _check(f"{case.name}, ours on JAX", mine(on_device), expected)
    work: dict[str, Callable[[], object]] = {
        "numpy": partial(resolved, steps),
        "jit": partial(_finish, mine, on_device),
    }
    peer_compiling = None
    if peer is not None:
        theirs, peer_compiling = _compiled(jax.vmap(peer), on_device)
        _check(f"{case.name}, optax", theirs(on_device), expected)
        work["optax"] = partial(_finish, theirs, on_device)
    times = interleaved(work, rounds=rounds, seconds=seconds, clock=wall)
    ms = {name: MILLI * median(one) for name, one in times.items()}
    shares: list[Cell] = [None, None]
    if peer is not None:
        shares = [ratio(times[name], times["optax"]) for name in ("numpy", "jit")]
    row = (
        case.name,
        ms["numpy"],
        ms["jit"],
        ms.get("optax"),
        *shares,
        MILLI * compiling,
        None if peer_compiling is None else MILLI * peer_compiling,
    )
    return row, compiling


def in_optax(total: int, cycles: int) -> dict[str, Optax]:
    """Return optax's schedules for the cases that it can say, by name."""
    rise, fall, n = total // 100, total // 5, total // cycles
    warm = optax.linear_schedule(PEAK / (rise + 1), PEAK, rise)
    half = optax.cosine_decay_schedule(PEAK, total - rise)
    chain = optax.join_schedules([warm, half], [rise])
    falling = optax.exponential_decay(1.0, total, 0.1)
    one = optax.cosine_decay_schedule(PEAK, n)
    again = [n * index for index in range(1, cycles)]

    def cooldown(count: Any) -> Any:
        return PEAK * (1.0 - jnp.sqrt(jnp.clip(count / fall, 0.0, 1.0)))

    stable = [warm, optax.constant_schedule(PEAK), cooldown]
    return {
        "warmup, cosine": chain,
        "warmup, hold, 1-sqrt": optax.join_schedules(stable, [rise, total - fall]),
        "cosine * exponential": lambda count: chain(count) * falling(count),
        f"{cycles} cycles, equal": optax.join_schedules([one] * cycles, again),
    }


def _compiled(schedule: Callable[[Any], Any], steps: Any) -> tuple[Any, float]:
    """Return a compiled function of the steps, and the seconds that took."""
    begin = time.perf_counter()
    compiled = jax.jit(schedule).lower(steps).compile()
    return compiled, time.perf_counter() - begin


def _finish(compiled: Any, steps: Any) -> None:
    compiled(steps).block_until_ready()


def _check(what: str, values: Any, expected: Array) -> None:
    error = float(np.abs(np.asarray(values) - expected).max()) / PEAK
    if not error <= CLOSE:
        message = f"{what}: off by {error:.2g} of the peak"
        raise RuntimeError(message)


def _table(total: int, rows: list[tuple[Cell, ...]]) -> Table:
    return Table(
        f"{total} values, compiled by JAX, float64: ms of wall time (medians)",
        (
            Column("schedule"),
            Column("ours, numpy", ".1f"),
            Column("ours, jit", ".1f"),
            Column("optax", ".1f"),
            Column("numpy / optax", ".2f"),
            Column("jit / optax", ".2f"),
            Column("compile ours", ".0f"),
            Column("compile optax", ".0f"),
        ),
        tuple(rows),
    )
