"""What the benchmark of laws measures: whether its intervals are honest."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import stepsize as ss
from benchmarks.laws import recorded, scores
from benchmarks.results import Aim, Column, Part, Table
from stepsize.planner.best.ranking import rank
from stepsize.planner.fitting.fit import fit
from stepsize.planner.fitting.priors import Prior
from stepsize.planner.fitting.priors import recorded as prior_of


def calibration(path: Path) -> Part:
    """How often the 90 % intervals hold the final loss of an unseen run."""
    runs = recorded.large(path)
    rows: list[tuple[str | float | None, ...]] = []
    groups: list[tuple[str, list[scores.Covered]]] = []
    for peak in sorted({run.peak for run in runs.values()}):
        own = {n: r.curve for n, r in runs.items() if r.peak == peak}
        constant = [n for n in own if n.startswith("constant")]
        others = [n for n in own if runs[n].horizon == 25_000]
        sets = scores.pairs_and_singles(constant, others)
        covered = scores.coverage(own, sets, prior_of("25M"), recorded.scored)
        groups.append((f"124M at {peak:g}", covered))
    curves = recorded.small(path)
    names = list(curves)
    sets = scores.pairs_and_singles(names[:1], names[1:])
    groups.append(("25M", scores.coverage(curves, sets, prior_of("124M"))))
    everything = [row for _, covered in groups for row in covered]
    other = other_peaks(runs, prior_of("25M"))
    for name, covered in [*groups, ("all", everything), ("124M, other peaks", other)]:
        share, low, high = scores.clustered(covered)
        width = float(np.median([row.half_width for row in covered]))
        by = [
            float(np.mean(of)) if of else None
            for n in (1, 2, 3)
            for of in [[r.inside for r in covered if r.trained_on == n]]
        ]
        rows.append((name, float(len(covered)), share, low, high, *by, width))
    share = scores.clustered(everything)[0]
    return Part(
        name="calibration",
        title="90 % intervals: share that held the final loss of an unseen run",
        tables=(
            Table(
                "training sets of one, two and three runs",
                (
                    Column("model"),
                    Column("pairs", ".0f"),
                    Column("inside", ".3f"),
                    Column("low", ".3f"),
                    Column("high", ".3f"),
                    Column("one run", ".2f"),
                    Column("two", ".2f"),
                    Column("three", ".2f"),
                    Column("half width", ".4f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(
            Aim("share inside", share, 0.85, "", at_least=True),
            Aim("share inside", share, 0.95, ""),
        ),
        notes=(
            "low and high: 95 % interval of the share, bootstrapped over unseen runs",
            "the factor, the noise of runs and that of peaks were set on these pairs",
            "other peaks: all or three runs at one or two peaks, finals at the others",
        ),
    )


def other_peaks(runs: Mapping[str, recorded.Run], prior: Prior) -> list[scores.Covered]:
    """Return whether intervals held at peak rates that the law was not fitted at."""
    peaks = sorted({run.peak for run in runs.values()})
    curves = {name: recorded.scored(run.curve) for name, run in runs.items()}
    rows = []
    for count in (1, 2):
        for seen in itertools.combinations(peaks, count):
            own = [run for run in runs.values() if run.peak in seen]
            for used in (own, recorded.three(own)):
                law = fit([curves[run.name] for run in used], prior=prior)
                unseen = {n: c for n, c in curves.items() if runs[n].peak not in seen}
                rows += scores.held(law, unseen, trained_on=0)
    return rows


def ranking(path: Path) -> Part:
    """Whether the probability of being the best is honest."""
    runs, prior = recorded.large(path), prior_of("25M")
    rows = []
    for peak in sorted({run.peak for run in runs.values()}):
        own = [run for run in runs.values() if run.peak == peak]
        constant = next(run for run in own if run.kind == "constant")
        second = next(r for r in own if r.kind == "cosine_to_0" and r.horizon == 25_000)
        law = fit([constant.curve, second.curve], prior=prior)
        longest = [run for run in own if run.horizon == 50_000]
        schedules = {
            run.name: ss.table(run.curve.rates).resolve(total_steps=50_000)
            for run in longest
        }
        ranked = rank(law, schedules, steps=50_000)
        best = min(longest, key=recorded.last_loss)
        chance = next(one.p_best for one in ranked if one.name == best.name)
        rows.append((f"{peak:g}", ranked[0].name, ranked[0].p_best, best.name, chance))
    return Part(
        name="ranking",
        title="124M model: the schedule chosen among those of 50k steps",
        tables=(
            Table(
                "trained on the constant run and cosine to 0 of 25k steps",
                (
                    Column("peak"),
                    Column("chosen"),
                    Column("p(best)", ".2f"),
                    Column("really best"),
                    Column("its p(best)", ".2f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(),
        notes=(),
    )
