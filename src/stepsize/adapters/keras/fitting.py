"""`Fitting`: what Keras calls in `fit`; counts updates and writes each one's rate."""

from __future__ import annotations

import threading
from typing import Any

import keras
import numpy as np

from stepsize.adapters.driving import Driver
from stepsize.adapters.keras.backup import Backup
from stepsize.adapters.keras.driven import Driven
from stepsize.errors import AdapterError, describe


class Fitting(Driver, keras.callbacks.Callback):  # type: ignore[misc]  # untyped
    """A Driver that is a callback; `Scheduler` says what it is made of."""

    async_safe = True  # else Keras waits for the device after each batch

    _driven: Driven
    _backup: Backup | None
    _save_freq: int | str
    _offset: int  # updates that the optimizer made before this schedule
    _batches = 0  # since the last save
    _micro, _every = 0, 1  # batches of this update, and of each
    _inside = False  # whether a batch is being trained
    _thread = 0  # of `fit`: Keras may call `on_train_batch_end` in another

    def on_train_begin(self, logs: Any = None) -> None:
        """Check that this `fit` is of the optimizer that is driven."""
        self._thread = threading.get_ident()
        self._inside = False  # an earlier `fit` may have been interrupted
        together = getattr(self.model, "steps_per_execution", 1)
        if together != 1:
            rule = "be 1: Keras calls nobody between the updates of one execution"
            hint = "SGD(keras_schedule), with stepsize.adapters.keras.Schedule"
            raise AdapterError(
                describe("compile.steps_per_execution", rule, together, hint=hint)
            )
        self._driven.begin(self.model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Learn where the optimizer stands: it may have been restored."""
        made = self._made()
        if made != self._update and self._backup is not None:
            self.load_state_dict(self._backup.load(made + self._offset))
            made = self._made()
        if made != self._update:
            rule = f"have made {self._update} updates, as the Scheduler has"
            hint = "load its state of that checkpoint, or say Scheduler(backup=...)"
            raise AdapterError(describe("model.optimizer", rule, made, hint=hint))
        self._micro, self._every = self._driven.accumulated()
        self._driven.forget()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Write the rate of the update that the batch is of."""
        if self._inside:
            self._settle()
        self._write()
        self._inside = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the update, if Keras calls this before the next batch begins."""
        if self._inside and threading.get_ident() == self._thread:
            self._settle()

    def _settle(self) -> None:
        """Count the update of a batch that is over, if it completed one."""
        self._inside = False
        if self._driven.skips:
            made = self._made() - self._update
        else:
            self._micro = (self._micro + 1) % self._every
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
        if self._inside:
            self._settle()
        made = self._made()
        if made != self._update:
            rule = f"have made the {self._update} updates that were counted"
            raise AdapterError(describe("model.optimizer", rule, made))
        self._driven.check()
        logs = {} if logs is None else logs
        if self._council is not None:
            single = {name: one for name, one in logs.items() if np.size(one) == 1}
            super().observe(**single)
        logs["learning_rate"] = next(iter(self.last_lr.values()))
        if self._save_freq == "epoch":
            self._save()

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the next update's rate in the optimizer."""
        self._driven.end(self._model)
        self._write()

    def _write(self) -> None:
        """Give the next update's rates to the optimizer."""
        update = self._update
        # not `model`, which on JAX would copy every variable
        self._driven.write([feed.at(update) for _, feed in self._rates], self._model)

    def _made(self) -> int:
        """Return the updates that the optimizer made on this schedule."""
        return self._driven.made(self._model) - self._offset

    def _save(self) -> None:
        self._batches = 0
        if self._backup is not None:
            self._backup.save(self._update + self._offset, self.state_dict())
