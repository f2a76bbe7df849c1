"""What an optimizer of Keras has in it: its groups, and the rates they were given."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from stepsize.errors import AdapterError, describe


def unwrapped(optimizer: Any) -> Any:
    """Return the optimizer in a `LossScaleOptimizer`, any other as it is."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def scales_loss(optimizer: Any) -> bool:
    """Whether it skips updates whose gradients are not finite."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def groups_of(optimizer: Any) -> dict[str, Any]:
    """Return the optimizers that make the updates, by name.

    Those of a `MultiOptimizer` are its groups. One that was given no name goes by its
    index ("0"): Keras counts names on ("sgd_3"), so that a resumed run has others.

    Raises:
        AdapterError: It is no optimizer, or has no rate that could be set.
    """
    inner = unwrapped(optimizer)
    if not isinstance(inner, keras.optimizers.Optimizer):
        rule = "be a Keras optimizer"
        hint = "model.optimizer, after model.compile"
        raise AdapterError(describe("Scheduler.optimizer", rule, inner, hint=hint))
    found: dict[str, Any] = {}
    for index, one in enumerate(getattr(inner, "optimizers", [inner])):
        variable = one._learning_rate
        if not isinstance(variable, keras.Variable):
            rule = "have a number as its learning rate, for the Scheduler to set"
            hint = "keras.optimizers.SGD(0.1)"
            raise AdapterError(
                describe("Scheduler.optimizer", rule, variable, hint=hint)
            )
        plain = one.name.rstrip("0123456789").replace("_", "")
        own = plain != type(one).__name__.lower() and one.name not in found
        found[one.name if own else str(index)] = one
    return found


def bases_of(groups: dict[str, Any]) -> dict[str, float]:
    """Return the rate that each was given, the float32 read as it was written."""
    return {
        name: float(str(np.float32(float(one._learning_rate.value))))
        for name, one in groups.items()
    }


def sync(model: Any) -> None:
    """Have a model's variables be what the next update begins with.

    On JAX `fit` has copies of them from the first update of an epoch on. The property
    `Callback.model` syncs, too; read `Callback._model` where that is not wanted.
    """
    if not getattr(model, "_jax_state_synced", True):
        model.jax_state_sync()
