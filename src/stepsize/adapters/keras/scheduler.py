"""`Scheduler`: the rates of a Keras optimizer follow schedules, update by update."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import keras

from stepsize.adapters.driving.arguments import Ledger, Value, check_choice
from stepsize.adapters.driving.resuming import HorizonChange
from stepsize.adapters.keras.backup import Backup
from stepsize.adapters.keras.driven import Driven
from stepsize.adapters.keras.fitting import Fitting
from stepsize.adapters.keras.optimizers import bases_of
from stepsize.control.events import Event
from stepsize.control.policies import Policy
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon


class Scheduler(Fitting):
    """Drive an optimizer's rate: as a callback of `fit`, or in a loop of your own.

    Every update uses `rate()` of its own number: batches that Keras accumulates and
    updates that a `LossScaleOptimizer` skips do not count. After each epoch the
    policies are shown its logs (`loss`, `val_loss`, your metrics; `loss` is Keras'
    mean over the epoch).

    Args:
        optimizer: The optimizer, with a number as its rate; a `LossScaleOptimizer`
            around it, or a `MultiOptimizer`, whose parts are the groups.
        lr: Schedule of absolute rates.
        lr_factor: Schedule of a factor on the rate that each group was given.
        total_steps: Updates in all, short for `Horizon(steps=total_steps)`.
        horizon: The horizon, where durations need its conversions.
        groups: Factors on `lr` by the names of a MultiOptimizer's parts, or with
            `lr_factor` their own rates. None: 1, or the rates that they have now.
        events: Changes that were made so far, as recorded.
        policies: Who decides on changes from what is measured; no guard.
        ledger: Where events are kept; see `Driver`.
        on_horizon_change: What a resume with another schedule does; see `Driver`.
        backup: File for the Scheduler's states; `fit` finds in it the one that goes
            with what `BackupAndRestore` restored.
        save_freq: When it is written: "epoch", or every so many batches; as in
            `BackupAndRestore`.

    Raises:
        AdapterError: Arguments contradict each other, or the optimizer cannot be
            driven.
        UnresolvedError: A schedule needs `total_steps` or `horizon`.

    Examples:
        >>> import numpy as np, stepsize as ss
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> schedule = 0.1 * ss.warmup(2) >> ss.cosine()
        >>> scheduler = Scheduler(model.optimizer, lr=schedule, total_steps=6)
        >>> x = np.ones((12, 1))
        >>> history = model.fit(x, x, batch_size=4, epochs=2, verbose=0,
        ...                     callbacks=[scheduler])
        >>> scheduler.update, round(scheduler.last_lr["0"], 4)
        (6, 0.0146)
    """

    def __init__(
        self,
        optimizer: Any,
        *,
        lr: Value | None = None,
        lr_factor: Value | None = None,
        total_steps: int | None = None,
        horizon: Horizon | None = None,
        groups: Mapping[str, float] | None = None,
        events: Iterable[Event] = (),
        policies: Iterable[Policy] = (),
        ledger: Ledger | None = None,
        on_horizon_change: HorizonChange | None = None,
        backup: str | os.PathLike[str] | None = None,
        save_freq: int | str = "epoch",
    ) -> None:
        keras.callbacks.Callback.__init__(self)
        self._driven = Driven(optimizer)
        known = self._driven.groups
        self._reads_bases = groups is None
        if groups is None:
            groups = dict.fromkeys(known, 1.0)
            if lr_factor is not None:
                groups = bases_of(known)
        if set(groups) != set(known):
            rule = f"name the optimizer's: {', '.join(known)}"
            raise AdapterError(describe("Scheduler.groups", rule, list(groups)))
        if not isinstance(save_freq, int):
            check_choice(save_freq, "Scheduler.save_freq", ("epoch",))
        super().__init__(
            lr=lr,
            lr_factor=lr_factor,
            total_steps=total_steps,
            horizon=horizon,
            groups=groups,
            events=events,
            policies=policies,
            ledger=ledger,
            on_horizon_change=on_horizon_change,
        )
        self._backup = None if backup is None else Backup(backup)
        self._save_freq = save_freq
        self._offset = self._driven.made(None)  # updates before this schedule
        self._write()

    # --- any loop ------------------------------------------------------------------

    def step(  # type: ignore[override]  # the optimizer knows how many
        self, *, loss: Any = None
    ) -> tuple[Event, ...]:
        """Count the updates that the optimizer made, and write the next one's rate.

        For a loop of your own: call it after `optimizer.apply`. In `fit` the callback
        counts.

        Args:
            loss: The last update's training loss, for policies that watch it.

        Returns:
            What the policies decided, as it was recorded.
        """
        made = self._made()
        events = super().step(made - self._update, loss=loss)
        self._write()
        return events

    def observe(self, **metrics: Any) -> tuple[Event, ...]:
        """See `Driver.observe`; in `fit` the callback calls it after each epoch."""
        events = super().observe(**metrics)
        self._write()
        return events

    def add_event(self, event: Event) -> Event:
        """See `Driver.add_event`.

        Raises:
            AdapterError: A batch is being trained, whose rate is written already.
        """
        if self._inside:
            rule = "not be called while a batch is trained"
            hint = "on_train_batch_end is the place, or on_epoch_end"
            raise AdapterError(
                describe("Scheduler.add_event", rule, event.kind, hint=hint)
            )
        kept = super().add_event(event)
        self._driven.forget()
        return kept

    # --- state ---------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """See `Driver.state_dict`."""
        return super().state_dict() | {"offset": self._offset}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """See `Driver.load_state_dict`; before or after the model is loaded.

        Where `groups` were read off the optimizer, the saved ones count: a loaded
        optimizer has scheduled rates.
        """
        offset = state_dict.get("offset") if isinstance(state_dict, Mapping) else None
        if self._reads_bases and self._asked.relative and offset is not None:
            saved = dict(state_dict["given"]["groups"])
            if set(saved) == set(self._asked.groups):
                self._asked = replace(self._asked, groups=saved)
        super().load_state_dict(state_dict)
        self._offset = int(offset or 0)
        self._write()
