"""Keras on its torch backend, in a process of its own, since a process has one backend.

JAX, the backend of the other tests, compiles at every call of a schedule. Reads a JSON
request a line and answers with a JSON list of rates, in Keras' own float32.
"""

import json
import os
import sys
from typing import Any


def serve() -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import torch

    torch.set_num_threads(1)

    def schedule(name: str, args: list[Any], steps: int) -> list[float]:
        made = getattr(keras.optimizers.schedules, name)(*args)
        return [float(made(step)) for step in range(steps)]

    def callback(rates: list[float], base: float) -> list[float]:
        def by_rate(epoch: int, lr: float) -> float:
            return 0.5 * lr + 0.1 * rates[epoch]

        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(base), loss="mse")
        scheduler = keras.callbacks.LearningRateScheduler(by_rate)
        scheduler.set_model(model)
        found = []
        for epoch in range(len(rates)):
            scheduler.on_epoch_begin(epoch)
            found.append(float(model.optimizer.learning_rate))
        return found

    for line in sys.stdin:
        name, *rest = json.loads(line)
        answer = callback(*rest) if name == "callback" else schedule(name, *rest)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
