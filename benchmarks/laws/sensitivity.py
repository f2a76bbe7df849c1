"""What the benchmark of laws measures: how much hinges on the prior set by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.laws import recorded, scores
from benchmarks.laws.priors import measure
from benchmarks.results import Column, Part, Table
from stepsize.planner.fitting.fit import fit
from stepsize.planner.fitting.priors import PHYSICS, THEORY, VAGUE, Prior, pooled
from stepsize.planner.laws.effective_pass import SLOTS


def sensitivity(path: Path) -> Part:
    """Other centres and deviations of `PHYSICS`, and all that follows from it."""
    by_hand = np.array([name not in THEORY for name in SLOTS])
    moved = np.where(by_hand, PHYSICS.deviation, 0.0)
    rows: list[tuple[str | float | None, ...]] = []
    for name, mean, factor in (
        ("as it is", PHYSICS.mean, 1.0),
        ("centres by hand one deviation up", PHYSICS.mean + moved, 1.0),
        ("centres by hand one deviation down", PHYSICS.mean - moved, 1.0),
        ("all deviations doubled", PHYSICS.mean, 2.0),
        ("all deviations tripled", PHYSICS.mean, 3.0),
    ):
        vague = Prior(mean, VAGUE.deviation * factor, name)
        between = Prior(mean, PHYSICS.deviation * factor, name)
        rows.append((name, *_errors(path, vague, between)))
    return Part(
        name="sensitivity",
        title="the prior set by hand, changed: priors measured and used anew",
        tables=(
            Table(
                "error of unseen curves (25M), of unseen finals (124M)",
                (
                    Column("prior set by hand"),
                    Column("25M, three curves", ".4f"),
                    Column("one cosine", ".4f"),
                    Column("first halves", ".4f"),
                    Column("124M", ".4f"),
                    Column("rank", ".4f"),
                    Column("regret", ".4f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(),
        notes=(
            "by hand: the centres of floor, progress, noise, speed, growth and offset",
        ),
    )


def _errors(path: Path, vague: Prior, between: Prior) -> tuple[float, ...]:
    members = measure(path, vague)
    of_large, of_small = (
        pooled(members[name], name, between) for name in ("124M", "25M")
    )
    curves = recorded.small(path)
    trained = [curves[name] for name in recorded.TRAINED_ON]
    unseen = [c for name, c in curves.items() if name not in recorded.TRAINED_ON]
    cosine = curves["cosine_24000"]
    rest = [c for c in curves.values() if c is not cosine]
    halves = [c.first(int(c.steps[-1]) // 2) for c in trained]
    finals = scores.mean(
        scores.mean(one.values())
        for one in scores.by_peak(recorded.large(path), of_small).values()
    )
    return (
        scores.on_curves(fit(trained, prior=of_large), unseen).mae,
        scores.on_curves(fit([cosine], prior=of_large), rest).mae,
        scores.on_curves(fit(halves, prior=of_large), unseen).mae,
        finals.error,
        finals.rank,
        finals.regret,
    )
