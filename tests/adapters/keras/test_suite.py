"""The suite of every adapter, for Keras' own `fit` on the backend of the process."""

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest

from stepsize.adapters.keras import Scheduler
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH


def optimizer_of(case: Case) -> Any:
    """Return SGD as a user would: accumulating, in groups."""
    every = case.micro_batches if case.micro_batches > 1 else None

    def sgd(rate: float, name: str) -> Any:
        return keras.optimizers.SGD(rate, gradient_accumulation_steps=every, name=name)

    if not case.bases:
        return sgd(0.5, "sgd")
    parts = {f"w{i}/.*": sgd(base, f"w{i}") for i, base in enumerate(case.bases)}
    rest = keras.optimizers.SGD(0.5, name="rest")
    chosen = keras.optimizers.OptimizerMap(rest, parts)
    return keras.optimizers.MultiOptimizer(chosen)


def model_of(case: Case) -> Any:
    """Return a model whose loss has gradient 1 in each weight, where x is 1."""
    x = keras.Input((1,))
    layers = [
        keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=f"w{i}")
        for i in range(len(case.bases or (1.0,)))
    ]
    outputs = [layer(x) for layer in layers]
    y = keras.layers.Add()(outputs) if len(outputs) > 1 else outputs[0]
    model = keras.Model(x, y)
    optimizer = optimizer_of(case)
    if case.overflows:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, loss=lambda _, y: keras.ops.mean(y))
    return model


class Watching(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
    """Reads the weights after each batch, without a hand in the framework's state."""

    def __init__(self, case: Case, weights: list[list[float]]) -> None:
        super().__init__()
        self.case = case
        self.weights = weights

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        variables = [one.value for one in self.model.trainable_variables]
        if keras.backend.backend() == "jax":
            variables = self.model._jax_state["trainable_variables"]
        self.weights.append(
            [float(keras.ops.convert_to_numpy(one).squeeze()) for one in variables]
        )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.case.metrics:
            logs["val_loss"] = self.case.metrics[epoch]


class Cooling(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
    """Calls for a cooldown in the middle of an epoch."""

    def __init__(self, case: Case, scheduler: Scheduler) -> None:
        super().__init__()
        self.cooldown = case.cooldown
        self.scheduler = scheduler

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.cooldown is not None and self.scheduler.update == self.cooldown[0]:
            self.scheduler.cooldown(self.cooldown[1])


@pytest.mark.filterwarnings(  # Keras' own, when it saves on JAX
    "ignore:__array__ implementation doesn't accept:DeprecationWarning"
)
class TestFit(AdapterSuite):
    tolerance: ClassVar = 5e-6  # of float32, read off the weights
    stops: ClassVar = (EPOCH, 2 * EPOCH)  # Keras goes on at the start of an epoch

    def train(self, case: Case) -> Trained:
        with tempfile.TemporaryDirectory() as folder:
            return self.train_in(Path(folder), case)

    def train_in(self, folder: Path, case: Case) -> Trained:
        weights: list[list[float]] = [[0.0] * len(case.bases or (1.0,))]
        parts = [*case.stops, case.updates]
        for end in parts:
            model = model_of(case)
            scheduler = self.scheduler_of(model, case, folder)
            watching = Watching(case, weights)
            cooling = Cooling(case, scheduler)
            backup = keras.callbacks.BackupAndRestore(
                str(folder / "keras"), delete_checkpoint=False
            )
            x = np.ones((EPOCH * case.micro_batches, 1), "float32")
            epochs = end // EPOCH
            if case.overflows:
                x, epochs = np.ones((end + len(case.overflows), 1), "float32"), 1
                x[list(case.overflows)] = np.inf
            model.fit(
                x,
                x,
                batch_size=1,
                epochs=epochs,
                shuffle=False,
                verbose=0,
                callbacks=[watching, backup, scheduler, cooling],
            )
        every = weights[:: case.micro_batches]
        if case.overflows:
            every = [every[0]] + [
                one
                for attempt, one in enumerate(every[1:])
                if attempt not in case.overflows
            ]
        steps = -np.diff(np.asarray(every, "float64"), axis=0)
        return Trained(
            rates=steps.tolist(),
            weights=weights[-1],
            update=scheduler.update,
            events=scheduler.events,
        )

    def scheduler_of(self, model: Any, case: Case, folder: Path) -> Scheduler:
        groups = {f"w{i}": base for i, base in enumerate(case.bases)} | {"rest": 0.5}
        return Scheduler(
            model.optimizer,
            lr=None if case.bases else case.schedule,
            lr_factor=case.schedule if case.bases else None,
            groups=groups if case.bases else None,
            total_steps=case.total_steps,
            policies=case.policies,
            backup=folder / "lr.json",
        )
