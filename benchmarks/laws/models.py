"""What the benchmark of laws measures: losses of unseen runs of the two models."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.laws import recorded, scores
from benchmarks.results import Aim, Column, Part, Table
from stepsize.planner.fitting.fit import fit
from stepsize.planner.fitting.priors import recorded as prior_of
from stepsize.planner.laws import MultiPower

PUBLISHED = MultiPower(
    floor=3.04045406,
    a=0.52468604,
    alpha=0.50786857,
    b=363.78751622,
    c=2.06560812,
    beta=0.58279013,
    gamma=0.64142257,
    merge=16,
)
"""Luo et al.'s parameters for their 25M model, fitted on the same three curves."""


def small(path: Path) -> Part:
    """The 25M model: the paper's split, one curve, the first halves."""
    curves, prior = recorded.small(path), prior_of("124M")
    trained = [curves[name] for name in recorded.TRAINED_ON]
    unseen = [c for name, c in curves.items() if name not in recorded.TRAINED_ON]
    begin = time.process_time()
    law = fit(trained, prior=prior)
    for curve in unseen:
        law.predict(curve.rates, curve.steps)
    seconds = time.process_time() - begin
    one = fit([curves["cosine_24000"]], prior=prior)
    rest = [c for name, c in curves.items() if name != "cosine_24000"]
    half = fit([c.first(int(c.steps[-1]) // 2) for c in trained], prior=prior)
    split, single, halves = (
        scores.on_curves(law, unseen),
        scores.on_curves(one, rest),
        scores.on_curves(half, unseen),
    )
    rows = [
        (
            "published multi-power, the paper's split",
            *scores.metrics(PUBLISHED, unseen),
        ),
        ("effective rate, the paper's split", *scores.metrics(law, unseen)),
        ("effective rate, cosine_24000 alone", *scores.metrics(one, rest)),
        ("effective rate, first halves", *scores.metrics(half, unseen)),
    ]
    names = [
        (
            name,
            scores.on_curves(
                fit([c], prior=prior), [x for x in curves.values() if x is not c]
            ).mae,
        )
        for name, c in curves.items()
    ]
    return Part(
        name="25M",
        title="25M model (Luo et al. 2025), prior from the 124M model alone",
        tables=(
            Table(
                "unseen curves",
                (
                    Column("trained on"),
                    Column("R2", ".5f"),
                    Column("MAE", ".5f"),
                    Column("RMSE", ".5f"),
                    Column("PredE", ".5f"),
                    Column("WorstE", ".5f"),
                ),
                tuple(rows),
            ),
            Table(
                "from one curve, the eight others",
                (Column("trained on"), Column("MAE", ".5f")),
                tuple(names),
            ),
        ),
        aims=(
            Aim("paper's split, MAE", split.mae, 0.0033, "nats"),
            Aim("paper's split, WorstE", split.worst, 0.0045, "relative"),
            Aim("fit and predict, one core", seconds, 1.0, "s"),
            Aim("cosine_24000 alone, MAE", single.mae, 0.0036, "nats"),
            Aim("first halves, MAE", halves.mae, 0.006, "nats"),
        ),
        notes=(
            "two runs of one recipe differ by .0021 on average: less is luck",
            "the published parameters took their authors' code 378 s",
        ),
    )


def large(path: Path) -> Part:
    """The 124M model: a constant run and one of 25k steps, at the same peak."""
    rows, found = [], []
    for peak, made in scores.by_peak(recorded.large(path), prior_of("25M")).items():
        rows += [(f"{peak:g}: {name}", *one) for name, one in made.items()]
        found.append(scores.mean(made.values()))
        rows.append((f"{peak:g}: mean of {len(made)}", *found[-1]))
    overall = scores.mean(found)
    rows.append(("mean of the peaks", *overall))
    return Part(
        name="124M",
        title="124M model (Schaipp et al. 2025), prior from the 25M model alone",
        tables=(
            Table(
                "trained on the constant run and one of 25k steps: other finals",
                (
                    Column("second run"),
                    Column("error", ".4f"),
                    Column("bias", "+.4f"),
                    Column("rank", ".4f"),
                    Column("regret", ".4f"),
                    Column("MAE of curves", ".4f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(
            Aim("error of finals", overall.error, 0.004, "nats"),
            Aim("rank correlation", overall.rank, 0.99, "", at_least=True),
            Aim("regret", overall.regret, 0.003, "nats"),
        ),
        notes=("one seed each; differences below about .002 are noise",),
    )


def across(path: Path) -> Part:
    """Peak rates: one predicted, all others fitted."""
    runs, prior = recorded.large(path), prior_of("25M")
    rows, aims = [], []
    for peak in sorted({run.peak for run in runs.values()}):
        others = [run for run in runs.values() if run.peak != peak]
        own = [recorded.scored(r.curve) for r in runs.values() if r.peak == peak]
        for name, used in (
            ("three runs a peak", recorded.three(others)),
            ("all runs", others),
        ):
            law = fit([recorded.scored(run.curve) for run in used], prior=prior)
            got = scores.on_curves(law, own)
            rows.append((f"{peak:g}, from {name}", got.mae, got.final))
        low, high = law.peaks[0], law.peaks[-1]
        where = (
            "between"
            if low < peak < high
            else f"{peak / (high if peak > high else low):.2g} times the nearest seen"
        )
        aims.append(Aim(f"peak {peak:g}, {where}", got.mae, 0.008, "nats"))
    return Part(
        name="across",
        title="124M model: one peak rate predicted from the others",
        tables=(
            Table(
                "all runs of that peak",
                (Column("predicted"), Column("MAE", ".4f"), Column("finals", ".4f")),
                tuple(rows),
            ),
        ),
        aims=tuple(aims),
        notes=(),
    )
