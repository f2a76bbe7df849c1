"""A quick look at weights and moments; the thorough one only if something is amiss.

Of dense tensors of one kind on one device, which most models are; of all others the
thorough look, always.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import Parameter

from stepsize.adapters.torch.snapshots import Subject, displacement, nonfinite

_PLAIN = (Tensor, Parameter)


@final
class Look:
    """Looks at a training again and again.

    Args:
        subject: At what.
    """

    __slots__ = ("_before", "_label", "_norm", "_now", "subject")

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._label: int | None = None  # of the snapshot that these are of
        self._before: list[Tensor] = []
        self._now: list[Tensor] = []
        self._norm = 0.0

    @torch.no_grad()
    def nonfinite(self) -> float:
        """Return the count of what is not finite, as `nonfinite` does.

        Examples:
            >>> weight = torch.nn.Parameter(torch.ones(4))
            >>> look = Look(Subject(None, torch.optim.SGD([weight], lr=0.1)))
            >>> look.nonfinite()
            0.0
            >>> _ = weight.data[:3].fill_(float("inf"))
            >>> look.nonfinite()
            3.0
        """
        optimizer = self.subject.optimizer
        tensors: list[Any] = [
            weight for group in optimizer.param_groups for weight in group["params"]
        ]
        tensors += [
            value
            for state in optimizer.state.values()
            for value in (state.values() if isinstance(state, Mapping) else (state,))
            if isinstance(value, Tensor) and value.dim() and value.is_floating_point()
        ]
        if self._alike(tensors):
            total = torch.stack(torch._foreach_norm(tensors)).sum().item()
            if math.isfinite(total):
                return 0.0
        return float(nonfinite(self.subject))

    @torch.no_grad()
    def displacement(self, store: Any, label: int) -> float:
        """Return the distance from a snapshot's weights, as `displacement` does."""
        if label != self._label:
            weights = store.weights(label)
            now = self.subject.parameters()
            names = [name for name in now if name in weights]
            self._now = [now[name].detach() for name in names]
            self._before = [weights[name] for name in names]
            self._norm = store.weight_norm(label)
            self._label = label
        if not self._norm or not self._alike([*self._now, *self._before]):
            self._label = None
            return displacement(self.subject, store, label)
        apart = torch._foreach_sub(self._now, self._before)
        far: float = torch.stack(torch._foreach_norm(apart)).norm().item()
        return far / self._norm

    def forget(self) -> None:
        """Take nothing for granted: the snapshots are others."""
        self._label = None

    def _alike(self, tensors: list[Any]) -> bool:
        first = tensors[0]
        dtype, device = first.dtype, first.device
        return dtype.is_floating_point and all(
            type(one) in _PLAIN
            and one.dtype is dtype
            and one.device == device
            and one.layout is torch.strided
            for one in tensors
        )
