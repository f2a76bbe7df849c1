"""Pieces of models, as functions of named parameters (one member's, no stack)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what everybody calls it

from benchmarks.find.task import Parameters, Shapes


def dense(
    name: str, before: int, after: int, gain: float = sqrt(2.0)
) -> dict[str, tuple[tuple[int, ...], float | str]]:
    """Shapes of one linear layer."""
    return {
        f"{name}.w": ((before, after), gain / sqrt(before)),
        f"{name}.b": ((after,), 0.0),
    }


def chain(sizes: Sequence[int], gain: float = sqrt(2.0)) -> Shapes:
    """Shapes of a stack of linear layers, named by their number."""
    shapes: dict[str, tuple[tuple[int, ...], float | str]] = {}
    for number, (before, after) in enumerate(pairwise(sizes)):
        last = number == len(sizes) - 2
        shapes |= dense(str(number), before, after, 1.0 if last else gain)
    return shapes


def linear(p: Parameters, name: str, x: Tensor) -> Tensor:
    """Apply a layer of `dense`."""
    return x @ p[f"{name}.w"] + p[f"{name}.b"]


def layers(
    p: Parameters, x: Tensor, count: int, act: Callable[[Tensor], Tensor] = torch.relu
) -> Tensor:
    """Apply `count` layers of `chain` with the nonlinearity between them."""
    for number in range(count):
        x = linear(p, str(number), x)
        if number < count - 1:
            x = act(x)
    return x


def normalise(p: Parameters, name: str, x: Tensor, axes: Sequence[int]) -> Tensor:
    """Standardise over axes, then scale and shift along the last one."""
    mean = x.mean(tuple(axes), keepdim=True)
    spread = x.var(tuple(axes), keepdim=True, unbiased=False)
    return (x - mean) * torch.rsqrt(spread + 1e-5) * p[f"{name}.g"] + p[f"{name}.b"]


def norm(name: str, width: int) -> dict[str, tuple[tuple[int, ...], float | str]]:
    """Shapes of `normalise`."""
    return {f"{name}.g": ((width,), "one"), f"{name}.b": ((width,), 0.0)}


def block(name: str, width: int) -> dict[str, tuple[tuple[int, ...], float | str]]:
    """Shapes of a transformer block before its normalisation."""
    return {
        **norm(f"{name}.n1", width),
        **dense(f"{name}.qkv", width, 3 * width, 1.0),
        **dense(f"{name}.o", width, width, 0.5),
        **norm(f"{name}.n2", width),
        **dense(f"{name}.up", width, 2 * width),
        **dense(f"{name}.down", 2 * width, width, 0.5),
    }


def attend(p: Parameters, name: str, x: Tensor, heads: int, *, causal: bool) -> Tensor:
    """Apply a transformer block; x has shape (batch, length, width)."""
    b, n, d = x.shape
    h = normalise(p, f"{name}.n1", x, (-1,))
    q, k, v = (
        part.view(b, n, heads, d // heads).transpose(1, 2)
        for part in linear(p, f"{name}.qkv", h).chunk(3, dim=-1)
    )
    scores = q @ k.transpose(-1, -2) / sqrt(d / heads)
    if causal:
        future = torch.ones(n, n, dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -1e9)
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, d)
    x = x + linear(p, f"{name}.o", mixed)
    h = normalise(p, f"{name}.n2", x, (-1,))
    return x + linear(p, f"{name}.down", F.gelu(linear(p, f"{name}.up", h)))


def entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy over all leading axes."""
    return F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        labels.reshape(-1),
        label_smoothing=smoothing,
    )
