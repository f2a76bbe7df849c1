"""What an adapter adds to an update of its framework, where that calls Python.

`python -m benchmarks.adapters keras-jax` measures one of them, in its own process.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import stepsize as ss
from benchmarks.measure import cpu, interleaved
from benchmarks.results import Aim, Cell, Column, Part, Table

MICRO, MOST = 1e6, 2.0
UPDATES, ROUNDS, STEPS = 1000, 31, 10**6
SCHEDULE = 0.1 * ss.warmup("5%") >> ss.cosine()
Update = Callable[[int], object]
Works = dict[str, Update]  # "adds", and what else is timed beside it

NOTES = (
    "Adds: CPU time of all that the framework calls in the adapter for an update, and "
    "of the optimizer's hooks, median over the rounds.",
    "Without the write: the same with a scheduler that does not set the variable, by "
    "an operation of torch or TensorFlow that no scheduler gets around.",
    "Keras' callbacks: the same value set as these do it, by `Variable.assign`; on "
    "JAX, where the next update does not read the variables, all of them are copied "
    "back before and taken out again after.",
)


def keras_on(backend: str, variables: int) -> Works:
    """Return an update's calls, the bare write, and Keras' own way to set a rate."""
    os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras

    from stepsize.adapters.keras import Scheduler

    layers = [keras.layers.Dense(4) for _ in range(variables // 4)]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    x = np.ones((32, 4), "float32")
    variable = model.optimizer._learning_rate

    class Held(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
        """Leaves the model as it is in the middle of an epoch."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1 and backend == "jax":
                self.state = dict(self._model._jax_state)

    held = Held()
    scheduler = Scheduler(model.optimizer, lr=SCHEDULE, total_steps=STEPS)
    model.fit(x, x[:, :1], batch_size=8, verbose=0, callbacks=[held, scheduler])
    scheduler.on_train_begin()
    scheduler.on_epoch_begin(0)
    if backend != "jax":
        silent = Scheduler(model.optimizer, lr=SCHEDULE, total_steps=STEPS)
        silent.set_model(model)
        silent.on_train_begin()
        silent.on_epoch_begin(0)
        silent._driven._assign = lambda variable, rate: None
        return {
            "adds": calls_of(scheduler),
            "rest": calls_of(silent),
            "own": lambda number: variable.assign(0.1 - number * 1e-8),
        }

    state = tuple(held.state.values())
    model.train_function.function = lambda state, iterator: (None, state)

    def update_in_fit(number: int) -> None:
        scheduler.on_train_batch_begin(number)
        model.train_function(state, None)
        scheduler.on_train_batch_end(number)

    def copied_back(number: int) -> None:
        model._jax_state_synced = False
        model.jax_state_sync()
        variable.assign(0.1 - number * 1e-8)
        model._get_jax_state(
            trainable_variables=True,
            non_trainable_variables=True,
            optimizer_variables=True,
            metrics_variables=True,
            purge_model_variables=True,
        )
        model._jax_state_synced = False

    model._jax_state, model._jax_state_synced = held.state, False
    return {"adds": update_in_fit, "own": copied_back}


def calls_of(scheduler: Any) -> Update:
    """Return what `fit` calls for an update."""

    def update(number: int) -> None:
        scheduler.on_train_batch_begin(number)
        scheduler.on_train_batch_end(number)

    return update


def fastai() -> Works:
    import torch
    from fastai.basics import SGD, DataLoaders, Learner

    from stepsize.adapters.fastai import SchedulerCallback

    rows = [(torch.ones(4), torch.zeros(1)) for _ in range(16)]
    loaders = DataLoaders.from_dsets(rows, rows, bs=8, num_workers=0, device="cpu")
    learner = Learner(
        loaders, torch.nn.Linear(4, 1), torch.nn.functional.mse_loss, opt_func=SGD
    )
    callback: Any = SchedulerCallback(lr=SCHEDULE, total_steps=STEPS)
    learner.add_cb(callback)
    learner.create_opt()
    callback.before_fit()

    def update(number: int) -> None:
        callback.after_loss()
        callback.before_step()
        callback.after_step()
        callback.after_batch()

    return {"adds": update}


def lightning() -> Works:
    import lightning
    import torch

    from stepsize.adapters.lightning import SchedulerCallback

    class Module(lightning.LightningModule):  # type: ignore[misc]  # not read by mypy
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(batch[0]).sum()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    callback = SchedulerCallback(lr=SCHEDULE, total_steps=STEPS)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        max_steps=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    module = Module()
    rows = torch.utils.data.TensorDataset(torch.ones(16, 4))
    trainer.fit(module, torch.utils.data.DataLoader(rows, 8))
    hooks = hooks_of(trainer.optimizers[0])
    output = {"loss": torch.zeros(())}
    step = made(callback.scheduler).step

    def update(number: int) -> None:
        hooks()
        step()
        callback._made = -1  # as the Trainer has made one more
        callback.on_train_batch_end(trainer, module, output, None, number)

    return {"adds": update}


def transformers() -> Works:
    import torch
    from transformers import Trainer, TrainingArguments

    from stepsize.adapters.transformers import SchedulerCallback

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x: Any) -> Any:
            return {"loss": self.layer(x).sum()}

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=2,
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
        )
        rows = [{"x": torch.ones(4)} for _ in range(16)]
        trainer = Trainer(Model(), arguments, train_dataset=rows)
        callback = SchedulerCallback(lr=SCHEDULE, total_steps=STEPS).attach(trainer)
        trainer.train()
    hooks = hooks_of(trainer.optimizer)
    step = made(callback.scheduler).step

    def update(number: int) -> None:
        hooks()
        step()
        callback.on_step_end(arguments, trainer.state, trainer.control)

    return {"adds": update}


def ignite() -> Works:
    import torch
    from ignite.engine import Engine

    from stepsize.adapters.ignite import SchedulerHandler
    from stepsize.adapters.torch import Scheduler

    weights = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weights], lr=0.1)
    scheduler = Scheduler(optimizer, lr=SCHEDULE, total_steps=STEPS)
    engine = Engine(lambda engine, batch: None)
    handler = SchedulerHandler(scheduler).attach(engine)
    hooks = hooks_of(optimizer)

    def update(number: int) -> None:
        hooks()
        handler._iterated(engine)

    return {"adds": update}


def made(scheduler: Any) -> Any:
    """Return a Scheduler that a training has made."""
    if scheduler is None:
        message = "the training made no Scheduler: nothing would be measured"
        raise RuntimeError(message)
    return scheduler


def hooks_of(optimizer: Any) -> Callable[[], None]:
    """Return what torch's wrapper of `step` calls, without its record of 5 to 10 us."""
    inner = getattr(optimizer, "optimizer", optimizer)
    before = list(inner._optimizer_step_pre_hooks.values())
    after = list(inner._optimizer_step_post_hooks.values())
    if not before or not after:
        message = "the optimizer has no hooks: nothing would be measured"
        raise RuntimeError(message)

    def run() -> None:
        for hook in before:
            hook(inner, (), {})
        for hook in after:
            hook(inner, (), {})

    return run


ADAPTERS: dict[str, Callable[[], Works]] = {
    "keras-torch": lambda: keras_on("torch", 4),
    "keras-tensorflow": lambda: keras_on("tensorflow", 4),
    "keras-jax": lambda: keras_on("jax", 4),
    "keras-jax, 128 variables": lambda: keras_on("jax", 128),
    "fastai": fastai,
    "lightning": lightning,
    "transformers": transformers,
    "ignite": ignite,
}


def measure(name: str, *, updates: int, rounds: int) -> dict[str, float]:
    """Return the seconds of an update, and of what is timed beside it."""
    works = ADAPTERS[name]()

    def many(work: Update) -> Callable[[], None]:
        def run() -> None:
            for number in range(updates):
                work(number)

        return run

    loops = {key: many(work) for key, work in works.items()}
    for loop in loops.values():
        loop()  # warm up
    times = interleaved(loops, rounds=rounds, seconds=15, clock=cpu)
    return {key: median(found) / updates for key, found in times.items()}


def run(
    names: Iterable[str] = tuple(ADAPTERS),
    *,
    updates: int = UPDATES,
    rounds: int = ROUNDS,
) -> Part:
    """Time the adapters, each in a process of its own.

    Args:
        names: Which of `ADAPTERS`.
        updates: Updates in a round.
        rounds: Rounds at most.
    """
    rows: list[tuple[Cell, ...]] = []
    aims: list[Aim] = []
    root = Path(__file__).parent.parent
    for name in names:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.adapters", name]
        command += [str(updates), str(rounds)]
        done = subprocess.run(
            command, cwd=root, check=True, stdout=subprocess.PIPE, text=True
        )
        times = json.loads(done.stdout.splitlines()[-1])
        found = {key: seconds * MICRO for key, seconds in times.items()}
        rows.append((name, found["adds"], found.get("rest"), found.get("own")))
        rest = found.get("rest", found["adds"])
        bare = ", the write apart" if "rest" in found else ""
        aims.append(Aim(f"{name}, an update{bare}", rest, MOST, "us"))
    columns = (
        Column("adapter"),
        Column("adds us", ".2f"),
        Column("without the write us", ".2f"),
        Column("Keras' callbacks us", ".1f"),
    )
    table = Table("Adapters", columns, tuple(rows))
    title = "what an adapter adds to an update"
    return Part("adapters", title, (table,), tuple(aims), NOTES)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    _, name, *counts = sys.argv
    updates, rounds = map(int, counts or (UPDATES, ROUNDS))
    print(json.dumps(measure(name, updates=updates, rounds=rounds)))
