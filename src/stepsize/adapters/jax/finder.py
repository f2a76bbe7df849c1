"""`find_lr`: the rate of a training that is a pure function of its state."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from stepsize.adapters.driving.digests import counted, digest, function_name, sized
from stepsize.adapters.driving.finding import (
    USED_UP,
    CacheLike,
    FinderWarning,
    Search,
    as_cache,
    cached,
    checked,
    searched,
)
from stepsize.adapters.driving.streams import Batches
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found, find
from stepsize.finder.cache import Key

Step = Callable[[Any, Any, Any], tuple[Any, Any]]


def find_lr(
    step: Step,
    state: Any,
    batches: Any,
    *,
    validation: Iterable[Any] | None = None,
    seed: int = 0,
    cache: CacheLike = None,
    pretrained: bool = False,
    **search: Unpack[Search],
) -> Found:
    """Find the learning rate of a training, from a state that stays as it is.

    The peak of a schedule with a warmup and a decay is meant. The state is copied
    before each part of the search, so that `step` may donate it. The rate is given as
    an array: a jitted `step` is compiled once for it.

    Args:
        step: step(state, batch, lr) -> (state, loss): one update at the rate, and its
            loss from before the update. Everything that an update changes is in the
            state: weights, the optimizer's state, the key of dropout. `set_rate` puts
            the rate into a state of optax.
        state: Where the training stands; a pytree.
        batches: Any iterable of batches, begun anew where it ends. The order of a list
            is drawn; of another iterable the batches that were drawn are kept in
            memory meanwhile. A one-shot iterator's are used up: a FinderWarning.
        validation: Batches that are kept out of training, begun anew for each look.
            Probes are then scored by the losses that `step` returns for them, instead
            of those of training, which do not show overfitting. Its new state is thrown
            away; a look is no update and is not counted. Dropout is on, as in `step`.
        seed: Of the order of batches; int.
        cache: A file of what was found before, a `stepsize.finder.cache.Cache`, or True
            for the one in the user's folder. The training is known by the form of its
            state, the hyperparameters in it, and the code of `step` with the plain
            values and functions that it closes over.
        pretrained: Whether the weights are: for the cache.
        search: `steps`, `fast`, `horizon`, `low`, `high`, `tell`: see
            `stepsize.finder.find`.

    Returns:
        The suggestion with its interval, its status and the reasons in words.

    Raises:
        AdapterError: `step` returns something else, there are no batches, or an
            argument is unknown.
        FinderError: A number is outside its range.
        LedgerError: The cache's file cannot be used.

    Examples:
        >>> @jax.jit
        ... def step(weights, batch, lr):
        ...     loss, gradient = jax.value_and_grad(lambda w: ((w - batch) ** 2).sum())(
        ...         weights
        ...     )
        ...     return weights - lr * gradient, loss
        >>> batches = list(np.random.default_rng(0).normal(3.0, 0.1, (20, 2)))
        >>> found = find_lr(step, jnp.zeros(2), batches, fast=True)
        >>> found.low <= found.suggestion <= found.high
        True
    """
    if not callable(step):
        rule = "be a function step(state, batch, lr) -> (state, loss)"
        raise AdapterError(describe("find_lr.step", rule, step))
    checked(search, validation, seed=seed)
    known = as_cache(cache)
    streams = Batches(batches, seed=seed)
    if streams.one_shot:
        warnings.warn(USED_UP, FinderWarning, stacklevel=2)
    start = _copied(state)
    now = start

    def again(stream: int) -> None:
        nonlocal now
        now = _copied(start)
        streams.begin(stream)

    def at(lr: float) -> float:
        nonlocal now
        now, loss = _pair(step(now, next(streams), jnp.asarray(lr, jnp.float32)))
        return loss

    def look() -> list[float]:
        rate = jnp.asarray(0.0, jnp.float32)
        batches = () if validation is None else validation
        return [_pair(step(_copied(now), one, rate))[1] for one in batches]

    def key() -> Key:
        streams.begin(0)
        return _key(
            step,
            state,
            next(streams),
            pretrained="yes" if pretrained else "no",
            horizon=counted(search.get("horizon"), "updates"),
            search=searched(search, validated=validation is not None),
        )

    def measure() -> Found:
        validate = None if validation is None else look
        found = find(at, again, validate=validate, **search)
        return replace(found, reasons=(*found.reasons, *streams.reasons()))

    with streams.restoring():
        return cached(known, key, measure)


def _copied(state: Any) -> Any:
    """Return a state whose arrays may be donated."""

    def copied(leaf: Any) -> Any:
        return leaf.copy() if isinstance(leaf, (jax.Array, np.ndarray)) else leaf

    return jax.tree.map(copied, state)


def _pair(returned: Any) -> tuple[Any, float]:
    if isinstance(returned, tuple) and len(returned) == 2:  # noqa: PLR2004 - a pair
        state, loss = returned
        if np.ndim(loss) == 0 or np.size(loss) == 1:
            try:
                return state, float(np.asarray(loss).reshape(()))
            except (TypeError, ValueError):
                pass  # no number: refused below
    rule = "return a pair (state, loss), the loss a single number"
    hint = "keep what else it returns in the state"
    kind = jax.tree.map(lambda leaf: type(leaf).__name__, returned)
    raise AdapterError(describe("find_lr.step", rule, kind, hint=hint))


def _key(step: Step, state: Any, batch: Any, **others: str) -> Key:
    leaves = [one for one in jax.tree.leaves(state) if hasattr(one, "dtype")]
    lines = [str(jax.tree.structure(state))]
    lines += [f"{np.shape(one)} {one.dtype}" for one in leaves]
    rows = [len(one) for one in jax.tree.leaves(batch) if np.ndim(one)]
    return Key(
        architecture=sized("state", sum(map(np.size, leaves)), lines),
        optimizer=digest(lines[:1]),
        settings=_settings(state),
        batch=counted(rows[0] if rows else None, "samples"),
        precision=" and ".join(sorted({str(one.dtype) for one in leaves})) or "none",
        loss=function_name(step),
        **others,
    )


def _settings(state: Any) -> str:
    """Return the hyperparameters that an optax state has in it, but for rates."""
    said = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        name = jax.tree_util.keystr(path)
        if (
            "hyperparams[" in name
            and "learning_rate" not in name
            and np.size(leaf) == 1
        ):
            said.append(f"{name}={float(np.asarray(leaf).reshape(())):g}")
    return " ".join(said)
