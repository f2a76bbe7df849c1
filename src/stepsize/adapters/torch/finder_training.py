"""A plain training loop, opened for a search or a check: update, batches, snapshot."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypedDict, final

import torch

from stepsize.adapters.driving.finding import USED_UP, FinderWarning, check_seed
from stepsize.adapters.torch.finder_batches import Streams
from stepsize.adapters.torch.finder_block import (
    Finder,
    modules_of,
    opened,
    rank_of,
)
from stepsize.adapters.torch.finder_loop import LossFn, Update
from stepsize.adapters.torch.making import ranks_of
from stepsize.adapters.torch.ranks import Ranks
from stepsize.errors import AdapterError, describe
from stepsize.schedules.durations import whole as count_of


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
    accumulate, clip = count_of(loop["accumulate"]), loop["clip"]
    if accumulate is None or accumulate < 1:
        rule = "be an int >= 1 (unit: batches in an update)"
        raise AdapterError(describe(f"{owner}.accumulate", rule, loop["accumulate"]))
    if clip is not None and not (
        isinstance(clip, Real) and not isinstance(clip, bool) and clip > 0
    ):
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
    autocast, scaler = loop["autocast"], loop["scaler"]
    if autocast not in (None, torch.bfloat16, torch.float16):
        rule = "be torch.bfloat16, torch.float16, or None"
        raise AdapterError(describe(f"{owner}.autocast", rule, autocast))
    if scaler is not None and not (
        hasattr(scaler, "scale") and hasattr(scaler, "load_state_dict")
    ):
        rule = "be the GradScaler of the training, or None"
        raise AdapterError(describe(f"{owner}.scaler", rule, scaler))
    check_seed(loop["seed"], owner)
    group = ranks_of(loop["ranks"], owner=owner)
    whole = {"model": model}
    if isinstance(loss_fn, torch.nn.Module):  # it may have a state of its own
        whole["loss_fn"] = loss_fn
    streams = Streams(
        batches,
        data=loop["data"],
        others=modules_of(whole),
        seed=loop["seed"],
        rank=rank_of(group),
        owner=owner,
    )
    if streams.one_shot:
        warnings.warn(USED_UP, FinderWarning, stacklevel=4)
    update = Update(
        model=model,
        optimizer=optimizer,
        loss_fn=loss_fn,
        batches=streams,
        accumulate=accumulate,
        clip=clip,
        scaler=scaler,
        autocast=autocast,
        device=_device(model, loop["device"], owner),
        owner=owner,
    )
    with opened(whole, optimizer, scaler, streams, group, owner=owner) as finder:
        _check_trained(whole, optimizer, owner)
        yield Opened(finder, update, group)


def _check_trained(
    whole: dict[str, torch.nn.Module], optimizer: Any, owner: str
) -> None:
    """Refuse a training in which no rate changes anything."""
    trained = {
        id(one)
        for module in whole.values()
        for one in module.parameters()
        if one.requires_grad
    }
    if not trained:
        rule = "have a parameter that requires a gradient"
        hint = "unfreeze what is trained, with requires_grad_(True)"
        raise AdapterError(describe(f"{owner}.model", rule, "none", hint=hint))
    groups = getattr(optimizer, "param_groups", None)
    if isinstance(optimizer, torch.optim.Optimizer) and groups is not None:
        updated = {id(one) for group in groups for one in group["params"]}
        if not trained & updated:
            rule = "hold a parameter of the model that requires a gradient"
            hint = "make it from the parameters of this very model"
            raise AdapterError(describe(f"{owner}.optimizer", rule, "none", hint=hint))


def _device(
    model: torch.nn.Module, given: torch.device | str | None, owner: str
) -> torch.device | None:
    if given is None:
        first = next(model.parameters(), None)
        return None if first is None else first.device
    try:
        device = torch.device(given)
        torch.empty(0, device=device)  # whether it is there
    except (TypeError, RuntimeError, AssertionError) as error:
        rule = "be a device that is there, as torch.device or a text, or None"
        hint = str(error).partition("\n")[0] if isinstance(given, str) else ""
        raise AdapterError(
            describe(f"{owner}.device", rule, given, hint=hint)
        ) from error
    return device
