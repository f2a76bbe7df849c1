"""A multilayer perceptron, and its gradients written out over a stack of members.

Written out, because at this size automatic differentiation costs as much as the
arithmetic: 64-64-64-10, batch 32, 42 members on one core of an AMD EPYC take 62 us per
member and update through `vmap` and autograd, and 33 us here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what everybody calls it

from stepsize.proof.workloads.models import AbstractModel, draw_linear

__all__ = ["Mlp"]

_relu_backward = torch.ops.aten.threshold_backward.grad_input


@final
class Mlp(AbstractModel):
    """Linear layers with ReLU between them, and dropout after each ReLU if asked for.

    Attributes:
        sizes: Width of the input, of each hidden layer, and number of classes; or 1
            at the end for a model of one number under the squared error.
    """

    def __init__(self, sizes: tuple[int, ...], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self._dropout = dropout
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)
        )

    @property
    def dropout(self) -> float:
        """Share of hidden units dropped in an update, in [0, 1)."""
        return self._dropout

    def mask_shapes(self, batch_size: int) -> tuple[tuple[int, ...], ...]:
        """Return one shape per hidden layer, () without dropout."""
        hidden = self.sizes[1:-1] if self._dropout else ()
        return tuple((batch_size, width) for width in hidden)

    def reset(self, generator: Generator) -> None:
        """Draw all parameters by torch's default rule for linear layers."""
        for layer in self.layers:
            draw_linear(layer, generator)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Return logits, (rows, classes), for inputs of shape (rows, sizes[0])."""
        hidden = inputs
        last = len(self.layers) - 1
        for depth, layer in enumerate(self.layers):
            hidden = layer(hidden)
            if depth < last:
                hidden = hidden.relu()
                if masks:
                    hidden = hidden * masks[depth]
        return hidden

    def criterion(
        self, outputs: Tensor, targets: Tensor, *, reduction: str = "mean"
    ) -> Tensor:
        """Return the cross-entropy; of one output, the squared error."""
        if self.sizes[-1] > 1:
            return super().criterion(outputs, targets, reduction=reduction)
        return F.mse_loss(outputs.squeeze(-1), targets, reduction=reduction)

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
        del running
        weights = list(parameters.values())[0::2]
        biases = list(parameters.values())[1::2]
        weight_gradients = list(gradients.values())[0::2]
        bias_gradients = list(gradients.values())[1::2]
        activations = [inputs]
        for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            out = torch.baddbmm(bias.unsqueeze(1), activations[-1], weight.mT)
            if depth < len(weights) - 1:
                out.relu_()
                if masks:
                    out.mul_(masks[depth])
            activations.append(out)
        loss_of = _cross_entropy if self.sizes[-1] > 1 else _squared_error
        losses, delta = loss_of(activations.pop(), targets)
        for depth in range(len(weights) - 1, -1, -1):
            torch.bmm(delta.mT, activations[depth], out=weight_gradients[depth])
            torch.sum(delta, 1, out=bias_gradients[depth])
            if depth:
                delta = torch.bmm(delta, weights[depth])
                # In one pass; a mask of bools takes ten times as long.
                _relu_backward(delta, activations[depth], 0.0, grad_input=delta)
                if masks:
                    delta.mul_(masks[depth - 1])
        return losses


def _squared_error(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses, shape (n,), and their gradient 2 (output - y) / b."""
    error = outputs.sub_(targets.unsqueeze(-1))
    losses = error.square().mean((1, 2))
    return losses, error.mul_(2 / targets.shape[1])


def _cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses, shape (n,), and their gradient by the logits, in their place.

    With p = softmax(z): loss = mean(log(sum(exp(z))) - z[y]), gradient
    = (p - 1[y]) / b.
    Sums over 10 classes are spelled out: torch's softmax takes eight times as long on
    rows that short.
    """
    index = targets.unsqueeze(-1)
    logits.sub_(logits.amax(-1, keepdim=True))
    picked = logits.gather(-1, index)
    total = logits.exp_().sum(-1, keepdim=True)
    losses = (total.log() - picked).mean((1, 2))
    logits.div_(total)
    logits.scatter_add_(-1, index, torch.full_like(picked, -1.0))
    return losses, logits.div_(targets.shape[1])
