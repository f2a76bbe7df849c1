"""How the planned runs get trained: a population at once, or a process each.

Both engines give one `Run` per planned run, and a way to read the test metric of the
runs named, and of no others.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import stepsize as ss
from stepsize.errors import ProofError, describe
from stepsize.proof.functions import Job, Returned, TrainFunction
from stepsize.proof.processes import train_all
from stepsize.proof.results import Curve, Direction, Run, Status, Subject
from stepsize.proof.summary import TestReader

if TYPE_CHECKING:
    from stepsize.proof.workloads.spec import Workload

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

NotifyRun = Callable[[Run], None]
"""Called with a run that did not finish."""


@final
@dataclass(frozen=True, slots=True)
class Planned:
    """One run to make.

    Attributes:
        arm: Name of the arm.
        schedule: Its schedule times the peak rate: absolute rates.
        peak_lr: The peak rate. Unit: lr.
        seed: Seed; int >= 0.
        rates: The rate of every update. Unit: lr.
    """

    arm: str
    schedule: ss.Schedule
    peak_lr: float
    seed: int
    rates: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class Trained:
    """The runs made, in the order of the plan, and their sealed test metrics."""

    runs: tuple[Run, ...]
    direction: Direction
    read_test: TestReader


@final
class WorkloadEngine:
    """Trains the whole grid of a built-in workload as one batched program."""

    def __init__(self, workload: "Workload") -> None:
        self.workload = workload

    @classmethod
    def find(cls, name: str) -> "WorkloadEngine":
        """Load a workload by name.

        Raises:
            ProofError: There is none of that name.
            FrameworkMissingError: A package it needs is not installed.
        """
        from stepsize.proof import workloads

        return cls(workloads.load(name))

    def tuned_rates(self, arms: Sequence[str]) -> dict[str, float]:
        """Return the rate that was found before for each arm.

        Raises:
            ProofError: There is none for one of them.
        """
        known: Mapping[str, float] = getattr(self.workload, "tuned_lrs", {})
        rates = {
            arm: known.get(arm, known.get(arm.removeprefix("warmup_"))) for arm in arms
        }
        found = {arm: lr for arm, lr in rates.items() if lr is not None}
        missing = [arm for arm in arms if arm not in found]
        if missing:
            rule = f"name arms whose rate is known: {', '.join(known) or 'none is'}"
            raise ProofError(
                describe(
                    f"compare.tuned on {self.workload.name}",
                    rule,
                    missing,
                    hint="leave tuned out, so that every arm is tuned on the grid",
                )
            )
        return found

    def train(
        self,
        plan: Sequence[Planned],
        subject: Subject,
        on_progress: Progress | None,
        on_failed_run: NotifyRun | None,
    ) -> Trained:
        """Train all planned runs together."""
        import numpy as np

        from stepsize.proof.population import train_population

        population = train_population(
            self.workload,
            np.array([run.rates for run in plan], dtype=np.float64),
            [run.seed for run in plan],
            progress=on_progress,
        )
        updates = tuple(int(update) for update in population.updates)
        runs = []
        for index, planned in enumerate(plan):
            val = _finite(population.val[index])
            stopped = bool(population.diverged[index]) or val is None
            at = int(population.frozen_at[index])
            run = _run(
                planned,
                status="diverged" if stopped else "finished",
                reason=f"loss not finite at update {at}" if stopped else "",
                val=None if stopped else val,
                updates=at if stopped else subject.total_steps,
                curves=(
                    _curve("train_loss", updates, population.train_loss[index]),
                    _curve("val", updates, population.val_curve[index]),
                ),
            )
            runs.append(run)
            if stopped and on_failed_run is not None:
                on_failed_run(run)

        def read_test(indices: Sequence[int]) -> list[float | None]:
            return [_finite(value) for value in population.test(indices)]

        return Trained(tuple(runs), subject.direction, read_test)

    def finished(self, plan: Sequence[Planned]) -> tuple[Run, ...]:
        """Runs finished before an interrupt: none, they train in step."""
        del plan
        return ()


@final
class FunctionEngine:
    """Trains the user's function, one process a run."""

    def __init__(self, function: TrainFunction, processes: int) -> None:
        self.function = function
        self.processes = processes
        self._returned: dict[int, Returned] = {}

    @classmethod
    def find(
        cls, source: str | Callable[..., Any], jobs: int | None
    ) -> "FunctionEngine":
        """Find the function.

        Raises:
            ProofError: It cannot be found, imported or called; or `jobs` is not an
                int >= 1.
        """
        if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
            rule = "be an int >= 1 (unit: processes)"
            raise ProofError(describe("compare.jobs", rule, jobs))
        return cls(TrainFunction.find(source), jobs or os.cpu_count() or 1)

    def train(
        self,
        plan: Sequence[Planned],
        subject: Subject,
        on_progress: Progress | None,
        on_failed_run: NotifyRun | None,
    ) -> Trained:
        """Train all planned runs, a process each."""
        jobs = [Job(run.schedule, subject.total_steps, run.seed) for run in plan]
        if on_progress is not None:
            on_progress(0, len(jobs))
        for index, returned in train_all(self.function, jobs, processes=self.processes):
            self._returned[index] = returned
            if on_failed_run is not None and returned.status != "finished":
                on_failed_run(_function_run(plan[index], returned))
            if on_progress is not None:
                on_progress(len(self._returned), len(jobs))
        in_order = [self._returned[index] for index in range(len(plan))]
        directions = [r.direction for r in in_order if r.direction is not None]
        direction: Direction = "max" if directions[:1] == ["max"] else "min"
        in_order = [_agreed(returned, direction) for returned in in_order]

        def read_test(indices: Sequence[int]) -> list[float | None]:
            return [in_order[index].test for index in indices]

        runs = map(_function_run, plan, in_order)
        return Trained(tuple(runs), direction, read_test)

    def finished(self, plan: Sequence[Planned]) -> tuple[Run, ...]:
        """Runs finished before an interrupt, in the order of the plan."""
        return tuple(
            _function_run(plan[index], self._returned[index])
            for index in sorted(self._returned)
        )


def _agreed(returned: Returned, direction: Direction) -> Returned:
    """Fail a run that says the opposite of the first about what is better."""
    if returned.direction in (None, direction):
        return returned
    reason = (
        f"returned direction must be that of the first run, {direction!r}; got "
        f"{returned.direction!r}."
    )
    return Returned(status="error", reason=reason, curves=returned.curves)


def _function_run(planned: Planned, returned: Returned) -> Run:
    return _run(
        planned,
        status=returned.status,
        reason=returned.reason,
        val=returned.val,
        updates=returned.updates,
        curves=returned.curves,
    )


def _run(
    planned: Planned,
    *,
    status: Status,
    reason: str,
    val: float | None,
    updates: int | None,
    curves: tuple[Curve, ...],
) -> Run:
    return Run(
        arm=planned.arm,
        schedule=str(planned.schedule),
        peak_lr=planned.peak_lr,
        seed=planned.seed,
        status=status,
        val=val,
        updates=updates,
        reason=reason,
        curves=curves,
    )


def _curve(metric: str, updates: tuple[int, ...], values: Any) -> Curve:
    return Curve(metric, updates, tuple(_finite(value) for value in values))


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if abs(number) < float("inf") else None
