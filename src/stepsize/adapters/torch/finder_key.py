"""What a found rate depends on, read off a training: the key of the cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import DataParallel
from torch.nn.parallel import DistributedDataParallel

from stepsize.adapters.driving.digests import (
    PLAIN,
    counted,
    function_name,
    sized,
    without_address,
)
from stepsize.adapters.torch.finder_rates import Rates
from stepsize.finder.cache import Key

# Settings that say how an update is calculated, not what it is.
_HOW = frozenset({"foreach", "fused", "capturable", "differentiable"})
_OTHER = frozenset({"params", "lr", "initial_lr", "name", "param_names"})


def key_of(
    model: torch.nn.Module,
    optimizer: Any,
    loss_fn: Any,
    *,
    samples: int | None,
    autocast: torch.dtype | None = None,
    pretrained: bool = False,
    horizon: int | None = None,
    search: str = "unknown",
) -> Key:
    """Return the key of a training.

    Args:
        model: Wrapped or not.
        optimizer: With its groups.
        loss_fn: A function is known by its name and its code.
        samples: In an update, over all ranks; None if not known.
        autocast: Type of autocast, or None.
        pretrained: Whether the weights are.
        horizon: Of the training. Unit: updates.
        search: How thorough the search is.
    """
    start = "yes" if pretrained else "no"
    if optimizer.state:
        start += ", in training"
    return Key(
        architecture=_architecture(model),
        optimizer=type(optimizer).__name__,
        settings=_settings(optimizer),
        batch=counted(samples, "samples"),
        precision=_precision(model, autocast),
        pretrained=start,
        loss=_name(loss_fn),
        horizon=counted(horizon, "updates"),
        search=search,
    )


def samples_of(batch: Any) -> int | None:
    """Return the samples in a batch: the length of the first tensor in it."""
    if isinstance(batch, Tensor):
        return batch.shape[0] if batch.ndim else 1
    inner = batch.values() if isinstance(batch, Mapping) else batch
    if isinstance(batch, (Mapping, tuple, list)):
        return next((n for n in map(samples_of, inner) if n is not None), None)
    shape = getattr(batch, "shape", None)
    return int(shape[0]) if shape else None


def _architecture(model: torch.nn.Module) -> str:
    inner = _inner(model)
    lines: list[str] = []
    count = 0
    for name, module in inner.named_modules():
        plain = without_address(module.extra_repr())
        lines.append(f"{name} {type(module).__qualname__} {plain}")
        lines += [_tensor(key, one) for key, one in module._parameters.items()]
        lines += [_tensor(key, one) for key, one in module._buffers.items()]
    for parameter in inner.parameters():
        count += parameter.numel()
    return sized(type(inner).__name__, count, lines)


def _inner(model: torch.nn.Module) -> torch.nn.Module:
    """Return what is inside torch.compile and the wrappers for several devices."""
    compiled = getattr(model, "_orig_mod", None)
    if isinstance(compiled, torch.nn.Module):
        return _inner(compiled)
    if isinstance(model, (DataParallel, DistributedDataParallel)):
        return _inner(model.module)
    return model


def _tensor(key: str, one: Tensor | None) -> str:
    return f"{key} {None if one is None else (tuple(one.shape), one.dtype)}"


def _settings(optimizer: Any) -> str:
    """Return the settings of all groups but their rates, and the ratios of these."""
    found = [
        {"ratio": float(f"{ratio:.6g}")}
        | {
            key: _plain(one)
            for key, one in group.items()
            if key not in _OTHER and key not in _HOW
        }
        for ratio, group in zip(
            Rates(optimizer).ratios, optimizer.param_groups, strict=True
        )
    ]
    different = [one for place, one in enumerate(found) if one not in found[:place]]
    return json.dumps(different, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item() if value.numel() == 1 else str(tuple(value.shape))
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value if isinstance(value, PLAIN) else without_address(value)


def _precision(model: torch.nn.Module, autocast: torch.dtype | None) -> str:
    kinds = sorted(
        {str(one.dtype).removeprefix("torch.") for one in model.parameters()}
    )
    said = " and ".join(kinds) or "none"
    if autocast is not None:
        said += f", autocast {str(autocast).removeprefix('torch.')}"
    return said


def _name(loss_fn: Any) -> str:
    if isinstance(loss_fn, torch.nn.Module):
        public = {
            key: one
            for key, one in sorted(vars(loss_fn).items())
            if not key.startswith("_") and key != "training" and isinstance(one, PLAIN)
        }
        return f"{type(loss_fn).__name__} {json.dumps(public)}"
    return function_name(loss_fn)
