"""Equinox on handwritten digits: an epoch per call, a cooldown that is called for."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import stepsize as ss
from stepsize.adapters.jax import Scheduler

EPOCHS, BATCH = 10, 64
digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.target))
images = jnp.asarray(digits.data[order] / 16, jnp.float32)
labels = jnp.asarray(digits.target[order])
steps = 1536 // BATCH

scheduler = Scheduler(
    lr=0.003 * ss.warmup("5%") >> ss.hold(), total_steps=EPOCHS * steps
)
adam = optax.inject_hyperparams(optax.adam)
optimizer = optax.apply_if_finite(adam(learning_rate=scheduler.schedule()), 5)
model = eqx.nn.MLP(64, 10, 64, 1, key=jax.random.key(0))
params, static = eqx.partition(model, eqx.is_array)
opt_state = optimizer.init(params)


def loss_of(params: Any, x: Any, y: Any) -> Any:
    logits = jax.vmap(eqx.combine(params, static))(x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


@eqx.filter_jit
def epoch(params: Any, opt_state: Any, batches: Any) -> Any:
    def step(both: Any, batch: Any) -> Any:
        params, opt_state = both
        grads = jax.grad(loss_of)(params, images[batch], labels[batch])
        updates, opt_state = optimizer.update(grads, opt_state, params)
        rate = opt_state.inner_state.hyperparams["learning_rate"]
        return (optax.apply_updates(params, updates), opt_state), rate

    return jax.lax.scan(step, (params, opt_state), batches)


for number in range(EPOCHS):
    batches = np.random.default_rng(number).permutation(1536).reshape(steps, BATCH)
    (params, opt_state), rates = epoch(params, opt_state, jnp.asarray(batches))
    loss = loss_of(params, images[1536:], labels[1536:])
    print(f"epoch {number}: val_loss {loss:.4f}, last lr {rates[-1]:.5f}")
    if number == EPOCHS // 2:  # decay now: in three epochs, and be done
        scheduler.read(opt_state).cooldown(3 * steps, source="operator:ada")
        opt_state = scheduler.write(opt_state)
    if scheduler.read(opt_state).done:
        break

print(f"done after {scheduler.update} updates:", scheduler.events[0].kind)
