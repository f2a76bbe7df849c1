"""What the training of a compiled model is known by in the finder's cache."""

from __future__ import annotations

import json
from typing import Any

import keras

from stepsize.adapters.driving.digests import (
    PLAIN,
    function_name,
    sized,
    without_address,
)
from stepsize.adapters.keras.finder_state import config_of, parts_of
from stepsize.finder.cache import Key


def key_of(model: Any, *, pretrained: str, **others: str) -> Key:
    """Return the key of a training.

    Args:
        model: Compiled and built.
        pretrained: "yes" or "no".
        others: What else a Key has.
    """
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
