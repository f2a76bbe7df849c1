"""What `fit` takes as data, as streams of batches for a search."""

from __future__ import annotations

import itertools
import random
import sys
import warnings
from collections.abc import Iterator
from typing import Any, final

import keras
import numpy as np

from stepsize.adapters.driving.finding import USED_UP, FinderWarning
from stepsize.adapters.driving.streams import Batches
from stepsize.errors import AdapterError, describe

Batch = tuple[Any, Any, Any]  # inputs, targets and weights of samples

_DRAWS = (
    "a tf.data.Dataset that shuffles or draws random numbers cannot be put back: the "
    "passes that the finder makes move it on. hint: make it anew for the training, or "
    "give a shuffle reshuffle_each_iteration=False."
)


def streams_of(
    x: Any, y: Any, sample_weight: Any, batch_size: int | None, *, seed: int
) -> Batches:
    """Return the streams of what `fit` takes as x, y, sample_weight and batch_size.

    Raises:
        AdapterError: It is no data, or `y`, `sample_weight` or `batch_size` are given
            with data that have batches.
    """
    if _is_arrays(x):
        return Batches(_Rows((x, y, sample_weight), batch_size or 32), seed=seed)
    given = {"y": y, "sample_weight": sample_weight, "batch_size": batch_size}
    for name, one in given.items():
        if one is not None:
            rule = f"be left out: batches of {type(x).__name__} have it"
            raise AdapterError(describe(f"find_lr.{name}", rule, type(one).__name__))
    if isinstance(x, keras.utils.PyDataset):
        return Batches(_Items(x), seed=seed, owners=[x])
    streams = Batches(x, seed=seed)
    if streams.one_shot:
        warnings.warn(USED_UP, FinderWarning, stacklevel=3)
    if _draws(x):
        warnings.warn(_DRAWS, FinderWarning, stacklevel=3)
    return streams


def unpacked(batch: Any) -> Batch:
    """Return the parts of a batch; arrays of other frameworks as NumPy's."""
    if isinstance(batch, list):  # as torch's loaders give them
        batch = tuple(batch)
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    parts: Batch = keras.tree.map_structure(_usable, (x, y, weight))
    return parts


def _usable(leaf: Any) -> Any:
    if leaf is None or keras.ops.is_tensor(leaf) or isinstance(leaf, np.ndarray):
        return leaf
    return np.asarray(leaf)


def _is_arrays(x: Any) -> bool:
    if isinstance(x, keras.utils.PyDataset) or hasattr(x, "element_spec"):
        return False
    nested = isinstance(x, (list, tuple, dict))
    leaves = keras.tree.flatten(x) if nested else [x]
    return bool(leaves) and all(
        len(getattr(leaf, "shape", ())) > 0 and hasattr(leaf, "__getitem__")
        for leaf in leaves
    )


@final
class _Rows:
    """Arrays, whose rows each pass has in another order, as in `fit`."""

    def __init__(self, arrays: Batch, batch_size: int) -> None:
        self._arrays = keras.tree.map_structure(_array, arrays)
        self._batch_size = batch_size
        sizes = {
            len(one) for one in keras.tree.flatten(self._arrays) if one is not None
        }
        if len(sizes) != 1:
            rule = "have the same number of rows in all arrays"
            raise AdapterError(describe("find_lr.x, y", rule, sorted(sizes)))
        self._size = sizes.pop()

    def passed(self, draws: random.Random) -> Iterator[Batch]:
        order = np.random.default_rng(draws.getrandbits(64)).permutation(self._size)
        for at in range(0, self._size, self._batch_size):
            rows = order[at : at + self._batch_size]
            yield self._taken(rows)

    def _taken(self, rows: Any) -> Batch:
        def take(one: Any) -> Any:
            return None if one is None else one[rows]

        batch: Batch = keras.tree.map_structure(take, self._arrays)
        return batch


def _array(one: Any) -> Any:
    if one is None or isinstance(one, np.ndarray):
        return one
    return (
        keras.ops.convert_to_numpy(one) if keras.ops.is_tensor(one) else np.asarray(one)
    )


@final
class _Items:
    """A PyDataset, whose batches each pass has in another order, as in `fit`."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def passed(self, draws: random.Random) -> Iterator[Any]:
        count = self._dataset.num_batches
        places: Any = itertools.count()
        if count is not None:
            places = list(range(count))
            draws.shuffle(places)
        for place in places:
            yield self._dataset[place]


def _draws(x: Any) -> bool:
    """Whether a tf.data.Dataset has a state that moves on with each pass."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(x, tensorflow.data.Dataset):
        return False
    variant = tensorflow.data.experimental.to_variant(x)
    written = tensorflow.raw_ops.DatasetToGraphV2(
        input_dataset=variant, external_state_policy=1
    )
    graph = tensorflow.compat.v1.GraphDef.FromString(written.numpy())
    inner = [node for function in graph.library.function for node in function.node_def]
    return any(
        node.op.startswith("Random")
        or (node.op.startswith("Shuffle") and node.attr["reshuffle_each_iteration"].b)
        for node in (*graph.node, *inner)
    )
