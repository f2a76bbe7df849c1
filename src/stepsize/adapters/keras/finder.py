"""`find_lr`: the rate of a compiled model, on the data that `fit` takes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Unpack

import keras

from stepsize.adapters.driving.digests import counted
from stepsize.adapters.driving.finding import (
    UNEVEN,
    CacheLike,
    Search,
    as_cache,
    cached,
    checked,
    searched,
)
from stepsize.adapters.driving.generators import stream_seed
from stepsize.adapters.driving.streams import Batches
from stepsize.adapters.keras.finder_data import streams_of, unpacked
from stepsize.adapters.keras.finder_key import key_of
from stepsize.adapters.keras.finder_state import (
    apart,
    check_compiled,
    parts_of,
    ratios_of,
    set_rates,
)
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found, find
from stepsize.finder.cache import Key


def find_lr(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    batch_size: int | None = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    validation_data: Any = None,
    seed: int = 0,
    cache: CacheLike = None,
    pretrained: bool = False,
    **search: Unpack[Search],
) -> Found:
    """Find the learning rate of a compiled model, and leave no trace on it.

    The peak of a schedule with a warmup and a decay is meant. Each step is
    `train_on_batch` with a copy of the optimizer, so that the loss, its scaling,
    clipping, accumulation and a `train_step` of your own are those of the training; a
    loss is that of its batches, before the update. The optimizer itself is not touched.
    The model's variables, metrics and seed generators, and the global random generators
    of Python, NumPy, Keras and torch are as before, also after an exception or Ctrl-C.
    A model that is not built yet is built, as `fit` would.

    It works at any time of a training, between two epochs too.

    Args:
        model: Compiled, with one optimizer; its `MultiOptimizer`'s parts keep the
            ratios of their rates, and the suggestion is for the largest.
        x: What `fit` takes: arrays, a PyDataset, a tf.data.Dataset, a torch DataLoader,
            any iterable of batches. The order of arrays and of a PyDataset is drawn; of
            others the batches that were drawn are kept in memory meanwhile. A
            FinderWarning says of what cannot be put back: a generator, and a
            tf.data.Dataset that shuffles.
        y: Targets, with arrays only.
        batch_size: Of arrays; 32 if None. Unit: samples.
        sample_weight: With arrays only.
        class_weight: Weight of each class.
        validation_data: As in `fit`, kept out of training. Probes are then scored by
            its loss, as `evaluate` computes it, instead of that of training, which does
            not show overfitting. A look is no update and is not counted.
        seed: Of the order of batches; int.
        cache: A file of what was found before, a `stepsize.finder.cache.Cache`, or True
            for the one in the user's folder.
        pretrained: Whether the weights are: for the cache.
        search: `steps` (updates, not batches, where the optimizer accumulates), `fast`,
            `horizon`, `low`, `high`, `tell`: see `stepsize.finder.find`.

    Returns:
        The suggestion with its interval, its status and the reasons in words.

    Raises:
        AdapterError: The model is not compiled, its optimizer cannot be copied, data
            have another form, or an argument is unknown.
        FinderError: A number is outside its range.
        LedgerError: The cache's file cannot be used.

    Examples:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.random.default_rng(0).normal(size=(64, 2))
        >>> found = find_lr(model, x, x.sum(1, keepdims=True), fast=True)
        >>> found.low <= found.suggestion <= found.high
        True
    """
    check_compiled(model)
    checked(search, validation_data, seed=seed)
    known = as_cache(cache)
    streams = streams_of(x, y, sample_weight, batch_size, seed=seed)
    ratios = ratios_of(model.optimizer)
    every = parts_of(model.optimizer)[0].gradient_accumulation_steps or 1

    with streams.restoring():
        _build(model, streams)
        with apart(model, stream_seed(seed, "keras") % 2**31) as back:

            def again(stream: int) -> None:
                back()
                streams.begin(stream)

            def step(lr: float) -> float:
                set_rates(model.optimizer, lr, ratios)
                losses = [
                    _loss(model, next(streams), class_weight) for _ in range(every)
                ]
                return sum(losses) / every

            def measure() -> Found:
                look = None
                if validation_data is not None:
                    look = partial(_losses, model, validation_data, batch_size)
                found = find(step, again, validate=look, **search)
                reasons = [*found.reasons, *streams.reasons()]
                if min(ratios) < 1:
                    reasons.append(UNEVEN)
                return replace(found, reasons=tuple(reasons))

            def key() -> Key:
                streams.begin(0)
                inputs = keras.tree.flatten(unpacked(next(streams))[0])
                return key_of(
                    model,
                    batch=counted(len(inputs[0]) * every, "samples"),
                    pretrained="yes" if pretrained else "no",
                    horizon=counted(search.get("horizon"), "updates"),
                    search=searched(search, validated=validation_data is not None),
                )

            return cached(known, key, measure)


def _build(model: Any, streams: Batches) -> None:
    """Have a model make its variables, if it has not yet."""
    if all(layer.built for layer in model._flatten_layers()):
        return
    streams.begin(0)
    model(unpacked(next(streams))[0], training=False)


def _loss(model: Any, batch: Any, class_weight: Any) -> float:
    x, y, weight = unpacked(batch)
    logs = model.train_on_batch(x, y, weight, class_weight, return_dict=True)
    if "loss" not in logs:
        rule = 'return the loss of the batch as "loss"'
        raise AdapterError(describe("model.train_step", rule, list(logs)))
    return float(logs["loss"])


def _losses(model: Any, data: Any, batch_size: int | None) -> list[float]:
    """Return the loss of what `fit` takes as `validation_data`."""
    x, y, weight = data, None, None
    if isinstance(data, (list, tuple)):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(tuple(data))
    logs = model.evaluate(
        x, y, batch_size, verbose=0, sample_weight=weight, return_dict=True
    )
    return [float(logs["loss"])]
