"""Flax and optax on handwritten digits: a plateau policy, a stop and a resume."""

import json
import tempfile
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from flax.training.train_state import TrainState
from sklearn.datasets import load_digits

import stepsize as ss
from stepsize.adapters.jax import Scheduler
from stepsize.control import Plateau

EPOCHS, BATCH = 12, 64
digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.target))
images, labels = digits.data[order] / 16, digits.target[order]
train, held_out = slice(0, 1536), slice(1536, None)
steps = 1536 // BATCH


def start() -> tuple[TrainState, Scheduler]:
    plateau = Plateau("val_loss", factor=0.5, patience=2, convention="keras")
    scheduler = Scheduler(
        lr=0.3 * ss.warmup("5%") >> ss.hold() >> ss.decay("30%", shape="1-sqrt"),
        total_steps=EPOCHS * steps,
        policies=[plateau],
    )
    sgd = optax.inject_hyperparams(optax.sgd)
    optimizer = sgd(learning_rate=scheduler.schedule(), momentum=0.9)
    model = nn.Sequential([nn.Dense(64), nn.relu, nn.Dense(10)])
    params = model.init(jax.random.key(0), images[:1])
    apply = model.apply
    state = TrainState.create(apply_fn=apply, params=params, tx=optimizer)
    return state, scheduler


def loss_of(params: Any, state: TrainState, x: Any, y: Any) -> Any:
    logits = state.apply_fn(params, x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


@jax.jit
def step(state: TrainState, x: Any, y: Any) -> TrainState:
    return state.apply_gradients(grads=jax.grad(loss_of)(state.params, state, x, y))


def run(state: TrainState, scheduler: Scheduler, epochs: range) -> TrainState:
    for epoch in epochs:
        batches = np.random.default_rng(epoch).permutation(1536).reshape(steps, BATCH)
        for batch in batches:
            state = step(state, images[batch], jnp.asarray(labels[batch]))
        loss = loss_of(state.params, state, images[held_out], labels[held_out])
        scheduler.read(state.opt_state).observe(val_loss=loss)
        state = state.replace(opt_state=scheduler.write(state.opt_state))
        print(f"epoch {epoch}: val_loss {loss:.4f}, lr {scheduler.last_lr['0']:.4f}")
    return state


whole = run(*start(), range(EPOCHS))  # type: ignore[misc]  # two of them
state, scheduler = start()
state = run(state, scheduler, range(EPOCHS // 2))
with tempfile.TemporaryDirectory() as folder, ocp.StandardCheckpointer() as files:
    files.save(Path(folder) / "state", state)
    (Path(folder) / "lr.json").write_text(json.dumps(scheduler.state_dict()))
    files.wait_until_finished()
    state, scheduler = start()
    state = files.restore(Path(folder) / "state", state)
    scheduler.load_state_dict(json.loads((Path(folder) / "lr.json").read_text()))
state = run(state, scheduler, range(EPOCHS // 2, EPOCHS))
jax.tree.map(np.testing.assert_array_equal, state.params, whole.params)
print("events:", [(event.update, event.source) for event in scheduler.events])
