"""Optimizers of the tasks by name, Lion among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop


@final
class Lion(Optimizer):
    """Sign of an interpolated momentum; Chen et al. 2023, arXiv:2302.06675."""

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-4) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for one in group["params"]:
                if one.grad is None:
                    continue
                state = self.state[one]
                if not state:
                    state["momentum"] = torch.zeros_like(one)
                momentum = state["momentum"]
                one.sub_(torch.sign(momentum.lerp(one.grad, 0.1)), alpha=group["lr"])
                momentum.lerp_(one.grad, 0.01)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda params: SGD(params, lr=1.0, momentum=0.9),
    "adam": lambda params: Adam(params, lr=1.0),
    "adamw": lambda params: AdamW(params, lr=1.0, weight_decay=0.01),
    "rmsprop": lambda params: RMSprop(params, lr=1.0),
    "lion": lambda params: Lion(params, lr=1.0),
}
