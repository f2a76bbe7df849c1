"""`Streams`: batches without end, the same again whenever a stream is begun anew."""

from __future__ import annotations

import random
from collections.abc import Generator as Yielding
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, final

from torch.utils.data import DataLoader

from stepsize.adapters.driving.generators import Private, parts, stream_seed
from stepsize.adapters.driving.streams import Kept, has_state, own_workers
from stepsize.adapters.torch.finder_random import seed_everything
from stepsize.adapters.torch.snapshots import Draws
from stepsize.errors import AdapterError, describe


@final
class Streams:
    """The batches that a finder draws; data that end are begun anew.

    Beginning a stream seeds every global random generator, those of a DataLoader, and
    those that data or modules keep as attributes: the same stream gives the same
    batches, and the same dropout. Another stream, or another seed, gives other ones
    where the data can: a DataLoader that shuffles, and any list: its order is drawn.

    A one-shot iterator cannot be begun anew: its batches are kept, and lost for a
    training that goes on with it, unless it has `state_dict` and `load_state_dict`.

    Args:
        batches: Any iterable of batches; None for none.
        data: What else reads data, with `state_dict` and `load_state_dict`, or None.
        others: What may keep random generators as well: modules.
        seed: Of all streams; int.
        rank: Of this process: its dropout differs from that of other ranks.
        owner: Whose `batches` it is, for errors.

    Attributes:
        one_shot: Whether batches are lost.

    Raises:
        AdapterError: `batches` is no iterable, or `data` cannot be restored.

    Examples:
        >>> streams = Streams([1, 2, 3], seed=0)
        >>> streams.begin(5)
        >>> first = [next(streams) for _ in range(6)]
        >>> sorted(first)
        [1, 1, 2, 2, 3, 3]
        >>> streams.begin(5)
        >>> first == [next(streams) for _ in range(6)]
        True
    """

    __slots__ = (
        "_batches",
        "_draws",
        "_kept",
        "_now",
        "_own",
        "_owner",
        "_private",
        "_rank",
        "_seed",
        "one_shot",
    )

    def __init__(
        self,
        batches: Iterable[Any] | None,
        *,
        data: Any = None,
        others: Iterable[object] = (),
        seed: int = 0,
        rank: int = 0,
        owner: str = "find_lr",
    ) -> None:
        if batches is not None and not isinstance(batches, Iterable):
            rule = "be an iterable of batches, as a DataLoader or a list"
            raise AdapterError(describe(f"{owner}.batches", rule, batches))
        if data is not None and not has_state(data):
            rule = "have state_dict and load_state_dict"
            raise AdapterError(describe(f"{owner}.data", rule, data))
        self._batches = batches
        self._own: list[Any] = [one for one in (batches, data) if has_state(one)]
        self._draws = Draws(batches) if isinstance(batches, DataLoader) else None
        self._private = Private([*parts(batches), *others])
        self._seed = seed
        self._rank = rank
        self._owner = owner
        self._now: Yielding[Any, None, None] | None = None
        self._kept: Kept | None = None
        if isinstance(batches, Iterator) and not has_state(batches):
            self._kept = Kept(batches, seed)
        self.one_shot = self._kept is not None

    # --- drawing -------------------------------------------------------------------

    def begin(self, stream: int) -> None:
        """Begin a stream anew."""
        self.close()
        shared = stream_seed(self._seed, stream)
        if self._draws is not None:
            for place, one in enumerate(self._draws._generators()):
                one.manual_seed(stream_seed(shared, "loader", place))
        self._private.seed(shared)
        seed_everything(stream_seed(shared, "rank", self._rank))
        self._now = self._draw(stream, shared)

    def __iter__(self) -> Iterator[Any]:
        """Return itself."""
        return self

    def __next__(self) -> Any:
        """Return the next batch of the stream.

        Raises:
            AdapterError: There are no batches, or no stream was begun.
        """
        if self._now is None:
            rule = "be drawn from while the finder runs"
            raise AdapterError(describe(f"{self._owner}.batches", rule, "no stream"))
        return next(self._now)

    def close(self) -> None:
        """End the stream, and the workers of its DataLoader."""
        if self._now is not None:
            self._now.close()
            self._now = None

    def own_workers(self) -> AbstractContextManager[None]:
        """Leave the persistent workers of a DataLoader alone: they may be in use."""
        return own_workers(self._batches)

    @property
    def kept(self) -> list[Any]:
        """Batches that a one-shot iterator gave, in order."""
        return [] if self._kept is None else self._kept.batches

    def _draw(self, stream: int, seed: int) -> Yielding[Any, None, None]:
        if self._kept is not None:
            yield from self._kept.draw(stream)
            raise self._empty()
        passes = 0
        while True:
            count = 0
            for count, batch in enumerate(self._passed(seed, passes), start=1):  # noqa: B007 - counted
                yield batch
            if not count:
                raise self._empty()
            passes += 1

    def _passed(self, seed: int, passes: int) -> Iterable[Any]:
        """Return one pass over the data."""
        batches = self._batches
        if isinstance(batches, Sequence):
            order = list(range(len(batches)))
            random.Random(stream_seed(seed, "order", passes)).shuffle(order)
            return (batches[index] for index in order)
        if self._draws is not None:
            for sampler in self._draws._counting():
                sampler.epoch = stream_seed(seed, "epoch", passes) % 2**31
        if isinstance(batches, Iterator):
            return self._resumed(batches)
        return () if batches is None else batches

    def _resumed(self, batches: Any) -> Yielding[Any, None, None]:
        """Draw from an iterator with a state; leave it where it was."""
        state = batches.state_dict()
        yield from batches
        batches.load_state_dict(state)

    def _empty(self) -> AdapterError:
        rule = "give at least one batch"
        hint = "a one-shot iterator may have been used up"
        given = type(self._batches).__name__
        return AdapterError(describe(f"{self._owner}.batches", rule, given, hint=hint))

    # --- state ---------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return where the data are, for a Subject."""
        draws = self._draws
        return {
            "own": [one.state_dict() for one in self._own],
            "draws": None if draws is None else draws.state_dict(),
            "private": self._private.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put the data where they were."""
        for one, state in zip(self._own, state_dict["own"], strict=True):
            one.load_state_dict(state)
        if self._draws is not None:
            self._draws.load_state_dict(state_dict["draws"])
        self._private.load_state_dict(state_dict["private"])
