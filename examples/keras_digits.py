"""Keras on handwritten digits: a plateau policy, an interruption, the same weights.

Needs: pip install 'stepsize[keras]' jax scikit-learn (or torch, or tensorflow)
"""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

import stepsize as ss
from stepsize.adapters.keras import Scheduler
from stepsize.control import Plateau

EPOCHS, BATCH, ACCUMULATION = 12, 32, 2
digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.target))
images = (digits.data[order] / 16).astype("float32")
labels = digits.target[order]
updates = EPOCHS * 1536 // (BATCH * ACCUMULATION)


class PowerCut(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == EPOCHS // 2:
            raise KeyboardInterrupt


def train(folder: Path, *more: Any) -> tuple[Any, Scheduler]:
    """Train in a folder: afresh, or on from where an earlier call was cut off."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    optimizer = keras.optimizers.SGD(
        0.1, momentum=0.9, gradient_accumulation_steps=ACCUMULATION
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    scheduler = Scheduler(
        model.optimizer,
        lr=0.3 * ss.warmup("5%") >> ss.hold() >> ss.decay("30%", shape="1-sqrt"),
        total_steps=updates,
        policies=[Plateau("val_loss", factor=0.5, patience=2, convention="keras")],
        backup=folder / "lr.json",
    )
    backup = keras.callbacks.BackupAndRestore(str(folder), delete_checkpoint=False)
    model.fit(
        images[:1536],
        labels[:1536],
        validation_data=(images[1536:], labels[1536:]),
        batch_size=BATCH,
        epochs=EPOCHS,
        shuffle=False,  # Keras' own shuffling is not restored
        verbose=2,
        callbacks=[backup, scheduler, *more],
    )
    return model, scheduler


with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
    whole, scheduler = train(Path(one))
    try:
        train(Path(other), PowerCut())
    except KeyboardInterrupt:
        print("interrupted; again, in the same folder:")
    resumed, scheduler = train(Path(other))

for first, second in zip(whole.get_weights(), resumed.get_weights(), strict=True):
    np.testing.assert_array_equal(first, second)
print("events:", [(event.update, event.source) for event in scheduler.events])
