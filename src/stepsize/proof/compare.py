"""`compare`: schedules against a tuned constant, under equal budgets.

Every arm gets the same updates, the same grid of peak rates and the same seeds. Not
here: which runs are made (protocols.py), who makes them (engines/), what they mean
(summary.py).
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import stepsize as ss
from stepsize.errors import ProofError, describe
from stepsize.proof.arms import Arm, select
from stepsize.proof.cells import Planned
from stepsize.proof.engines import EngineName, choose
from stepsize.proof.functions import TrainFunction
from stepsize.proof.halving import narrow, updates_of
from stepsize.proof.plan import Budget, function_budget, repeat_command, workload_budget
from stepsize.proof.protocols import Design
from stepsize.proof.report.verdict import verdict
from stepsize.proof.results import Comparison, Run, Rung, Subject, Tuning
from stepsize.proof.store import Store
from stepsize.proof.summary import Grid, choose_rates, complete_subject, summarise
from stepsize.proof.tasks import WorkloadTask
from stepsize.proof.timing import time_updates
from stepsize.proof.training import NotifyRun, Progress, Training

NotifyStored = Callable[[int, int], None]
"""Called with the number of runs that the store has, and of all."""


@final
class ComparisonInterrupted(KeyboardInterrupt):
    """Ctrl-C during a comparison, with what had been finished.

    Attributes:
        comparison: The runs that finished, without summaries or a verdict: the arms
            were not trained on equal grids.
        planned: Number of runs that were planned.
    """

    def __init__(self, comparison: Comparison, planned: int) -> None:
        super().__init__(f"after {len(comparison.runs)} of {planned} runs")
        self.comparison = comparison
        self.planned = planned


def compare(
    subject: str | Callable[..., Any],
    *,
    schedules: Iterable[str] | Mapping[str, str | ss.Schedule | Arm] | None = None,
    total_steps: int | None = None,
    seeds: int | None = None,
    select_seeds: int | None = None,
    lrs: Sequence[float] | None = None,
    default_lr: float | None = None,
    tuned: bool = False,
    halving: bool = False,
    engine: EngineName = "auto",
    jobs: int | None = None,
    address: str | None = None,
    store: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    timing: bool = False,
    on_progress: Progress | None = None,
    on_failed_run: NotifyRun | None = None,
    on_stored: NotifyStored | None = None,
) -> Comparison:
    """Train with several schedules and a constant rate, and say which helped.

    Args:
        subject: A built-in workload ("digits", "mnist5k", "charlm"); your own function
            as "my_script.py:train"; or the function itself.
        schedules: Names of built-in arms or `NAME=EXPRESSION`; or a mapping from names
            to schedules. Factors of the peak rate, so their highest value is 1. The
            constant is always among them. None: the default arms.
        total_steps: Budget of every run. Unit: updates; int >= 1. None: the
            workload's own, 1000 for a function.
        seeds: Number of seeds that are reported on; int >= 1. None: the workload's
            own, 3 for a function.
        select_seeds: Number of seeds that rates are chosen by, numbered from 0; the
            seeds that are reported on come after them, and only the chosen rates are
            trained on those. int >= 1. None: rates are chosen and reported by the same
            seeds.
        lrs: Grid of peak rates, the same for every arm; finite, > 0. None: the
            workload's own; 3e-4 to 3e-2 for a function.
        default_lr: A fixed rate at which the arms are compared besides (trained in
            addition if it is not on the grid), on all seeds. None: the workload's own
            if it is on the grid, then on the seeds that rates are chosen by.
        tuned: Train each arm at the rate that was found for it before, and nowhere
            else (workloads that have such rates).
        halving: Find each arm's rate by successive halving: short complete trainings
            drop the worse rates of an arm before the rest is trained in full.
        engine: Who trains: "population" (a workload's runs as one batched program),
            "processes" (a run each), "ray" (a task of a cluster each), or "auto".
        jobs: Processes at a time; int >= 1. None: one per core.
        address: Of a Ray cluster, "auto" for the one of this machine. None: Ray is
            started on this machine alone.
        store: Folder where finished runs are kept, and taken from instead of being
            made again. None: they are not kept.
        fresh: Make every run, and keep it in the store in place of what is there.
        timing: Time each arm's updates against a loop without a schedule, after the
            training (workloads; a function's runs are always timed).
        on_progress: Called with (done, total), in updates of all runs.
        on_failed_run: Called with each run that does not finish.
        on_stored: Called with (stored, planned) if the store has some of the runs.

    Returns:
        The comparison. The same arguments give an equal one.

    Raises:
        ProofError: An argument is outside its range, or every run failed.
        InvalidScheduleError: An expression is not a schedule.
        FrameworkMissingError: A package of `stepsize[proof]` is not installed.
        ComparisonInterrupted: Ctrl-C; a KeyboardInterrupt that carries the runs that
            finished.
    """
    started = time.perf_counter()
    arms = select(schedules)
    asked = Budget(
        total_steps=total_steps,
        seeds=seeds,
        lrs=lrs,
        default_lr=default_lr,
        select_seeds=select_seeds,
    )
    asked.check()
    _check_together(tuned=tuned, halving=halving, select_seeds=select_seeds)
    task, about, grid, n_seeds = _subject(subject, asked, arms)
    chosen = _tuned_rates(task, arms) if tuned else None
    if chosen is not None:
        grid = tuple(sorted(set(chosen.values())))
        about = replace(about, default_lr=None)
    tuning: Tuning = "given" if tuned else "halving" if halving else "grid"
    n_select = select_seeds or 0
    design = Design(
        arms=arms,
        total_steps=about.total_steps,
        lrs=grid,
        seeds=tuple(range(n_select, n_select + n_seeds)),
        select_seeds=tuple(range(n_select)),
        given=chosen,
        default_lr=about.default_lr,
        default_on_fresh=default_lr is not None,
    )
    chosen_engine = choose(engine, task, jobs=jobs, address=address)
    kept = None if store is None else Store(store, task.name)
    if kept is not None:
        kept.prepare()
    training = Training(
        task,
        chosen_engine,
        store=kept,
        fresh=fresh,
        on_progress=on_progress,
        on_failed_run=on_failed_run,
        on_stored=on_stored,
    )
    command = repeat_command(
        subject,
        schedules=None if schedules is None else arms,
        asked=asked,
        tuned=tuned,
        halving=halving,
        engine=engine,
    )

    def comparison(
        runs: Sequence[Run], about: Subject, rungs: Sequence[Rung] = ()
    ) -> Comparison:
        return Comparison(
            subject=about,
            lrs=grid,
            seeds=design.seeds,
            select_seeds=design.select_seeds,
            tuning=tuning,
            arms=(),
            runs=tuple(runs),
            rungs=tuple(rungs),
            repeat=command,
            engine=training.engine,
            seconds=time.perf_counter() - started,
        )

    try:
        done = _carry_out(training, design, about, tuning, comparison)
    except KeyboardInterrupt as error:
        partial = replace(comparison(training.finished(), about), interrupted=True)
        raise ComparisonInterrupted(partial, design.most_runs) from error
    if timing and isinstance(task, WorkloadTask):
        costs = time_updates(task.workload, arms, about.total_steps)
        timed = [replace(arm, cost=costs[arm.arm]) for arm in done.arms]
        done = replace(done, arms=tuple(timed))
    return done


def _carry_out(
    training: Training,
    design: Design,
    about: Subject,
    tuning: Tuning,
    comparison: Callable[[Sequence[Run], Subject, Sequence[Rung]], Comparison],
) -> Comparison:
    """Choose rates on the grid, train what is reported on, and sum up."""
    names = [arm.name for arm in design.arms]
    training.expected = design.most_runs * design.total_steps
    left: Mapping[str, Sequence[float]] | None = None
    rungs: Sequence[Rung] = ()
    if tuning == "halving":
        training.expected = updates_of(design)
        left, rungs = narrow(training, design)
    plan = design.grid(left)
    grid_runs = training.train(plan)
    about = replace(about, direction=training.direction or about.direction)
    _check_any(grid_runs)
    about = complete_subject(grid_runs, about, design.lrs)
    grid = Grid(grid_runs, about, design.lrs)
    rates = choose_rates(grid, names) if design.given is None else design.given
    fresh_plan = design.fresh(rates)
    fresh = training.train(fresh_plan)
    training.end()
    planned: tuple[Planned, ...] = (*plan, *fresh_plan)
    summaries, runs = summarise(
        grid,
        [(arm.name, str(arm.schedule)) for arm in design.arms],
        design.seeds,
        lambda indices: training.tests([planned[index] for index in indices]),
        chosen=rates,
        fresh=fresh,
        tuning=tuning,
    )
    summaries = tuple(
        replace(summary, besides=arm.text[len(summary.schedule) :].lstrip(", "))
        for summary, arm in zip(summaries, design.arms, strict=True)
    )
    done = replace(comparison(runs, about, rungs), arms=summaries)
    return replace(done, verdict=verdict(done))


def _subject(
    subject: str | Callable[..., Any], asked: Budget, arms: Sequence[Arm]
) -> tuple[WorkloadTask | TrainFunction, Subject, tuple[float, ...], int]:
    """Return the task, how it is read, its grid and its number of seeds."""
    if isinstance(subject, str) and ":" not in subject and not subject.endswith(".py"):
        task = WorkloadTask(subject)
        for arm in arms:
            task.check_arm(arm)
        return task, *workload_budget(task.workload, asked)
    function = TrainFunction.find(subject)
    for arm in arms:
        function.check_arm(arm)
    return function, *function_budget(function.name, asked)


def _tuned_rates(
    task: WorkloadTask | TrainFunction, arms: Sequence[Arm]
) -> dict[str, float]:
    """Return the rates found before.

    Raises:
        ProofError: There are none for one of the arms, or for functions at all.
    """
    if not isinstance(task, WorkloadTask):
        hint = "leave it out, or name a workload"
        rule = "be for built-in workloads"
        raise ProofError(describe("compare.tuned", rule, True, hint=hint))
    return task.tuned_rates([arm.name for arm in arms])


def _check_together(*, tuned: bool, halving: bool, select_seeds: int | None) -> None:
    """Refuse to choose rates that are given.

    Raises:
        ProofError: `tuned` is set, and something that chooses rates.
    """
    for field, asked in (("halving", halving), ("select_seeds", select_seeds)):
        if tuned and asked:
            rule = "be left out with tuned, which chooses no rates"
            raise ProofError(describe(f"compare.{field}", rule, asked))


def _check_any(runs: Sequence[Run]) -> None:
    """Refuse a comparison in which nothing finished.

    Raises:
        ProofError: No run gave a number.
    """
    if any(run.val is not None for run in runs):
        return
    raise ProofError(
        f"all {len(runs)} runs failed, so there is nothing to compare. The first: "
        f"{runs[0].reason}"
    )
