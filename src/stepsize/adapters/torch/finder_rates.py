"""One rate for all param groups, in their ratios; and Schedulers that stand aside."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import torch

from stepsize.adapters.torch import hooks
from stepsize.errors import AdapterError, describe

_CALLED = "_opt_called"  # whether an update was made, for torch's schedulers


@final
class Rates:
    """Sets an optimizer's rates by one number: the largest of them.

    The other groups keep their ratio to the largest. If all rates are 0 now, at the
    start of a warmup, the ratios are those of "initial_lr", and 1 without it.

    Args:
        optimizer: Its groups, with rates that are numbers or tensors.

    Attributes:
        ratios: Of each group's rate to the largest; in [0, 1].

    Raises:
        AdapterError: A group has no rate, or one that is not finite and >= 0.

    Examples:
        >>> weight, bias = torch.nn.Linear(1, 1).parameters()
        >>> groups = [{"params": [weight], "lr": 0.1}, {"params": [bias], "lr": 0.2}]
        >>> optimizer = torch.optim.SGD(groups)
        >>> Rates(optimizer).set(1.0)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.5, 1.0]
    """

    __slots__ = ("_groups", "ratios")

    def __init__(self, optimizer: Any) -> None:
        self._groups = optimizer.param_groups
        own = [_rate(group, index) for index, group in enumerate(self._groups)]
        if max(own) == 0:
            own = [float(group.get("initial_lr", 1.0)) for group in self._groups]
        self.ratios = [rate / (max(own) or 1.0) for rate in own]

    @property
    def even(self) -> bool:
        """Whether all groups have the same rate."""
        return min(self.ratios) == 1

    def set(self, lr: float) -> None:
        """Set the largest rate.

        Args:
            lr: Unit: lr; finite, >= 0.
        """
        for group, ratio in zip(self._groups, self.ratios, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                with torch.no_grad():
                    group["lr"].fill_(lr * ratio)
            else:
                group["lr"] = lr * ratio


def _rate(group: dict[str, Any], index: int) -> float:
    given = group.get("lr")
    try:
        rate = float(given)  # type: ignore[arg-type]  # whatever is there
    except (TypeError, ValueError, RuntimeError):
        rate = math.nan
    if not 0 <= rate < math.inf:
        rule = "be a rate (unit: lr; finite, >= 0)"
        raise AdapterError(describe(f"optimizer.param_groups[{index}].lr", rule, given))
    return rate


@contextmanager
def standing_aside(optimizer: Any) -> Iterator[None]:
    """Let the Schedulers of an optimizer neither write nor count meanwhile."""
    owners = hooks._taken.get(optimizer, {}).values()
    handles = [handle for _, several in owners for handle in several]
    hooked = {id(one): one for one in map(_registry, handles) if one is not None}
    kept = [(one, dict(one)) for one in hooked.values()]
    called = {key: one for key, one in vars(optimizer).items() if key == _CALLED}
    try:
        for one in hooked.values():
            for handle in handles:
                one.pop(handle.id, None)
        yield
    finally:
        for one, content in kept:
            one.clear()
            one.update(content)  # in the order they had
        vars(optimizer).pop(_CALLED, None)
        vars(optimizer).update(called)


def _registry(handle: Any) -> Any:
    return handle.hooks_dict_ref()
