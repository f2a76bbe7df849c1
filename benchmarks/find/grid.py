"""The truth of a task: its loss at the end of a training, by peak rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import Any, final

import numpy as np

from benchmarks.find.stack import Floats, train
from benchmarks.find.task import Task

SPACING = 0.25  # decades
GRID: Floats = np.arange(-6.0, 2.01, SPACING)
_SEEDS, _MORE = 3, 5
_WARMUP = 0.05
_TRUTH_SEED = 500  # seeds of finders lie below


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is known of a cell, a task with an optimizer.

    Losses are validation losses; what is not finite, or above the first loss, counts
    as the first loss.

    Attributes:
        task: Name.
        optimizer: Name.
        initial: Mean loss before training.
        losses: Mean over seeds at each rate of `GRID`.
        trained: Training loss over the last tenth of the updates, likewise.
        best: Minimum of the local quadratic.
        best_log_lr: Where it lies.
        noise: Standard error of the loss at the lowest grid rate.
    """

    task: str
    optimizer: str
    initial: float
    losses: tuple[float, ...]
    trained: tuple[float, ...]
    best: float
    best_log_lr: float
    noise: float

    def regret(self, lr: float | None) -> float:
        """Return (loss at lr - best) / (initial - best); 1 if there is no lr.

        The loss is interpolated in log lr, and held beyond the grid.
        """
        if lr is None or not lr > 0.0:
            return 1.0
        loss = float(np.interp(np.log10(lr), GRID, self.losses))
        return (loss - self.best) / (self.initial - self.best)

    def overfit(self) -> float:
        """Return the regret of the grid rate whose training loss ends lowest.

        It is what no look at training losses can avoid.
        """
        return self.regret(10.0 ** float(GRID[int(np.argmin(self.trained))]))

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        names = ("task", "optimizer", "initial", "best", "best_log_lr", "noise")
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        for name in ("losses", "trained"):
            plain[name] = [float(f"{loss:.6g}") for loss in getattr(self, name)]
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Truth:
        """Read it again."""
        lists = {name: tuple(plain[name]) for name in ("losses", "trained")}
        return cls(**{**plain, **lists})


def factors(updates: int) -> Floats:
    """Return the schedule: 5 % warmup, then half a cosine to 0; shape (updates,)."""
    rise = max(1, round(_WARMUP * updates))
    fall = updates - rise
    return np.array(
        [(t + 1) / (rise + 1) for t in range(rise)]
        + [0.5 * (1.0 + cos(pi * t / fall)) for t in range(fall)]
    )


def measure(task: Task, optimizer: str) -> Truth:
    """Train the grid and return the truth."""
    first, _ = train(
        task,
        optimizer,
        np.zeros((_SEEDS, 1)),
        range(_TRUTH_SEED, _TRUTH_SEED + _SEEDS),
        range(_TRUTH_SEED, _TRUTH_SEED + _SEEDS),
    )
    initial = float(first.mean())
    seeds = range(_TRUTH_SEED, _TRUTH_SEED + _SEEDS)
    losses, trained = _losses(task, optimizer, GRID, seeds, initial)
    means = losses.mean(0)
    lowest = int(np.clip(means.argmin(), 2, len(GRID) - 3))
    near = slice(lowest - 2, lowest + 3)
    more = range(_TRUTH_SEED + _SEEDS, _TRUTH_SEED + _SEEDS + _MORE)
    extra, _ = _losses(task, optimizer, GRID[near], more, initial)
    both = np.concatenate([losses[:, near], extra])
    means[near] = both.mean(0)
    best_log_lr, best = vertex(GRID[near], means[near])
    at = int(means[near].argmin())
    return Truth(
        task=task.name,
        optimizer=optimizer,
        initial=initial,
        losses=tuple(means.tolist()),
        trained=tuple(trained.mean(0).tolist()),
        best=best,
        best_log_lr=best_log_lr,
        noise=float(both[:, at].std(ddof=1) / np.sqrt(len(both))),
    )


def vertex(places: Floats, losses: Floats) -> tuple[float, float]:
    """Return place and height of the minimum of the quadratic through the points.

    The minimum lies within the points; where the quadratic has none, or a cliff bends
    it far below what was seen, it is the lowest point.
    """
    a, b, c = np.polyfit(places, losses, 2)
    lowest = int(losses.argmin())
    fallback = float(places[lowest]), float(losses[lowest])
    if a <= 0.0:
        return fallback
    place = float(-b / (2.0 * a))
    height = float(c - b * b / (4.0 * a))
    gap = float(losses.max() - losses.min())
    fit = np.polyval([a, b, c], places)
    sound = places[0] <= place <= places[-1]
    if not sound or float(np.abs(fit - losses).max()) > 0.1 * gap:
        return fallback
    return place, min(height, fallback[1])


def _losses(
    task: Task, optimizer: str, places: Floats, seeds: Sequence[int], initial: float
) -> tuple[Floats, Floats]:
    """Return losses of validation and of training, shape (n_seeds, n_places)."""
    shape = factors(task.steps)
    rates = np.concatenate([10.0 ** places[:, None] * shape] * len(seeds))
    each = [seed for seed in seeds for _ in places]
    ends, curves = train(task, optimizer, rates, each, each)
    last = curves[:, -max(1, task.steps // 10) :].mean(1)
    both = [
        np.where(np.isfinite(losses), np.minimum(losses, initial), initial)
        for losses in (ends, last)
    ]
    return both[0].reshape(len(seeds), -1), both[1].reshape(len(seeds), -1)
