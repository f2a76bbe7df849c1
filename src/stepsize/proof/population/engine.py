"""Trains a whole population: cuts it into stacks and gives them to the cores.

Not here: the training of a stack (`chunk`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock
from typing import final

import numpy as np
import torch

from stepsize.errors import ProofError, describe
from stepsize.proof.environment import count_cores
from stepsize.proof.population.chunk import Final, Member, train_chunk
from stepsize.proof.population.readings import reading_updates
from stepsize.proof.population.result import (
    FloatArray,
    IntArray,
    Population,
    quiet_model,
)
from stepsize.proof.population.steering import Steering
from stepsize.proof.workloads.spec import Workload

__all__ = ["check_rates", "one_torch_thread", "train_population"]

Progress = Callable[[int, int], None]

# Parameters in a stack (4 MB in float32): more members at once spread the cost of a
# call over more work, until the stack no longer fits in the cache.
_STACK = 1 << 20


def train_population(
    workload: Workload,
    rates: FloatArray,
    seeds: Sequence[int],
    *,
    evaluations: int = 20,
    progress: Progress | None = None,
    dtype: torch.dtype = torch.float32,
    threads: int | None = None,
    averages: Sequence[float | None] | None = None,
    steering: Sequence[Steering | None] | None = None,
) -> Population:
    """Train all members, each with its own rates and seed.

    A member's numbers do not depend on which others are trained with it. The members
    share the cores as Python threads, each running its own stack on one core: torch
    releases the interpreter while it computes. On two cores that took 0.5 to 0.7 of the
    time of one; two processes 0.5, after 4 seconds of starting them, which is what they
    save on these workloads.

    Args:
        workload: What to train.
        rates: float64, shape (n_members, total_steps): the absolute learning rate of
            every update of every member; finite, >= 0. Its width is the budget, which
            need not be the workload's own.
        seeds: One per member: of first parameters, split, batches and dropout.
        evaluations: How often curves are read, evenly; the last reading is at the end.
        progress: Called with (done, total), in member updates, from any thread but
            never from two at once. An exception it raises ends the training.
        dtype: Of parameters and arithmetic.
        threads: Stacks trained at a time, None for one per core that this process may
            use. torch's own thread count is 1 meanwhile.
        averages: One per member: the decay, by update, of a moving average of its
            parameters on which it is evaluated; None for the iterate itself.
        steering: One per member: policies that change its rates; each is used up.

    Returns:
        The population, its members in the order given.

    Raises:
        ProofError: The rates, seeds, evaluations, threads, averages or steering are
            not as described.
    """
    started = time.perf_counter()
    rates = np.asarray(rates, dtype=np.float64)
    check_rates(rates, seeds)
    updates = reading_updates(rates.shape[1], evaluations)
    workers = count_cores() if threads is None else threads
    if not isinstance(workers, int) or workers < 1:
        rule = "be None or an int >= 1 (unit: stacks at a time)"
        raise ProofError(describe("train_population.threads", rule, threads))
    members = _members(rates, seeds, averages, steering)
    stacks = _cut(workload, seeds, workers)
    meter = _Meter(progress, rates.size)
    models = [quiet_model(workload) for _ in stacks]  # one thread makes them

    def train(number: int) -> Final:
        return train_chunk(
            workload,
            models[number],
            [members[member] for member in stacks[number]],
            updates=updates,
            dtype=dtype,
            advance=meter.add,
        )

    # torch's thread count is partly a property of the calling thread: set in each.
    pool = ThreadPoolExecutor(workers, "population", torch.set_num_threads, (1,))
    with one_torch_thread(), pool:
        try:
            trained = list(pool.map(train, range(len(stacks))))
        except BaseException:
            meter.stop()
            raise
    order = np.argsort(np.concatenate(stacks))
    rows = torch.from_numpy(order)
    read = [one.readings for one in trained]
    frozen_at = np.concatenate([one.frozen_at for one in read])[order]
    val_curve = np.concatenate([one.val_curve for one in read])[order]
    return Population(
        workload=workload,
        seeds=np.array(seeds, dtype=np.int64),
        val=val_curve[:, -1],
        train_loss=np.concatenate([one.train_loss for one in read])[order],
        val_curve=val_curve,
        updates=updates,
        diverged=frozen_at < rates.shape[1],
        frozen_at=frozen_at,
        seconds=time.perf_counter() - started,
        parameters=torch.cat([one.parameters for one in trained])[rows],
        running=torch.cat([one.running for one in trained])[rows],
    )


def _members(
    rates: FloatArray,
    seeds: Sequence[int],
    averages: Sequence[float | None] | None,
    steering: Sequence[Steering | None] | None,
) -> list[Member]:
    """Put together what belongs to each member."""
    nothing = [None] * len(seeds)
    for name, given in (("averages", averages), ("steering", steering)):
        if given is not None and len(given) != len(seeds):
            rule = f"be None or one per member (unit: members, {len(seeds)} of them)"
            raise ProofError(describe(f"train_population.{name}", rule, len(given)))
    return [
        Member(row, int(seed), average, policies)
        for row, seed, average, policies in zip(
            rates, seeds, averages or nothing, steering or nothing, strict=True
        )
    ]


def check_rates(rates: FloatArray, seeds: Sequence[int]) -> None:
    """Raise a `ProofError` unless there is a rate per update and a seed per member."""
    if rates.shape != (len(seeds), rates.shape[-1]) or not rates.size:
        rule = f"have shape (n_members, total_steps) with {len(seeds)} members, >= 1"
        raise ProofError(describe("train_population.rates", rule, rates.shape))
    unsound = ~(np.isfinite(rates) & (rates >= 0.0))
    if unsound.any():
        member, update = (int(i) for i in np.argwhere(unsound)[0])
        rule = "be finite and >= 0 (unit: lr)"
        field = f"train_population.rates[{member}, {update}]"
        raise ProofError(describe(field, rule, float(rates[member, update])))


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch compute on one core per calling thread, and undo that afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cut(workload: Workload, seeds: Sequence[int], workers: int) -> list[IntArray]:
    """Cut the members, sorted by seed, into stacks of about equal size.

    Their number is a multiple of `workers`, so that no core waits for long.
    """
    model = quiet_model(workload)
    size = sum(shape.numel() for shape in model.shapes().values())
    least = -(-len(seeds) * size // _STACK)
    if model.most_members is not None:
        least = max(least, -(-len(seeds) // model.most_members))
    count = min(len(seeds), workers * -(-least // workers))
    return list(np.array_split(np.argsort(np.array(seeds), kind="stable"), count))


@final
class _Meter:
    """Counts member updates over all threads and tells `progress` every hundredth."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._told = 0
        self._lock = Lock()
        self._stopped = Event()

    def stop(self) -> None:
        """Make every thread's next `add` raise."""
        self._stopped.set()

    def add(self, updates: int) -> None:
        """Count updates done.

        Raises:
            ProofError: The training was stopped.
        """
        if self._stopped.is_set():
            message = "the training of a population was stopped."
            raise ProofError(message)
        with self._lock:
            self._done += updates
            due = self._done - self._told >= self._total / 100
            if self._progress is not None and (due or self._done == self._total):
                self._told = self._done
                self._progress(self._done, self._total)
