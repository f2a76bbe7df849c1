"""A plain training loop, opened for a search or a check: update, batches, snapshot."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypedDict, final

import torch

from stepsize.adapters.driving.arguments import check_count
from stepsize.adapters.driving.finding import USED_UP, FinderWarning
from stepsize.adapters.torch.finder_batches import Streams
from stepsize.adapters.torch.finder_block import Finder, modules_of, opened, rank_of
from stepsize.adapters.torch.finder_loop import LossFn, Update
from stepsize.adapters.torch.making import ranks_of
from stepsize.adapters.torch.ranks import Ranks
from stepsize.errors import AdapterError, describe


class Loop(TypedDict):
    """How the training makes its updates; see `find_lr`."""

    seed: int
    accumulate: int
    clip: float | None
    scaler: Any
    autocast: torch.dtype | None
    device: torch.device | str | None
    data: Any
    ranks: Ranks | str | None


@final
@dataclass(frozen=True, slots=True)
class Opened:
    """A training at its snapshot.

    Attributes:
        finder: Runs updates and goes back.
        update: Makes one.
        group: The processes; None: this one alone.
    """

    finder: Finder
    update: Update
    group: Ranks | None


@contextmanager
def opened_training(
    owner: str,
    model: torch.nn.Module,
    optimizer: Any,
    loss_fn: LossFn,
    batches: Iterable[Any],
    *,
    loop: Loop,
) -> Iterator[Opened]:
    """Yield a training; restore everything at the end.

    Args:
        owner: Who asks, for errors.
        model: See `find_lr`, as for all that follow.
        optimizer: Its optimizer.
        loss_fn: The loss.
        batches: The data.
        loop: The rest.

    Raises:
        AdapterError: Something cannot be captured, or is outside its range.
    """
    check_count(loop["accumulate"], f"{owner}.accumulate", 1)
    clip = loop["clip"]
    if clip is not None and not (isinstance(clip, Real) and clip > 0):
        rule = "be > 0, or None (unit: 2-norm of the gradient)"
        raise AdapterError(describe(f"{owner}.clip", rule, clip))
    if not isinstance(model, torch.nn.Module):
        raise AdapterError(describe(f"{owner}.model", "be a torch.nn.Module", model))
    if isinstance(optimizer, torch.optim.LBFGS):
        rule = "make an update without a closure"
        hint = "finding(...) runs your own step, with optimizer.step(closure) in it"
        kind = type(optimizer).__name__
        raise AdapterError(describe(f"{owner}.optimizer", rule, kind, hint=hint))
    if not callable(loss_fn):
        raise AdapterError(describe(f"{owner}.loss_fn", "be callable", loss_fn))
    group = ranks_of(loop["ranks"], needed=True)
    whole = {"model": model}
    if isinstance(loss_fn, torch.nn.Module):  # it may have a state of its own
        whole["loss_fn"] = loss_fn
    streams = Streams(
        batches,
        data=loop["data"],
        others=modules_of(whole),
        seed=loop["seed"],
        rank=rank_of(group),
    )
    if streams.one_shot:
        warnings.warn(USED_UP, FinderWarning, stacklevel=4)
    update = Update(
        model=model,
        optimizer=optimizer,
        loss_fn=loss_fn,
        batches=streams,
        accumulate=loop["accumulate"],
        clip=clip,
        scaler=loop["scaler"],
        autocast=loop["autocast"],
        device=_device(model, loop["device"]),
    )
    with opened(whole, optimizer, loop["scaler"], streams, group) as finder:
        yield Opened(finder, update, group)


def _device(
    model: torch.nn.Module, given: torch.device | str | None
) -> torch.device | None:
    if given is not None:
        return torch.device(given)
    first = next(model.parameters(), None)
    return None if first is None else first.device
