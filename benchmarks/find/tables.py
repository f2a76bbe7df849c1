"""Tables of regrets, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.find.grid import Truth
from benchmarks.find.measuring import FAST, OURS, VALIDATED, Suggestion, of
from benchmarks.find.stack import Floats

Cell = tuple[str, str]

# A suggestion that ends no better than the first loss has diverged.
_DIVERGED = 0.99
# Cells where the rate best for the training loss costs more than this in validation.
OVERFIT = 0.06

_HEAD = (
    "| finder | mean regret | ± | median cell | 95th percentile | worst | diverging "
    "| none | spread, decades | updates |\n|---|---|---|---|---|---|---|---|---|---|"
)


def finders(said: Sequence[Suggestion], cells: Sequence[Cell]) -> str:
    """Return a row per finder, over the cells given."""
    names = list(dict.fromkeys(each.finder for each in said))
    wanted = set(cells)
    rows = [
        _row(name, [s for s in said if (s.task, s.optimizer) in wanted])
        for name in names
    ]
    return "\n".join([_HEAD, *rows])


def _row(finder: str, said: Sequence[Suggestion]) -> str:
    mine = [each for each in said if each.finder == finder]
    regrets = of(said, finder)
    cells = np.array([values.mean() for values in regrets.values()])
    every = np.concatenate(list(regrets.values()))
    # cells of one task are not independent
    tasks: dict[str, list[float]] = {}
    for (task, _), values in regrets.items():
        tasks.setdefault(task, []).append(float(values.mean()))
    means = np.array([np.mean(values) for values in tasks.values()])
    error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else 0.0
    without = sum(each.lr is None for each in mine)
    diverged = sum(each.lr is not None and each.regret >= _DIVERGED for each in mine)
    steps = float(np.mean([each.steps for each in mine]))
    return (
        f"| {finder} | {cells.mean():.3f} | {error:.3f} | "
        f"{np.median(cells):.3f} | "
        f"{np.percentile(every, 95):.3f} | {every.max():.3f} | "
        f"{diverged} of {len(every)} | {without} | {_spread(mine):.2f} | {steps:.0f} |"
    )


def _spread(mine: Sequence[Suggestion]) -> float:
    """Return the mean over cells of the deviation of log10 of the rate over seeds."""
    cells: dict[Cell, list[float]] = {}
    for each in mine:
        if each.lr is not None:
            place = cells.setdefault((each.task, each.optimizer), [])
            place.append(float(np.log10(each.lr)))
    spreads = [np.std(places, ddof=1) for places in cells.values() if len(places) > 1]
    return float(np.mean(spreads)) if spreads else float("nan")


def each_cell(
    said: Sequence[Suggestion], truths: dict[Cell, Truth], cells: Sequence[Cell]
) -> str:
    """Return a row per cell for our finders; a dash for one that was not run."""
    rows = [
        "| task | optimizer | best rate | best for training loss costs | "
        "log10(suggested / best) | regret | fast | with validation | ± of the truth |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    ours, fast, validated = (of(said, name) for name in (OURS, FAST, VALIDATED))
    for cell in cells:
        truth = truths[cell]
        places = [
            np.log10(each.lr) - truth.best_log_lr
            for each in said
            if each.finder == OURS
            and (each.task, each.optimizer) == cell
            and each.lr is not None
        ]
        offset = f"{np.mean(places):+.2f}" if places else "-"
        noise = truth.noise / (truth.initial - truth.best)
        rows.append(
            f"| {cell[0]} | {cell[1]} | {10.0**truth.best_log_lr:.2g} | "
            f"{truth.overfit():.3f} | {offset} | {_mean(ours, cell)} | "
            f"{_mean(fast, cell)} | {_mean(validated, cell)} | {noise:.3f} |"
        )
    return "\n".join(rows)


def _mean(regrets: dict[Cell, Floats], cell: Cell) -> str:
    return f"{regrets[cell].mean():.3f}" if cell in regrets else "-"
