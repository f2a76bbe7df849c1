"""Keras: a rate for a compiled model; what is trained afterwards is the same."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from tests.adapters.digits_mlp import BATCH, HIDDEN, decades, digits

import stepsize as ss
from stepsize.adapters.keras import FinderWarning, Schedule, Scheduler, find_lr
from stepsize.errors import AdapterError

BACKEND = keras.backend.backend()
INPUTS, LABELS = digits()
ROWS = 96
LATE = 30  # an update in the middle of the search
CROSSENTROPY = "sparse_categorical_crossentropy"


def network(optimizer: Any = "adam", *, noisy: bool = True, **compiled: Any) -> Any:
    """Return a model with dropout, batch normalisation and a metric."""
    keras.utils.set_random_seed(3)
    torch.manual_seed(3)
    noise = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)]
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(HIDDEN, activation="relu", kernel_regularizer="l2"),
            *(noise if noisy else []),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer, **({"loss": CROSSENTROPY, "metrics": ["acc"]} | compiled))
    return model


def fit(model: Any, epochs: int = 1, **given: Any) -> Any:
    data = {"x": INPUTS[:ROWS], "y": LABELS[:ROWS], "batch_size": 16}
    arguments = given if "x" in given else data | given
    return model.fit(**arguments, epochs=epochs, verbose=0).history


def bits(variables: Any) -> list[bytes]:
    values = [one.value for one in variables]
    if BACKEND == "torch":
        values = [one.detach() for one in values]
    return [np.asarray(one).tobytes() for one in values]


def everything(model: Any) -> Any:
    """Return all there is, down to the bits."""
    rate = model.optimizer._learning_rate
    return {
        "variables": bits(model.variables),
        "metrics": bits(model.metrics_variables),
        "optimizer": bits(model.optimizer.variables),
        "built": model.optimizer.built,
        "rate": float(rate.value) if isinstance(rate, keras.Variable) else rate,
        "ours": id(model.optimizer),
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "compiled": model.train_function,
        "together": model.steps_per_execution,
    }


def adam() -> Any:
    return keras.optimizers.Adam(1e-3)


def accumulating() -> Any:
    return keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2)


def scaling() -> Any:
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))


def scheduled() -> Any:
    rate = keras.optimizers.schedules.CosineDecay(0.01, 40)
    return keras.optimizers.AdamW(rate, clipnorm=1.0)


def ours() -> Any:
    rate = Schedule(0.01 * ss.warmup(5) >> ss.cosine(), total_steps=40)
    return keras.optimizers.Adam(rate)


def several() -> Any:
    head = keras.optimizers.Adam(1e-2, name="head")
    body = keras.optimizers.Adam(1e-3, name="body")
    layers = keras.optimizers.OptimizerMap(head, {"dense.*": body})
    return keras.optimizers.MultiOptimizer(layers)


def test_finds_what_torch_finds() -> None:
    model = network(noisy=False, metrics=[])
    model.layers[0].kernel.regularizer = None
    found = find_lr(model, INPUTS, LABELS, batch_size=BATCH)
    assert found.status == "ok"
    assert decades(found.suggestion) < 0.5


def test_validation_sees_that_nothing_is_learned() -> None:
    labels = np.random.default_rng(0).permutation(LABELS)
    model = network()
    model.layers[0].kernel.regularizer = None  # else it is there to be lowered
    model.layers[-1].kernel.assign(np.zeros((HIDDEN, 10)))  # as good as it gets
    before = everything(model)
    data = {"x": INPUTS[:ROWS], "y": labels[:ROWS], "batch_size": 16}
    blind = find_lr(model, **data)
    kept = INPUTS[ROWS : 2 * ROWS], labels[ROWS : 2 * ROWS]
    seeing = find_lr(model, **data, validation_data=kept)
    assert everything(model) == before
    assert blind.suggestion is not None
    assert seeing.suggestion is None or 3 * seeing.suggestion < blind.suggestion


def test_an_argument_of_another_name_is_refused() -> None:
    unknown: Any = {"step": 100}
    with pytest.raises(AdapterError, match=r"of its own, or of steps, .*; got 'step'"):
        find_lr(network(), INPUTS, LABELS, **unknown)


@pytest.mark.parametrize(
    ("make", "epochs"),
    [
        (adam, 0),
        (several, 1),
        *(
            pytest.param(make, epochs, marks=pytest.mark.slow)
            for make in (adam, several, accumulating, scaling, scheduled, ours)
            for epochs in (0, 1)
            if (make, epochs) not in {(adam, 0), (several, 1)}
        ),
    ],
)
def test_training_goes_on_as_without_it(make: Any, epochs: int) -> None:
    def trained(*, found: bool) -> Any:
        model = network(make())
        history = [fit(model)] if epochs else []
        if found:
            before = everything(model)
            ended = find_lr(
                model, INPUTS[:ROWS], LABELS[:ROWS], batch_size=16, fast=True
            )
            assert ended.steps > 5
            assert everything(model) == before
        history.append(fit(model, 2))
        return history, bits(model.variables), bits(model.optimizer.variables)

    assert trained(found=True) == trained(found=False)


def failed(place: int) -> None:
    if place == LATE:
        message = "out of memory"
        raise RuntimeError(message)


def interrupted(place: int) -> None:
    if place == LATE:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "end", [pytest.param(failed, marks=pytest.mark.slow), interrupted]
)
def test_after_an_exception_and_after_ctrl_c(end: Callable[[int], None]) -> None:
    def trained(*, found: bool) -> Any:
        model = network()
        fit(model)
        if found:
            before = everything(model)
            with pytest.raises((RuntimeError, KeyboardInterrupt)):
                find_lr(model, INPUTS, LABELS, tell=lambda one: end(one.steps))
            assert everything(model) == before
        return fit(model, 2), bits(model.variables), bits(model.optimizer.variables)

    assert trained(found=True) == trained(found=False)


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX donates the variables")
def test_ctrl_c_while_the_variables_are_donated() -> None:
    class Interrupted(keras.Sequential):  # type: ignore[misc]  # untyped
        syncs = 0

        def jax_state_sync(self) -> None:
            self.syncs += 1
            if self.syncs == LATE:
                raise KeyboardInterrupt
            super().jax_state_sync()

    model = Interrupted([keras.Input((64,)), keras.layers.Dense(10)])
    model.compile("adam", "mse")
    before = everything(model)
    with pytest.raises(KeyboardInterrupt):
        find_lr(model, INPUTS, INPUTS[:, :10])
    assert everything(model) == before
    assert len(fit(model, 2, y=INPUTS[:ROWS, :10])["loss"]) == 2


def test_losses_are_those_of_the_batch_before_the_update() -> None:
    seen: list[tuple[float, float]] = []
    model = network("sgd", noisy=False)
    loss = float(model.evaluate(INPUTS[:ROWS], LABELS[:ROWS], verbose=0)[0])
    find_lr(
        model,
        INPUTS[:ROWS],
        LABELS[:ROWS],
        batch_size=ROWS,
        low=1.0,
        high=2.0,
        steps=60,
        tell=lambda one: seen.append((one.lr, one.loss)),
    )
    assert seen[0][1] == pytest.approx(loss, rel=1e-5)
    assert seen[1][1] < loss
    model.optimizer.learning_rate = seen[0][0]
    model.train_on_batch(INPUTS[:ROWS], LABELS[:ROWS])
    loss = float(model.evaluate(INPUTS[:ROWS], LABELS[:ROWS], verbose=0)[0])
    assert seen[1][1] == pytest.approx(loss, rel=1e-4)  # no running mean


def test_updates_are_counted_not_batches() -> None:
    class Counting(keras.Sequential):  # type: ignore[misc]  # untyped
        batches = 0

        def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
            Counting.batches += 1
            return super().train_on_batch(*args, **kwargs)

    model = Counting([keras.Input((64,)), keras.layers.Dense(1)])
    model.compile(accumulating(), "mse")
    found = find_lr(model, INPUTS, LABELS, fast=True)
    assert Counting.batches == 2 * found.steps


def test_groups_keep_their_ratio() -> None:
    model = network(several())
    ratios = set()

    def tell(_: Any) -> None:
        head, body = (one.learning_rate for one in model.optimizer.optimizers)
        ratios.add(round(float(head) / float(body), 4))

    found = find_lr(model, INPUTS, LABELS, steps=60, tell=tell)
    assert len(ratios) == 1
    assert min(ratios) in {0.1, 10.0}
    assert "ratio" in found.reasons[-1]


def test_in_a_callback_between_epochs_beside_a_scheduler() -> None:
    class Finding(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            find_lr(self.model, INPUTS[:ROWS], LABELS[:ROWS], steps=60)

    def trained(*more: Any) -> Any:
        model = network(keras.optimizers.SGD(0.1))
        schedule = 0.1 * ss.warmup(3) >> ss.cosine()
        scheduler = Scheduler(model.optimizer, lr=schedule, total_steps=12)
        history = fit(model, 2, callbacks=[scheduler, *more])
        assert scheduler.update == 12
        return history, bits(model.variables)

    assert trained(Finding()) == trained()


def test_a_model_that_is_not_built_yet() -> None:
    def trained(*, found: bool) -> Any:
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        )
        model.compile("sgd", "mse")
        if found:
            find_lr(model, INPUTS, LABELS, fast=True)
        return fit(model, 2), bits(model.variables)

    assert trained(found=True) == trained(found=False)


class Augmented(keras.utils.PyDataset):  # type: ignore[misc]  # untyped
    """Augments with generators of its own, global ones and Keras'."""

    def __init__(self) -> None:
        super().__init__()
        self.own = np.random.default_rng(2)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * 16, (index + 1) * 16)
        noise = self.own.normal(size=(16, 64)) + random.random() + np.random.random()
        drawn = float(keras.random.normal(()))
        return INPUTS[rows] + 0.1 * (noise + drawn), LABELS[rows]


def loader() -> Any:
    data = torch.utils.data.TensorDataset(
        torch.from_numpy(INPUTS[:ROWS]), torch.from_numpy(LABELS[:ROWS])
    )
    return torch.utils.data.DataLoader(data, 16, shuffle=True)


@pytest.mark.parametrize(
    "make", [Augmented, pytest.param(loader, marks=pytest.mark.slow)]
)
def test_data_that_draw(make: Callable[[], Any]) -> None:
    def trained(*, found: bool) -> Any:
        model = network()
        data = make()
        if found:
            results = [
                find_lr(model, data, seed=seed, steps=60).to_dict()
                for seed in (0, 0, 1)
            ]
            assert results[0] == results[1]
            assert results[0] != results[2]
        history = fit(model, 2, x=data, shuffle=False)
        own = repr(data.own.bit_generator.state) if make is Augmented else None
        return history, bits(model.variables), own

    assert trained(found=True) == trained(found=False)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow is not loaded")
def test_a_dataset_of_tensorflow() -> None:
    import tensorflow as tf

    plain = tf.data.Dataset.from_tensor_slices((INPUTS, LABELS))
    model = network()
    assert find_lr(model, plain.batch(16), fast=True).suggestion
    fixed = plain.shuffle(99, seed=1, reshuffle_each_iteration=False)
    assert find_lr(model, fixed.batch(16), fast=True).suggestion
    noisy = plain.map(lambda x, y: (x + tf.random.normal([64]), y))
    for moving in (plain.shuffle(99).batch(16), noisy.batch(16)):
        with pytest.warns(FinderWarning, match="cannot be put back") as caught:
            find_lr(model, moving, fast=True)
        assert caught[0].filename == __file__


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_generator_is_used_up() -> None:
    model = network()
    batches = ((INPUTS[at : at + 16], LABELS[at : at + 16]) for at in range(0, 96, 16))
    with pytest.warns(FinderWarning, match="used up") as caught:
        found = find_lr(model, batches, fast=True)
    assert caught[0].filename == __file__
    assert "6 of them are used up" in found.reasons[-1]


def test_weights_of_samples_and_classes() -> None:
    model = network()
    weights = np.linspace(0.5, 1.5, len(LABELS))
    found = [
        find_lr(model, INPUTS, LABELS, fast=True, **given).to_dict()["curve"]
        for given in (
            {},
            {"sample_weight": weights},
            {"class_weight": {label: 1.0 + label for label in range(10)}},
        )
    ]
    assert found[0] != found[1]
    assert found[0] != found[2]


def test_a_train_step_of_ones_own() -> None:
    class Own(keras.Sequential):  # type: ignore[misc]  # untyped
        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            return 100.0 * super().compute_loss(*args, **kwargs)

    layers = [keras.Input((64,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    model = Own(layers)
    model.compile("sgd", "mse")
    plain = keras.Sequential(layers)
    plain.compile("sgd", "mse")
    first = []
    for one in (model, plain):
        curve = find_lr(one, INPUTS, LABELS, fast=True).curve
        assert curve is not None
        first.append(curve.losses[0])
    assert first[0] == pytest.approx(100 * first[1], rel=1e-4)


def test_the_second_search_is_free(tmp_path: Path) -> None:
    path = tmp_path / "found.json"

    def find(model: Any, **options: Any) -> Any:
        return find_lr(model, INPUTS, LABELS, fast=True, cache=path, **options)

    first = find(network(adam()))
    second = find(network(keras.optimizers.Adam(0.5)))
    assert second.suggestion == first.suggestion
    assert "cache" in second.reasons[0]
    with pytest.warns(FinderWarning, match="batch was 32 samples, now 64") as caught:
        find(network(adam()), batch_size=64)
    assert caught[0].filename == __file__
    with pytest.warns(FinderWarning, match="stale: settings was"):
        find(network(keras.optimizers.Adam(beta_1=0.5)))
    for other in (network("sgd"), network(noisy=False), network(loss="mse")):
        if other.loss == "mse":
            assert (
                "cache"
                not in find_lr(
                    other, INPUTS, np.eye(10)[LABELS], fast=True, cache=path
                ).reasons[0]
            )
        else:
            assert "cache" not in find(other).reasons[0]


def test_losses_that_are_not_finite_at_the_start() -> None:
    model = network(loss="mse", metrics=[])
    found = find_lr(model, INPUTS, np.full((len(INPUTS), 10), np.nan, "float32"))
    assert (found.status, found.suggestion) == ("nonfinite_at_start", None)


def test_what_cannot_be_searched() -> None:
    model = network()
    with pytest.raises(AdapterError, match=r"find_lr\.model must be a compiled"):
        find_lr(keras.Sequential([keras.Input((1,))]), INPUTS, LABELS)
    with pytest.raises(AdapterError, match=r"find_lr\.y must be left out"):
        find_lr(model, Augmented(), LABELS)
    with pytest.raises(AdapterError, match="same number of rows"):
        find_lr(model, INPUTS, LABELS[:3])
    with pytest.raises(AdapterError, match=r"find_lr\.batches must be an iterable"):
        find_lr(model, 3)
    model.second = keras.optimizers.SGD()
    with pytest.raises(AdapterError, match="no optimizer besides"):
        find_lr(model, INPUTS, LABELS)


def test_an_optimizer_that_its_config_does_not_describe() -> None:
    class Own(keras.optimizers.SGD):  # type: ignore[misc]  # untyped
        def __init__(self, rate: float, secret: float, **others: Any) -> None:
            super().__init__(rate, **others)

    with pytest.raises(AdapterError, match="made again from its get_config"):
        find_lr(network(Own(0.1, 0.5)), INPUTS, LABELS)
