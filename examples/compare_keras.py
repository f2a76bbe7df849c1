"""Your own Keras training under several schedules and a constant rate.

Needs: pip install 'stepsize[keras,proof]' jax. From the command line, on a Ray cluster:

    stepsize compare examples/compare_keras.py:train --total-steps 150 --engine ray
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

from stepsize.adapters.keras import Scheduler
from stepsize.proof import compare


def train(
    schedule: Any, *, total_steps: int, seed: int, report: Callable[..., None]
) -> dict[str, Any]:
    """Train once. The seed means the same weights, batches and split for every arm."""
    keras.utils.set_random_seed(seed)
    digits, rng = load_digits(), np.random.default_rng(seed)
    order = rng.permutation(len(digits.target))
    images = (digits.data[order] / 16).astype("float32")
    labels = digits.target[order]
    rest, val, test = slice(0, 997), slice(997, 1397), slice(1397, None)

    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])

    def batches() -> Iterator[tuple[Any, Any]]:
        while True:
            batch = rng.integers(0, 997, size=32)
            yield images[rest][batch], labels[rest][batch]

    def accuracy(part: slice) -> float:
        _, share = model.evaluate(images[part], labels[part], verbose=0)
        return 100 * float(share)

    scheduler = Scheduler(model.optimizer, lr=schedule, total_steps=total_steps)
    epochs = 3
    history = model.fit(
        batches(),
        steps_per_epoch=total_steps // epochs,
        epochs=epochs,
        validation_data=(images[val], labels[val]),
        callbacks=[scheduler],
        verbose=0,
    )
    for epoch, share in enumerate(history.history["val_accuracy"], start=1):
        report(epoch * (total_steps // epochs), val=100 * share)
    return {
        "val": accuracy(val),
        "test": accuracy(test),
        "direction": "max",
        "updates": int(model.optimizer.iterations),
    }


if __name__ == "__main__":
    comparison = compare(
        f"{__file__}:train",
        schedules=["wsd"],
        total_steps=150,
        lrs=[1e-3, 1e-2],
        seeds=3,
    )
    for arm in comparison.arms:
        print(arm.arm, arm.chosen_lr, arm.test and round(arm.test.mean, 2), arm.outcome)
    print(*comparison.verdict, sep="\n")
