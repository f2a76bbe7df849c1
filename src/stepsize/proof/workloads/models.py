"""What a model must offer to be trained alone and as one of a stack.

Not here: the models (`mlp`, `transformer`, `convolutions`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Size, Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F  # noqa: N812 - what everybody calls it

__all__ = ["AbstractModel", "draw_linear"]


class AbstractModel(nn.Module):
    """A model whose every random number comes from a generator it is handed.

    A subclass defines `forward`, `reset` and, if it drops out, `mask_shapes`; if it
    normalises by batches, `running` and `stacked_gradients`. It may write the latter
    out where that is faster than the general one here.

    Attributes:
        most_members: How many members a stack of it holds at most; None: as many as
            its parameters allow.
        most_cores: Up to how many cores stacks in threads outrun a process per core,
            as `measure_throughput` finds it; None: any number.
    """

    most_members: int | None = None
    most_cores: int | None = None

    @abstractmethod
    def forward(self, inputs: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Return logits, shape (rows, ..., classes); no masks means no dropout."""

    @abstractmethod
    def reset(self, generator: Generator) -> None:
        """Draw all parameters, in float32, always in the same order."""

    def running(self) -> dict[str, Tensor]:
        """Return by name the buffers that training moves: statistics of batches."""
        return {}

    def criterion(
        self, outputs: Tensor, targets: Tensor, *, reduction: str = "mean"
    ) -> Tensor:
        """Return the loss of outputs: the cross-entropy. Unit: nats per target."""
        return F.cross_entropy(
            outputs.flatten(0, -2), targets.flatten(), reduction=reduction
        )

    def mask_shapes(self, batch_size: int) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the dropout masks of one update, () for none."""
        del batch_size
        return ()

    def draw_masks(
        self, batch_size: int, generator: Generator, dtype: torch.dtype
    ) -> tuple[Tensor, ...]:
        """Return the masks of one update: 0 with the model's rate, else 1/(1 - rate).

        Args:
            batch_size: Examples per update.
            generator: The run's own; drawn from once per mask, in float32.
            dtype: Of the masks returned.
        """
        keep = 1.0 - self.dropout
        return tuple(
            (torch.rand(shape, generator=generator) < keep).to(dtype) / keep
            for shape in self.mask_shapes(batch_size)
        )

    @property
    def dropout(self) -> float:
        """Share of hidden units dropped in an update, in [0, 1)."""
        return 0.0

    def shapes(self) -> dict[str, Size]:
        """Return the parameters' shapes by name, in the model's own order."""
        return {name: value.shape for name, value in self.named_parameters()}

    def loss(
        self, inputs: Tensor, targets: Tensor, masks: Sequence[Tensor] = ()
    ) -> Tensor:
        """Return the mean loss of a batch."""
        return self.criterion(self(inputs, masks), targets)

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
        """Write the gradients of n members' losses, each by its own parameters.

        The model is vectorised over the first axis of everything by `torch.func.vmap`;
        the members share nothing, so the gradient of the sum holds all of theirs.

        Args:
            parameters: By name, shape (n, ...), requiring no gradient.
            gradients: By name, the same shapes; overwritten.
            inputs: Shape (n, batch_size, ...).
            targets: int64, shape (n, batch_size, ...).
            masks: As from `draw_masks`, each with n in front.
            running: As from `running`, each with n in front; brought up to date.

        Returns:
            The losses, shape (n,). A member with a non-finite loss has non-finite
            gradients; the others do not notice.
        """
        del running  # a model that has any writes this method itself

        def member(
            own: dict[str, Tensor], x: Tensor, y: Tensor, drop: tuple[Tensor, ...]
        ) -> Tensor:
            return self.criterion(functional_call(self, own, (x, drop)), y)

        leaves = {
            name: value.detach().requires_grad_() for name, value in parameters.items()
        }
        losses: Tensor = vmap(member)(leaves, inputs, targets, tuple(masks))
        found = torch.autograd.grad(losses.sum(), list(leaves.values()))
        for name, gradient in zip(leaves, found, strict=True):
            gradients[name].copy_(gradient)
        return losses.detach()


@torch.no_grad()
def draw_linear(layer: nn.Linear, generator: Generator) -> None:
    """Draw a layer as torch does by default: U(-b, b) with b = 1 / sqrt(inputs)."""
    bound = layer.in_features**-0.5
    layer.weight.uniform_(-bound, bound, generator=generator)
    if layer.bias is not None:
        layer.bias.uniform_(-bound, bound, generator=generator)
