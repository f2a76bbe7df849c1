"""From runs to what each schedule achieved: choice on validation, report on test.

    1. Each arm's peak rate is the one with the best mean validation metric over seeds.
    2. Only then is test read, for the runs at the chosen rates.
    3. Arms are compared with the tuned constant seed by seed.

Not here: training (engines.py) and words (report/verdict.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, final

import numpy as np

from stepsize.proof.arms import CONSTANT
from stepsize.proof.results import ArmSummary, Outcome, Run, Subject
from stepsize.proof.statistics import Estimate, estimate, holm, paired

SIGNIFICANCE = 0.05

TestReader = Callable[[Sequence[int]], Sequence[float | None]]
"""Reads the test metric of the runs with these indices, and of no others."""


@final
class Grid:
    """Runs by arm, rate and seed, as a look-up."""

    def __init__(
        self, runs: Sequence[Run], subject: Subject, lrs: Sequence[float]
    ) -> None:
        self.runs = tuple(runs)
        self.subject = subject
        self.lrs = tuple(lrs)

    def cell(self, arm: str, lr: float | None) -> dict[int, Run]:
        """Seed -> run of one arm at one rate."""
        return {r.seed: r for r in self.runs if r.arm == arm and r.peak_lr == lr}

    def vals(self, arm: str, lr: float | None) -> dict[int, float]:
        """Seed -> validation metric of the runs that count."""
        cell = self.cell(arm, lr)
        return {
            seed: run.val
            for seed, run in cell.items()
            if run.status == "finished" and run.val is not None
        }

    def counted(self, arm: str) -> list[Run]:
        """Runs of an arm on the grid whose budget was the agreed one."""
        return [
            run
            for run in self.runs
            if run.arm == arm
            and run.status != "unequal_budget"
            and (run.peak_lr in self.lrs)
        ]

    def unequal(self, arm: str) -> int:
        """Count the runs of an arm that are left out for their unequal budget."""
        return sum(r.arm == arm and r.status == "unequal_budget" for r in self.runs)

    def choose(self, arm: str) -> float | None:
        """Return the rate with the best mean validation metric.

        A rate at which a seed diverged or raised comes after every rate at which all
        finished; of equal means the lower rate is taken.

        Returns:
            The peak rate; None if no run of the arm counts.
        """
        best: tuple[int, float, float] | None = None
        for lr in self.lrs:
            vals = self.vals(arm, lr)
            if vals:
                mean = self.subject.sign * fmean(vals.values())
                best = max(best or (0, 0.0, 0.0), (len(vals), mean, -lr))
        return None if best is None else -best[2]


def function_margin(runs: Sequence[Run], best: float) -> float | None:
    """Margin beyond which a run of the user's function counts as failed.

        max(half of the way from the best cell to the worse quartile of all runs,
            10 % of the best cell)

    Built-in workloads have a margin of their own (10 points, 0.3 nats, of a best of
    some 95 and 2). Without knowing the metric, both must hold: 10 % so that no run of a
    grid without a bad rate fails, half of the way so that none fails of a loss near 0;
    and a quartile, so that one run that exploded does not make the others good.

    Returns:
        The margin, in the metric's unit; None without a finished run.
    """
    vals = [r.val for r in runs if r.status == "finished" and r.val is not None]
    if not vals:
        return None
    quartile = float(np.quantile([abs(best - val) for val in vals], 0.75))
    return max(quartile / 2, abs(best) / 10)


def complete_subject(
    runs: Sequence[Run], subject: Subject, lrs: Sequence[float]
) -> Subject:
    """Fill in the margin and the floor that depend on the runs themselves."""
    vals = [r.val for r in runs if r.status == "finished" and r.val is not None]
    if not vals:
        return subject
    best = _best_cell(Grid(runs, subject, lrs))
    margin = subject.failed_margin
    floor = subject.floor
    if margin is None and best is not None:
        margin = function_margin(runs, best)
    if floor is None:
        floor = min(vals, key=lambda val: subject.sign * val)
    return replace(subject, failed_margin=margin, floor=floor)


def summarise(
    grid: Grid,
    arms: Sequence[tuple[str, str]],
    seeds: Sequence[int],
    read_test: TestReader,
    *,
    chosen: Mapping[str, float] | None = None,
) -> tuple[tuple[ArmSummary, ...], tuple[Run, ...]]:
    """Choose each arm's rate, read its test runs, and compare with the constant.

    Args:
        grid: Every run made; its subject as from `complete_subject`.
        arms: (name, schedule's text), the constant first.
        seeds: The seeds every cell should have.
        read_test: Called once, with the runs of the chosen rates only.
        chosen: Rates that were found before, by arm; None to choose here.

    Returns:
        One summary per arm, and the runs with `test` filled in where it was read.
    """
    rates = {
        name: grid.choose(name) if chosen is None else chosen[name] for name, _ in arms
    }
    wanted = [
        index
        for index, run in enumerate(grid.runs)
        if run.status == "finished" and run.peak_lr == rates[run.arm]
    ]
    values = dict(zip(wanted, read_test(wanted), strict=True))
    runs = tuple(
        replace(run, test=values.get(index)) for index, run in enumerate(grid.runs)
    )
    tests = {
        name: {r.seed: r.test for r in runs if r.arm == name and r.test is not None}
        for name, _ in arms
    }
    reading = _Reading(
        grid=grid,
        rates=rates,
        tests=tests,
        seeds=len(seeds),
        best=_best_cell(grid),
        whole_grid=chosen is None,
    )
    differences = [
        None if name == CONSTANT else paired(tests[name], tests[CONSTANT])
        for name, _ in arms
    ]
    corrected = holm([None if d is None else d.p for d in differences])
    summaries = tuple(
        _summary(reading, name, text, difference, p)
        for (name, text), difference, p in zip(
            arms, differences, corrected, strict=True
        )
    )
    return summaries, runs


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What a summary of an arm reads: `tests` is arm -> seed -> test metric."""

    grid: Grid
    rates: Mapping[str, float | None]
    tests: Mapping[str, Mapping[int, float]]
    seeds: int
    best: float | None
    whole_grid: bool

    def complete(self, name: str) -> bool:
        """Whether every seed of an arm and of the constant has a test metric."""
        return len(self.tests[name]) == len(self.tests[CONSTANT]) == self.seeds


def _summary(
    reading: _Reading,
    name: str,
    text: str,
    difference: Estimate | None,
    p: float | None,
) -> ArmSummary:
    """Sum up one arm."""
    grid, tests = reading.grid, reading.tests[name]
    subject, counted, lr = grid.subject, grid.counted(name), reading.rates[name]
    floor, default = subject.floor, subject.default_lr
    values = [run.val if run.val is not None else floor for run in counted]
    known = [value for value in values if value is not None]
    bad = sum(_failed(run, subject, reading.best) for run in counted)
    complete = reading.complete(name)
    return ArmSummary(
        arm=name,
        schedule=text,
        chosen_lr=lr,
        at_edge=_edge(lr, grid.lrs) if reading.whole_grid else None,
        test=estimate(list(tests.values())),
        val=estimate(list(grid.vals(name, lr).values())),
        difference=difference,
        holm_p=p,
        relative=_relative(subject, tests, reading.tests[CONSTANT])
        if name != CONSTANT
        else None,
        at_default=None
        if name == CONSTANT or default is None or not reading.whole_grid
        else paired(grid.vals(name, default), grid.vals(CONSTANT, default)),
        grid_mean=fmean(known) if known and reading.whole_grid else None,
        diverged=_share(sum(r.status == "diverged" for r in counted), len(counted)),
        failed=_share(bad, len(counted)) if reading.whole_grid else None,
        runs=len(counted),
        unequal=grid.unequal(name),
        outcome=_outcome(name, difference, p, subject.sign, complete=complete),
        notes=_notes(reading, name),
    )


def _notes(reading: _Reading, name: str) -> tuple[str, ...]:
    """Say what keeps an arm from a claim."""
    grid, finished = reading.grid, len(reading.tests[name])
    if reading.rates[name] is None or not finished:
        why = ": unequal budgets" if grid.unequal(name) else ""
        return (f"no run of it counts{why}",)
    if finished < reading.seeds:
        return (
            f"only {finished} of {reading.seeds} seeds count at its rate, so no claim "
            "is made",
        )
    return ()


def _edge(lr: float | None, lrs: Sequence[float]) -> Literal["low", "high"] | None:
    """Which end of a grid of two rates or more a rate is."""
    if lr is None or len(lrs) < 2:  # noqa: PLR2004 - one rate has no inside
        return None
    return "low" if lr == lrs[0] else "high" if lr == lrs[-1] else None


def _outcome(
    name: str,
    difference: Estimate | None,
    p: float | None,
    sign: int,
    *,
    complete: bool,
) -> Outcome:
    """Word the claim that the corrected test allows."""
    if name == CONSTANT:
        return "baseline"
    if difference is None or difference.low is None or not complete:
        return "no claim"
    if not (difference.excludes_zero and _significant(p)):
        return "no clear difference"
    return "better" if sign * difference.mean > 0 else "worse"


def _relative(
    subject: Subject, tests: Mapping[int, float], constant: Mapping[int, float]
) -> float | None:
    """Part of the constant's error or loss that is gone, over the paired seeds."""
    seeds = tests.keys() & constant.keys()
    if not seeds:
        return None
    ours = fmean(tests[seed] for seed in seeds)
    baseline = fmean(constant[seed] for seed in seeds)
    if subject.unit == "%" and subject.metric == "accuracy":
        ours, baseline = 100 - ours, 100 - baseline
    elif subject.direction == "max":
        return None
    return (baseline - ours) / baseline if baseline > 0 else None


def _best_cell(grid: Grid) -> float | None:
    """Mean validation metric of the best cell of all arms."""
    names = dict.fromkeys(run.arm for run in grid.runs)
    means = [
        fmean(vals.values())
        for name in names
        if (vals := grid.vals(name, grid.choose(name)))
    ]
    return max(means, key=lambda mean: grid.subject.sign * mean, default=None)


def _failed(run: Run, subject: Subject, best: float | None) -> bool:
    """Whether a run diverged, raised, or ended worse than the margin allows."""
    if run.val is None or best is None or subject.failed_margin is None:
        return run.status != "finished"
    return subject.sign * (best - run.val) > subject.failed_margin


def _significant(p: float | None) -> bool:
    return p is not None and p < SIGNIFICANCE


def _share(count: int, total: int) -> float | None:
    return count / total if total else None
