"""`find_lr`: the rate of a compiled model, on the data that `fit` takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import keras

from stepsize.adapters.driving.finding import (
    PLAIN,
    UNEVEN,
    CacheLike,
    Tell,
    as_cache,
    cached,
    counted,
    function_name,
    searched,
    sized,
    without_address,
)
from stepsize.adapters.driving.streams import Batches, stream_seed
from stepsize.adapters.keras.finder_data import streams_of, unpacked
from stepsize.adapters.keras.finder_state import (
    apart,
    check_compiled,
    config_of,
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
    seed: int = 0,
    steps: int = 500,
    fast: bool = False,
    horizon: int | None = None,
    low: float = 1e-7,
    high: float = 10.0,
    cache: CacheLike = None,
    pretrained: bool = False,
    tell: Tell | None = None,
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
        seed: Of the order of batches; int.
        steps: Most updates to make; `stepsize.finder.planned` says beforehand what on.
            Unit: updates (not batches, where the optimizer accumulates); int >= 1.
        fast: Whether to make one ramp of at most 100, and no probes.
        horizon: Length of the training that the rate is for, None if not known. Unit:
            updates.
        low: Where the ramp begins. Unit: lr; finite, > 0.
        high: Where it ends at the latest. Unit: lr; finite, > `low`.
        cache: A file of what was found before, a `stepsize.finder.cache.Cache`, or True
            for the one in the user's folder.
        pretrained: Whether the weights are: for the cache.
        tell: Called after each update with a `stepsize.finder.Progress`.

    Returns:
        The suggestion with its interval, its status and the reasons in words.

    Raises:
        AdapterError: The model is not compiled, its optimizer cannot be copied, or data
            have another form.
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
                found = find(
                    step,
                    again,
                    steps=steps,
                    fast=fast,
                    low=low,
                    high=high,
                    horizon=horizon,
                    tell=tell,
                )
                reasons = [*found.reasons, *streams.reasons()]
                if min(ratios) < 1:
                    reasons.append(UNEVEN)
                return replace(found, reasons=tuple(reasons))

            def key() -> Key:
                streams.begin(0)
                inputs = keras.tree.flatten(unpacked(next(streams))[0])
                return _key(
                    model,
                    batch=counted(len(inputs[0]) * every, "samples"),
                    pretrained="yes" if pretrained else "no",
                    horizon=counted(horizon, "updates"),
                    search=searched(steps, fast=fast),
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


# --- the key of the cache -----------------------------------------------------------


def _key(model: Any, *, pretrained: str, **others: str) -> Key:
    lines = [
        f"{type(layer).__qualname__} {_plain(vars(layer))}"
        for layer in model._flatten_layers()
    ]
    lines += [f"{tuple(one.shape)} {one.dtype}" for one in model.weights]
    parts = parts_of(model.optimizer)
    if any(int(one.iterations) for one in parts):
        pretrained += ", in training"
    return Key(
        architecture=sized(type(model).__name__, model.count_params(), lines),
        optimizer=" and ".join(type(one).__name__ for one in parts),
        settings=" and ".join(_plain(config_of(one)) for one in parts),
        precision=str(model.dtype_policy.name),
        pretrained=pretrained,
        loss=_name(model.loss),
        **others,
    )


def _plain(content: dict[str, Any]) -> str:
    """Return what is plain of a layer or an optimizer, but for rates and names."""
    return json.dumps(
        {
            key: one
            for key, one in sorted(content.items())
            if isinstance(one, PLAIN)
            and not key.startswith("_")
            and key not in {"name", "learning_rate"}
        },
        default=without_address,
    )


def _name(loss: Any) -> str:
    if isinstance(loss, dict):
        return json.dumps({str(key): _name(one) for key, one in loss.items()})
    if isinstance(loss, (list, tuple)):
        return json.dumps([_name(one) for one in loss])
    if isinstance(loss, keras.losses.Loss):
        inner = getattr(loss, "fn", None)
        name = type(loss).__name__ if inner is None else function_name(inner)
        return f"{name} {_plain(loss.get_config())}"
    return str(loss) if loss is None or isinstance(loss, str) else function_name(loss)
