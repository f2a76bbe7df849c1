"""Every random generator's state, plain; and `Draws`, those of a DataLoader."""

from __future__ import annotations

import random
import sys
from typing import Any, final

import torch
from torch import Generator
from torch.utils.data import DataLoader

from stepsize.errors import AdapterError, describe


def random_state() -> dict[str, Any]:
    """Return the states of Python's, torch's and NumPy's global generators.

    Of torch, on every device that is in use; of NumPy, if it was imported.
    """
    state: dict[str, Any] = {"python": random.getstate(), "cpu": torch.get_rng_state()}
    for kind in ("cuda", "xpu"):
        devices = getattr(torch, kind)
        if devices.is_available() and devices.is_initialized():
            state[kind] = devices.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    if "numpy" in sys.modules:
        import numpy as np

        state["numpy"] = _plain(np.random.get_state(legacy=False))
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Set every generator to what `random_state` returned."""
    random.setstate(state["python"])
    torch.set_rng_state(state["cpu"])
    for kind in ("cuda", "xpu"):
        if kind in state:
            getattr(torch, kind).set_rng_state_all(state[kind])
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])
    if "numpy" in state:
        import numpy as np

        np.random.set_state(_arrays(state["numpy"]))


def _plain(value: Any) -> Any:
    """Return NumPy's state with arrays as (dtype, bytes)."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if hasattr(value, "tobytes"):
        return (value.dtype.str, value.tobytes())
    return value


def _arrays(value: Any) -> Any:
    import numpy as np

    if isinstance(value, dict):
        return {key: _arrays(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return np.frombuffer(value[1], dtype=value[0]).copy()
    return value


@final
class Draws:
    """What a DataLoader draws from, as `data` of a Subject.

    A plain DataLoader starts anew with each `for`; what decides on the batches is its
    generator, its sampler's, and the sampler's epoch. It knows no position within an
    epoch: to go back in the middle of one takes a loader with a state of its own.

    Workers that persist keep random states that no one can read. If there were none
    when the state was taken, those that are there when it is loaded are ended.

    Attributes:
        sources: The DataLoaders and torch.Generators.

    Raises:
        AdapterError: One of them is something else.

    Examples:
        >>> generator = torch.Generator().manual_seed(0)
        >>> draws = Draws(generator)
        >>> state = draws.state_dict()
        >>> first = torch.rand(1, generator=generator)
        >>> draws.load_state_dict(state)
        >>> bool(first == torch.rand(1, generator=generator))
        True
    """

    __slots__ = ("sources",)

    def __init__(self, *sources: DataLoader[Any] | Generator) -> None:
        for one in sources:
            if not isinstance(one, (DataLoader, Generator)):
                rule = "be DataLoaders or torch.Generators"
                raise AdapterError(describe("Draws.sources", rule, one))
        self.sources = sources

    def state_dict(self) -> dict[str, Any]:
        """Return the states."""
        return {
            "generators": [one.get_state() for one in self._generators()],
            "epochs": [sampler.epoch for sampler in self._counting()],
            "working": [loader._iterator is not None for loader in self._loaders()],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set all to what `state_dict` returned."""
        saved = state_dict["generators"]
        for one, state in zip(self._generators(), saved, strict=True):
            one.set_state(state)
        for sampler, epoch in zip(self._counting(), state_dict["epochs"], strict=True):
            sampler.epoch = epoch
        working = state_dict["working"]
        for loader, was in zip(self._loaders(), working, strict=True):
            if not was:
                loader._iterator = None

    def _loaders(self) -> list[DataLoader[Any]]:
        return [one for one in self.sources if isinstance(one, DataLoader)]

    def _samplers(self) -> list[Any]:
        samplers: list[Any] = []
        for loader in self._loaders():
            batches = getattr(loader, "batch_sampler", None)
            for one in (loader.sampler, batches, getattr(batches, "sampler", None)):
                if one is not None and not any(one is known for known in samplers):
                    samplers.append(one)
        return samplers

    def _counting(self) -> list[Any]:
        return [one for one in self._samplers() if isinstance(_epoch(one), int)]

    def _generators(self) -> list[Generator]:
        found: list[Generator] = []
        for owner in (*self.sources, *self._samplers()):
            one = owner if isinstance(owner, Generator) else _generator(owner)
            if isinstance(one, Generator) and not any(one is seen for seen in found):
                found.append(one)
        return found


def _epoch(sampler: Any) -> Any:
    return getattr(sampler, "epoch", None)


def _generator(owner: Any) -> Any:
    return getattr(owner, "generator", None)
