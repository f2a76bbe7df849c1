"""What probes could tell at best: one at every rate, read as the finder reads them."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi

import numpy as np

from benchmarks.find.grid import Truth
from benchmarks.find.stack import Floats, train
from benchmarks.find.task import Task
from benchmarks.find.truths import SETS, cells, load
from stepsize.finder.climbing import PER_DECADE, rate
from stepsize.finder.optimum import optimum
from stepsize.finder.training import Run

_PLACES = range(-6 * PER_DECADE, 7 * PER_DECADE // 4 + 1)
_LENGTHS, _SEEDS = (32, 64, 144), (0, 1)
# The finder's own: of a probe's warmup, and of the correction for the horizon.
_WARMUP, _POWER, _HORIZON = 0.1, 0.32, 384


def limits() -> str:
    """Return the table, as Markdown."""
    rows = [
        "| set | updates of a probe | scored by | mean regret | median cell |",
        "|---|---|---|---|---|",
    ]
    truths = load()
    for name in SETS:
        known = [cell for cell in cells(name) if (cell[0].name, cell[1]) in truths]
        for length in _LENGTHS:
            found = [
                _cell(*cell, truths[cell[0].name, cell[1]], length) for cell in known
            ]
            for place, scored in enumerate(("training", "validation")):
                regrets = np.array([both[place] for both in found])
                rows.append(
                    f"| {name} | {length} | {scored} | {regrets.mean():.3f} | "
                    f"{np.median(regrets):.3f} |"
                )
            print(*rows[-2:], sep="\n", flush=True)
    return "\n".join(rows)


def _cell(task: Task, optimizer: str, truth: Truth, length: int) -> tuple[float, float]:
    """Return mean regrets by training losses, and by validation losses."""
    rates = np.array([rate(place) * _factors(length) for place in _PLACES])
    each = [seed for seed in _SEEDS for _ in _PLACES]
    first, _ = train(task, optimizer, np.zeros((len(_SEEDS), 1)), _SEEDS, _SEEDS)
    ends, curves = train(task, optimizer, np.tile(rates, (len(_SEEDS), 1)), each, each)
    regrets = []
    for number, seed in enumerate(_SEEDS):
        rows = slice(number * len(_PLACES), (number + 1) * len(_PLACES))
        runs = {
            place: Run(rate(place), seed, tuple(curve.tolist()), length)
            for place, curve in zip(_PLACES, curves[rows], strict=True)
        }
        validated = {
            place: Run(one.lr, seed, one.losses, length, (float(end),))
            for (place, one), end in zip(runs.items(), ends[rows], strict=True)
        }
        start = float(curves[rows][0, 0])
        regrets.append(
            (
                truth.regret(_best(runs, start, length)),
                truth.regret(_best(validated, float(first[number]), length)),
            )
        )
    means = np.mean(regrets, axis=0)
    return float(means[0]), float(means[1])


def _best(runs: Mapping[int, Run], start: float, length: int) -> float | None:
    at = optimum(runs, start)
    if at is None:
        return None
    return float(10.0 ** (at.log_lr - _POWER * np.log10(_HORIZON / length)))


def _factors(length: int) -> Floats:
    """Return a probe's schedule, as `stepsize.finder.training` has it."""
    rise = max(1, round(_WARMUP * length))
    fall = length - rise
    return np.array(
        [(t + 1) / (rise + 1) for t in range(rise)]
        + [0.5 * (1.0 + cos(pi * t / fall)) for t in range(fall)]
    )
