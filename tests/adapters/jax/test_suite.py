"""The suite of every adapter, for optax optimizers in jitted steps."""

import itertools
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from stepsize.adapters.jax import Scheduler, Table
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

sgd = optax.inject_hyperparams(optax.sgd)


def build(case: Case) -> tuple[Scheduler, Any]:
    """Return a scheduler and its optimizer: accumulating, skipping, in groups."""
    groups = {f"w{index}": base for index, base in enumerate(case.bases or (1.0,))}
    scheduler = Scheduler(
        lr=None if case.bases else case.schedule,
        lr_factor=case.schedule if case.bases else None,
        groups=groups,
        total_steps=case.total_steps,
        policies=case.policies,
    )
    each = {
        name: sgd(learning_rate=scheduler.schedule(group=name), momentum=0.5)
        for name in groups
    }
    optimizer = optax.multi_transform(each, {name: name for name in groups})
    if case.overflows:
        optimizer = optax.apply_if_finite(optimizer, 3)
    if case.micro_batches > 1:
        optimizer = optax.MultiSteps(optimizer, case.micro_batches)
    return scheduler, optimizer


def rates_of(opt_state: Any) -> list[float]:
    """Return what optax says it used, group by group."""
    found = optax.tree_utils.tree_get_all_with_path(opt_state, "learning_rate")
    return [float(value) for _, value in found if not isinstance(value, Table)]


class TestOptax(AdapterSuite):
    def held(self, rate: float) -> float:
        return float(np.float32(rate))

    def train(self, case: Case) -> Trained:
        scheduler, optimizer = build(case)
        params = {name: jnp.asarray([1.0, 2.0]) for name in scheduler.groups}
        state = optimizer.init(params)
        compiled = []

        @jax.jit
        def step(params: Any, state: Any, features: Any, scale: Any) -> Any:
            compiled.append(True)

            def loss(params: Any) -> Any:
                errors = [(w * features).sum() - 1.0 for w in params.values()]
                return sum(error**2 for error in errors) * scale

            updates, state = optimizer.update(jax.grad(loss)(params), state, params)
            return optax.apply_updates(params, updates), state

        rates: list[list[float]] = []
        metrics = iter(case.metrics)
        for attempt in itertools.count():
            made = len(rates)
            if made == case.updates:
                break
            if case.cooldown is not None and made == case.cooldown[0]:
                scheduler.read(state).cooldown(case.cooldown[1])
                state = scheduler.write(state)
            overflows = attempt in case.overflows
            for batch in range(case.micro_batches):
                features = jnp.asarray([0.5, 1.0 + batch])
                scale = jnp.inf if overflows else 1.0
                params, state = step(params, state, features, scale)
            if overflows:
                continue
            rates.append(rates_of(state))
            made = len(rates)
            if made % EPOCH == 0 and case.metrics:
                scheduler.read(state).observe(val_loss=next(metrics))
                state = scheduler.write(state)
            if made in case.stops:
                own = scheduler.read(state).state_dict()
                saved = pickle.dumps((own, jax.tree.leaves((params, state))))
                scheduler, optimizer = build(case)
                own, leaves = pickle.loads(saved)
                scheduler.load_state_dict(own)
                shape = jax.tree.structure((params, optimizer.init(params)))
                params, state = jax.tree.unflatten(shape, leaves)
        assert len(compiled) == 1
        return Trained(
            rates=rates,
            weights=[params[name].tolist() for name in scheduler.groups],
            update=scheduler.read(state).update,
            events=scheduler.events,
        )
