"""Runs of a built-in workload as one batched program, a batch at a time."""

from collections.abc import Collection, Iterator, Sequence
from typing import final

from stepsize.proof.cells import Planned
from stepsize.proof.engines.interface import Advance, Batch
from stepsize.proof.engines.processes import ProcessEngine
from stepsize.proof.environment import count_cores
from stepsize.proof.tasks import WorkloadTask

_BATCHES = 8
"""Into how many batches a plan is cut: what a kill loses at most is one of them."""

_LEAST = 64
"""Runs in a batch at least: fewer leave the cores without full stacks."""


@final
class PopulationEngine:
    """Trains batches of runs that move in step.

    How a plan is cut depends on the plan alone, so that a comparison that was killed
    and starts again trains the same batches: a run's last bits depend on its company.
    """

    name = "population"
    arithmetic = "stacked"

    def __init__(self, task: WorkloadTask) -> None:
        self.task = task

    def train(
        self, plan: Sequence[Planned], done: Collection[int], advance: Advance
    ) -> Iterator[Batch]:
        """See `Engine.train`."""
        stacked = {i for i, planned in enumerate(plan) if planned.arm.optimizer is None}
        for batch in _cut(plan):
            together = [i for i in batch if i in stacked and i not in done]
            if together:
                yield self._train(plan, together, advance)
        if any(i not in stacked and i not in done for i in range(len(plan))):
            # Another optimizer has no batched form: ordinary training.
            processes = ProcessEngine(self.task, count_cores())
            yield from processes.train(plan, stacked | set(done), advance)

    def _train(
        self, plan: Sequence[Planned], indices: Sequence[int], advance: Advance
    ) -> Batch:
        told = 0

        def progress(now: int, total: int) -> None:
            nonlocal told
            del total
            advance(now - told)
            told = now

        returned = self.task.train_together([plan[i] for i in indices], progress)
        return list(zip(indices, returned, strict=True))


def _cut(plan: Sequence[Planned]) -> Iterator[list[int]]:
    """Cut a plan into batches of one length, runs of a seed side by side."""
    for steps in sorted({planned.total_steps for planned in plan}):
        order = sorted(
            (i for i, planned in enumerate(plan) if planned.total_steps == steps),
            key=lambda i: (plan[i].seed, i),
        )
        size = max(_LEAST, -(-len(order) // _BATCHES))
        yield from (order[at : at + size] for at in range(0, len(order), size))
