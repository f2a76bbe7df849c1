"""`find_lr`: the rate of a plain training loop; for any other there is `finding`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch

from stepsize.adapters.driving.arguments import check_count
from stepsize.adapters.torch import hooks
from stepsize.adapters.torch.deciding import ranks_of
from stepsize.adapters.torch.finder_batches import FinderWarning, Streams
from stepsize.adapters.torch.finder_block import (
    USED_UP,
    Finder,
    Tell,
    modules_of,
    opened,
    rank_of,
)
from stepsize.adapters.torch.finder_caching import (
    CacheLike,
    as_cache,
    recall,
    remember,
)
from stepsize.adapters.torch.finder_key import key_of, samples_of
from stepsize.adapters.torch.finder_loop import LossFn, Update
from stepsize.adapters.torch.ranks import Ranks
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found


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
        AdapterError: Something cannot be captured, batches have another form, or there
            are none.
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
    check_count(accumulate, "find_lr.accumulate", 1)
    if clip is not None and not clip > 0:
        rule = "be > 0, or None (unit: 2-norm of the gradient)"
        raise AdapterError(describe("find_lr.clip", rule, clip))
    if not callable(loss_fn):
        raise AdapterError(describe("find_lr.loss_fn", "be callable", loss_fn))
    group = ranks_of(ranks, needed=True)
    whole = {"model": model}
    if isinstance(loss_fn, torch.nn.Module):  # it may have a state of its own
        whole["loss_fn"] = loss_fn
    streams = Streams(
        batches,
        data=data,
        others=modules_of(whole),
        seed=seed,
        rank=rank_of(group),
    )
    if streams.one_shot:
        warnings.warn(USED_UP, FinderWarning, stacklevel=2)
    update = Update(
        model=model,
        optimizer=optimizer,
        loss_fn=loss_fn,
        batches=streams,
        accumulate=accumulate,
        clip=clip,
        scaler=scaler,
        autocast=autocast,
        device=_device(model, device),
    )

    def measured(finder: Finder) -> Found:
        return finder.run(update, steps=steps, fast=fast, horizon=horizon, tell=tell)

    known = as_cache(cache)
    with opened(whole, optimizer, scaler, streams, group) as finder:
        if known is None:
            return measured(finder)
        rows = samples_of(next(streams))
        size = 1 if group is None else group.size
        key = key_of(
            model,
            hooks.unwrap(optimizer),
            loss_fn,
            samples=None if rows is None else rows * accumulate * size,
            autocast=autocast,
            pretrained=pretrained,
            horizon=horizon,
            search="fast" if fast else f"{steps} updates",
        )
        kept = recall(known, key, group)
        if kept is None:
            found = measured(finder)
            remember(known, key, found, group)
            return found
    if kept.stale:
        hint = "delete the file, or leave cache out, to measure again"
        message = f"{kept.warning()}. hint: {hint}."
        warnings.warn(message, FinderWarning, stacklevel=2)
    return replace(kept.found, reasons=(kept.reason(), *kept.found.reasons))


def _device(
    model: torch.nn.Module, given: torch.device | str | None
) -> torch.device | None:
    if given is not None:
        return torch.device(given)
    first = next(model.parameters(), None)
    return None if first is None else first.device
