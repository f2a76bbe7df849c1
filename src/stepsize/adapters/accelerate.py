"""Schedules with Accelerate: `prepare_scheduler`, and the horizon of a prepared loader.

A plain Scheduler may be prepared too, or not: Accelerate's calls for each process are
recognised. What comes from here needs no such care, and collects losses.
"""

from __future__ import annotations

from typing import Any, Unpack

from stepsize.adapters.hosted import Losses, Settings, checked
from stepsize.adapters.missing import missing
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon

try:
    from accelerate.data_loader import DataLoaderDispatcher, DataLoaderShard
    from accelerate.state import GradientState
except ImportError as error:
    raise missing("Accelerate", "accelerate") from error

from stepsize.adapters.torch import Rewound, Scheduler

__all__ = ["PreparedScheduler", "plan_horizon", "prepare_scheduler"]


class PreparedScheduler(Scheduler):
    """A Scheduler that an `Accelerator` keeps as it is; see `prepare_scheduler`."""

    _is_accelerate_prepared = True  # so that it is saved and loaded, but not wrapped
    _losses: Losses | None = None

    def step(  # type: ignore[override]  # no epochs
        self, epoch: None = None, *, loss: Any = None
    ) -> Rewound | None:
        """As in `Scheduler`; of micro-batches that accumulate the loss is kept.

        Call it for each batch, in `accelerator.accumulate(model)`. The loss is that of
        the batch, as `accelerator.backward` takes it.
        """
        if self._losses is None:
            self._losses = Losses(mean=True)
        if loss is not None:
            self._losses.add(loss)
        if epoch is None and not GradientState().sync_gradients:
            return None
        return super().step(epoch, loss=self._losses.take())


def prepare_scheduler(
    accelerator: Any,
    optimizer: Any,
    *,
    model: Any = None,
    data: Any = None,
    **settings: Unpack[Settings],
) -> PreparedScheduler:
    """Return a Scheduler that belongs to an Accelerator.

    It counts the updates of its optimizer, on any number of processes; it is in
    `accelerator.save_state` and `load_state`.

    Args:
        accelerator: The `Accelerator`.
        optimizer: The optimizer, prepared or not.
        model: As in `Scheduler`, prepared or not.
        data: As in `Scheduler`.
        settings: All else that `stepsize.adapters.torch.Scheduler` takes.

    Raises:
        AdapterError: A setting is unknown, or nothing is to be scheduled.
        UnresolvedError, UnitError: See `Scheduler`; `plan_horizon` gives the horizon.

    Examples:
        >>> import stepsize as ss, torch
        >>> from accelerate import Accelerator
        >>> accelerator = Accelerator(cpu=True)
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> model, optimizer = accelerator.prepare(model, optimizer)
        >>> scheduler = prepare_scheduler(
        ...     accelerator, optimizer, lr=0.1 * ss.cosine(), total_steps=4
        ... )
        >>> for _ in range(2):
        ...     accelerator.backward(model(torch.ones(1, 2)).sum())
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.update, round(scheduler.next_lr[0], 6)
        (2, 0.05)
    """
    kept: dict[str, Any] = dict(checked("prepare_scheduler", settings, clock=True))
    scheduler = PreparedScheduler(
        optimizer,
        model=None if model is None else accelerator.unwrap_model(model),
        data=data,
        scaler=accelerator.scaler,
        **kept,
    )
    prepared: PreparedScheduler = accelerator.prepare(scheduler)
    return prepared


def plan_horizon(accelerator: Any, loader: Any, *, epochs: float) -> Horizon:
    """Return the horizon of some epochs over a prepared loader.

    With B batches of the loader on each process, accumulated by a, an epoch has
    ceil(B / a) updates: Accelerate makes one of what is left at the end of an epoch.
    With `sync_with_dataloader=False` what is left goes on in the next epoch, and there
    are floor(epochs * B / a) in all.

    Args:
        accelerator: The `Accelerator`: processes and accumulation.
        loader: The loader of the training data, as `accelerator.prepare` returned it.
        epochs: Passes over the data; > 0.

    Raises:
        AdapterError: The loader was not prepared (another number of batches would be
            counted on each process) or has no length, or `epochs` is None.
        InvalidScheduleError: `epochs` is outside its range.
    """
    if not isinstance(loader, (DataLoaderShard, DataLoaderDispatcher)):
        rule = "be what accelerator.prepare returned"
        raise AdapterError(describe("plan_horizon.loader", rule, type(loader).__name__))
    if epochs is None:  # else a horizon without a length
        raise AdapterError(describe("plan_horizon.epochs", "be a number > 0", epochs))
    try:
        batches = len(loader)
    except TypeError as error:
        rule = "have a length"
        hint = "Horizon(steps=...) says how many updates there are to be"
        raise AdapterError(
            describe("plan_horizon.loader", rule, type(loader).__name__, hint=hint)
        ) from error
    accumulated = accelerator.gradient_accumulation_steps
    samples = getattr(loader, "total_batch_size", None)  # none where nothing is batched
    known: dict[str, Any] = {
        "samples_per_step": None if samples is None else samples * accumulated
    }
    if accelerator.gradient_state.sync_with_dataloader:
        each = -(-batches // accumulated)
        return Horizon(epochs=epochs, steps_per_epoch=each, **known)
    whole = Horizon(epochs=epochs, steps_per_epoch=batches)  # of batches
    return Horizon(
        steps=whole.total_steps // accumulated,
        steps_per_epoch=batches / accumulated,
        **known,
    )
