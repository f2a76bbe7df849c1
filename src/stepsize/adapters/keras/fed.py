"""`Fed`: on JAX, the step of `fit` with rates put into what it is handed."""

from __future__ import annotations

from typing import Any, final

import numpy as np


@final
class Fed:
    """A model's `train_function` on JAX, whose state is given rates before an update.

    Args:
        model: The model, after `make_train_function`.
        places: Where the rates are among the optimizer's variables.
        variables: The variables at these places.

    Attributes:
        function: What the model had; does the work.
        rates: What the next update is to use; None: what the last one returned.
    """

    def __init__(self, model: Any, places: list[int], variables: list[Any]) -> None:
        function: Any = model.train_function
        # one that an interrupted `fit` has left there adds nothing
        self.function: Any = (
            function.function if isinstance(function, Fed) else function
        )
        self.rates: list[float] | None = None
        self._model = model
        self._places = [
            (place, np.dtype(one.dtype), one._layout is not None)
            for place, one in zip(places, variables, strict=True)
        ]

    def __call__(self, state: Any, iterator: Any) -> Any:
        """Make an update; returns logs and the new state, as Keras' function does."""
        rates, self.rates = self.rates, None
        if rates is not None and self._model._jax_state is not None:  # else it is over
            held = state[2]  # the optimizer's; a list of this update alone
            for (place, dtype, spread), rate in zip(self._places, rates, strict=True):
                value = np.asarray(rate, dtype)
                # where it was, or the step is compiled once more
                held[place] = _like(value, held[place]) if spread else value
        return self.function(state, iterator)


def _like(value: Any, other: Any) -> Any:
    """Return a value on the devices of another."""
    import jax

    return jax.device_put(value, other.sharding)
