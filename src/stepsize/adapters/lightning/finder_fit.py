"""A fit of Lightning's in which a search makes the updates; no data here."""

from __future__ import annotations

import copy
import math
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, final

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.trainer import call

from stepsize.adapters.lightning.finder_data import Source
from stepsize.adapters.torch.finder_batches import Streams
from stepsize.adapters.torch.finder_loop import evaluating
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found

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


class _OverError(Exception):
    """Leaves the `fit` of the finder."""


Work = Callable[[Any, Source], Found]


def in_fit(trainer: Any, module: Any, data: Any, work: Work) -> Found:
    """Return what a search finds where a fit of a Trainer of its own trains an epoch.

    Whatever happens in it is raised here: Lightning would end the process on Ctrl-C.

    Args:
        trainer: The user's, for its settings.
        module: What is trained.
        data: As in `fit`.
        work: The search; is given the Trainer of its own, and the data.

    Raises:
        AdapterError: There is no batch, or more than one optimizer.
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
    source = Source(module, data)
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
            outcome.append(work(own, source))
        except BaseException as error:
            outcome.append(error)
        raise _OverError

    own.fit_loop.epoch_loop.run = epoch
    with _interruptible(), suppress(_OverError):
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
class Update:
    """Makes an update by Lightning's own training of batches."""

    done = False  # that Lightning reads: there are more batches

    def __init__(self, trainer: Any, streams: Streams) -> None:
        self._trainer = trainer
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

    def losses(self, batches: Iterable[Any]) -> Callable[[], list[Any]]:
        """Return what computes the losses of other batches, without an update."""
        trainer, module = self._trainer, self._trainer.lightning_module

        def loss(batch: Any) -> Any:
            batch = trainer.precision_plugin.convert_input(batch)
            batch = module._on_before_batch_transfer(batch, dataloader_idx=0)
            batch = call._call_strategy_hook(
                trainer, "batch_to_device", batch, dataloader_idx=0
            )
            inputs = self._loop._build_kwargs(OrderedDict(), batch, 0)
            found = call._call_strategy_hook(trainer, "training_step", *inputs.values())
            return found["loss"] if isinstance(found, Mapping) else found

        def look() -> list[Any]:
            with evaluating(module):
                return [loss(batch) for batch in batches]

        return look


@final
class Progress:
    """Lightning's counts of batches and updates, as data that are put back."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the counts."""
        return copy.deepcopy(self._loop.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put counts back."""
        self._loop.load_state_dict(copy.deepcopy(state_dict))
        self._loop.restarting = False
