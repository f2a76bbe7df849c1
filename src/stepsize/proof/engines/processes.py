"""Runs in worker processes of one thread each, on this machine.

Not here: one run (functions.py, tasks.py).
"""

import signal
import threading
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import final

from stepsize.errors import FrameworkMissingError
from stepsize.proof.cells import Planned, Returned
from stepsize.proof.engines.interface import Advance, Batch, Task


@final
class ProcessEngine:
    """Trains each run in a worker process with one thread, in any order.

    A worker process is used again for the next run. If one dies (killed, out of
    memory, a crash in native code), what had not finished is made once more, run by
    run, so that only the runs that kill their process fail.
    """

    name = "processes"
    arithmetic = "single"

    def __init__(self, task: Task, processes: int) -> None:
        self.task = task
        self.processes = processes

    def train(
        self, plan: Sequence[Planned], done: Collection[int], advance: Advance
    ) -> Iterator[Batch]:
        """See `Engine.train`.

        Raises:
            FrameworkMissingError: joblib is not installed.
        """
        del advance  # runs tell nothing on their way
        try:
            from joblib.externals.loky.process_executor import BrokenProcessPool
        except ImportError as error:
            raise FrameworkMissingError(
                "training in processes needs joblib. hint: pip install "
                "'stepsize[proof]'"
            ) from error
        waiting = dict.fromkeys(i for i in range(len(plan)) if i not in done)
        with _calm_about_worn_workers():
            yield from self._train_waiting(plan, waiting, BrokenProcessPool)

    def _train_waiting(
        self,
        plan: Sequence[Planned],
        waiting: dict[int, None],
        broken: type[Exception],
    ) -> Iterator[Batch]:
        try:
            for index, returned in self._run(plan, tuple(waiting), self.processes):
                del waiting[index]
                yield [(index, returned)]
        except broken:
            for index in tuple(waiting):
                try:
                    yield list(self._run(plan, [index], 1))
                except broken as error:
                    reason = f"its process died: {str(error).splitlines()[0]}"
                    yield [(index, Returned(status="error", reason=reason))]

    def _run(
        self, plan: Sequence[Planned], indices: Sequence[int], workers: int
    ) -> Iterator[tuple[int, Returned]]:
        from joblib import Parallel, delayed, parallel_config

        if not indices:
            return iter(())
        with parallel_config(backend="loky", inner_max_num_threads=1):
            # One job would mean no process of its own: two, of which one is fed.
            pool = Parallel(
                n_jobs=max(workers, 2),
                pre_dispatch=workers,
                batch_size=1,
                return_as="generator_unordered",
            )
        tasks = [delayed(_train_indexed)(self.task, plan[i], i) for i in indices]
        with _deaf_to_interrupts():
            return iter(pool(tasks))


@contextmanager
def _calm_about_worn_workers() -> Iterator[None]:
    """Ignore loky's warning that it replaced a worker that had grown by 300 MB.

    A framework that a worker imports for its first run is as large. Where warnings are
    errors, this one would end loky's own thread, and the comparison never.
    """
    with warnings.catch_warnings():
        message = "A worker stopped while some jobs were given"
        warnings.filterwarnings("ignore", message, UserWarning)
        yield


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C while processes start, so that they are born ignoring it.

    The terminal sends it to them too, and one still importing would print a traceback.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _train_indexed(task: Task, planned: Planned, i: int) -> tuple[int, Returned]:
    """Make a run in a worker; Ctrl-C is for the process that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return i, task.train(planned)
