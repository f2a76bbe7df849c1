"""Small convolutional networks with batch norm, alone or several in one's channels.

Members of a stack stand side by side in the channels of one grouped convolution, so
that batch norm, ReLU and pooling are torch's own. It pays little: a member's
convolutions fill a core already. On one core of an AMD EPYC, batch 64, 28x28, an update
of the network takes 6.8 ms alone and 5.8 ms in a stack of four, of the residual network
5.5 and 3.6 ms; stacks of sixteen are slower again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what everybody calls it

from stepsize.proof.workloads.models import AbstractModel, draw_linear

__all__ = ["ConvNet", "ResNet"]

_SIDE = 28  # pixels
_CLASSES = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """What a pass reads and moves, by name, each with the members in front."""

    parameters: Mapping[str, Tensor]
    running: Mapping[str, Tensor]
    members: int
    training: bool

    def convolve(self, name: str, images: Tensor, stride: int = 1) -> Tensor:
        """Return the convolution named, after its batch norm."""
        weight = self.parameters[f"{name}.weight"].flatten(0, 1)
        weight = weight.contiguous(memory_format=torch.channels_last)
        out = F.conv2d(
            images,
            weight,
            stride=stride,
            padding=weight.shape[-1] // 2,
            groups=self.members,
        )
        moving = [self.running[f"{name}.{part}"] for part in ("mean", "variance")]
        flat = [part.flatten().clone() for part in moving]
        scale, shift = (
            self.parameters[f"{name}.{part}"].flatten() for part in ("scale", "shift")
        )
        mean, variance = flat
        out = F.batch_norm(out, mean, variance, scale, shift, training=self.training)
        if self.training:
            for part, value in zip(moving, flat, strict=True):
                part.copy_(value.view_as(part))
        return out

    def classify(self, features: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """Return logits, shape (members, rows, classes), of (rows, members * n)."""
        rows = len(features)
        hidden = features.reshape(rows, self.members, -1).transpose(0, 1)
        if masks:
            hidden = hidden * masks[0]
        weight, bias = (self.parameters[f"output.{p}"] for p in ("weight", "bias"))
        return torch.baddbmm(bias.unsqueeze(1), hidden, weight.mT)


class _Images(AbstractModel):
    """A network whose `run` is written over a stack; alone it is a stack of one."""

    most_members = 4

    @abstractmethod
    def run(self, stack: _Stack, images: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """Return logits, (members, rows, classes), of (rows, members, 28, 28)."""

    @torch.no_grad()
    def reset(self, generator: Generator) -> None:
        """Draw by torch's default rules: U(-b, b) with b = 1 / sqrt(inputs)."""
        for module in self.modules():
            if isinstance(module, _Convolution):
                module.reset(generator)
            elif isinstance(module, nn.Linear):
                draw_linear(module, generator)

    def running(self) -> dict[str, Tensor]:
        """Return the means and variances of the batch norms."""
        return dict(self.named_buffers())

    def forward(self, inputs: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Return logits, (rows, classes), for inputs of shape (rows, 784)."""
        own = {name: value[None] for name, value in self.named_parameters()}
        moving = {name: value[None] for name, value in self.named_buffers()}
        stack = _Stack(own, moving, 1, self.training)
        wide = tuple(mask[None] for mask in masks)
        return self.run(stack, _side_by_side(inputs[None]), wide)[0]

    def stacked_gradients(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        inputs: Tensor,
        targets: Tensor,
        masks: Sequence[Tensor],
        *,
        running: Mapping[str, Tensor],
    ) -> Tensor:
        """Write the gradients of n members' losses; see `AbstractModel`."""
        leaves = {
            name: value.detach().requires_grad_() for name, value in parameters.items()
        }
        stack = _Stack(leaves, running, len(inputs), training=True)
        logits = self.run(stack, _side_by_side(inputs), masks)
        losses = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="none"
        )
        losses = losses.view(targets.shape).mean(1)
        found = torch.autograd.grad(losses.sum(), list(leaves.values()))
        for name, gradient in zip(leaves, found, strict=True):
            gradients[name].copy_(gradient)
        return losses.detach()


def _side_by_side(inputs: Tensor) -> Tensor:
    """Turn (members, rows, 784) into images with the members as channels."""
    images = inputs.transpose(0, 1).reshape(inputs.shape[1], -1, _SIDE, _SIDE)
    return images.contiguous(memory_format=torch.channels_last)


@final
class _Convolution(nn.Module):
    """Parameters and running statistics of a convolution without bias and its norm."""

    mean: Tensor
    variance: Tensor

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, size, size))
        self.scale = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("variance", torch.ones(outputs))

    def reset(self, generator: Generator) -> None:
        bound = self.weight[0].numel() ** -0.5
        self.weight.uniform_(-bound, bound, generator=generator)
        self.scale.fill_(1.0)
        self.shift.zero_()
        self.mean.zero_()
        self.variance.fill_(1.0)


@final
class ConvNet(_Images):
    """Three convolutions (12, 24, 24 channels), two poolings, dropout, linear."""

    most_cores = 2
    _FEATURES = 216

    def __init__(self) -> None:
        super().__init__()
        self.first = _Convolution(1, 12, 5)
        self.second = _Convolution(12, 24, 3)
        self.third = _Convolution(24, 24, 3)
        self.output = nn.Linear(self._FEATURES, _CLASSES)

    @property
    def dropout(self) -> float:
        """Share of the features dropped before the linear layer."""
        return 0.3

    def mask_shapes(self, batch_size: int) -> tuple[tuple[int, ...], ...]:
        """Return the one mask's shape."""
        return ((batch_size, self._FEATURES),)

    def run(self, stack: _Stack, images: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """Return logits; see `_Images`."""
        hidden = stack.convolve("first", images, 2).relu()
        hidden = F.max_pool2d(stack.convolve("second", hidden).relu(), 2)
        hidden = F.max_pool2d(stack.convolve("third", hidden).relu(), 2)
        return stack.classify(hidden.flatten(1), masks)


@final
class ResNet(_Images):
    """A stem and three basic residual blocks of 8, 16 and 32 channels."""

    most_cores = 5
    _WIDTHS = (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        before = self._WIDTHS[0]
        self.stem = _Convolution(1, before, 3)
        self.blocks = nn.ModuleList()
        for width in self._WIDTHS:
            block = nn.ModuleDict(
                {
                    "first": _Convolution(before, width, 3),
                    "second": _Convolution(width, width, 3),
                }
            )
            if width != before:
                block["skip"] = _Convolution(before, width, 1)
            self.blocks.append(block)
            before = width
        self.output = nn.Linear(before, _CLASSES)

    def run(self, stack: _Stack, images: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """Return logits; see `_Images`."""
        hidden = stack.convolve("stem", images, 2).relu()
        for number, width in enumerate(self._WIDTHS):
            name, wider = f"blocks.{number}", width != self._WIDTHS[max(number - 1, 0)]
            inner = stack.convolve(f"{name}.first", hidden, 2 if wider else 1).relu()
            inner = stack.convolve(f"{name}.second", inner)
            if wider:
                hidden = stack.convolve(f"{name}.skip", hidden, 2)
            hidden = (hidden + inner).relu()
        return stack.classify(hidden.mean((2, 3)), masks)
