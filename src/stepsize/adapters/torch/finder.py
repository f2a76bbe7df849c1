"""`find_lr`: the rate of a plain training loop; for any other there is `finding`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch

from stepsize.adapters.driving.finding import (
    CacheLike,
    Tell,
    as_cache,
    cached,
    checked,
    searched,
)
from stepsize.adapters.torch import hooks
from stepsize.adapters.torch.finder_key import key_of, samples_of
from stepsize.adapters.torch.finder_loop import LossFn
from stepsize.adapters.torch.finder_training import Loop, opened_training
from stepsize.adapters.torch.ranks import Ranks
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found
from stepsize.finder.cache import Key


def find_lr(
    model: torch.nn.Module,
    optimizer: Any,
    loss_fn: LossFn,
    batches: Iterable[Any],
    *,
    seed: int = 0,
    steps: int = 500,
    fast: bool = False,
    horizon: int | None = None,
    validation: Iterable[Any] | None = None,
    accumulate: int = 1,
    clip: float | None = None,
    scaler: Any = None,
    autocast: torch.dtype | None = None,
    device: torch.device | str | None = None,
    data: Any = None,
    ranks: Ranks | str | None = "auto",
    cache: CacheLike = None,
    pretrained: bool = False,
    tell: Tell | None = None,
) -> Found:
    """Find the learning rate of a training, and leave no trace on it.

    The peak of a schedule with a warmup and a decay is meant. Each step is an update as
    in training: outputs = model(inputs), loss = loss_fn(outputs, targets), backward,
    the optimizer's step. Everything is restored exactly: see `finding`, which is for
    steps of any other kind.

    It works at any time of a training. A model that is in eval mode is put into
    training mode meanwhile; one that is in training mode keeps the mode of each part.

    Args:
        model: A module, or one wrapped by DistributedDataParallel or torch.compile.
        optimizer: Its optimizer. Param groups keep the ratios of their rates; the
            suggestion is for the largest.
        loss_fn: loss_fn(outputs, targets), the mean over the batch.
        batches: Any iterable of (inputs, targets), begun anew where it ends. A mapping
            goes to the model as keywords, and to `loss_fn` whole:
            loss_fn(model(**batch), batch). A one-shot iterator's batches are kept, and
            used up: a FinderWarning.
        seed: Of the order of batches and of dropout while finding; int. The model is
            not initialised anew.
        steps: Most updates to make; `stepsize.finder.planned` says beforehand what on.
            Unit: updates; int >= 1.
        fast: Whether to make one ramp of at most 100, and no probes.
        horizon: Length of the training that the rate is for, None if not known. Unit:
            updates.
        validation: Batches that are kept out of training, begun anew for each look: a
            list or a loader without shuffling. Probes are then scored by their losses,
            in eval mode, instead of those of training, which do not show overfitting.
            A look is no update and is not counted.
        accumulate: Batches in an update; int >= 1.
        clip: Largest 2-norm of the gradient, as in the training; > 0; None for any.
        scaler: The GradScaler of the training.
        autocast: Type for torch.autocast, as torch.bfloat16; None for no autocast.
        device: Where batches are moved to. None: that of the first parameter.
        data: What else reads data, with `state_dict` and `load_state_dict`.
        ranks: Processes that find together; "auto": all of torch.distributed, if it is
            initialised. The loss is their mean: all stop at the same step, with the
            same result.
        cache: A file of what was found before, a `stepsize.finder.cache.Cache`, or True
            for the one in the user's folder. What is in it for this architecture,
            optimizer, loss and kind of start is returned without any update. A
            FinderWarning says if it may be stale: old, or for another batch, say.
        pretrained: Whether the weights are: for the cache.
        tell: Called after each update with a `stepsize.finder.Progress`.

    Returns:
        The suggestion with its interval, its status and the reasons in words.

    Raises:
        AdapterError: Something cannot be captured, batches have another form, there
            are none, or nothing of the model is trained by this optimizer.
        FinderError: A number is outside its range.
        LedgerError: The cache's file cannot be used.

    Examples:
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> inputs = torch.randn(64, 2)
        >>> batches = [(x, x.sum(1, keepdim=True)) for x in inputs.split(8)]
        >>> loss_fn = torch.nn.functional.mse_loss
        >>> found = find_lr(model, optimizer, loss_fn, batches, fast=True)
        >>> found.low <= found.suggestion <= found.high
        True
    """
    search = checked(
        {"steps": steps, "fast": fast, "horizon": horizon, "tell": tell},
        validation,
        seed=seed,
    )
    if validation is not None and not isinstance(validation, Iterable):
        rule = "be an iterable of batches, or None"
        raise AdapterError(describe("find_lr.validation", rule, validation))
    loop: Loop = {
        "seed": seed,
        "accumulate": accumulate,
        "clip": clip,
        "scaler": scaler,
        "autocast": autocast,
        "device": device,
        "data": data,
        "ranks": ranks,
    }
    known = as_cache(cache)
    with opened_training(
        "find_lr", model, optimizer, loss_fn, batches, loop=loop
    ) as training:

        def key() -> Key:
            rows = samples_of(next(training.update.batches))
            size = 1 if training.group is None else training.group.size
            return key_of(
                model,
                hooks.unwrap(optimizer),
                loss_fn,
                samples=None if rows is None else rows * accumulate * size,
                autocast=autocast,
                pretrained=pretrained,
                horizon=horizon,
                search=searched(search, validated=validation is not None),
            )

        def measure() -> Found:
            return training.finder.run(
                training.update,
                **search,
                validate=(
                    None
                    if validation is None
                    else partial(training.update.losses, validation)
                ),
            )

        return cached(known, key, measure, training.group)
