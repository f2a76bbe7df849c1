"""What the finders built on torch's share: a stand-in for a model, and quiet hosts."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from stepsize.adapters.torch.snapshot_random import random_state, set_random_state
from stepsize.errors import AdapterError, describe


def stand_in(model: torch.nn.Module, *, shared: bool) -> Any:
    """Return a copy of a model, so that a host may do with it as it likes.

    Hooks that a host sets, modes, counters and the states of metrics stay the copy's.

    Args:
        model: What is copied. Data that its modules keep are shared.
        shared: Whether the copy has the same parameters and buffers: no memory is
            needed, but they have to be restored.

    Raises:
        AdapterError: It cannot be copied.
    """
    memo: dict[int, Any] = {}
    if shared:
        memo = {id(one): one for one in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        for one in vars(module).values():
            if isinstance(one, (Dataset, DataLoader)):
                memo[id(one)] = one
    try:
        return copy.deepcopy(model, memo)
    except Exception as error:
        rule = "be what copy.deepcopy can copy"
        hint = "stepsize.adapters.torch.find_lr works without a copy"
        kind = type(model).__name__
        raise AdapterError(describe("find_lr.model", rule, kind, hint=hint)) from error


@contextmanager
def undisturbed(model: torch.nn.Module, *loggers: str) -> Iterator[None]:
    """Restore gradients, random generators and the grad mode, whatever a host does.

    Args:
        model: Whose gradients the host may drop.
        loggers: Names of those that are to tell only warnings.
    """
    gradients = [(one, one.grad) for one in model.parameters()]
    state, enabled = random_state(), torch.is_grad_enabled()
    known = [logging.getLogger(name) for name in loggers]
    levels = [one.level for one in known]
    for one in known:
        one.setLevel(max(one.getEffectiveLevel(), logging.WARNING))
    try:
        yield
    finally:
        for one, level in zip(known, levels, strict=True):
            one.setLevel(level)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        torch.set_grad_enabled(enabled)
        set_random_state(state)
