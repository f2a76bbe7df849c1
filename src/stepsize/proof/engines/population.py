"""Runs of a built-in workload as one batched program, a batch at a time."""

from collections.abc import Collection, Iterator, Sequence
from typing import final

from stepsize.proof.cells import Planned
from stepsize.proof.engines.interface import Advance, Batch
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
        for batch in _cut(plan):
            left = [index for index in batch if index not in done]
            together = [i for i in left if plan[i].arm.optimizer is None]
            if together:
                yield self._train(plan, together, advance)
            # Another optimizer has no batched form: ordinary training, one by one.
            for index in left:
                if plan[index].arm.optimizer is not None:
                    yield [(index, self.task.train(plan[index]))]

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
