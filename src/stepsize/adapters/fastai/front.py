"""fastai's optimizers as a Scheduler and a checkpoint see them; no callback here."""

from __future__ import annotations

import json
from typing import Any, final

import torch
from fastai.optimizer import OptimWrapper

from stepsize.adapters.hosted import Hosted

SAVED = "stepsize"
"""Where the state is among the first group's hyperparameters, in `learn.save` files."""


class _Group(dict[str, Any]):
    """A param group that writes through to fastai's hyperparameters of the moment."""

    __slots__ = ("_every", "_own", "index", "opt")

    def __init__(self, opt: Any, index: int) -> None:
        super().__init__(opt.hypers[index], params=list(opt.param_lists[index]))
        self.opt, self.index = opt, index
        self._every, self._own = opt.hypers, opt.hypers[index]

    def __setitem__(self, key: str, value: Any) -> None:
        dict.__setitem__(self, key, value)  # twice an update: `super()` takes longer
        every = self.opt.hypers
        if every is not self._every:  # it was loaded
            self._every, self._own = every, every[self.index]
        if key in self._own:
            self._own[key] = value


class Front(torch.optim.Optimizer):
    """fastai's optimizer as torch's: its groups and state; its steps are fastai's."""

    def __init__(self, opt: Any) -> None:
        groups = [_Group(opt, index) for index in range(len(opt.hypers))]
        super().__init__(groups, {"lr": opt.hypers[0]["lr"]})
        self.opt = opt

    @property
    def state(self) -> Any:
        """The state of fastai's."""
        return self.opt.state

    @state.setter
    def state(self, value: Any) -> None:
        if hasattr(self, "opt"):  # not in the constructor
            self.opt.state = value

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no loss
        """Run the hooks, just before fastai makes the update."""
        for hook in self._optimizer_step_pre_hooks.values():
            hook(self, (), {})
        for hook in self._optimizer_step_post_hooks.values():
            hook(self, (), {})

    step.hooked = True  # type: ignore[attr-defined]  # else torch wraps it: 5 us


@final
class Saved:
    """An optimizer's `state_dict`, with the Scheduler's among the hyperparameters.

    A copy, as pickle and `learn.export` make of a Learner, has the state that the
    Scheduler had, and no Scheduler.

    Args:
        opt: fastai's optimizer.
        scheduler: The Scheduler of its fit.
    """

    def __init__(self, opt: Any, scheduler: Hosted) -> None:
        self._opt = opt
        self._scheduler: Hosted | None = scheduler
        self._text = ""

    def __call__(self) -> Any:
        """Return the state."""
        opt = self._opt
        if isinstance(opt, OptimWrapper):
            state, key = opt.opt.state_dict(), "param_groups"
        else:
            state, key = type(opt).state_dict(opt), "hypers"
        first, *others = state[key]
        return {**state, key: [{**first, SAVED: self._plain()}, *others]}

    def _plain(self) -> str:
        if self._scheduler is None:
            return self._text
        return json.dumps(self._scheduler.state_dict())

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy has."""
        return {"_opt": self._opt, "_scheduler": None, "_text": self._plain()}


def taken(opt: Any) -> str | None:
    """Return the state that a loaded checkpoint left in an optimizer, and remove it."""
    inner = opt.opt.param_groups if isinstance(opt, OptimWrapper) else opt.hypers
    found: str | None = inner[0].pop(SAVED, None)
    return found
