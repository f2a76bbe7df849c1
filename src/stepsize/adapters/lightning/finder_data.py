"""What `fit` takes as data, kept from Lightning and given to a search."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, final

from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import CombinedLoader


@final
class _Length:
    """Stands in for loaders, so that Lightning knows their length and draws nothing."""

    def __init__(self, batches: int | None) -> None:
        self._batches = batches

    def __len__(self) -> int:
        if self._batches is None:
            raise TypeError("of no length")
        return self._batches

    def __iter__(self) -> Iterator[Any]:
        return iter(())


@final
class _Together:
    """Several loaders, as Lightning combines them."""

    def __init__(self, loader: CombinedLoader) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Any]:
        for batch, _, _ in self._loader:
            yield batch


@final
class Source:
    """Where a fit has its loaders from.

    Args:
        module: What is trained; may have loaders of its own.
        data: As in `fit`; None: the module's.
    """

    def __init__(self, module: Any, data: Any) -> None:
        self._given: Any = None
        self._arguments: dict[str, Any] = {}
        if data is None:
            module.train_dataloader = self._kept(module.train_dataloader)
        elif isinstance(data, LightningDataModule):
            own = copy.copy(data)
            own.train_dataloader = self._kept(own.train_dataloader)
            self._arguments = {"datamodule": own}
        else:
            self._given = data
            self._arguments = {"train_dataloaders": self._length()}

    def _kept(self, train_dataloader: Callable[[], Any]) -> Callable[[], Any]:
        def kept() -> _Length:
            self._given = train_dataloader()
            return self._length()

        return kept

    def arguments(self) -> dict[str, Any]:
        """Return what `fit` is called with in place of the data."""
        return self._arguments

    def _combined(self) -> CombinedLoader:
        given = self._given
        if isinstance(given, CombinedLoader):
            return given
        return CombinedLoader(given, "max_size_cycle")

    def _length(self) -> _Length:
        try:
            lengths = [len(one) for one in self.loaders()]
        except (NotImplementedError, TypeError):
            return _Length(None)
        shortest = self._combined()._mode == "min_size"
        return _Length(min(lengths) if shortest else max(lengths))

    def loaders(self) -> list[Any]:
        """Return all loaders there are; known once `fit` has asked for them."""
        return list(self._combined().flattened)

    def batches(self) -> Any:
        """Return what gives the batches of a pass."""
        nested = isinstance(self._given, (CombinedLoader, dict, list, tuple))
        return _Together(self._combined()) if nested else self._given
