"""Examples that are rows with a label, split at random by seed or as they stand.

Not here: where the rows come from (`digits`, `letters`, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Generator, Tensor

__all__ = ["LabelledRows"]

_SPLIT_STREAM = 1000  # so that a run's split and its batches are drawn independently


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledRows:
    """A table of features with one label per row; an `Examples`.

    Attributes:
        rows: float32, shape (n_rows, n_features).
        labels: int64 classes, or float32 numbers; shape (n_rows,).
        train_size: Rows of the training split.
        val_size: Rows of the validation split; the rest is the test split.
        order: "epochs": every epoch a fresh permutation, a last partial batch dropped;
            "replacement": rows drawn independently.
        split: "by_seed": at random for every seed; "as_given": the first rows are for
            training, the next for validation, the rest for test, whatever the seed.
    """

    rows: Tensor
    labels: Tensor
    train_size: int
    val_size: int
    order: Literal["epochs", "replacement"]
    split: Literal["by_seed", "as_given"] = "by_seed"

    def read(self, index: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return rows, shape (*index.shape, n_features), and labels (*index.shape)."""
        flat = index.reshape(-1)
        rows = self.rows.index_select(0, flat).view(*index.shape, -1)
        labels = self.labels.index_select(0, flat).view(index.shape)
        return rows.to(dtype), labels.to(
            dtype
        ) if labels.is_floating_point() else labels

    def training(self, seed: int, updates: int, batch_size: int) -> Tensor:
        """Return the batches of a whole run: int64, shape (updates, batch_size)."""
        rows = self._split(seed)[: self.train_size]
        generator = Generator().manual_seed(seed)
        if self.order == "replacement":
            picks = torch.randint(
                self.train_size, (updates, batch_size), generator=generator
            )
            return rows[picks]
        per_epoch = self.train_size // batch_size
        epochs = -(-updates // per_epoch)
        batches = [
            torch.randperm(self.train_size, generator=generator)[
                : per_epoch * batch_size
            ]
            for _ in range(epochs)
        ]
        return rows[torch.cat(batches)].view(-1, batch_size)[:updates]

    def validation(self, seed: int) -> Tensor:
        """Return the rows of the validation split of this seed."""
        return self._split(seed)[self.train_size : self.train_size + self.val_size]

    def test(self, seed: int) -> Tensor:
        """Return the rows of the test split of this seed."""
        return self._split(seed)[self.train_size + self.val_size :]

    def _split(self, seed: int) -> Tensor:
        if self.split == "as_given":
            return torch.arange(len(self.labels))
        generator = Generator().manual_seed(_SPLIT_STREAM + seed)
        return torch.randperm(len(self.labels), generator=generator)
