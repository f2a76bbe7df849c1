"""What is done against divergence instead of the guard: the field's usual remedies."""

from __future__ import annotations

import copy
import math
from collections import deque
from statistics import fmean, pstdev
from typing import Any, Protocol, final

from torch import nn
from torch.optim import Optimizer


class Remedy(Protocol):
    """Acts around each update of a loop."""

    def allows(self, loss: float, parameters: list[nn.Parameter]) -> bool:
        """Tell whether the update is to be made; may change gradients and rates."""


@final
class Nothing:
    """Makes every update."""

    def allows(self, loss: float, parameters: list[nn.Parameter]) -> bool:
        del loss, parameters
        return True


@final
class Clip:
    """Clips the norm of all gradients together to 1."""

    def allows(self, loss: float, parameters: list[nn.Parameter]) -> bool:
        del loss
        nn.utils.clip_grad_norm_(parameters, 1.0)
        return True


@final
class Skip:
    """Skips outliers of loss and gradient norm: OLMo-core's SkipStepOptimizer.

    An outlier is more than 6 deviations above the mean of the last 128, from 64 on.
    """

    def __init__(self) -> None:
        self.losses: deque[float] = deque(maxlen=128)
        self.norms: deque[float] = deque(maxlen=128)

    def allows(self, loss: float, parameters: list[nn.Parameter]) -> bool:
        gradients = [one.grad for one in parameters if one.grad is not None]
        norm = float(nn.utils.get_total_norm(gradients))
        fine = self._usual(self.losses, loss) and self._usual(self.norms, norm)
        self.losses.append(loss)
        self.norms.append(norm)
        return fine

    @staticmethod
    def _usual(seen: deque[float], value: float) -> bool:
        if len(seen) < 64:
            return True
        if not all(math.isfinite(one) for one in seen):
            return False  # as there: mean and deviation are NaN then
        return value <= fmean(seen) + 6 * pstdev(seen)


@final
class Restart:
    """Does by hand what llm-foundry's KillLossSpike advises.

    After 5 losses in a row of at least twice the mean of the last 100 (from 20 on), or
    one that is not finite: back to the last checkpoint (one every 50 updates) but one,
    with half the rate (which the loop sees to); at most 8 times.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self.model, self.optimizer = model, optimizer
        self.losses: deque[float] = deque(maxlen=100)
        self.saved: deque[Any] = deque(maxlen=2)
        self.high, self.made, self.restarts = 0, 0, 0

    def allows(self, loss: float, parameters: list[nn.Parameter]) -> bool:
        del parameters
        usual = fmean(self.losses) if len(self.losses) >= 20 else math.inf
        self.high = self.high + 1 if loss >= 2 * usual else 0
        broken = self.high >= 5 or not math.isfinite(loss)
        if broken and self.restarts < 8 and self.saved:
            self.restarts += 1
            model, optimizer = copy.deepcopy(self.saved[0])
            self.model.load_state_dict(model)
            self.optimizer.load_state_dict(optimizer)
            self.losses.clear()
            self.high = 0
            return False
        self.losses.append(loss)
        if self.made % 50 == 0:
            state = (self.model.state_dict(), self.optimizer.state_dict())
            self.saved.append(copy.deepcopy(state))
        self.made += 1
        return True


def remedy(name: str, model: nn.Module, optimizer: Optimizer) -> Remedy:
    """Return a remedy by name."""
    if name == "restart":
        return Restart(model, optimizer)
    kinds: dict[str, type[Remedy]] = {"nothing": Nothing, "clip": Clip, "skip": Skip}
    return kinds[name]()


REMEDIES = ("nothing", "clip", "skip", "restart")
