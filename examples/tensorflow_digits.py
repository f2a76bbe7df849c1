"""A loop of TensorFlow's own on handwritten digits: one trace, a cooldown, a resume.

Needs: pip install 'stepsize[keras]' tensorflow-cpu scikit-learn
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import stepsize as ss
from stepsize.adapters.keras import Scheduler

BATCH, UPDATES, COOLDOWN = 32, 400, 60
data, target = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(target))
images, labels = (data[order] / 16).astype("float32"), target[order]
batches = [slice(at, at + BATCH) for at in range(0, 1536, BATCH)]


class Training:
    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        self.model = keras.Sequential(
            [
                keras.Input((64,)),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(10),
            ]
        )
        self.optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        self.optimizer.build(self.model.trainable_variables)
        schedule = 0.2 * ss.warmup(20) >> ss.hold()
        self.scheduler = Scheduler(self.optimizer, lr=schedule, total_steps=UPDATES)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.traces = 0

        @tf.function  # type: ignore[untyped-decorator]
        def step(x: Any, y: Any) -> Any:
            self.traces += 1
            with tf.GradientTape() as tape:
                value = loss(y, self.model(x, training=True))
            weights = self.model.trainable_variables
            self.optimizer.apply(tape.gradient(value, weights), weights)
            return value

        self.step = step
        self.checkpoint = tf.train.Checkpoint(self.model, optimizer=self.optimizer)

    def until(self, update: int) -> None:
        while self.scheduler.update < update and not self.scheduler.done:
            rows = batches[self.scheduler.update % len(batches)]
            self.step(tf.constant(images[rows]), tf.constant(labels[rows]))
            self.scheduler.step()  # the rate of the next update
            if self.scheduler.update == 200:
                self.scheduler.cooldown(COOLDOWN, reason="good enough")


whole, first, second = Training(), Training(), Training()
whole.until(UPDATES)
with tempfile.TemporaryDirectory() as folder:
    first.until(230)  # in the middle of the cooldown
    path = first.checkpoint.write(f"{folder}/model")
    Path(folder, "lr.json").write_text(json.dumps(first.scheduler.state_dict()))
    second.checkpoint.read(path).assert_consumed()
    second.scheduler.load_state_dict(json.loads(Path(folder, "lr.json").read_text()))
second.until(UPDATES)
for one, other in zip(whole.model.weights, second.model.weights, strict=True):
    np.testing.assert_array_equal(one.numpy(), other.numpy())
right = np.argmax(whole.model.predict(images[1536:], verbose=0), 1) == labels[1536:]
print(f"the same after {second.scheduler.update} updates, {whole.traces} trace")
print(f"accuracy {right.mean():.3f}")
