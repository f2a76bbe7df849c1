"""Tensors by the list: copied and measured at once; not which tensors there are.

Of a DTensor (FSDP2, tensor parallelism) each process handles its own shard. Other
subclasses of Tensor are copied one by one, by their own `copy_` and `clone`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.parameter import is_lazy

from stepsize.errors import AdapterError, describe

SMALL = 1e-12  # below it, squares in float32 may have become 0

_USUAL = (Tensor, Parameter)


def local(tensor: Tensor) -> Tensor:
    """Return what this process holds of a DTensor; any other tensor itself."""
    if type(tensor) in _USUAL:
        return tensor
    held = getattr(tensor, "_local_tensor", None)
    return held if isinstance(held, Tensor) else tensor


def is_distributed(tensor: Tensor) -> bool:
    """Whether it is a DTensor."""
    return local(tensor) is not tensor


def check_held(tensor: Any, name: str) -> None:
    """Refuse a parameter or buffer without values.

    Raises:
        AdapterError: It is lazy, or on the meta device.
    """
    if is_lazy(tensor):
        hint = "make one forward pass first"
    elif tensor.is_meta:
        hint = "move the model to a device first; offloaded weights cannot be captured"
    else:
        return
    kind = type(tensor).__name__ if is_lazy(tensor) else "a tensor on meta"
    raise AdapterError(describe(name, "have values", kind, hint=hint))


def by_kind(tensors: Iterable[Tensor]) -> Iterable[list[int]]:
    """Return the places of tensors of one device and dtype, a list for each."""
    kinds: dict[Any, list[int]] = {}
    for place, tensor in enumerate(tensors):
        kinds.setdefault((tensor.device, tensor.dtype), []).append(place)
    return kinds.values()


def fits(there: object, tensor: Tensor) -> bool:
    """Whether what is there can be filled in place with the values of a tensor."""
    return (
        isinstance(there, Tensor)
        and there.shape == tensor.shape
        and there.dtype is tensor.dtype
        and there.layout is torch.strided
        and tensor.layout is torch.strided
        and is_distributed(there) == is_distributed(tensor)
        and local(there).shape == local(tensor).shape
        and not there.is_inference()
        and not _overlaps(there)
    )


def _is_spare(given: Tensor, tensor: Tensor) -> bool:
    return given.device == tensor.device and fits(given, tensor)


def _overlaps(tensor: Tensor) -> bool:
    """Whether elements share memory, as after `expand`."""
    sizes = zip(local(tensor).shape, local(tensor).stride(), strict=True)
    return any(size > 1 and stride == 0 for size, stride in sizes)


@torch.no_grad()
def fill(into: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy values into tensors that they fit, list by list."""
    targets = [local(one) for one in into]
    sources = [local(one) for one in values]
    singles: list[int] = []
    for places in by_kind(targets):
        many: list[int] = []
        for place in places:
            usual = type(targets[place]) in _USUAL and type(sources[place]) in _USUAL
            (many if usual else singles).append(place)
        if many:
            torch._foreach_copy_(
                [targets[place] for place in many], [sources[place] for place in many]
            )
    for place in singles:
        targets[place].copy_(sources[place])


@torch.no_grad()
def copies(tensors: Sequence[Tensor], spare: Sequence[Tensor] = ()) -> list[Tensor]:
    """Return copies, in the spare tensors where these fit."""
    made: list[Tensor] = []
    into: list[Tensor] = []
    values: list[Tensor] = []
    for place, tensor in enumerate(tensors):
        given = spare[place] if place < len(spare) else None
        if given is not None and _is_spare(given, tensor):
            made.append(given)
        elif tensor.layout is torch.strided:
            made.append(torch.empty_like(tensor, requires_grad=False))
        else:
            made.append(tensor.detach().clone())
            continue
        into.append(made[-1])
        values.append(tensor)
    fill(into, values)
    return made


def is_real(tensor: Tensor) -> bool:
    """Whether its elements are real or complex numbers, not integers or truths."""
    return tensor.dtype.is_floating_point or tensor.dtype.is_complex


@torch.no_grad()
def norms(tensors: Sequence[Tensor]) -> list[float]:
    """Return the Euclidean norm of each, in float32 at least; 0.0 for an empty one.

    Not finite if an element is not, or if the squares overflow.
    """
    plain = [values_of(one) for one in tensors]
    found = [0.0] * len(plain)
    for places in by_kind(plain):
        group = [plain[place] for place in places]
        wide = torch.promote_types(group[0].dtype, torch.float32)
        read = torch.stack(torch._foreach_norm(group, 2.0, wide)).tolist()
        for place, norm in zip(places, read, strict=True):
            found[place] = norm
    return found


@torch.no_grad()
def norm(tensors: Sequence[Tensor]) -> float:
    """Return the Euclidean norm of all together, in float64 where squares need it."""
    total = math.hypot(*norms(tensors))
    if SMALL < total < math.inf:
        return total
    wide = [one.to(torch.promote_types(one.dtype, torch.float64)) for one in tensors]
    return math.hypot(*norms(wide))


def values_of(tensor: Tensor) -> Tensor:
    """Return what this process holds of a tensor, in a form that can be counted."""
    held = local(tensor)
    if held.layout is torch.sparse_coo:
        held = held.coalesce().values()
    if held.dtype.itemsize == 1:  # float8: no arithmetic
        held = held.to(torch.float32)
    return held
