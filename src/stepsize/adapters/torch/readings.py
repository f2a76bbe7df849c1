"""Losses on their way from the training loop to the policies.

An update may have several (micro-batches); an attempt that was skipped (AMP) has none
that counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import torch

from stepsize.adapters.torch.eager import eager
from stepsize.errors import AdapterError, describe

TOGETHER = 16
"""Updates whose losses are looked at together, where no policy is in a hurry: the code
of the policies, and a device that the losses are on, are then woken once for all."""

Loss = float | torch.Tensor


class Reading(NamedTuple):
    """What was measured in an update.

    Attributes:
        update: The one that follows it.
        metrics: By name.
    """

    update: int
    metrics: dict[str, float]


@final
class Readings:
    """Collects losses until they are due.

    Attributes:
        every: Updates that are read together.
        scaler: Tells skipped attempts from micro-batches, if there is one.
    """

    __slots__ = ("_parts", "_rows", "_scale", "_skips", "every", "scaler")

    def __init__(self, every: int, scaler: Any) -> None:
        self.every = every
        self.scaler = scaler
        self._parts: list[Loss] = []
        self._rows: list[tuple[int, list[Loss], int]] = []
        self._skips = 0
        self._scale = None if scaler is None else scaler.get_scale()

    @property
    def skips(self) -> int:
        """Attempts that were skipped since the last update."""
        return self._skips

    def attempt(self, loss: Any, *, skipped: bool) -> None:
        """Take the loss of a call that no update followed.

        Args:
            loss: Of a micro-batch, or of an attempt that was skipped; None: none.
            skipped: Whether it is known to have been skipped.
        """
        if self.scaler is not None:
            before, self._scale = self._scale, self.scaler.get_scale()
            skipped = skipped or self._scale < before
        if loss is not None and not skipped:
            skipped = not math.isfinite(_number(loss))
        if skipped:
            self._parts = []
            self._skips += 1
        elif loss is not None:
            self._parts.append(_kept(loss))

    @eager
    def update(self, update: int, loss: Any) -> bool:
        """Take the loss of an update.

        Args:
            update: Updates made, with this one.
            loss: Its loss, of the last micro-batch if there were several; None: none.

        Returns:
            Whether to `drain` now: there are enough, or the loss is known not to be
            finite.
        """
        urgent = False
        if loss is not None:
            try:
                kept = loss.item() if loss.is_cpu else _kept(loss)
            except (AttributeError, RuntimeError):  # a number, or no single one
                kept = _kept(loss)
            self._parts.append(kept)
            urgent = type(kept) is float and kept - kept != 0
        self._rows.append((update, self._parts, self._skips))
        self._parts, self._skips = [], 0
        return urgent or len(self._rows) >= self.every

    def drain(self) -> list[Reading]:
        """Return what was collected, oldest first."""
        rows, self._rows = self._rows, []
        found = []
        for update, parts, skips in rows:
            metrics: dict[str, float] = {}
            if parts:
                metrics["loss"] = sum(map(_number, parts)) / len(parts)
            if skips:
                metrics["skips"] = float(skips)
            if self.scaler is not None and (skips or update == rows[-1][0]):
                self._scale = self.scaler.get_scale()
                metrics["scale"] = float(self._scale)
            found.append(Reading(update, metrics))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return what was collected and not drained, JSON-plain."""
        rows = [[u, list(map(_plain, parts)), skips] for u, parts, skips in self._rows]
        return {
            "rows": rows,
            "parts": list(map(_plain, self._parts)),
            "skips": self._skips,
        }

    def load(self, plain: Mapping[str, Any]) -> None:
        """Go on with what `to_dict` gave."""
        self._rows = [
            (int(update), list(map(float, parts)), int(skips))
            for update, parts, skips in plain["rows"]
        ]
        self._parts = list(map(float, plain["parts"]))
        self._skips = int(plain["skips"])

    def clear(self) -> None:
        """Forget what was collected: it is of weights that are no more."""
        self._parts, self._rows, self._skips = [], [], 0


def number_of(value: Any, owner: str) -> float:
    """Return a measured value as a float.

    Raises:
        AdapterError: It is no single number.
    """
    if isinstance(value, (str, bytes, bool)):
        raise AdapterError(describe(owner, "be a number", value))
    try:
        return _number(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        shape = getattr(value, "shape", None)
        hint = "" if shape is None else "give its mean: value.mean()"
        raise AdapterError(
            describe(owner, "be a single number", value, hint=hint)
        ) from error


def _number(value: Any) -> float:
    return float(value.item() if isinstance(value, torch.Tensor) else value)


def _plain(loss: Loss) -> float | str:
    """Return a loss as JSON has it; `float` reads it again."""
    value = _number(loss)
    return value if math.isfinite(value) else str(value)


def _kept(loss: Any) -> Loss:
    """Return a loss without its graph; on the CPU as a number, before it changes."""
    if not _elsewhere(loss):
        return number_of(loss, "Scheduler.step.loss")
    kept: torch.Tensor = loss.detach().clone()
    return kept


def _elsewhere(loss: Any) -> bool:
    return isinstance(loss, torch.Tensor) and loss.device.type != "cpu"
