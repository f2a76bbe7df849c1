"""`compare`: schedules against a tuned constant, under equal budgets.

Every arm gets the same updates, the same grid of peak rates and the same seeds. Not
here: how runs are made (engines.py), what they mean (summary.py).
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import stepsize as ss
from stepsize.errors import ProofError, StepsizeError, describe
from stepsize.proof.arms import Arm, select
from stepsize.proof.engines import (
    FunctionEngine,
    NotifyRun,
    Planned,
    Progress,
    WorkloadEngine,
)
from stepsize.proof.plan import Budget, function_budget, repeat_command, workload_budget
from stepsize.proof.report.verdict import verdict
from stepsize.proof.results import Comparison, Run, Subject
from stepsize.proof.summary import Grid, complete_subject, summarise


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
    schedules: Iterable[str] | Mapping[str, str | ss.Schedule] | None = None,
    total_steps: int | None = None,
    seeds: int | None = None,
    lrs: Sequence[float] | None = None,
    default_lr: float | None = None,
    tuned: bool = False,
    jobs: int | None = None,
    on_progress: Progress | None = None,
    on_failed_run: NotifyRun | None = None,
) -> Comparison:
    """Train with several schedules and a constant rate, and say which helped.

    Args:
        subject: A built-in workload ("digits", "mnist5k", "charlm"); your own function
            as "my_script.py:train"; or the function itself.
        schedules: Names of default arms or `NAME=EXPRESSION`; or a mapping from names
            to schedules. Factors of the peak rate, so their highest value is 1. The
            constant is always among them. None: the default arms.
        total_steps: Budget of every run. Unit: updates; int >= 1. None: the
            workload's own, 1000 for a function.
        seeds: Number of seeds, 0 to seeds - 1; int >= 1. None: the workload's own, 3
            for a function.
        lrs: Grid of peak rates, the same for every arm; finite, > 0. None: the
            workload's own; 3e-4 to 3e-2 for a function.
        default_lr: A fixed rate at which the arms are compared besides (trained in
            addition if it is not on the grid). None: the workload's own if it is on
            the grid.
        tuned: Train each arm at the rate that was found for it before, and nowhere
            else (workloads that have such rates).
        jobs: Processes for a function's runs; int >= 1. None: one per core.
        on_progress: Called with (done, total), in runs for a function and in updates
            of the whole population for a workload.
        on_failed_run: Called with each run that does not finish.

    Returns:
        The comparison. The same arguments give the same one, but for `seconds`.

    Raises:
        ProofError: An argument is outside its range, or every run failed.
        InvalidScheduleError: An expression is not a schedule.
        FrameworkMissingError: A package of `stepsize[proof]` is not installed.
        ComparisonInterrupted: Ctrl-C; a KeyboardInterrupt that carries the runs that
            finished.
    """
    started = time.perf_counter()
    arms = select(schedules)
    asked = Budget(total_steps=total_steps, seeds=seeds, lrs=lrs, default_lr=default_lr)
    asked.check()
    engine: WorkloadEngine | FunctionEngine
    if isinstance(subject, str) and ":" not in subject and not subject.endswith(".py"):
        engine = WorkloadEngine.find(subject)
        about, grid, n_seeds = workload_budget(engine.workload, asked)
        chosen = engine.tuned_rates([arm.name for arm in arms]) if tuned else None
    else:
        if tuned:
            hint = "leave it out, or name a workload"
            raise ProofError(
                describe("compare.tuned", "be for built-in workloads", tuned, hint=hint)
            )
        engine = FunctionEngine.find(subject, jobs)
        about, grid, n_seeds = function_budget(engine.function.name, asked)
        chosen = None
    if chosen is not None:
        grid = tuple(sorted(set(chosen.values())))
        about = replace(about, default_lr=None)
    plan = plan_runs(arms, about, grid, n_seeds, chosen)
    command = repeat_command(
        subject, schedules=None if schedules is None else arms, asked=asked, tuned=tuned
    )

    def comparison(runs: Sequence[Run], about: Subject) -> Comparison:
        return Comparison(
            subject=about,
            lrs=grid,
            seeds=tuple(range(n_seeds)),
            tuning="grid" if chosen is None else "given",
            arms=(),
            runs=tuple(runs),
            repeat=command,
            seconds=time.perf_counter() - started,
        )

    try:
        trained = engine.train(plan, about, on_progress, on_failed_run)
    except KeyboardInterrupt as error:
        partial = replace(comparison(engine.finished(plan), about), interrupted=True)
        raise ComparisonInterrupted(partial, len(plan)) from error
    about = replace(about, direction=trained.direction)
    _check_any(trained.runs)
    about = complete_subject(trained.runs, about, grid)
    summaries, runs = summarise(
        Grid(trained.runs, about, grid),
        [(arm.name, str(arm.schedule)) for arm in arms],
        range(n_seeds),
        trained.read_test,
        chosen=chosen,
    )
    done = replace(comparison(runs, about), arms=summaries)
    return replace(done, verdict=verdict(done))


def plan_runs(
    arms: Sequence[Arm],
    subject: Subject,
    lrs: Sequence[float],
    seeds: int,
    chosen: Mapping[str, float] | None = None,
) -> tuple[Planned, ...]:
    """List the runs: arm by arm, rate by rate, seed by seed.

    Raises:
        ProofError: A schedule does not fit in the budget, or is no factor.
    """
    planned = []
    for arm in arms:
        arm.check_peak(subject.total_steps)
        rates = list(lrs) if chosen is None else [chosen[arm.name]]
        if subject.default_lr is not None and subject.default_lr not in rates:
            rates.append(subject.default_lr)
        for lr in rates:
            try:
                schedule = lr * arm.schedule
            except StepsizeError as error:
                raise ProofError(f"schedule {arm.name!r} at {lr:g}: {error}") from error
            values = tuple(arm.rates(lr, subject.total_steps))
            planned += [
                Planned(arm.name, schedule, lr, seed, values) for seed in range(seeds)
            ]
    return tuple(planned)


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
