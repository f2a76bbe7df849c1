"""Runs of the user's function in worker processes of one thread each.

Not here: one run (functions.py).
"""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stepsize.errors import FrameworkMissingError
from stepsize.proof.functions import Job, Returned, TrainFunction, train_once


def train_all(
    function: TrainFunction, jobs: Sequence[Job], *, processes: int
) -> Iterator[tuple[int, Returned]]:
    """Make every run, each in a worker process with one thread, in any order.

    A worker process is used again for the next run. If one dies (killed, out of
    memory, a crash in native code), what had not finished is made once more, run by
    run, so that only the runs that kill their process fail.

    Yields:
        Index in `jobs`, and what that run gave.

    Raises:
        FrameworkMissingError: joblib is not installed.
    """
    try:
        from joblib import Parallel, delayed, parallel_config
        from joblib.externals.loky.process_executor import BrokenProcessPool
    except ImportError as error:
        raise FrameworkMissingError(
            "comparing a function of yours needs joblib. hint: pip install "
            "'stepsize[proof]'"
        ) from error

    def run(indices: Sequence[int], workers: int) -> Iterator[tuple[int, Returned]]:
        with parallel_config(backend="loky", inner_max_num_threads=1):
            # One job would mean no process of its own: two, of which one is fed.
            pool = Parallel(
                n_jobs=max(workers, 2),
                pre_dispatch=workers,
                batch_size=1,
                return_as="generator_unordered",
            )
        tasks = [delayed(_train_indexed)(function, jobs[i], i) for i in indices]
        with _deaf_to_interrupts():
            return iter(pool(tasks))

    waiting = dict.fromkeys(range(len(jobs)))
    try:
        for index, returned in run(tuple(waiting), processes):
            del waiting[index]
            yield index, returned
    except BrokenProcessPool:
        for index in tuple(waiting):
            try:
                yield from run([index], 1)
            except BrokenProcessPool as error:
                reason = f"its process died: {str(error).splitlines()[0]}"
                yield index, Returned(status="error", reason=reason)


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


def _train_indexed(function: TrainFunction, job: Job, i: int) -> tuple[int, Returned]:
    """Make a run in a worker; Ctrl-C is for the process that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return i, train_once(function, job)
