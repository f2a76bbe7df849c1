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
from stepsize.proof.effort import cost, reach
from stepsize.proof.results import ArmSummary, Outcome, Run, Subject, Tuning
from stepsize.proof.statistics import Estimate, estimate, holm, paired
from stepsize.proof.store import Sealed

SIGNIFICANCE = 0.05

TestReader = Callable[[Sequence[int]], Sequence[Sealed]]
"""Reads test metric and retained metric of the runs with these numbers alone."""


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


def unequal(arm: str, runs: Sequence[Run]) -> int:
    """Count the runs of an arm that are left out for their unequal budget."""
    return sum(r.arm == arm and r.status == "unequal_budget" for r in runs)


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
    best = best_cell(Grid(runs, subject, lrs))
    margin = subject.failed_margin
    floor = subject.floor
    if margin is None and best is not None:
        margin = function_margin(runs, best)
    if floor is None:
        floor = min(vals, key=lambda val: subject.sign * val)
    return replace(subject, failed_margin=margin, floor=floor)


def choose_rates(grid: Grid, arms: Sequence[str]) -> dict[str, float | None]:
    """Return each arm's rate with the best mean validation metric."""
    return {arm: grid.choose(arm) for arm in arms}


def summarise(
    grid: Grid,
    arms: Sequence[tuple[str, str]],
    seeds: Sequence[int],
    read_test: TestReader,
    *,
    chosen: Mapping[str, float | None] | None = None,
    fresh: Sequence[Run] = (),
    tuning: Tuning = "grid",
) -> tuple[tuple[ArmSummary, ...], tuple[Run, ...]]:
    """Read test at each arm's rate, and compare with the constant.

    Args:
        grid: The runs that rates are chosen by; its subject as from
            `complete_subject`.
        arms: (name, schedule's text), the constant first.
        seeds: The seeds that are reported on.
        read_test: Called once, with the runs of the chosen rates only, by their
            number in `(*grid.runs, *fresh)`.
        chosen: Rate by arm; None: the best of the grid.
        fresh: Runs on seeds that chose nothing, to be reported on instead of the
            grid's.
        tuning: How rates were chosen: what is of the whole grid needs all of it.

    Returns:
        One summary per arm, and all runs, arm by arm, rate by rate, seed by seed, with
        `test` filled in where it was read.
    """
    names = [name for name, _ in arms]
    rates = choose_rates(grid, names) if chosen is None else chosen
    runs = (*grid.runs, *fresh)
    wanted = [
        index
        for index, run in enumerate(runs)
        if run.status == "finished"
        and run.peak_lr == rates[run.arm]
        and (index >= len(grid.runs) or not fresh)
    ]
    values = dict(zip(wanted, read_test(wanted), strict=True))
    nothing: Sealed = (None, None)
    read = [values.get(index, nothing) for index in range(len(runs))]
    runs = tuple(
        replace(run, test=test, retained=retained)
        for run, (test, retained) in zip(runs, read, strict=True)
    )
    tests = {
        name: {r.seed: r.test for r in runs if r.arm == name and r.test is not None}
        for name in names
    }
    reading = _Reading(
        grid=grid,
        runs=runs,
        reported=Grid(runs[len(grid.runs) if fresh else 0 :], grid.subject, grid.lrs),
        rates=rates,
        tests=tests,
        seeds=len(seeds),
        best=best_cell(grid),
        tuning=tuning,
    )
    differences = [
        None if name == CONSTANT else paired(tests[name], tests[CONSTANT])
        for name in names
    ]
    corrected = holm([None if d is None else d.p for d in differences])
    summaries = tuple(
        _summary(reading, name, text, difference, p)
        for (name, text), difference, p in zip(
            arms, differences, corrected, strict=True
        )
    )
    place = {name: number for number, name in enumerate(names)}
    runs = tuple(sorted(runs, key=lambda run: (place[run.arm], run.peak_lr, run.seed)))
    return summaries, runs


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What a summary of an arm reads: `tests` is arm -> seed -> test metric."""

    grid: Grid
    runs: Sequence[Run]
    reported: Grid
    rates: Mapping[str, float | None]
    tests: Mapping[str, Mapping[int, float]]
    seeds: int
    best: float | None
    tuning: Tuning

    @property
    def whole_grid(self) -> bool:
        """Whether every rate of the grid was trained for every arm."""
        return self.tuning == "grid"

    def complete(self, name: str) -> bool:
        """Whether every seed of an arm and of the constant has a test metric."""
        return len(self.tests[name]) == len(self.tests[CONSTANT]) == self.seeds

    def at_default(self, name: str) -> Estimate | None:
        """Paired difference in validation at the default rate, over all seeds."""
        default = self.grid.subject.default_lr
        if name == CONSTANT or default is None:
            return None
        everything = Grid(self.runs, self.grid.subject, self.grid.lrs)
        return paired(
            everything.vals(name, default), everything.vals(CONSTANT, default)
        )

    def failed(self, runs: Sequence[Run]) -> float | None:
        """Share of runs that failed; None of none, or where a grid has holes."""
        bad = sum(failed(run, self.grid.subject, self.best) for run in runs)
        return _share(bad, len(runs)) if self.whole_grid else None

    def beside(self, name: str, sign: int) -> list[Run]:
        """Runs of an arm below (-1) or above (1) the constant's chosen rate."""
        constant = self.rates[CONSTANT]
        if constant is None:
            return []
        runs = self.grid.counted(name)
        return [run for run in runs if sign * (run.peak_lr - constant) > 0]


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
    values = [run.val if run.val is not None else subject.floor for run in counted]
    known = [value for value in values if value is not None]
    complete = reading.complete(name)
    reported = reading.reported.cell(name, lr)
    baseline = reading.reported.cell(CONSTANT, reading.rates[CONSTANT])
    return ArmSummary(
        arm=name,
        schedule=text,
        chosen_lr=lr,
        at_edge=None if reading.tuning == "given" else _edge(lr, grid.lrs),
        test=estimate(list(tests.values())),
        val=estimate(list(reading.reported.vals(name, lr).values())),
        difference=difference,
        holm_p=p,
        relative=_relative(subject, tests, reading.tests[CONSTANT])
        if name != CONSTANT
        else None,
        at_default=reading.at_default(name),
        grid_mean=fmean(known) if known and reading.whole_grid else None,
        diverged=_share(sum(r.status == "diverged" for r in counted), len(counted)),
        failed=reading.failed(counted),
        failed_below=reading.failed(reading.beside(name, -1)),
        failed_above=reading.failed(reading.beside(name, 1)),
        retained=estimate(
            [r.retained for r in reported.values() if r.retained is not None]
        ),
        reach=reach(reported, baseline, subject),
        cost=cost(name, reading.runs),
        runs=len(counted),
        unequal=unequal(name, reading.runs),
        outcome=_outcome(name, difference, p, subject.sign, complete=complete),
        notes=_notes(reading, name),
    )


def _notes(reading: _Reading, name: str) -> tuple[str, ...]:
    """Say what keeps an arm from a claim."""
    finished = len(reading.tests[name])
    if not finished and unequal(name, reading.runs):
        return ("no run of it counts: unequal budgets",)
    if not finished and reading.rates[name] is not None:
        return ("no run at its rate has a finite test metric",)
    if not finished:
        return ("no run of it counts",)
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


def best_cell(grid: Grid) -> float | None:
    """Mean validation metric of the best cell of all arms."""
    names = dict.fromkeys(run.arm for run in grid.runs)
    means = [
        fmean(vals.values())
        for name in names
        if (vals := grid.vals(name, grid.choose(name)))
    ]
    return max(means, key=lambda mean: grid.subject.sign * mean, default=None)


def failed(run: Run, subject: Subject, best: float | None) -> bool:
    """Whether a run diverged, raised, or ended worse than the margin allows."""
    if run.val is None or best is None or subject.failed_margin is None:
        return run.status != "finished"
    return subject.sign * (best - run.val) > subject.failed_margin


def _significant(p: float | None) -> bool:
    return p is not None and p < SIGNIFICANCE


def _share(count: int, total: int) -> float | None:
    return count / total if total else None
