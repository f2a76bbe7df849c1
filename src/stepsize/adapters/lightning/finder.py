"""`find_lr`: the rate of a LightningModule, by Lightning's own training of batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Unpack

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy

from stepsize.adapters.driving.finding import (
    USED_UP,
    CacheLike,
    FinderWarning,
    Search,
    as_cache,
    cached,
    checked,
    searched,
)
from stepsize.adapters.driving.streams import has_state
from stepsize.adapters.hosted_finding import stand_in, undisturbed
from stepsize.adapters.lightning.finder_data import Source
from stepsize.adapters.lightning.finder_fit import Progress, Update, in_fit
from stepsize.adapters.torch.finder_batches import Streams
from stepsize.adapters.torch.finder_block import modules_of, opened
from stepsize.adapters.torch.finder_key import key_of, samples_of
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found
from stepsize.finder.cache import Key

_INFO = "lightning.pytorch.utilities.rank_zero"


def find_lr(
    trainer: Any,
    module: Any,
    data: Any = None,
    *,
    validation: Iterable[Any] | None = None,
    seed: int = 0,
    cache: CacheLike = None,
    pretrained: bool = False,
    **search: Unpack[Search],
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
        validation: Batches that are kept out of training: a loader. Probes are then
            scored by the losses that `training_step` returns for them, in eval mode and
            without gradients, instead of those of training, which do not show
            overfitting. A look is no update and is not counted.
        seed: Of the order of batches and of dropout while finding; int.
        cache: A file of what was found before, a `stepsize.finder.cache.Cache`, or True
            for the one in the user's folder.
        pretrained: Whether the weights are: for the cache.
        search: `steps`, `fast`, `horizon`, `low`, `high`, `tell`: see
            `stepsize.finder.find`.

    Returns:
        The suggestion with its interval, its status and the reasons in words.

    Raises:
        AdapterError: It is manual optimization, several optimizers or devices, a
            strategy that shards, something cannot be copied, or an argument is unknown.
        FinderError: A number is outside its range.
        LedgerError: The cache's file cannot be used.
    """
    _check(trainer, module)
    checked(search, validation, seed=seed)
    known = as_cache(cache)
    device = trainer.strategy.root_device
    precision = str(trainer.precision)
    shared = device.type == "cpu" and (
        precision == "32-true" or not precision.endswith("-true")
    )

    def work(own: Any, source: Source) -> Found:
        inner = own.lightning_module
        streams = Streams(
            source.batches(),
            data=Progress(own.fit_loop.epoch_loop),
            others=[*modules_of(inner), *source.loaders()],
            seed=seed,
        )
        scaler = getattr(own.precision_plugin, "scaler", None)
        with opened(inner, own.optimizers[0], scaler, streams, None) as finder:
            update = Update(own, streams)

            def measure() -> Found:
                look = None if validation is None else update.losses(validation)
                return finder.run(update, validate=look, **search)

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
                        horizon=search.get("horizon"),
                        search=searched(search, validated=validation is not None),
                    ),
                    precision=precision,
                )

            return cached(known, key, measure, say=messages.append)

    messages: list[str] = []
    if isinstance(data, Iterator) and not has_state(data):
        messages.append(USED_UP)
    with undisturbed(module, _INFO):
        found = in_fit(trainer, stand_in(module, shared=shared), data, work)
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
