"""Optimizers over a stack of members, a row each, as `torch.optim` computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

# The rate that each has if none is given: torch's own, and Lion's from its paper.
DEFAULT_LR = {"sgd": 1e-3, "adam": 1e-3, "adamw": 1e-3, "lion": 1e-4, "rmsprop": 1e-2}
_MOMENTUM, _BETA_1, _BETA_2, _EPS = 0.9, 0.9, 0.999, 1e-8
_LION_BETA_2, _ALPHA, _DECAY = 0.99, 0.99, 0.1


@final
@dataclass(slots=True)
class Rule:
    """One optimizer's state for a stack, and its update.

    SGD has momentum .9; AdamW and Lion a weight decay of .1; RMSprop alpha .99.

    Attributes:
        name: A key of `DEFAULT_LR`.
        first: Average of gradients, shape (n_members, n_parameters).
        second: Average of squares, the same shape.
        count: Updates made.
    """

    name: str
    first: Tensor
    second: Tensor
    count: int = 0

    @classmethod
    def start(cls, name: str, stack: Tensor) -> Rule:
        """Return the state before the first update."""
        if name not in DEFAULT_LR:
            raise KeyError(name)
        return cls(name, torch.zeros_like(stack), torch.zeros_like(stack))

    def copy(self) -> Rule:
        """Return a copy that further updates leave alone."""
        return Rule(self.name, self.first.clone(), self.second.clone(), self.count)

    def keep(self, rows: Tensor) -> None:
        """Forget all members but these."""
        self.first, self.second = self.first[rows], self.second[rows]

    def step(self, stack: Tensor, gradients: Tensor, lr: Tensor) -> None:
        """Make one update in place; `lr` has shape (n_members, 1)."""
        self.count += 1
        m, v, g = self.first, self.second, gradients
        if self.name == "sgd":
            m.mul_(_MOMENTUM).add_(g)
            stack.sub_(lr * m)
        elif self.name in ("adam", "adamw"):
            if self.name == "adamw":
                stack.mul_(1.0 - lr * _DECAY)
            m.lerp_(g, 1.0 - _BETA_1)
            v.mul_(_BETA_2).addcmul_(g, g, value=1.0 - _BETA_2)
            root = (v / (1.0 - _BETA_2**self.count)).sqrt_().add_(_EPS)
            stack.sub_(lr / (1.0 - _BETA_1**self.count) * m / root)
        elif self.name == "lion":
            stack.mul_(1.0 - lr * _DECAY)
            stack.sub_(lr * torch.lerp(g, m, _BETA_1).sign_())
            m.lerp_(g, 1.0 - _LION_BETA_2)
        else:
            v.mul_(_ALPHA).addcmul_(g, g, value=1.0 - _ALPHA)
            stack.sub_(lr * g / v.sqrt().add_(_EPS))
