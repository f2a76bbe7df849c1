"""Tiny optimizers whose updates say which values they used."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

torch.set_num_threads(1)


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return float(value)
    if isinstance(value, (tuple, list)):
        return tuple(_plain(item) for item in value)
    return value


def recording(base: type[torch.optim.Optimizer]) -> Any:
    """Return a subclass that lists every group's values at each update."""

    class Recording(base):  # type: ignore[misc, valid-type]  # a class from a variable
        def step(self, closure: Any = None) -> Any:
            self.__dict__.setdefault("used", []).append(
                [
                    {key: _plain(v) for key, v in group.items() if key != "params"}
                    for group in self.param_groups
                ]
            )
            return super().step(closure)

    Recording.__name__ = f"Recording{base.__name__}"
    return Recording


@pytest.fixture(name="recording")
def _recording() -> Callable[[type[torch.optim.Optimizer]], Any]:
    return recording


@pytest.fixture
def parameter() -> Callable[[], torch.nn.Parameter]:
    """Return a maker of parameters that have a gradient."""

    def make() -> torch.nn.Parameter:
        made = torch.nn.Parameter(torch.ones(2))
        made.grad = torch.full((2,), 0.5)
        return made

    return make
