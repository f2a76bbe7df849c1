"""`Scheduler`: the rates of a Keras optimizer follow schedules, update by update."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import keras

from stepsize.adapters.driving import Driver
from stepsize.adapters.driving.arguments import Ledger, Value, check_choice
from stepsize.adapters.driving.resuming import HorizonChange
from stepsize.adapters.keras.backup import Backup
from stepsize.adapters.keras.optimizers import (
    bases_of,
    groups_of,
    is_synced,
    same,
    scales_loss,
    sync,
    updates_of,
)
from stepsize.control.events import Event
from stepsize.control.policies import Policy
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon


class Scheduler(Driver, keras.callbacks.Callback):  # type: ignore[misc]  # untyped
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

    async_safe = True  # else Keras waits for the device after each batch

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
        self._optimizers = groups_of(optimizer)
        self._skips = scales_loss(optimizer)
        self._reads_bases = groups is None
        if groups is None:
            groups = dict.fromkeys(self._optimizers, 1.0)
            if lr_factor is not None:
                groups = bases_of(self._optimizers)
        if set(groups) != set(self._optimizers):
            rule = f"name the optimizer's: {', '.join(self._optimizers)}"
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
        self._offset = updates_of(self._optimizers)  # made before this schedule
        self._batches = 0  # since the last save
        self._micro = 0  # batches of the update that is being accumulated
        self._inside = False  # whether a batch is being trained
        self._thread = 0  # of `fit`: Keras may call `on_train_batch_end` in another
        self._written: dict[str, float] | None = None
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
        made = updates_of(self._optimizers) - self._offset
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
        self._written = None
        return kept

    def _write(self, rates: dict[str, float] | None = None) -> None:
        """Give the next update's rates to the optimizer's variables."""
        self._written = rates = rates or self.next_lr
        for name, optimizer in self._optimizers.items():
            optimizer._learning_rate.assign(rates[name])

    # --- the callback --------------------------------------------------------------

    def on_train_begin(self, logs: Any = None) -> None:
        """Check that this `fit` is of the optimizer that is driven."""
        self._thread = threading.get_ident()
        self._inside = False  # an earlier `fit` may have been interrupted
        known = groups_of(self.model.optimizer)
        if list(known.values()) != list(self._optimizers.values()):
            rule = "be that of the model"
            hint = "make a Scheduler of model.optimizer"
            raise AdapterError(
                describe("Scheduler.optimizer", rule, list(known), hint=hint)
            )
        self._skips = scales_loss(self.model.optimizer)
        together = getattr(self.model, "steps_per_execution", 1)
        if together != 1:
            rule = "be 1: Keras calls nobody between the updates of one execution"
            hint = "SGD(keras_schedule), with stepsize.adapters.keras.Schedule"
            raise AdapterError(
                describe("compile.steps_per_execution", rule, together, hint=hint)
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Learn where the optimizer stands: it may have been restored."""
        made = updates_of(self._optimizers) - self._offset
        if made != self._update and self._backup is not None:
            self.load_state_dict(self._backup.load(made + self._offset))
            made = updates_of(self._optimizers) - self._offset
        if made != self._update:
            rule = f"have made {self._update} updates, as the Scheduler has"
            hint = "load its state of that checkpoint, or say Scheduler(backup=...)"
            raise AdapterError(describe("model.optimizer", rule, made, hint=hint))
        first = next(iter(self._optimizers.values()))
        every = first.gradient_accumulation_steps or 1
        self._micro = int(first._iterations) % every
        self._written = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Write the rate, where it is not what was written before."""
        self._settle()
        rates, model = self.next_lr, self._model
        if rates != self._written:
            sync(model)
        if is_synced(model):
            self._write(rates)
        self._inside = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the update, if Keras calls this before the next batch begins."""
        if threading.get_ident() == self._thread:
            self._settle()

    def _settle(self) -> None:
        """Count the update of a batch that is over, if it completed one."""
        if not self._inside:
            return
        self._inside = False
        first = next(iter(self._optimizers.values()))
        every = first.gradient_accumulation_steps or 1
        if self._skips:
            sync(self._model)
            made = updates_of(self._optimizers) - self._offset - self._update
        else:
            self._micro = (self._micro + 1) % every
            made = int(self._micro == 0)
        if made:
            Driver.step(self, made)
        self._batches += 1
        if self._batches == self._save_freq:
            self._save()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Show the policies the epoch's logs; add the rate of its last update to them.

        Raises:
            AdapterError: The optimizer made other updates than were counted, or did not
                use the rates that were written.
        """
        self._settle()
        made = updates_of(self._optimizers) - self._offset
        if made != self._update:
            rule = f"have made the {self._update} updates that were counted"
            raise AdapterError(describe("model.optimizer", rule, made))
        for name, rate in bases_of(self._optimizers).items():
            if self._written is not None and not same(rate, self._written[name]):
                rule = f"have the rate that was written, {self._written[name]}"
                hint = "does another callback write it?"
                raise AdapterError(
                    describe(f"model.optimizer {name}", rule, rate, hint=hint)
                )
        logs = {} if logs is None else logs
        if self._council is not None:
            metrics = {name: float(value) for name, value in logs.items()}
            super().observe(**metrics)
        logs["learning_rate"] = next(iter(self.last_lr.values()))
        if self._save_freq == "epoch":
            self._save()

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the next update's rate in the optimizer."""
        self._write()

    # --- state ---------------------------------------------------------------------

    def _save(self) -> None:
        self._batches = 0
        if self._backup is not None:
            self._backup.save(self._update + self._offset, self.state_dict())

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
