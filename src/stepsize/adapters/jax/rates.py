"""`set_rate`: one rate for what `optax.inject_hyperparams` made, also under `jit`."""

from __future__ import annotations

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp

from stepsize.errors import AdapterError, describe

_RATE = "learning_rate"
_HINT = "optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3)"


def set_rate(opt_state: Any, lr: Any) -> Any:
    """Return an optimizer's state with another learning rate; nothing is written.

    Where there are several (`optax.multi_transform`, `optax.partition`), `lr` is the
    largest of them and the others keep their ratio to it.

    Args:
        opt_state: Any pytree that has states of `optax.inject_hyperparams` in it.
        lr: Unit: lr; >= 0. A number or a scalar, traced or not.

    Raises:
        AdapterError: There is no injected learning rate, or a schedule would write over
            it.

    Examples:
        >>> import optax
        >>> optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
        >>> opt_state = set_rate(optimizer.init(jnp.ones(2)), 0.5)
        >>> updates, _ = optimizer.update(jnp.ones(2), opt_state)
        >>> float(updates[0])
        -0.5
    """
    known = [node.hyperparams[_RATE] for node in _injected(opt_state)]
    if not known:
        rule = "have an injected learning_rate in it"
        kind = type(opt_state).__name__
        raise AdapterError(describe("opt_state", rule, kind, hint=_HINT))
    largest = reduce(jnp.maximum, known)

    def renewed(node: Any) -> Any:
        if not _is_injected(node):
            return node
        inner = jax.tree.map(renewed, node.inner_state, is_leaf=_is_injected)
        node = node._replace(inner_state=inner)
        if _RATE not in node.hyperparams:
            return node
        old = jnp.asarray(node.hyperparams[_RATE])
        ratio = jnp.where(largest > 0, old / jnp.where(largest > 0, largest, 1), 1)
        rate = jnp.asarray(lr * ratio, old.dtype)
        return node._replace(hyperparams={**node.hyperparams, _RATE: rate})

    return jax.tree.map(renewed, opt_state, is_leaf=_is_injected)


def _injected(tree: Any) -> list[Any]:
    """Return the states with a rate to set, those inside others too."""
    found: list[Any] = []
    for node in jax.tree.leaves(tree, is_leaf=_is_injected):
        if not _is_injected(node):
            continue
        if _RATE in getattr(node, "hyperparams_states", {}):
            rule = "be a number, not a schedule, which would write over it"
            raise AdapterError(describe(_RATE, rule, "a schedule", hint=_HINT))
        if _RATE in node.hyperparams:
            found.append(node)
        found += _injected(node.inner_state)
    return found


def _is_injected(node: object) -> bool:
    return isinstance(node, tuple) and isinstance(
        getattr(node, "hyperparams", None), dict
    )
