"""`find_lr`: the rate of a `Trainer`, by its own training step."""

from __future__ import annotations

import collections
import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Unpack, final

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from transformers import Trainer

from stepsize.adapters.driving.finding import (
    CacheLike,
    Search,
    as_cache,
    cached,
    checked,
    searched,
)
from stepsize.adapters.hosted_finding import stand_in, undisturbed
from stepsize.adapters.torch import hooks
from stepsize.adapters.torch.finder_batches import Streams
from stepsize.adapters.torch.finder_block import modules_of, opened
from stepsize.adapters.torch.finder_key import key_of, samples_of
from stepsize.adapters.torch.finder_loop import evaluating
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found
from stepsize.finder.cache import Key

_BORGS = (AcceleratorState, GradientState, PartialState)  # Accelerate shares these
_CONTAINERS = (dict, list, set, collections.deque)


def find_lr(
    trainer: Any,
    *,
    validation: Any = None,
    seed: int = 0,
    cache: CacheLike = None,
    pretrained: bool = True,
    **search: Unpack[Search],
) -> Found:
    """Find the learning rate of a `Trainer`, and leave no trace on it.

    The peak of a schedule with a warmup and a decay is meant: `learning_rate`. A copy
    of the Trainer makes updates with its data, collator, loss, optimizer, accumulation,
    `max_grad_norm` and precision; callbacks are not called. Trainer, model, an
    optimizer that it was given, and all random generators are as before, also after an
    exception or Ctrl-C.

    Args:
        trainer: The Trainer, before or after `train`, on one device. Param groups keep
            the ratios of their rates; the suggestion is for the largest.
        validation: A dataset kept out of training; True: the Trainer's `eval_dataset`,
            or that of this name where it has several. Probes are scored by its losses,
            as `evaluate` computes them, instead of those of training, which do not show
            overfitting. A look is no update and is not counted.
        seed: Of the order of batches and of dropout while finding; int. A `model_init`
            is called once, if the Trainer did not yet.
        cache: A file of what was found before, a `stepsize.finder.cache.Cache`, or True
            for the one in the user's folder.
        pretrained: Whether the weights are: for the cache.
        search: `steps`, `fast`, `horizon`, `low`, `high`, `tell`: see
            `stepsize.finder.find`.

    Returns:
        The suggestion with its interval, its status and the reasons in words.

    Raises:
        AdapterError: It trains on several devices, by DeepSpeed or FSDP, has no
            training data, its model cannot be copied, or an argument is unknown.
        FinderError: A number is outside its range.
        LedgerError: The cache's file cannot be used.
    """
    _check(trainer)
    checked(search, validation, seed=seed)
    known = as_cache(cache)
    with undisturbed(trainer.model), _borgs():
        own = _own(trainer)
        loader = _Passes(own)
        model, _ = own._prepare_for_training(1, loader.loader, None)
        optimizer = hooks.unwrap(own.optimizer)
        owners = [own.train_dataset, own.data_collator]
        streams = Streams(loader, others=[*modules_of(model), *owners], seed=seed)
        update = _Update(own, model, streams)
        scaler = own.accelerator.scaler
        with opened(model, optimizer, scaler, streams, None) as finder:

            def measure() -> Found:
                look = None
                if validation is not None:
                    look = update.losses(_evaluation(own, validation))
                return finder.run(update, validate=look, **search)

            def key() -> Key:
                rows = samples_of(next(streams))
                every = own.args.gradient_accumulation_steps
                found = key_of(
                    own.model,
                    optimizer,
                    own.compute_loss_func or type(own).compute_loss,
                    samples=None if rows is None else rows * every,
                    pretrained=pretrained,
                    horizon=search.get("horizon"),
                    search=searched(search, validated=validation is not None),
                )
                mixed = own.accelerator.mixed_precision
                return replace(found, precision=f"{found.precision}, {mixed}")

            return cached(known, key, measure)


def _check(trainer: Any) -> None:
    if not isinstance(trainer, Trainer):
        rule = "be a transformers.Trainer"
        raise AdapterError(describe("find_lr.trainer", rule, type(trainer).__name__))
    if (
        trainer.args.world_size > 1
        or trainer.args.n_gpu > 1
        or trainer.is_deepspeed_enabled
        or trainer.is_fsdp_enabled
    ):
        rule = "train on one device, without DeepSpeed and FSDP"
        hint = "under torchrun: stepsize.adapters.torch.find_lr"
        kind = trainer.args.parallel_mode
        raise AdapterError(describe("find_lr.trainer", rule, kind, hint=hint))
    if trainer.train_dataset is None:
        rule = "be given"
        raise AdapterError(describe("Trainer.train_dataset", rule, None))


def _evaluation(own: Any, validation: Any) -> Any:
    """Return the loader of what a search looks at."""
    given = own.eval_dataset
    if isinstance(validation, str):
        if not isinstance(given, dict) or validation not in given:
            rule = "be a dataset, True, or the name of one in Trainer.eval_dataset"
            raise AdapterError(describe("find_lr.validation", rule, validation))
    elif validation is True:
        if given is None or isinstance(given, dict):
            rule = "be one dataset, for validation=True"
            raise AdapterError(describe("Trainer.eval_dataset", rule, given))
        validation = given
    return own.get_eval_dataloader(validation)


def _own(trainer: Any) -> Any:
    """Return a Trainer for the finder: it shares the weights, the data, the settings.

    Not shared: the model's other states, the Accelerator, and what the Trainer counts.
    """
    own = copy.copy(trainer)
    for name, one in vars(trainer).items():
        if getattr(one, "__module__", "").startswith("stepsize."):
            del vars(own)[name]  # a SchedulerCallback's, which steers the training
        elif isinstance(one, _CONTAINERS) and not name.endswith("dataset"):
            setattr(own, name, _copied(one))
    for name in ("state", "control", "callback_handler"):
        setattr(own, name, copy.copy(getattr(trainer, name)))
    own.callback_handler.callbacks = []
    own.model = stand_in(trainer.model, shared=True)
    if "_original_forward" in vars(own.model):  # Accelerate's, bound to the other one
        for name in ("_original_forward", "forward"):
            vars(own.model).pop(name, None)
    own.model_wrapped = own.model
    own.args = copy.copy(trainer.args)
    if trainer.optimizer is not None:
        own.optimizer = hooks.unwrap(trainer.optimizer)
    own.lr_scheduler = None
    own.create_scheduler = _no_scheduler
    own.create_accelerator_and_postprocess()
    return own


def _no_scheduler(num_training_steps: int, optimizer: Any = None) -> None:
    """Stand in for `Trainer.create_scheduler`, which would write rates."""


def _copied(value: Any) -> Any:
    """Return a copy of containers; what is in them stays the same."""
    new: Any = copy.copy(value) if isinstance(value, _CONTAINERS) else value
    if isinstance(value, dict):
        new.update({key: _copied(one) for key, one in value.items()})
    elif isinstance(value, (list, collections.deque)):
        new.clear()
        new.extend(_copied(one) for one in value)
    return new


@contextmanager
def _borgs() -> Iterator[None]:
    """Restore what all Accelerators of a process share."""
    kept = [(one, dict(one._shared_state)) for one in _BORGS]
    try:
        yield
    finally:
        for one, state in kept:
            one._shared_state.clear()
            one._shared_state.update(state)


@final
class _Passes:
    """The Trainer's batches, in an order that each pass draws anew."""

    def __init__(self, trainer: Any) -> None:
        self.loader = trainer.get_train_dataloader()

    def __iter__(self) -> Iterator[Any]:
        if hasattr(self.loader, "set_epoch"):
            self.loader.set_epoch(int(torch.randint(2**31, ())))
        return iter(self.loader)


@final
class _Update:
    """Makes an update as the Trainer does."""

    def __init__(self, trainer: Any, model: Any, batches: Streams) -> None:
        self._trainer = trainer
        self._model = model
        self._batches = batches

    def losses(self, loader: Any) -> Callable[[], list[Any]]:
        """Return what computes the losses of other batches, without an update."""

        def look() -> list[Any]:
            with evaluating(self._model):
                return [
                    self._trainer.prediction_step(self._model, inputs, True)[0]
                    for inputs in loader
                ]

        return look

    def __call__(self) -> torch.Tensor:
        """Make the update; return its loss."""
        trainer, model = self._trainer, self._model
        args, accelerator = trainer.args, trainer.accelerator
        samples, items = trainer.get_batch_samples(
            self._batches, args.gradient_accumulation_steps, args.device
        )
        trainer.current_gradient_accumulation_steps = len(samples)
        losses = []
        for index, inputs in enumerate(samples):
            last = index == len(samples) - 1
            accelerator.gradient_state._set_sync_gradients(last)
            with nullcontext() if last else accelerator.no_sync(model=model):
                losses.append(trainer.training_step(model, inputs, items))
        if args.max_grad_norm is not None and args.max_grad_norm > 0:
            trainer._clip_grad_norm(model)
        trainer.optimizer.step()
        model.zero_grad()
        # the Trainer has divided them for the gradients
        return torch.stack([one.detach() for one in losses]).sum()
