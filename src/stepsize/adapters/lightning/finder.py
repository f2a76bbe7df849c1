"""`find_lr`: the rate of a LightningModule, by Lightning's own training of batches."""

from __future__ import annotations

import copy
import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities import CombinedLoader

from stepsize.adapters.driving.finding import (
    USED_UP,
    CacheLike,
    FinderWarning,
    Tell,
    as_cache,
    cached,
    searched,
)
from stepsize.adapters.driving.streams import has_state
from stepsize.adapters.hosted_finding import stand_in, undisturbed
from stepsize.adapters.torch.finder_batches import Streams
from stepsize.adapters.torch.finder_block import modules_of, opened
from stepsize.adapters.torch.finder_key import key_of, samples_of
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found
from stepsize.finder.cache import Key

# What the search's Trainer has of the user's.
_TAKEN = (
    "accumulate_grad_batches",
    "gradient_clip_algorithm",
    "gradient_clip_val",
    "limit_train_batches",
    "max_epochs",
    "max_steps",
    "precision",
)
_INFO = "lightning.pytorch.utilities.rank_zero"


def find_lr(
    trainer: Any,
    module: Any,
    data: Any = None,
    *,
    seed: int = 0,
    steps: int = 500,
    fast: bool = False,
    horizon: int | None = None,
    low: float = 1e-7,
    high: float = 10.0,
    cache: CacheLike = None,
    pretrained: bool = False,
    tell: Tell | None = None,
) -> Found:
    """Find the learning rate of a LightningModule, and leave no trace on it.

    The peak of a schedule with a warmup and a decay is meant. A copy of the module is
    trained by a Trainer of the finder's own, with the precision, accumulation, clipping
    and limits of yours, but without its callbacks and loggers: hooks of the module are
    called as in `fit`, and `configure_optimizers` anew. Trainer, module and data are as
    before, and so are all random generators, also after an exception or Ctrl-C.

    Args:
        trainer: The Trainer, on one device.
        module: The module, with automatic optimization and one optimizer. Its param
            groups keep the ratios of their rates; the suggestion is for the largest.
        data: What `fit` takes: loaders, or a LightningDataModule. None: those of the
            module.
        seed: Of the order of batches and of dropout while finding; int.
        steps: Most updates to make; `stepsize.finder.planned` says beforehand what on.
            Unit: updates; int >= 1.
        fast: Whether to make one ramp of at most 100, and no probes.
        horizon: Length of the training that the rate is for, None if not known. Unit:
            updates.
        low: Where the ramp begins. Unit: lr; finite, > 0.
        high: Where it ends at the latest. Unit: lr; finite, > `low`.
        cache: A file of what was found before, a `stepsize.finder.cache.Cache`, or True
            for the one in the user's folder.
        pretrained: Whether the weights are: for the cache.
        tell: Called after each update with a `stepsize.finder.Progress`.

    Returns:
        The suggestion with its interval, its status and the reasons in words.

    Raises:
        AdapterError: It is manual optimization, several optimizers or devices, a
            strategy that shards, or something cannot be copied.
        FinderError: A number is outside its range.
        LedgerError: The cache's file cannot be used.
    """
    _check(trainer, module)
    known = as_cache(cache)
    device = trainer.strategy.root_device
    precision = str(trainer.precision)
    shared = device.type == "cpu" and (
        precision == "32-true" or not precision.endswith("-true")
    )

    def search(own: Any, source: _Source) -> Found:
        inner = own.lightning_module
        streams = Streams(
            source.batches(),
            data=_Progress(own.fit_loop.epoch_loop),
            others=[*modules_of(inner), *source.loaders()],
            seed=seed,
        )
        scaler = getattr(own.precision_plugin, "scaler", None)
        with opened(inner, own.optimizers[0], scaler, streams, None) as finder:
            update = _Update(own, streams)

            def measure() -> Found:
                return finder.run(
                    update,
                    steps=steps,
                    fast=fast,
                    low=low,
                    high=high,
                    horizon=horizon,
                    tell=tell,
                )

            def key() -> Key:
                rows = samples_of(next(streams))
                every = own.accumulate_grad_batches
                return replace(
                    key_of(
                        inner,
                        own.optimizers[0],
                        type(inner).training_step,
                        samples=None if rows is None else rows * every,
                        pretrained=pretrained,
                        horizon=horizon,
                        search=searched(steps, fast=fast),
                    ),
                    precision=precision,
                )

            return cached(known, key, measure, say=messages.append)

    messages: list[str] = []
    if isinstance(data, Iterator) and not has_state(data):
        messages.append(USED_UP)
    with undisturbed(module, _INFO), _interruptible():
        found = _in_fit(trainer, stand_in(module, shared=shared), data, search)
    for message in messages:
        warnings.warn(message, FinderWarning, stacklevel=2)
    return found


def _check(trainer: Any, module: Any) -> None:
    if not isinstance(trainer, Trainer):
        rule = "be a lightning.pytorch.Trainer"
        raise AdapterError(describe("find_lr.trainer", rule, type(trainer).__name__))
    if not isinstance(module, LightningModule):
        rule = "be a LightningModule"
        raise AdapterError(describe("find_lr.module", rule, type(module).__name__))
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        rule = "train on one device, without sharding"
        hint = "under torchrun: stepsize.adapters.torch.find_lr"
        kind = type(trainer.strategy).__name__
        raise AdapterError(describe("Trainer.strategy", rule, kind, hint=hint))
    if not module.automatic_optimization:
        rule = "be True"
        hint = "stepsize.adapters.torch.finding takes a step of your own"
        raise AdapterError(
            describe("module.automatic_optimization", rule, False, hint=hint)
        )


# --- inside a fit -------------------------------------------------------------------


class _OverError(Exception):
    """Leaves the `fit` of the finder."""


Search = Callable[[Any, "_Source"], Found]


def _in_fit(trainer: Any, module: Any, data: Any, search: Search) -> Found:
    """Return what a search finds where a fit of a Trainer of its own trains an epoch.

    Whatever happens in it is raised here: Lightning would end the process on Ctrl-C.
    """
    root = trainer.strategy.root_device
    given = {name: getattr(trainer, name) for name in _TAKEN}
    own = Trainer(
        accelerator=root.type,
        devices=1 if root.index is None else [root.index],
        logger=DummyLogger() if trainer.loggers else False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        **given,
    )
    if type(own.precision_plugin) is not type(trainer.precision_plugin):
        rule = "be one that Trainer(precision=...) names"
        kind = type(trainer.precision_plugin).__name__
        raise AdapterError(describe("Trainer.precision_plugin", rule, kind))
    module.configure_callbacks = list  # they would act on what the finder tries
    source = _Source(module, data)
    outcome: list[Any] = []

    def epoch(_: Any) -> None:
        try:
            if len(own.optimizers) != 1:
                rule = "return one optimizer"
                raise AdapterError(
                    describe("configure_optimizers", rule, len(own.optimizers))
                )
            own.strategy.lr_scheduler_configs = []
            own.fit_loop.max_batches = math.inf
            outcome.append(search(own, source))
        except BaseException as error:
            outcome.append(error)
        raise _OverError

    own.fit_loop.epoch_loop.run = epoch
    with suppress(_OverError):
        own.fit(module, **source.arguments())
    if not outcome:
        rule = "give at least one batch"
        raise AdapterError(describe("find_lr.data", rule, type(data).__name__))
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    found: Found = outcome[0]
    return found


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt, which Lightning makes the process's end."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


class _Losses(Callback):  # type: ignore[misc]  # not read by mypy
    """Keeps what `training_step` returned."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, *_: Any
    ) -> None:
        self.kept.append((outputs or {}).get("loss"))


@final
class _Update:
    """Makes an update by Lightning's own training of batches."""

    done = False  # that Lightning reads: there are more batches

    def __init__(self, trainer: Any, streams: Streams) -> None:
        self._loop = trainer.fit_loop.epoch_loop
        self._every = trainer.accumulate_grad_batches
        self._streams = streams
        self._losses = _Losses()
        trainer.callbacks[:] = [self._losses]

    def __next__(self) -> tuple[Any, int, int]:
        """Return what Lightning takes from a loader."""
        return next(self._streams), 0, 0

    def __call__(self) -> torch.Tensor:
        """Make the update; return the mean loss of its batches."""
        losses = self._losses.kept
        losses.clear()
        try:
            for _ in range(self._every):
                self._loop.advance(self)
        except StopIteration as error:
            rule = "not end the epoch (return -1) while a rate is found"
            raise AdapterError(
                describe("module.on_train_batch_start", rule, -1)
            ) from error
        if len(losses) != self._every or any(one is None for one in losses):
            rule = "return the loss of each batch"
            raise AdapterError(describe("module.training_step", rule, None))
        # Lightning has divided them for the gradients
        return torch.stack([one.detach() for one in losses]).sum()


@final
class _Progress:
    """Lightning's counts of batches and updates, as data that are put back."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def state_dict(self) -> dict[str, Any]:
        return copy.deepcopy(self._loop.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._loop.load_state_dict(copy.deepcopy(state_dict))
        self._loop.restarting = False


# --- data ---------------------------------------------------------------------------


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
class _Source:
    """Where a fit has its loaders from."""

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
        return list(self._combined().flattened)

    def batches(self) -> Any:
        nested = isinstance(self._given, (CombinedLoader, dict, list, tuple))
        return _Together(self._combined()) if nested else self._given
