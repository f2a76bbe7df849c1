"""What a guard wants to know of weights and moments; not what it makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stepsize.adapters.torch.snapshot_image import lay_out
from stepsize.adapters.torch.snapshot_subject import Subject
from stepsize.adapters.torch.snapshot_tensors import (
    by_kind,
    is_real,
    local,
    norm,
    norms,
    values_of,
)
from stepsize.adapters.torch.snapshot_tree import Walk
from stepsize.errors import AdapterError, describe


@torch.no_grad()
def nonfinite(subject: Subject) -> int:
    """Count what is NaN or infinite in parameters, buffers and the optimizer's state.

    Of buffers and frozen parameters only NaN counts: a mask of -inf is no harm.
    Elements are looked at one by one only where a norm is not finite; that of finite
    ones may overflow, and is no alarm. Of a DTensor this process counts its own shard.

    Examples:
        >>> model = torch.nn.Linear(2, 1)
        >>> subject = Subject(model, torch.optim.SGD(model.parameters(), lr=0.1))
        >>> nonfinite(subject)
        0
        >>> _ = model.weight.data.fill_(float("nan"))
        >>> nonfinite(subject)
        2
    """
    walk = Walk("look")
    tree = lay_out(subject, walk)
    only_nan = {place for _, place in tree["buffers"]}
    for _, place in tree["weights"]:
        if not walk.tensors[place].requires_grad:
            only_nan.add(place)
    places = [place for place, one in enumerate(walk.tensors) if is_real(one)]
    found = norms([walk.tensors[place] for place in places])
    count = 0
    for place, size in zip(places, found, strict=True):
        if not math.isfinite(size):
            held = values_of(walk.tensors[place])
            bad = held.isnan() if place in only_nan else ~held.isfinite()
            count += int(bad.sum())
    return count


@torch.no_grad()
def displacement(subject: Subject, store: Any, label: int) -> float:
    """Return how far the parameters are from those of a snapshot.

        ||w - w0|| / ||w0||

    over all parameters together. Infinite if w0 is zero and w is not.

    Args:
        subject: Whose parameters.
        store: Where the snapshot is: anything with `weights(label)`, its parameters
            by name, and `weight_norm(label)`, their norm.
        label: Which snapshot.

    Raises:
        AdapterError: The store has no such snapshot, or cannot show its weights.

    Examples:
        >>> from stepsize.adapters.torch.snapshots import MemorySnapshots
        >>> weight = torch.nn.Parameter(torch.ones(4))
        >>> subject = Subject(None, torch.optim.SGD([weight], lr=0.1))
        >>> store = MemorySnapshots(subject)
        >>> store.take(0, {})
        >>> _ = weight.data.fill_(1.5)
        >>> displacement(subject, store, 0)
        0.5
    """
    if not all(hasattr(store, one) for one in ("weights", "weight_norm")):
        rule = "have weights(label) and weight_norm(label)"
        raise AdapterError(describe("displacement.store", rule, store))
    before: Mapping[str, Tensor] = store.weights(label)
    now = {
        name: one
        for name, one in subject.parameters().items()
        if name in before and is_real(one)
    }
    old = [before[name] for name in now]
    moved = norm(_differences(list(now.values()), old))
    size: float = store.weight_norm(label)
    if size == 0.0:
        return math.inf if moved else 0.0
    return moved / size


@torch.no_grad()
def weight_norm(subject: Subject) -> float:
    """Return the Euclidean norm of all parameters together.

    Examples:
        >>> weight = torch.nn.Parameter(torch.ones(4))
        >>> weight_norm(Subject(None, torch.optim.SGD([weight], lr=0.1)))
        2.0
    """
    return norm([one for one in subject.parameters().values() if is_real(one)])


def _differences(now: list[Tensor], before: list[Tensor]) -> list[Tensor]:
    held, old = [local(one) for one in now], [local(one) for one in before]
    made: list[Tensor] = []
    for places in by_kind(held):
        here = [held[place] for place in places]
        there = [old[place].to(held[place].device) for place in places]
        made += torch._foreach_sub(here, there)
    return made
