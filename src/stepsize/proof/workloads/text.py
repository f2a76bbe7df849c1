"""Examples that are windows of one long text, for predicting the next character.

Not here: which text (`charlm`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Generator, Tensor

__all__ = ["TextWindows"]

_BLOCKS = 100
_VALIDATION, _TEST = 4, 9  # of every ten blocks; the other eight are for training


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextWindows:
    """A text cut into 100 blocks, a tenth for validation and a tenth for test.

    A window lies within one block, so no split sees another's characters. Its number
    is the position of its first character. The splits are the same for all seeds.

    Attributes:
        text: uint8 codes of the characters, shape (n_characters,).
        context: Length of a window. Unit: characters.
        windows: Windows of the validation split, and of the test split, evenly spaced.
    """

    text: Tensor
    context: int
    windows: int

    def read(self, index: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the windows and the same one character on: (*index.shape, context)."""
        del dtype  # codes are int64 whatever the parameters are
        reach = index.unsqueeze(-1) + torch.arange(self.context + 1)
        codes = self.text.index_select(0, reach.view(-1)).view(reach.shape).long()
        return codes[..., :-1], codes[..., 1:]

    def training(self, seed: int, updates: int, batch_size: int) -> Tensor:
        """Return the batches of a whole run: int64, shape (updates, batch_size)."""
        blocks = [i for i in range(_BLOCKS) if i % 10 not in (_VALIDATION, _TEST)]
        generator = Generator().manual_seed(seed)
        picks = torch.randint(
            len(blocks) * self._starts, (updates, batch_size), generator=generator
        )
        return self._place(picks, blocks)

    def validation(self, seed: int) -> Tensor:
        """Return evenly spaced windows of the validation blocks."""
        del seed
        return self._spread(_VALIDATION)

    def test(self, seed: int) -> Tensor:
        """Return evenly spaced windows of the test blocks."""
        del seed
        return self._spread(_TEST)

    @property
    def _block(self) -> int:
        return len(self.text) // _BLOCKS

    @property
    def _starts(self) -> int:
        return self._block - self.context

    def _place(self, picks: Tensor, blocks: list[int]) -> Tensor:
        """Turn numbers below len(blocks) * _starts into positions in the text."""
        first = torch.tensor(blocks) * self._block
        return first[picks // self._starts] + picks % self._starts

    def _spread(self, remainder: int) -> Tensor:
        blocks = list(range(remainder, _BLOCKS, 10))
        last = len(blocks) * self._starts - 1
        picks = torch.linspace(0, last, self.windows, dtype=torch.float64).long()
        # In eight strides, so that the first eighth of them spans the split too.
        order = torch.arange(self.windows).view(-1, 8).T.reshape(-1)
        return self._place(picks[order], blocks)
