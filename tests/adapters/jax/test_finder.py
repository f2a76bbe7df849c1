"""JAX: a rate for a pure step; one compilation, donated states, data as they were."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from tests.adapters.digits_mlp import BATCH, HIDDEN, decades, digits

from stepsize.adapters.jax import FinderWarning, Scheduler, find_lr, set_rate
from stepsize.errors import AdapterError

ADAM = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)


def start(optimizer: Any = ADAM, *, dropout: bool = True) -> Any:
    """Return weights, the optimizer's state, and the key of dropout."""
    one, two = jax.random.split(jax.random.key(0))
    weights = {
        "in": jax.random.normal(one, (64, HIDDEN)) / 8,
        "out": jax.random.normal(two, (HIDDEN, 10)) / 8,
    }
    return weights, optimizer.init(weights), jax.random.key(1) if dropout else None


def losses(weights: Any, batch: Any, key: Any) -> Any:
    inputs, labels = batch
    hidden = jax.nn.relu(inputs @ weights["in"])
    if key is not None:
        hidden = hidden * jax.random.bernoulli(key, 0.8, hidden.shape) / 0.8
    logits = hidden @ weights["out"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def make_step(optimizer: Any = ADAM, **jitted: Any) -> Any:
    """Return a jitted step and the list of its compilations."""
    traced: list[bool] = []

    def step(state: Any, batch: Any, lr: Any) -> Any:
        traced.append(True)
        weights, opt_state, key = state
        now = None
        if key is not None:
            key, now = jax.random.split(key)
        loss, gradients = jax.value_and_grad(losses)(weights, batch, now)
        opt_state = set_rate(opt_state, lr)
        updates, opt_state = optimizer.update(gradients, opt_state, weights)
        return (optax.apply_updates(weights, updates), opt_state, key), loss

    return jax.jit(step, **jitted), traced


STEP = make_step()[0]


def batches(size: int = BATCH) -> list[Any]:
    inputs, labels = digits()
    cuts = range(0, len(inputs), size)
    return [(inputs[at : at + size], labels[at : at + size]) for at in cuts]


class Loader:
    """Shuffles by NumPy's global generator, and augments by one of its own."""

    def __init__(self) -> None:
        self.own = np.random.default_rng(2)
        self.python = random.Random(3)

    def __iter__(self) -> Iterator[Any]:
        inputs, labels = digits()
        order = np.random.permutation(len(inputs))
        for rows in np.array_split(order, len(inputs) // BATCH):
            noise = 0.1 * self.own.normal(size=(len(rows), 64)) + random.random()
            noise *= self.python.random()
            yield (inputs[rows] + noise).astype(np.float32), labels[rows]


def bits(tree: Any) -> Any:
    def raw(leaf: Any) -> bytes:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return np.asarray(leaf).tobytes()

    return [raw(leaf) for leaf in jax.tree.leaves(tree)]


def train(state: Any, loader: Any) -> Any:
    """Return what 20 updates make, and what the loader would go on with."""
    seen = []
    for (batch, *_), _ in zip(((one,) for one in loader), range(20), strict=False):
        state, loss = STEP(state, batch, 1e-2)
        seen.append(float(loss))
    return seen, bits(state), np.random.random(), random.random()


def test_finds_what_torch_finds_and_compiles_once() -> None:
    step, traced = make_step(donate_argnums=0)
    state = start(dropout=False)
    before = bits(state)
    found = find_lr(step, state, batches())
    assert len(traced) == 1
    assert bits(state) == before
    assert found.status == "ok"
    assert decades(found.suggestion) < 0.5


def test_validation_sees_that_nothing_is_learned() -> None:
    inputs, labels = digits()
    labels = np.random.default_rng(0).permutation(labels)
    every = [(inputs[at : at + 16], labels[at : at + 16]) for at in range(0, 192, 16)]
    step, traced = make_step(donate_argnums=0)
    state = start()
    before = bits(state)
    blind = find_lr(step, state, every[:6])
    seeing = find_lr(step, state, every[:6], validation=every[6:])
    assert len(traced) == 1
    assert bits(state) == before
    assert blind.suggestion is not None
    assert seeing.suggestion is None or 3 * seeing.suggestion < blind.suggestion
    with pytest.raises(AdapterError, match=r"find_lr\.validation .* begun anew"):
        find_lr(step, state, every, validation=iter(every))


def failed() -> None:
    message = "out of memory"
    raise RuntimeError(message)


def interrupted() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("end", [None, failed, interrupted])
def test_a_training_goes_on_as_without_it(end: Callable[[], None] | None) -> None:
    def trained(*, found: bool) -> Any:
        np.random.seed(4)
        random.seed(5)
        loader, state = Loader(), start()
        if found:
            calls = 0

            def counted(*args: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == 30 and end is not None:
                    end()
                return STEP(*args)

            if end is None:
                assert find_lr(counted, state, loader, fast=True).steps > 30
            else:
                with pytest.raises((RuntimeError, KeyboardInterrupt)):
                    find_lr(counted, state, loader)
            assert calls >= 30
        return train(state, loader), repr(loader.own.bit_generator.state)

    assert trained(found=True) == trained(found=False)


def test_the_same_seed_the_same_result() -> None:
    state, results = start(), []
    for seed in (0, 0, 1):
        np.random.seed(random.randrange(2**31))
        loader = Loader()
        results.append(find_lr(STEP, state, loader, seed=seed, steps=80).to_dict())
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_a_loader_of_torch_keeps_its_order() -> None:
    data = torch.utils.data.TensorDataset(*map(torch.from_numpy, digits()))

    def order(*, found: bool) -> Any:
        torch.manual_seed(0)
        loader = torch.utils.data.DataLoader(
            data, BATCH, shuffle=True, collate_fn=_numpy
        )
        if found:
            assert find_lr(STEP, start(), loader, fast=True).steps > 30
        return [labels.tolist() for _, labels in loader]

    assert order(found=True) == order(found=False)


def _numpy(rows: Any) -> Any:
    inputs, labels = zip(*rows, strict=True)
    return np.stack(inputs), np.stack(labels)


def test_a_one_shot_iterator_is_used_up_and_says_so() -> None:
    iterator = iter(batches())
    with pytest.warns(FinderWarning, match="used up") as caught:
        found = find_lr(STEP, start(), iterator, fast=True)
    assert caught[0].filename == __file__
    assert "45 of them are used up" in found.reasons[-1]
    assert next(iterator, None) is None
    with (
        pytest.raises(AdapterError, match="at least one batch"),
        pytest.warns(FinderWarning, match="used up"),
    ):
        find_lr(STEP, start(), iterator, fast=True)


def test_a_loader_with_a_state_is_put_back() -> None:
    class Stateful:
        def __init__(self) -> None:
            self.at, self.all = 3, batches()

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> Any:
            if self.at == len(self.all):
                self.at = 0
                raise StopIteration
            self.at += 1
            return self.all[self.at - 1]

        def state_dict(self) -> Any:
            return {"at": self.at}

        def load_state_dict(self, state: Any) -> None:
            self.at = state["at"]

    loader = Stateful()
    assert find_lr(STEP, start(), loader, fast=True).steps > 30
    assert loader.at == 3


def test_groups_keep_their_ratio() -> None:
    slow = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    fast = optax.chain(
        optax.clip(1.0), optax.inject_hyperparams(optax.sgd)(learning_rate=0.4)
    )
    both = optax.multi_transform({"a": slow, "b": fast}, {"in": "a", "out": "b"})
    weights = {"in": jnp.zeros(1), "out": jnp.zeros(1)}
    ones = jax.tree.map(jnp.ones_like, weights)
    state = both.init(weights)
    for lr in (2.0, 8.0):
        state = jax.jit(set_rate)(state, lr)
        updates, _ = both.update(ones, state, weights)
        np.testing.assert_allclose(updates["in"], -lr / 4, rtol=1e-6)
        np.testing.assert_allclose(updates["out"], -lr, rtol=1e-6)


def test_an_injection_inside_another() -> None:
    def inner(decay: float) -> Any:
        adam = optax.inject_hyperparams(optax.sgd)(learning_rate=0.3)
        return optax.chain(optax.add_decayed_weights(decay), adam)

    optimizer = optax.inject_hyperparams(inner)(decay=0.0)
    state = set_rate(optimizer.init(jnp.ones(1)), 0.5)
    updates, _ = optimizer.update(jnp.ones(1), state, jnp.ones(1))
    assert float(updates[0]) == -0.5


def test_rates_that_are_0_get_the_rate() -> None:
    sgd = optax.inject_hyperparams(optax.sgd)(learning_rate=0.0)
    state = set_rate(sgd.init(jnp.ones(1)), 0.5)
    assert float(state.hyperparams["learning_rate"]) == 0.5


@pytest.mark.parametrize("kind", ["optax", "ours"])
def test_a_schedule_would_write_over_the_rate(kind: str) -> None:
    rate: Any = optax.cosine_decay_schedule(0.1, 10)
    if kind == "ours":
        rate = Scheduler(lr=0.1, total_steps=10).schedule()
    state = optax.inject_hyperparams(optax.sgd)(learning_rate=rate).init(jnp.ones(1))
    with pytest.raises(AdapterError, match="be a number, not a schedule"):
        set_rate(state, 0.1)


def test_a_state_without_a_rate() -> None:
    with pytest.raises(AdapterError, match="have an injected learning_rate"):
        set_rate(optax.sgd(0.1).init(jnp.ones(1)), 0.1)


@pytest.mark.parametrize(
    "returned", [1.0, (1.0,), (1.0, "loss"), (1.0, np.ones(2)), (1.0, 2.0, 3.0)]
)
def test_a_step_that_returns_something_else(returned: Any) -> None:
    with pytest.raises(AdapterError, match=r"find_lr\.step must return a pair"):
        find_lr(lambda *_: returned, 1.0, batches())


@pytest.mark.parametrize("given", ["step", "batches"])
def test_what_cannot_be_searched(given: str) -> None:
    arguments: Any = {"step": lambda *_: (0, 0), "state": 0, "batches": [1]}
    with pytest.raises(AdapterError, match=rf"find_lr\.{given} must be"):
        find_lr(**arguments | {given: 3})


def test_losses_that_are_not_finite_at_the_start() -> None:
    found = find_lr(lambda *_: (0, jnp.nan), 0, batches())
    assert (found.status, found.suggestion) == ("nonfinite_at_start", None)


def test_the_second_search_is_free(tmp_path: Path) -> None:
    made = 0
    sgd = optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.9)
    step, _ = make_step(sgd)

    def found(size: int = BATCH, **hyperparameters: Any) -> Any:
        weights, opt_state, key = start(sgd)
        arrays = jax.tree.map(jnp.float32, hyperparameters)
        opt_state.hyperparams.update(arrays)
        path = tmp_path / "found.json"

        def tell(_: Any) -> None:
            nonlocal made
            made += 1

        return find_lr(
            step,
            (weights, opt_state, key),
            batches(size),
            fast=True,
            cache=path,
            tell=tell,
        )

    first = found()
    assert made == first.steps
    assert found(learning_rate=3.0).suggestion == first.suggestion
    with pytest.warns(FinderWarning, match=r"stale: settings was .*momentum.*=0.9"):
        assert found(momentum=0.8).suggestion == first.suggestion
    with pytest.warns(FinderWarning, match="batch was 32 samples, now 16") as caught:
        assert found(16).suggestion == first.suggestion
    assert caught[0].filename == __file__
    assert made == first.steps


def test_another_function_in_the_step_is_another_key(tmp_path: Path) -> None:
    def found(factor: float) -> Any:
        def scaled(loss: Any) -> Any:
            return factor * loss

        def step(weights: Any, batch: Any, lr: Any) -> Any:
            loss, gradient = jax.value_and_grad(lambda w: scaled((w - batch) ** 2))(
                weights
            )
            return weights - lr * gradient, loss

        return find_lr(
            jax.jit(step), jnp.asarray(0.0), [3.0, 3.1], fast=True, cache=path
        )

    path = tmp_path / "found.json"
    first = found(1.0)
    assert "cache" in found(1.0).reasons[0]
    assert "cache" not in found(100.0).reasons[0]
    assert found(100.0).suggestion != first.suggestion
