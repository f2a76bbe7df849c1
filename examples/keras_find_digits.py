"""Keras on handwritten digits: the rate is found on validation losses, then used.

Needs: pip install 'stepsize[keras]' jax scikit-learn (or torch, or tensorflow)
"""

from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

import stepsize as ss
from stepsize.adapters.keras import Scheduler, find_lr

EPOCHS, BATCH, TRAIN = 8, 32, 1280
digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.target))
images = (digits.data[order] / 16).astype("float32")
labels = digits.target[order]
held_out = images[TRAIN:], labels[TRAIN:]
updates = EPOCHS * TRAIN // BATCH


def network(rate: float) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def trained(peak: float) -> float:
    """Train along one schedule with a peak; return the accuracy on what is held out."""
    model = network(peak)
    schedule = peak * ss.warmup("10%") >> ss.cosine()
    scheduler = Scheduler(model.optimizer, lr=schedule, total_steps=updates)
    model.fit(
        images[:TRAIN],
        labels[:TRAIN],
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[scheduler],
    )
    return float(model.evaluate(*held_out, verbose=0, return_dict=True)["accuracy"])


model = network(1e-3)
before = model.get_weights()
found = find_lr(
    model,
    images[:TRAIN],
    labels[:TRAIN],
    batch_size=BATCH,
    validation_data=held_out,
    steps=300,
    horizon=updates,
)
for one, other in zip(before, model.get_weights(), strict=True):
    np.testing.assert_array_equal(one, other)  # the search left no trace
print(found.status, *found.reasons, sep="\n")
for peak in (found.suggestion or 1e-2, 1e-3, 1e-4):
    print(f"peak {peak:.2g}: accuracy {trained(peak):.3f}")
