"""`Driven`: rates and counts of Keras optimizers, where the next update has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import keras
import numpy as np

from stepsize.adapters.keras.fed import Fed
from stepsize.adapters.keras.optimizers import bases_of, groups_of, scales_loss
from stepsize.errors import AdapterError, describe


@final
class Driven:
    """The optimizers whose rates a Scheduler writes.

    On JAX, `fit` reads the variables when an epoch begins; from then on it hands what
    an update returned to the next one. Rates are put in there (`Fed`), so that no other
    variable is touched.

    Args:
        optimizer: As a Scheduler is given it.

    Attributes:
        groups: Those that make updates, by name.
        skips: Whether updates may be skipped, so that only a count tells.

    Raises:
        AdapterError: See `groups_of`.
    """

    def __init__(self, optimizer: Any) -> None:
        self.groups = groups_of(optimizer)
        self.skips = scales_loss(optimizer)
        self._variables = [one._learning_rate for one in self.groups.values()]
        self._assign = _ASSIGN.get(keras.backend.backend(), _assign)
        self._copies = keras.backend.backend() == "jax"
        self._places: dict[int, int] = {}  # of a variable among those of one `fit`
        self._fed: Fed | None = None
        self._written: list[float] | None = None

    def begin(self, model: Any) -> None:
        """Begin a `fit`.

        Raises:
            AdapterError: Its optimizer is another one.
        """
        known = groups_of(model.optimizer)
        if list(known.values()) != list(self.groups.values()):
            rule = "be that of the model"
            hint = "make a Scheduler of model.optimizer"
            raise AdapterError(
                describe("Scheduler.optimizer", rule, list(known), hint=hint)
            )
        self.skips = scales_loss(model.optimizer)
        if self._copies:
            every = model.optimizer.variables
            self._places = {id(one): place for place, one in enumerate(every)}
            places = [self._places[id(one)] for one in self._variables]
            self._fed = model.train_function = Fed(model, places, self._variables)

    def end(self, model: Any) -> None:
        """End a `fit`."""
        if self._fed is not None and model.train_function is self._fed:
            model.train_function = self._fed.function
        self._fed = None

    def forget(self) -> None:
        """Take what was written as unknown: something else may be there now."""
        self._written = None

    def write(self, rates: list[float], model: Any) -> None:
        """Give the next update's rates, in the order of the groups.

        Args:
            rates: The rates.
            model: What `fit` trains, or did; None in a loop of one's own.
        """
        if self._fed is not None and not model._jax_state_synced:
            if rates != self._written:
                self._fed.rates = rates
        else:
            # what was written before is written again: it may have been edited
            assign = self._assign
            for variable, rate in zip(self._variables, rates):  # noqa: B905 - hot
                assign(variable, rate)
        self._written = rates

    def made(self, model: Any) -> int:
        """Return the updates that were made, as the optimizers count them."""
        held = None
        if self._copies and _is_apart(model):
            held = model._jax_state["optimizer_variables"]
        most = 0
        for one in self.groups.values():
            count = one._iterations
            if held is not None:
                count = held[self._places[id(count)]]
            most = max(most, int(count) // _every(one))
        return most

    def accumulated(self) -> tuple[int, int]:
        """Return the batches since the last update, and those of every update."""
        first = next(iter(self.groups.values()))
        every = _every(first)
        return int(first._iterations) % every, every

    def check(self) -> None:
        """See that the optimizers have what was written.

        Raises:
            AdapterError: One has another rate.
        """
        if self._written is None:
            return
        found = bases_of(self.groups).items()
        for (name, rate), written in zip(found, self._written, strict=True):
            if np.float32(rate) != np.float32(written):
                rule = f"have the rate that was written, {written}"
                hint = "does another callback write it?"
                raise AdapterError(
                    describe(f"model.optimizer {name}", rule, rate, hint=hint)
                )


def _is_apart(model: Any) -> bool:
    """Whether the next update takes what the last one returned, not the variables.

    `Callback.model` copies all of it into the variables: read `Callback._model`.
    """
    return not getattr(model, "_jax_state_synced", True)


def _every(optimizer: Any) -> int:
    return int(optimizer.gradient_accumulation_steps or 1)


def _assign(variable: Any, rate: float) -> None:
    variable.assign(rate)


def _fill(variable: Any, rate: float) -> None:
    variable._value.fill_(rate)


def _assign_only(variable: Any, rate: float) -> None:
    variable._value.assign(rate, read_value=False)


# What `Variable.assign` does in the end: the rest of it takes longer than all that the
# Scheduler does, 6 us on torch and 30 us on TensorFlow.
_ASSIGN: dict[str, Callable[[Any, float], None]] = {
    "torch": _fill,
    "tensorflow": _assign_only,
}
