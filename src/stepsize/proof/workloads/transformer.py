"""A small decoder-only transformer over characters.

Pre-LN blocks, rotary positions, ReLU or GELU, untied output, no dropout. Learned
positions, tried on another text, stayed on the bigram plateau within such a budget,
where a schedule cannot be judged. ReLU instead of GELU saves about a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what everybody calls it

from stepsize.proof.workloads.models import AbstractModel, draw_linear

__all__ = ["CharTransformer"]

_ROTARY_BASE = 1000.0  # the context is tens of characters, not thousands


@final
class CharTransformer(AbstractModel):
    """Two or more blocks of causal self-attention and a four times wider MLP.

    Attributes:
        context: Length of a window. Unit: characters.
    """

    most_cores = 2

    def __init__(
        self,
        *,
        alphabet: int,
        context: int,
        width: int,
        heads: int,
        depth: int,
        gelu: bool = False,
        bias: bool = True,
        trained: Tensor | None = None,
    ) -> None:
        """Make the model.

        Args:
            alphabet: Number of characters.
            context: Length of a window. Unit: characters.
            width: Of the hidden vectors; a multiple of 2 heads.
            heads: Of the attention.
            depth: Number of blocks.
            gelu: GELU between the linear layers of a block, not ReLU.
            bias: Whether attention and output have biases; the MLPs always do.
            trained: What `reset` sets the parameters to, shape (n_parameters,);
                None: they are drawn.
        """
        super().__init__()
        self.context = context
        self._trained = trained
        self.embedding = nn.Embedding(alphabet, width)
        self.blocks = nn.ModuleList(
            _Block(width, heads, context, gelu=gelu, bias=bias) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, alphabet, bias=bias)

    @torch.no_grad()
    def reset(self, generator: Generator) -> None:
        """Draw embedding and output from N(0, 0.02), the rest by torch's defaults."""
        if self._trained is not None:
            nn.utils.vector_to_parameters(self._trained.clone(), self.parameters())
            return
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.reset_parameters()
            elif isinstance(module, nn.Linear):
                draw_linear(module, generator)
        self.embedding.weight.normal_(0.0, 0.02, generator=generator)
        self.output.weight.normal_(0.0, 0.02, generator=generator)
        if self.output.bias is not None:
            self.output.bias.zero_()

    def forward(self, inputs: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Return logits, shape (rows, context, alphabet), for int64 (rows, context)."""
        del masks
        hidden: Tensor = self.embedding(inputs)
        for block in self.blocks:
            hidden = block(hidden)
        logits: Tensor = self.output(self.norm(hidden))
        return logits


class _Block(nn.Module):
    """hidden + attention(norm(hidden)), then hidden + mlp(norm(hidden))."""

    cosine: Tensor
    sine: Tensor
    causal: Tensor

    def __init__(
        self, width: int, heads: int, context: int, *, gelu: bool, bias: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.gelu = gelu
        self.norm_1 = nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.norm_2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        half = width // heads // 2
        rates = _ROTARY_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.arange(context, dtype=torch.float64)[:, None] * rates
        self.register_buffer("cosine", angles.cos().repeat(1, 2).float())
        sine = torch.cat([-angles.sin(), angles.sin()], -1).float()
        self.register_buffer("sine", sine)
        later = torch.full((context, context), float("-inf")).triu(1)
        self.register_buffer("causal", later)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the block's output, shape (rows, context, width)."""
        hidden = hidden + self._attend(self.norm_1(hidden))
        grown: Tensor = self.up(self.norm_2(hidden))
        grown = F.gelu(grown) if self.gelu else grown.relu()
        shrunk: Tensor = self.down(grown)
        return hidden + shrunk

    def _attend(self, hidden: Tensor) -> Tensor:
        # Softmax spelled out: `vmap` has no batching rule for the fused attention, and
        # at a context this short the fused one is no faster.
        rows, length, width = hidden.shape
        size = width // self.heads
        mixed = self.mix(hidden).view(rows, length, 3, self.heads, size)
        query, key, value = mixed.permute(2, 0, 3, 1, 4).unbind(0)
        scores = self._rotate(query) @ self._rotate(key).transpose(-1, -2)
        weights = (scores * size**-0.5 + self.causal).softmax(-1)
        attended = (weights @ value).transpose(1, 2).reshape(rows, length, width)
        result: Tensor = self.out(attended)
        return result

    def _rotate(self, vectors: Tensor) -> Tensor:
        half = vectors.shape[-1] // 2
        return vectors * self.cosine + vectors.roll(half, -1) * self.sine
