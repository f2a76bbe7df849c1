"""Engines: who trains the planned runs, behind one interface.

`population` trains a built-in workload's runs as one batched program, `processes` each
run in a worker process of this machine, `ray` each as a task of a Ray cluster.
"""

from typing import Literal, get_args

from stepsize.errors import ProofError, describe
from stepsize.proof.engines.interface import Advance, Batch, Engine, Task
from stepsize.proof.environment import count_cores
from stepsize.proof.tasks import WorkloadTask

__all__ = ["Advance", "Batch", "Engine", "EngineName", "Task", "choose"]

EngineName = Literal["auto", "population", "processes", "ray"]
"""What `compare` may be asked for; "auto" is the quickest on this machine."""


def choose(
    name: EngineName, task: Task, *, jobs: int | None = None, address: str | None = None
) -> Engine:
    """Return the engine for a task.

    Args:
        name: Which; "auto" is the quicker one: for a workload the population, up to
            as many cores as its model says; else processes.
        task: What is trained.
        jobs: Processes of this machine; int >= 1; None for one per core.
        address: Address of a Ray cluster, or "auto" for the one this machine is in;
            None for one started here.

    Raises:
        ProofError: There is no such engine, it cannot train this, or an option does
            not belong to it.
        FrameworkMissingError: The package it needs is not installed.
    """
    if name not in get_args(EngineName):
        rule = "be one of auto, population, processes, ray"
        raise ProofError(describe("compare.engine", rule, name))
    if jobs is not None and (
        isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1
    ):
        rule = "be an int >= 1 (unit: processes)"
        raise ProofError(describe("compare.jobs", rule, jobs))
    if address is not None and name != "ray":
        rule = "be for the engine 'ray'"
        raise ProofError(describe("compare.address", rule, address))
    if name == "ray":
        from stepsize.proof.engines.ray import RayEngine

        return RayEngine(task, address=address, jobs=jobs)
    if name == "population" and not isinstance(task, WorkloadTask):
        hint = "use processes or ray for a function of yours"
        rule = "be for a built-in workload"
        raise ProofError(describe("engine 'population'", rule, task.name, hint=hint))
    if isinstance(task, WorkloadTask) and (
        name == "population" or (name == "auto" and _gains_together(task))
    ):
        from stepsize.proof.engines.population import PopulationEngine

        return PopulationEngine(task)
    from stepsize.proof.engines.processes import ProcessEngine

    return ProcessEngine(task, jobs or count_cores())


def _gains_together(task: WorkloadTask) -> bool:
    """Whether the population outruns a process per core, here.

    A rule and no measurement, so that a comparison that was killed goes on with the
    engine it began with.
    """
    from stepsize.proof.population.result import quiet_model

    most = quiet_model(task.workload).most_cores
    return most is None or count_cores() <= most
