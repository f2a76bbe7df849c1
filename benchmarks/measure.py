"""Timing that survives a busy machine: interleaved rounds, medians and minima."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median

LEAST_ROUNDS = 3

Clock = Callable[[], float]
cpu: Clock = time.process_time
wall: Clock = time.perf_counter


def interleaved(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float,
    clock: Clock = cpu,
) -> dict[str, list[float]]:
    """Time every contender once a round, A B C A B C ..., each round from another one.

    What slows the machine down for a while then slows all of them, and what one leaves
    in the caches does not always meet the same other.

    Args:
        contenders: What to time, by name.
        rounds: Rounds at most.
        seconds: Time after which no round begins, except the first three.
        clock: CPU time of the process, or wall time.

    Returns:
        For each contender the seconds of its rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    begin = time.perf_counter()
    with _no_collection():
        for number in range(rounds):
            if number >= LEAST_ROUNDS and time.perf_counter() - begin > seconds:
                break
            first = number % len(names)
            for name in names[first:] + names[:first]:
                work = contenders[name]
                start = clock()
                work()
                times[name].append(clock() - start)
    return times


def ratio(times: Sequence[float], base: Sequence[float]) -> float:
    """Return the median over the rounds of time / base."""
    return median(a / b for a, b in zip(times, base, strict=True))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share lies; the nearest one that occurred."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector out, as `timeit` does."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
