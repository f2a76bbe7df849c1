"""Batches for a search: without end, the same again whenever a stream is begun anew.

Not here: what a batch is, and what is made of it.
"""

from __future__ import annotations

import random
from collections.abc import Generator as Yielding
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, final, runtime_checkable

from stepsize.adapters.driving.generators import (
    Private,
    global_generators,
    parts,
    stream_seed,
)
from stepsize.errors import AdapterError, describe


@runtime_checkable
class Source(Protocol):
    """Data that can be passed over in any order, any number of times."""

    def passed(self, draws: random.Random) -> Iterator[Any]:
        """Yield the batches of one pass, whose order `draws` decides alone."""


@final
class Kept:
    """Batches that come once, kept so that streams of them can be begun anew.

    A stream begins with what was kept before it, in an order of its own, goes on with
    new batches, and with kept ones again when there are no more.

    Args:
        source: Where they come from.
        seed: Of the orders.

    Attributes:
        batches: Those that came, in order.
    """

    __slots__ = ("_orders", "_seed", "_source", "batches")

    def __init__(self, source: Iterator[Any], seed: int) -> None:
        self._source = source
        self._seed = seed
        self._orders: dict[int, list[int]] = {}
        self.batches: list[Any] = []

    def draw(self, stream: int) -> Yielding[Any, None, None]:
        """Yield the batches of a stream; it ends only where there are none at all."""
        order = self._orders.get(stream)
        if order is None:
            order = self._orders[stream] = self._shuffled(stream, 0)
        place = 0
        while True:
            if place == len(order):
                for batch in self._source:
                    self.batches.append(batch)
                    order.append(len(self.batches) - 1)
                    break
                else:
                    order += self._shuffled(stream, place)
            if place == len(order):
                return
            yield self.batches[order[place]]
            place += 1

    def _shuffled(self, stream: int, place: int) -> list[int]:
        order = list(range(len(self.batches)))
        seed = stream_seed(self._seed, stream, "kept", place)
        random.Random(seed).shuffle(order)
        return order


@final
class Batches:
    """Streams of batches for a search in one process.

    Beginning a stream seeds the global generators of Python, NumPy and torch, as far as
    these were imported, and those that the data keep as attributes. Of a list, and of a
    `Source`, each stream passes over everything in orders of its own. Of any other
    iterable the batches that were drawn are kept until the search is over, since
    nothing says that they would come again; see `Kept`.

    Args:
        batches: A `Source`, or any iterable.
        seed: Of all streams; int.
        owners: What else may keep random generators.

    Attributes:
        one_shot: Whether batches are lost for a training that goes on with it.

    Raises:
        AdapterError: It is no iterable.

    Examples:
        >>> batches = Batches([1, 2, 3], seed=0)
        >>> with batches.restoring():
        ...     batches.begin(5)
        ...     first = [next(batches) for _ in range(6)]
        ...     batches.begin(5)
        ...     first == [next(batches) for _ in range(6)]
        True
    """

    __slots__ = ("_batches", "_kept", "_now", "_private", "_seed", "one_shot")

    def __init__(
        self, batches: Any, *, seed: int = 0, owners: Iterable[object] = ()
    ) -> None:
        if not isinstance(batches, (Source, Iterable)):
            rule = "be an iterable of batches, as a loader or a list"
            raise AdapterError(describe("find_lr.batches", rule, batches))
        self._batches: Any = batches
        self._seed = seed
        self._private = Private([*parts(batches), *owners], global_generators())
        self._kept: Kept | None = None
        if not isinstance(batches, (Source, Sequence)):
            self._kept = Kept(self._endless(), seed)
        self._now: Yielding[Any, None, None] | None = None
        self.one_shot = isinstance(batches, Iterator) and not has_state(batches)

    def begin(self, stream: int) -> None:
        """Begin a stream anew."""
        self._private.seed(stream_seed(self._seed, stream))
        self._now = (
            self._draw(stream) if self._kept is None else self._kept.draw(stream)
        )

    def __iter__(self) -> Iterator[Any]:
        """Return itself."""
        return self

    def __next__(self) -> Any:
        """Return the next batch of the stream.

        Raises:
            AdapterError: There are no batches.
        """
        for batch in self._now or ():
            return batch
        rule = "give at least one batch"
        hint = "a one-shot iterator may have been used up"
        given = type(self._batches).__name__
        raise AdapterError(describe("find_lr.batches", rule, given, hint=hint))

    def reasons(self) -> tuple[str, ...]:
        """Return what is to be said of the batches with a result."""
        return used_up(self._kept.batches) if self._kept and self.one_shot else ()

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Put the data and all generators back at the end, of an exception too."""
        private = self._private.state_dict()
        own: list[Any] = [self._batches] if has_state(self._batches) else []
        states = [one.state_dict() for one in own]
        with own_workers(self._batches):
            try:
                yield
            finally:
                self._now = self._kept = None
                for one, state in zip(own, states, strict=True):
                    one.load_state_dict(state)
                self._private.load_state_dict(private)

    def _draw(self, stream: int) -> Yielding[Any, None, None]:
        passes = 0
        while True:
            draws = random.Random(stream_seed(self._seed, stream, "order", passes))
            count = 0
            for count, batch in enumerate(self._passed(draws), start=1):  # noqa: B007 - counted
                yield batch
            if not count:
                return
            passes += 1

    def _passed(self, draws: random.Random) -> Iterator[Any]:
        if isinstance(self._batches, Source):
            return self._batches.passed(draws)
        order = list(range(len(self._batches)))
        draws.shuffle(order)
        return (self._batches[index] for index in order)

    def _endless(self) -> Iterator[Any]:
        """Pass over an iterable again and again; over an iterator once."""
        while True:
            some = False
            for batch in self._batches:
                some = True
                yield batch
            if not some or isinstance(self._batches, Iterator):
                return


def used_up(batches: list[Any]) -> tuple[str, ...]:
    """Return the reason that says how many batches of a one-shot iterator are gone."""
    return (
        f"The batches came from a one-shot iterator: {len(batches)} of them are used "
        "up.",
    )


@contextmanager
def own_workers(loader: Any) -> Iterator[None]:
    """Leave the persistent workers of a torch DataLoader alone: they may be in use."""
    known = getattr(loader, "__dict__", {})
    if "_iterator" not in known:
        yield
        return
    working, loader._iterator = known["_iterator"], None
    try:
        yield
    finally:
        loader._iterator = working


def has_state(one: object) -> bool:
    """Whether it can be put back to where it was."""
    return hasattr(one, "state_dict") and hasattr(one, "load_state_dict")
