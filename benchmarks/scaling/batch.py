"""The rules for the batch: loss at the advised rate against the best of a grid."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

import stepsize as ss
from benchmarks.scaling.cases import (
    CASES,
    GRIDS,
    SHAPE,
    Case,
    chance,
    noise_scale,
    trained,
)

FACTORS = (2, 4, 8, 16)
ARMS = ("leave it", "advised", "linear", "sqrt", "measured")
# The rule that `scale` is asked for, by the arm's name in the tables.
RULES = {"advised": "auto", "linear": "linear", "sqrt": "sqrt"}
MOST = 20  # rates in a grid


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case at one batch.

    Attributes:
        keep: What stayed equal: "samples" or "updates".
        workload: Its name.
        optimizer: Its name.
        factor: New batch over old.
        noise: Noise scale measured at the old batch, in the middle of a run; samples.
        base_lr: Best peak rate of a grid in factors of 2 at the old batch.
        best_lr: Likewise at the new one, with nothing else changed.
        losses: Mean loss by peak rate of that grid.
        best: The lowest of them, or of an arm's where that is lower.
        regrets: By arm: how much of what training gains is lost, from 0 to 1.
        lrs: By arm: its peak rate.
    """

    keep: str
    workload: str
    optimizer: str
    factor: int
    noise: float | None
    base_lr: float
    best_lr: float
    losses: dict[float, float]
    best: float
    regrets: dict[str, float]
    lrs: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(workloads: tuple[str, ...] = ()) -> Iterator[Row]:
    """Train everything, or what is named; give each row when it is known."""
    for case in CASES:
        if workloads and case.workload not in workloads:
            continue
        for keep in ("samples", "updates"):
            begin = time.perf_counter()
            yield from _case(case, keep)
            spent = time.perf_counter() - begin
            said = f"{case.workload} {case.optimizer}, equal {keep}: {spent:.0f} s"
            print(said, file=sys.stderr, flush=True)


def _case(case: Case, keep: str) -> Iterator[Row]:
    steps = case.steps if keep == "samples" else case.few
    known = _search(
        case, GRIDS[case.optimizer].tolist(), lambda lr: case.recipe(lr, steps)
    )
    base = min(known, key=lambda lr: known[lr])
    tuned = case.recipe(base, steps)
    noise = noise_scale(case, tuned)
    for k in FACTORS:
        yield _row(case, keep, tuned, base, k, noise)


def _search(
    case: Case, first: Sequence[float], recipe: Callable[[float], ss.Recipe]
) -> dict[float, float]:
    """Return losses by rate, on a grid that is extended until its best is inside."""
    wanted = list(first)
    known: dict[float, float] = {}
    while wanted:
        losses = trained(case, [recipe(lr) for lr in wanted]).mean(1)
        known |= dict(zip(wanted, losses.tolist(), strict=True))
        best = min(known, key=lambda lr: known[lr])
        ends = {min(known): min(known) / 2, max(known): max(known) * 2}
        wanted = [ends[best]] if best in ends and len(known) < MOST else []
    return known


def _row(  # noqa: PLR0917 - in the order of the loops around it
    case: Case,
    keep: str,
    tuned: ss.Recipe,
    base: float,
    k: int,
    noise: float | None,
) -> Row:
    to_batch = k * case.batch
    rules = RULES
    if noise is not None:
        rules = {**rules, "measured": "auto"}
    scaled = {
        name: ss.scale(
            tuned,
            to_batch=to_batch,
            rule=rule,
            keep=keep,
            noise_scale=noise if name == "measured" else None,
        )
        for name, rule in rules.items()
    }
    run = scaled["advised"].recipe.horizon

    def left(lr: float) -> ss.Recipe:
        """Return the recipe with nothing but the batch, the length and the rate new."""
        return replace(tuned, lr=lr * SHAPE, horizon=run)

    known = _search(
        case, [base / 2 * 2.0**i for i in range(4 + FACTORS.index(k))], left
    )
    best_lr = min(known, key=lambda lr: known[lr])
    found = {"leave it": known[base]} | {
        name: float(trained(case, [one.recipe]).mean()) for name, one in scaled.items()
    }
    lrs = {name: float(one["lr"].value) for name, one in scaled.items()}
    best, most = min(known[best_lr], *found.values()), chance(case.workload)
    return Row(
        keep=keep,
        workload=case.workload,
        optimizer=case.optimizer,
        factor=k,
        noise=noise,
        base_lr=base,
        best_lr=best_lr,
        losses=known,
        best=best,
        regrets={name: (loss - best) / (most - best) for name, loss in found.items()},
        lrs={"leave it": base, **lrs},
    )


def tables(rows: list[Row]) -> str:
    """Return both tables in Markdown."""
    return "\n\n".join(
        f"Equal {keep}:\n\n{_table(rows, keep)}" for keep in ("samples", "updates")
    )


def _table(rows: list[Row], keep: str) -> str:
    """Return a table; below it the means and worst by optimizer."""
    heads = ["workload", "optimizer", "k", "noise scale", "best rate", *ARMS]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    chosen = [row for row in rows if row.keep == keep]
    for row in chosen:
        cells = [row.workload, row.optimizer, str(row.factor)]
        cells.append("-" if row.noise is None else f"{row.noise:.0f}")
        cells.append(f"{row.best_lr / row.base_lr:g}x")
        cells += [_cell(row, name) for name in ARMS]
        lines.append("| " + " | ".join(cells) + " |")
    for name, summary in (("mean", np.mean), ("worst", np.max)):
        for optimizer in GRIDS:
            own = [row for row in chosen if row.optimizer == optimizer]
            if own:
                cells = [name, optimizer, "", "", ""]
                for arm in ARMS:
                    values = [row.regrets[arm] for row in own if arm in row.regrets]
                    cells.append(f"{100 * float(summary(values)):.1f}")
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Row, arm: str) -> str:
    if arm not in row.regrets:
        return "-"
    return f"{100 * row.regrets[arm]:.1f} ({row.lrs[arm] / row.base_lr:.3g}x)"
