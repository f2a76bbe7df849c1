"""Runs as tasks of a Ray cluster, one core each: many machines, or this one.

Not here: one run (functions.py, tasks.py).
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

from stepsize.errors import FrameworkMissingError, ProofError, describe
from stepsize.proof.cells import Planned, Returned
from stepsize.proof.engines.interface import Advance, Batch, Task
from stepsize.proof.functions import TrainFunction

_RETRIES = 3
"""How often a run is made again whose worker or node was lost."""

_AHEAD = 4
"""Tasks handed to the cluster ahead, per core."""

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)


@final
class RayEngine:
    """Trains each run as a task of one core and one thread.

    A run whose node or worker is lost is made again elsewhere. Every node needs
    stepsize and what the runs import; a script of the user's, and the modules beside it
    that it imports, are sent along where a node lacks them.

    Args:
        task: What is trained.
        address: Of the cluster; "auto" for the one of this machine; None: Ray is
            started on this machine, and ended afterwards.
        jobs: Cores of a Ray that is started here; None: all.

    Raises:
        ProofError: Both an address and a number of jobs are given.
        FrameworkMissingError: Ray is not installed.
    """

    name = "ray"
    arithmetic = "single"

    def __init__(self, task: Task, *, address: str | None, jobs: int | None) -> None:
        if address is not None and jobs is not None:
            hint = "the cluster knows its cores"
            rule = "be left out with an address"
            raise ProofError(describe("compare.jobs", rule, jobs, hint=hint))
        try:
            import ray  # noqa: F401 - found out before anything is trained
        except ImportError as error:
            raise FrameworkMissingError(
                "the engine 'ray' needs Ray. hint: pip install 'stepsize[ray]'"
            ) from error
        self.task = task
        self.address = address
        self.jobs = jobs

    def train(
        self, plan: Sequence[Planned], done: Collection[int], advance: Advance
    ) -> Iterator[Batch]:
        """See `Engine.train`."""
        del advance  # runs tell nothing on their way
        waiting = [index for index in range(len(plan)) if index not in done]
        if not waiting:
            return
        with self._cluster() as ray:
            remote = ray.remote(num_cpus=1, max_retries=_RETRIES)(_train)
            start = remote.options(runtime_env={"env_vars": _ONE_THREAD}).remote
            files = self.task.files() if isinstance(self.task, TrainFunction) else {}
            shared = ray.put((self.task, files))
            running: dict[Any, int] = {}
            try:
                while waiting or running:
                    ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
                    while waiting and len(running) < ahead:
                        index = waiting.pop(0)
                        running[start(shared, plan[index])] = index
                    (ended,), _ = ray.wait(list(running), num_returns=1)
                    yield [(running.pop(ended), _result(ray, ended))]
            finally:
                for ref in running:
                    ray.cancel(ref, force=True)

    @contextmanager
    def _cluster(self) -> Iterator[Any]:
        """Connect to the cluster, or start one; an open connection is used as it is.

        Raises:
            ProofError: There is no cluster at the address.
        """
        import ray

        if ray.is_initialized():
            yield ray
            return
        local: Mapping[str, Any] = (
            {"num_cpus": self.jobs, "include_dashboard": False}
            if self.address is None
            else {}
        )
        try:
            ray.init(
                # "local": never one that happens to run here
                address=self.address or "local",
                log_to_driver=False,
                logging_level=logging.WARNING,
                **local,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            hint = "start one with 'ray start --head', or leave the address out"
            rule = f"be that of a running Ray cluster ({_first_line(error)})"
            raise ProofError(
                describe("compare.address", rule, self.address, hint=hint)
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _train(shared: tuple[Task, Mapping[str, bytes]], planned: Planned) -> Returned:
    """Make a run on a node."""
    task, files = shared
    if isinstance(task, TrainFunction):
        task = task.unpacked(files)
    return task.train(planned)


def _result(ray: Any, ref: Any) -> Returned:
    """Fetch what a task gave; a run that killed every worker it had is an error."""
    from ray.exceptions import RayError

    get: Callable[[Any], Returned] = ray.get
    try:
        return get(ref)
    except RayError as error:
        return Returned(
            status="error", reason=f"its process died: {_first_line(error)}"
        )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
