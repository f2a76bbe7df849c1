"""One update of a plain training loop: what `find_lr` makes at each rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from stepsize.errors import AdapterError, describe

LossFn = Callable[[Any, Any], Tensor]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Makes one update with the next batches and returns their mean loss.

    Attributes:
        model: What is called with the inputs.
        optimizer: Whose `step` is called.
        loss_fn: loss_fn(outputs, targets), a mean over the batch.
        batches: Endless; see `find_lr` for what a batch is.
        accumulate: Batches in an update; int >= 1.
        clip: Largest 2-norm of the gradient; None for any.
        scaler: A GradScaler, or None.
        autocast: Type of torch.autocast; None for no autocast.
        device: Where batches are moved to, None where they are already.
        owner: Whose arguments these are, for errors.
    """

    model: torch.nn.Module
    optimizer: Any
    loss_fn: LossFn
    batches: Iterator[Any]
    accumulate: int = 1
    clip: float | None = None
    scaler: Any = None
    autocast: torch.dtype | None = None
    device: torch.device | None = None
    owner: str = "find_lr"

    def __call__(self) -> Tensor:
        """Make the update, in training mode."""
        if not self.model.training:
            self.model.train()
        self.optimizer.zero_grad()
        total: Any = 0.0
        for index in range(self.accumulate):
            batch = _moved(next(self.batches), self.device)
            with self._unsynchronised(last=index == self.accumulate - 1):
                loss = self._loss(self.model, batch)
                share = loss / self.accumulate if self.accumulate > 1 else loss
                scaled = share if self.scaler is None else self.scaler.scale(share)
                scaled.backward()
            total = total + share.detach()
        self._apply()
        mean: Tensor = total
        return mean

    def losses(self, batches: Iterable[Any]) -> list[float]:
        """Return the losses of batches in eval mode; nothing is trained."""
        model: Any = self.model
        if isinstance(model, DistributedDataParallel):
            model = model.module  # else ranks would have to have as many batches
        with evaluating(self.model):
            return [
                float(self._loss(model, _moved(one, self.device))) for one in batches
            ]

    def _loss(self, model: torch.nn.Module, batch: Any) -> Tensor:
        kind = None if self.device is None else self.device.type
        try:
            with _autocast(kind, self.autocast):
                if isinstance(batch, Mapping):
                    loss = self.loss_fn(model(**batch), batch)
                else:
                    inputs, targets = self._pair(batch)
                    loss = self.loss_fn(model(inputs), targets)
        except (TypeError, AttributeError) as error:
            if not any(map(_is_array, _leaves(batch))):
                raise
            rule = "hold tensors for this model and loss; they hold NumPy arrays"
            hint = "torch.from_numpy turns an array into one, and a DataLoader does"
            raise AdapterError(
                describe(f"{self.owner}.batches", rule, _kind(batch), hint=hint)
            ) from error
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            rule = "return the mean over the batch: a tensor of one element"
            raise AdapterError(describe(f"{self.owner}.loss_fn", rule, loss))
        return loss

    def _pair(self, batch: Any) -> tuple[Any, Any]:
        if isinstance(batch, (tuple, list)) and len(batch) == 2:  # noqa: PLR2004 - a pair
            return batch[0], batch[1]
        rule = "give pairs (inputs, targets), or mappings of the model's arguments"
        hint = "for anything else there is finding(...), which runs your own step"
        raise AdapterError(
            describe(f"{self.owner}.batches", rule, _kind(batch), hint=hint)
        )

    def _unsynchronised(self, *, last: bool) -> AbstractContextManager[Any]:
        """Keep ranks from exchanging gradients before the last batch."""
        no_sync = getattr(self.model, "no_sync", None)
        return nullcontext() if last or no_sync is None else no_sync()

    def _apply(self) -> None:
        if self.clip is not None:
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            clip_grad_norm_(self.model.parameters(), self.clip)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Have a model in eval mode, without gradients; every part has its mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _autocast(kind: str | None, dtype: torch.dtype | None) -> Any:
    return nullcontext() if dtype is None else torch.autocast(kind or "cpu", dtype)


def _leaves(batch: Any) -> Iterator[Any]:
    """Yield what a batch holds, at any depth."""
    if isinstance(batch, Mapping):
        batch = tuple(batch.values())
    if isinstance(batch, (tuple, list)):
        for one in batch:
            yield from _leaves(one)
    else:
        yield batch


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray)


def _kind(batch: Any) -> str:
    sized = isinstance(batch, (tuple, list))
    return f"{type(batch).__name__} of {len(batch)}" if sized else type(batch).__name__


def _moved(batch: Any, device: torch.device | None) -> Any:
    """Return a batch with all tensors in it on a device."""
    if device is None:
        return batch
    if hasattr(batch, "to"):  # a tensor, or a batch that knows how, as HF's
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: _moved(one, device) for key, one in batch.items()}
    if isinstance(batch, (tuple, list)):
        moved = [_moved(one, device) for one in batch]
        if hasattr(batch, "_fields"):
            return type(batch)(*moved)
        return moved if isinstance(batch, list) else tuple(moved)
    return batch
