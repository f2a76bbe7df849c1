"""How much faster the population engine trains than one-by-one training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from stepsize.proof.population.engine import one_torch_thread, train_population
from stepsize.proof.population.single import Implementation, train_one
from stepsize.proof.workloads import load
from stepsize.proof.workloads.spec import Workload

__all__ = ["Throughput", "measure_throughput"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Both engines' speed, whole runs included from draw to last reading.

    Attributes:
        workload: Its name.
        members: Size of the population.
        one_by_one: Time of one update. Unit: seconds.
        implementation: The implementation of torch's optimizer that was fastest.
        population: Time of one update of one member, on one core. Unit: seconds.
        threaded: The same with a thread on each of two cores. Unit: seconds.
    """

    workload: str
    members: int
    one_by_one: float
    implementation: str
    population: float
    threaded: float

    @property
    def ratio(self) -> float:
        """How many times as many updates a second the population makes."""
        return self.one_by_one / self.population

    @property
    def most_cores(self) -> int | None:
        """Up to how many cores threads outrun as many processes; None: any number.

        By Amdahl's law: a share s of the work holds the interpreter, of which there is
        one, so n threads take population * (s + (1 - s) / n), n processes
        one_by_one / n.
        """
        share = 2.0 * self.threaded / self.population - 1.0
        if share <= 0.0:
            return None
        return max(0, int((self.ratio - 1.0) / share + 1.0))

    def __str__(self) -> str:
        return (
            f"{self.workload}: {self.members} members on one core "
            f"{1e6 * self.population:.1f} us a member and update, one by one "
            f"({self.implementation}) {1e6 * self.one_by_one:.1f} us: "
            f"{self.ratio:.1f} times the throughput"
        )


def measure_throughput(
    workload: Workload | None = None, *, members: int = 42, repeats: int = 3
) -> Throughput:
    """Time both engines, and take the best of several runs of each.

    One by one, torch's fused, foreach and plain optimizers are tried and the fastest
    counts; it does not look for non-finite parameters, the population does.

    Args:
        workload: What to train, at its default rate; None: the digits.
        members: Size of the population, of 4 seeds; int >= 4.
        repeats: Runs of which the fastest counts.
    """
    workload = workload or load("digits")
    rates = np.full((members, workload.total_steps), workload.default_lr)
    seeds = [member % 4 for member in range(members)]
    implementations: tuple[Implementation, ...] = ("fused", "foreach", "single")
    alone: dict[str, float] = dict.fromkeys(implementations, float("inf"))
    together = {1: float("inf"), 2: float("inf")}  # by threads
    with one_torch_thread():
        for _ in range(repeats):
            for implementation in implementations:
                one = train_one(
                    workload,
                    rates[0],
                    0,
                    evaluations=1,
                    implementation=implementation,
                    watch_parameters=False,
                )
                alone[implementation] = min(alone[implementation], one.seconds)
            for threads, before in together.items():
                stack = train_population(
                    workload, rates, seeds, evaluations=1, threads=threads
                )
                together[threads] = min(before, stack.seconds)
    fastest = min(alone, key=lambda name: alone[name])
    return Throughput(
        workload=workload.name,
        members=members,
        one_by_one=alone[fastest] / workload.total_steps,
        implementation=fastest,
        population=together[1] / workload.total_steps / members,
        threaded=together[2] / workload.total_steps / members,
    )
