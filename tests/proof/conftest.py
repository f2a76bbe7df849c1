"""Small comparisons from tables of numbers, and a training script that is real."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from stepsize.proof.report.verdict import verdict
from stepsize.proof.results import Comparison, Direction, Run, Subject
from stepsize.proof.summary import Grid, complete_subject, summarise

Cells = Mapping[tuple[str, float], list[float]]
"""(arm, rate) -> validation metric per seed; test is the same plus 100."""

LINEAR_SCRIPT = '''
"""Logistic regression in numpy: real, and quick enough to be run many times."""

import math

import numpy as np


def train(schedule, *, total_steps, seed, policies=(), report):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(300, 5))
    targets = (inputs @ np.arange(1, 6) + rng.normal(size=300) > 0).astype(float)
    weights = np.zeros(5)
    rates = schedule.resolve(total_steps=total_steps)

    def loss(part):
        z = inputs[part] @ weights
        return float(np.mean(np.logaddexp(0, z) - targets[part] * z))

    for update in range(total_steps):
        batch = rng.integers(0, 200, size=8)
        slope = 1 / (1 + np.exp(-inputs[batch] @ weights)) - targets[batch]
        weights -= rates(update) * inputs[batch].T @ slope / 8
        report(update + 1, train_loss=loss(slice(0, 200)))
    return {
        "val": loss(slice(200, 250)),
        "test": loss(slice(250, 300)),
        "direction": "min",
        "updates": total_steps,
    }
'''


@pytest.fixture
def script(tmp_path: Path) -> str:
    """FILE:FUNCTION of a real training function."""
    path = tmp_path / "linear.py"
    path.write_text(LINEAR_SCRIPT)
    return f"{path}:train"


@pytest.fixture
def subject() -> Callable[..., Subject]:
    """Build a subject: accuracy in percent unless told otherwise."""

    def build(direction: Direction = "max", **changes: object) -> Subject:
        fields: dict[str, object] = {
            "name": "table",
            "kind": "workload",
            "title": "numbers from a table",
            "metric": "accuracy" if direction == "max" else "loss",
            "unit": "%" if direction == "max" else "nats",
            "direction": direction,
            "total_steps": 10,
            "default_lr": 0.1,
            "failed_margin": 10.0,
            "floor": 0.0,
            "details": {},
        }
        return Subject(**(fields | changes))  # type: ignore[arg-type]  # by name

    return build


@pytest.fixture
def runs_of() -> Callable[[Cells], tuple[Run, ...]]:
    """Turn a table of cells into finished runs."""

    def build(cells: Cells) -> tuple[Run, ...]:
        return tuple(
            Run(
                arm=arm,
                schedule=f"{lr} * hold()",
                peak_lr=lr,
                seed=seed,
                status="finished",
                val=val,
                updates=10,
            )
            for (arm, lr), vals in cells.items()
            for seed, val in enumerate(vals)
        )

    return build


@pytest.fixture
def compared() -> Callable[..., Comparison]:
    """Sum up runs as `compare` does; test is validation unless `tests` says else."""

    def build(
        runs: tuple[Run, ...],
        subject: Subject,
        tests: Callable[[Run], float] = lambda run: run.val or 0.0,
    ) -> Comparison:
        lrs = tuple(sorted({run.peak_lr for run in runs}))
        names = dict.fromkeys(run.arm for run in runs)
        seeds = tuple(sorted({run.seed for run in runs}))
        whole = complete_subject(runs, subject, lrs)
        arms, read = summarise(
            Grid(runs, whole, lrs),
            [(name, "hold()") for name in names],
            seeds,
            lambda indices: [(tests(runs[i]), None) for i in indices],
        )
        comparison = Comparison(
            subject=whole,
            lrs=lrs,
            seeds=seeds,
            tuning="grid",
            arms=arms,
            runs=read,
            repeat="stepsize compare table",
        )
        return replace(comparison, verdict=verdict(comparison))

    return build
