"""A built-in workload as a task: one run by ordinary training, or many as one program.

Not here: functions of the user's (functions.py).
"""

import ast
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from stepsize.errors import ProofError, describe
from stepsize.proof.arms import Arm
from stepsize.proof.baselines import BASELINES
from stepsize.proof.cells import Planned, Returned
from stepsize.proof.results import Curve

if TYPE_CHECKING:
    from stepsize.proof.population import Population
    from stepsize.proof.workloads.spec import Workload


@final
@dataclass(frozen=True, slots=True)
class WorkloadTask:
    """A built-in workload by its name, so that other processes can load it.

    Attributes:
        name: One of `workloads.names()`.
    """

    name: str

    @property
    def workload(self) -> "Workload":
        """The workload, loaded once a process.

        Raises:
            ProofError: There is none of that name, or its data cannot be read.
            FrameworkMissingError: A package it needs is not installed.
        """
        from stepsize.proof import workloads

        return workloads.load(self.name)

    def identity(self) -> Mapping[str, str]:
        """Return the workload's settings and the code that trains it, as a digest."""
        return {
            "workload": repr(sorted(self.workload.describe().items())),
            "code": _training_code(self.name),
        }

    def check_arm(self, arm: Arm) -> None:
        """Refuse an arm whose optimizer is not installed.

        Raises:
            FrameworkMissingError: Its package is missing.
        """
        if arm.optimizer is not None:
            BASELINES[arm.optimizer].load()

    def train(self, planned: Planned) -> Returned:
        """Make one run with one model and one torch optimizer."""
        started = time.perf_counter()
        if planned.arm.average is not None or planned.arm.policies:
            (returned,) = self.train_together([planned], threads=1)
        else:
            import numpy as np

            from stepsize.proof.population import train_one

            name = planned.arm.optimizer
            baseline = None if name is None else BASELINES[name]
            rates = np.array(planned.rates(), dtype=np.float64)
            if baseline is not None and baseline.is_factor:
                rates /= self.workload.default_lr
            one = train_one(
                self.workload,
                rates,
                planned.seed,
                make_optimizer=None if baseline is None else baseline.make_optimizer,
            )
            (returned,) = returned_of(one, [planned])
        return replace(returned, seconds=time.perf_counter() - started)

    def train_together(
        self,
        plan: Sequence[Planned],
        progress: Callable[[int, int], None] | None = None,
        *,
        threads: int | None = None,
    ) -> list[Returned]:
        """Make all runs as one batched program; see `train_population`."""
        import numpy as np

        from stepsize.proof.population import train_population
        from stepsize.proof.population.steering import Steering

        population = train_population(
            self.workload,
            np.array([planned.rates() for planned in plan], dtype=np.float64),
            [planned.seed for planned in plan],
            progress=progress,
            threads=threads,
            averages=[planned.arm.average for planned in plan],
            steering=[
                Steering(planned.schedule, planned.total_steps, planned.arm.policies)
                if planned.arm.policies
                else None
                for planned in plan
            ],
        )
        return returned_of(population, plan)

    def tuned_rates(self, arms: Sequence[str]) -> dict[str, float]:
        """Return the rate that was found before for each arm.

        Raises:
            ProofError: There is none for one of them.
        """
        known = self.workload.tuned_lrs
        rates = {
            arm: known.get(arm, known.get(arm.removeprefix("warmup_"))) for arm in arms
        }
        found = {arm: lr for arm, lr in rates.items() if lr is not None}
        missing = [arm for arm in arms if arm not in found]
        if missing:
            rule = f"name arms whose rate is known: {', '.join(known) or 'none is'}"
            hint = "leave tuned out, so that every arm is tuned on the grid"
            raise ProofError(
                describe(f"compare.tuned on {self.name}", rule, missing, hint=hint)
            )
        return found


def returned_of(population: "Population", plan: Sequence[Planned]) -> list[Returned]:
    """Read what each member of a population gave, its sealed test metric included."""
    updates = tuple(int(update) for update in population.updates)
    members = range(len(plan))
    tests = population.test(members)
    has_source = population.workload.source is not None
    retained = population.retained(members) if has_source else None
    found = []
    for index, planned in enumerate(plan):
        val = _finite(population.val[index])
        stopped = bool(population.diverged[index]) or val is None
        at = int(population.frozen_at[index])
        found.append(
            Returned(
                status="diverged" if stopped else "finished",
                reason=f"loss not finite at update {at}" if stopped else "",
                val=None if stopped else val,
                test=None if stopped else _finite(tests[index]),
                retained=None
                if stopped or retained is None
                else _finite(retained[index]),
                direction=population.workload.direction,
                updates=at if stopped else planned.total_steps,
                curves=(
                    _curve("train_loss", updates, population.train_loss[index]),
                    _curve("val", updates, population.val_curve[index]),
                ),
            )
        )
    return found


@cache
def _training_code(name: str) -> str:
    """Return a digest of the source that a workload is trained by.

    Comments, docstrings, layout and the modules of other workloads are not part of it.
    """
    from stepsize.proof import population, workloads

    others = set(workloads.names()) - {name}
    digest = hashlib.sha256()
    for package in (population, workloads):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            if path.stem not in others and path.stem != "__init__":
                digest.update(f"{path.stem} {_meaning(path)}\n".encode())
    return digest.hexdigest()


def _meaning(path: Path) -> str:
    """Write a module's syntax tree without its docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]  # it has one
    return ast.dump(tree)


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


def _curve(metric: str, updates: tuple[int, ...], values: Any) -> Curve:
    return Curve(metric, updates, tuple(_finite(value) for value in values))


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if abs(number) < float("inf") else None
