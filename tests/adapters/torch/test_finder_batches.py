"""Streams of batches: the same again, other ones, begun anew, kept."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.adapters.torch.snapshot_world import Stream
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from stepsize.adapters.driving.generators import stream_seed
from stepsize.adapters.torch.finder_batches import Streams
from stepsize.errors import AdapterError

ROWS = TensorDataset(torch.arange(12))


class Shuffled:
    """An iterable with a generator of its own."""

    def __init__(self) -> None:
        self.own = random.Random(0)

    def __iter__(self) -> Iterator[int]:
        order = list(range(6))
        self.own.shuffle(order)
        return iter(order)


class Position(Stream):
    """An iterator that can be put back, of four batches."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.at == 4:
            raise StopIteration
        self.at += 1
        return self.at


def sampled() -> DataLoader[Any]:
    sampler: DistributedSampler[Any] = DistributedSampler(ROWS, 2, 1, seed=3)
    return DataLoader(ROWS, 3, sampler=sampler)


KINDS: dict[str, Any] = {
    "list": lambda: [1, 2, 3, 4, 5],
    "loader": lambda: DataLoader(ROWS, 3, shuffle=True),
    "own generator": lambda: DataLoader(
        ROWS, 3, shuffle=True, generator=torch.Generator().manual_seed(1)
    ),
    "ranks' sampler": sampled,
    "iterable": Shuffled,
    "one-shot": lambda: iter(range(7)),
    "not used up": lambda: iter(range(1000)),
}


def drawn(streams: Streams, stream: int, many: int = 16) -> list[str]:
    streams.begin(stream)
    return [str(next(streams)) for _ in range(many)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_the_same_again_and_others_differ(kind: str) -> None:
    streams = Streams(KINDS[kind](), seed=0)
    first = drawn(streams, 0)
    second = drawn(streams, 1)
    assert drawn(streams, 0, 5) == first[:5]
    assert drawn(streams, 1) == second
    assert drawn(streams, 0) == first
    assert first != second


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k not in ("one-shot", "not used up")]
)
def test_the_seed_decides(kind: str) -> None:
    def of(seed: int) -> list[str]:
        return drawn(Streams(KINDS[kind](), seed=seed), 0)

    assert of(4) == of(4)
    assert of(4) != of(5)


def test_dropout_is_the_same_again_and_differs_between_ranks() -> None:
    def noise(rank: int, stream: int) -> float:
        streams = Streams([1], seed=0, rank=rank)
        streams.begin(stream)
        return float(torch.rand(1)) + random.random()

    assert noise(0, 0) == noise(0, 0)
    assert len({noise(0, 0), noise(0, 1), noise(1, 0), noise(1, 1)}) == 4


def test_every_batch_of_a_short_list_comes_once_a_pass() -> None:
    found = drawn(Streams(["a", "b", "c"], seed=2), 0, 30)
    passes = ["".join(found[i : i + 3]) for i in range(0, 30, 3)]
    assert {"".join(sorted(one)) for one in passes} == {"abc"}
    assert len(set(passes)) > 1


def test_batches_of_a_one_shot_iterator_are_kept() -> None:
    source = iter(range(7))
    streams = Streams(source, seed=0)
    assert streams.one_shot
    assert drawn(streams, 0, 3) == ["0", "1", "2"]
    assert sorted(drawn(streams, 1, 5)) == ["0", "1", "2", "3", "4"]
    assert streams.kept == [0, 1, 2, 3, 4]
    assert drawn(streams, 0, 6) == ["0", "1", "2", "5", "6", drawn(streams, 0, 6)[5]]
    assert next(source, None) is None


def test_an_iterator_with_a_state_is_put_back() -> None:
    source = Position()
    next(source)
    streams = Streams(source, seed=0)
    assert not streams.one_shot
    state = streams.state_dict()
    assert drawn(streams, 0, 7) == ["2", "3", "4", "2", "3", "4", "2"]
    streams.close()
    streams.load_state_dict(state)
    assert source.at == 1
    assert drawn(streams, 0, 3) == ["2", "3", "4"]


def test_no_batches() -> None:
    nothing: list[Any] = [[], iter([]), DataLoader(ROWS, 13, drop_last=True)]
    for empty in nothing:
        streams = Streams(empty, owner="find_lr")
        streams.begin(0)
        with pytest.raises(AdapterError, match=r"find_lr\.batches must give at least"):
            next(streams)
    streams = Streams([1])
    with pytest.raises(AdapterError, match="while the finder runs"):
        next(streams)
    with pytest.raises(AdapterError, match=r"find_lr\.batches must be an iterable"):
        Streams(5)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(AdapterError, match=r"find_lr\.data must have state_dict"):
        Streams([1], data=[1])


def test_seeds_are_the_same_everywhere() -> None:
    assert stream_seed(0, 1) == 6096812863120040317
    assert 0 <= stream_seed("a") < 2**63
