"""JAX: a schedule is an optax schedule; tables, counts, groups, what is refused."""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import stepsize as ss
from stepsize.adapters.jax import Scheduler, Table
from stepsize.control import Event, Guard, Plateau, Target, Trajectory
from stepsize.errors import AdapterError

COSINE = 0.1 * ss.warmup(3) >> ss.cosine()


def test_a_resolved_schedule_is_an_optax_schedule_as_it_is() -> None:
    resolved = COSINE.resolve(12)
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=resolved)
    params = jnp.zeros(2)
    state = optimizer.init(params)

    def step(state: Any, _: None) -> Any:
        _, state = optimizer.update(jnp.ones(2), state, params)
        return state, state.hyperparams["learning_rate"]

    _, rates = jax.lax.scan(step, state, None, length=15)
    wanted = np.asarray(resolved.block(0, 15))
    assert float(abs(np.asarray(rates) - wanted).max()) <= 1e-6 * 0.1
    joined = optax.join_schedules([resolved, optax.constant_schedule(1.0)], [12])
    assert float(joined(12)) == 1.0
    assert abs(float(joined(4)) - resolved(4)) <= 1e-7


def test_events_and_policies_go_into_a_scan_without_a_second_compilation() -> None:
    plateau = Plateau("val_loss", factor=0.5, patience=1, convention="keras")
    scheduler = Scheduler(lr=COSINE, total_steps=12, policies=[plateau])
    sgd = optax.inject_hyperparams(optax.sgd)
    optimizer = sgd(learning_rate=scheduler.schedule())
    params, traced = jnp.zeros(2), []

    @jax.jit
    def epoch(params: Any, state: Any) -> Any:
        traced.append(True)

        def step(both: Any, _: None) -> Any:
            updates, state = optimizer.update(jnp.ones(2), both[1], both[0])
            rate = state.hyperparams["learning_rate"]
            return (optax.apply_updates(both[0], updates), state), rate

        return jax.lax.scan(step, (params, state), None, length=4)

    state, rates = optimizer.init(params), []
    for _ in range(3):
        (params, state), used = epoch(params, state)
        rates += used.tolist()
        scheduler.read(state).observe(val_loss=1.0)
        state = scheduler.write(state)
    assert len(traced) == 1
    assert [event.update for event in scheduler.events] == [8]
    wanted = Trajectory(COSINE, ss.Horizon(steps=12), scheduler.events).block(0, 12)
    assert rates == [float(np.float32(rate)) for rate in wanted]
    # and the weights say the same: the gradient is 1
    assert float(params[0]) == pytest.approx(-sum(wanted), rel=1e-6)


def test_groups_and_other_hyperparameters_have_tables_of_their_own() -> None:
    scheduler = Scheduler(
        lr_factor=ss.cosine(),
        groups={"encoder": 0.01, "head": 0.1},
        hyperparameters={"b1": 0.9 * ss.linear(to=0.5)},
        total_steps=8,
    )
    adam = optax.inject_hyperparams(optax.adam)
    each = {
        name: adam(
            learning_rate=scheduler.schedule(group=name),
            b1=scheduler.schedule("b1", name),
        )
        for name in scheduler.groups
    }
    optimizer = optax.multi_transform(each, {"encoder": "encoder", "head": "head"})
    params = {"encoder": jnp.ones(2), "head": jnp.ones(2)}
    state = optimizer.init(params)
    scheduler.read(state).scale(0.5, target=Target(groups="enc*"))
    state = scheduler.write(state)
    for update in range(3):
        _, state = optimizer.update(params, state, params)
        for name, base in (("encoder", 0.005), ("head", 0.1)):
            used = state.inner_states[name].inner_state.hyperparams
            rate = ss.cosine().resolve(8)(update) * base
            assert float(used["learning_rate"]) == pytest.approx(rate, rel=1e-6)
            b1 = (0.9 * ss.linear(to=0.5)).resolve(8)(update)
            assert float(used["b1"]) == pytest.approx(b1, rel=1e-6)
    assert scheduler.read(state).update == 3


def test_a_longer_run_outgrows_its_table_and_an_open_one_ends_in_nan() -> None:
    scheduler = Scheduler(lr=COSINE, total_steps=12)
    state = {"lr": scheduler.schedule().init()}
    assert state["lr"].values.shape == (13,)
    scheduler.extend(40)
    table = scheduler.write(state)["lr"]
    assert table.values.shape == (41,)
    assert float(table.values[40]) == 0.0
    open_run = Scheduler(lr=0.1 * ss.warmup(5) >> ss.hold())
    values = open_run.schedule().init().values
    assert float(values[-2]) == float(np.float32(0.1))
    assert np.isnan(values[-1])


def test_the_last_value_holds_where_the_table_ends() -> None:
    scheduler = Scheduler(lr=0.1 * ss.cosine(to=0.5), total_steps=4)
    rates = scheduler.schedule()
    late = rates.init()._replace(count=jnp.asarray(100))
    assert float(rates(late)) == float(np.float32(0.05))


def test_a_count_that_goes_back_is_an_error() -> None:
    scheduler = Scheduler(lr=COSINE, total_steps=12)
    rates = scheduler.schedule()
    old = rates.init()
    new = rates.update(rates.update(old))
    assert scheduler.read({"a": [new]}).update == 2
    with pytest.raises(AdapterError, match="be 2 or more: updates do not go back"):
        scheduler.read(old)
    with pytest.raises(AdapterError, match="be the same in all groups"):
        scheduler.read((old, new))
    with pytest.raises(AdapterError, match="have a table of rates in it"):
        scheduler.write({"a": jnp.ones(2)})
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), old)
    assert isinstance(several, Table)
    with pytest.raises(AdapterError, match="be of one training"):
        scheduler.read(several)
    with pytest.raises(AdapterError, match="be other than a guard"):
        Scheduler(lr=COSINE, total_steps=12, policies=[Guard()])


def test_an_event_acts_on_the_update_that_the_device_is_at() -> None:
    scheduler = Scheduler(lr=COSINE, total_steps=12)
    rates = scheduler.schedule()
    table = rates.init()
    for _ in range(5):
        table = rates.update(table)
    cut = scheduler.read(table).scale(0.5)
    assert cut.update == 5
    table = scheduler.write(table)
    event = Event(update=5, kind="scale", values={"factor": 0.5})
    wanted = Trajectory(COSINE, ss.Horizon(steps=12), (event,))
    assert float(rates(table)) == float(np.float32(wanted(5)))


def test_optax_alone_skips_by_its_own_count_and_ours_does_not_miss_it() -> None:
    """The trap: a rate written from outside follows attempts, not updates."""
    scheduler = Scheduler(lr=COSINE, total_steps=12)
    sgd = optax.inject_hyperparams(optax.sgd)
    outside = optax.apply_if_finite(sgd(learning_rate=0.0), 5)
    inside = optax.apply_if_finite(sgd(learning_rate=scheduler.schedule()), 5)
    params = jnp.zeros(1)
    states = [outside.init(params), inside.init(params)]
    used: list[list[float]] = [[], []]
    for attempt, gradient in enumerate([1.0, float("inf"), 1.0]):
        states[0].inner_state.hyperparams["learning_rate"] = jnp.asarray(
            COSINE.resolve(12)(attempt)
        )
        for index, optimizer in enumerate((outside, inside)):
            _, states[index] = optimizer.update(
                jnp.full(1, gradient), states[index], params
            )
            if np.isfinite(gradient):
                hyperparams = states[index].inner_state.hyperparams
                used[index].append(float(hyperparams["learning_rate"]))
    wanted = [float(np.float32(COSINE.resolve(12)(update))) for update in range(2)]
    assert used[0] != wanted
    assert used[1] == wanted


def test_a_table_without_inject_hyperparams_is_refused() -> None:
    optimizer = optax.sgd(Scheduler(lr=COSINE, total_steps=12).schedule())
    state = optimizer.init(jnp.zeros(1))
    with pytest.raises(AdapterError, match="must be given to optax through inject"):
        jax.jit(optimizer.update)(jnp.ones(1), state)


@pytest.mark.slow  # which installs flax
def test_an_optimizer_of_flax_nnx_is_steered() -> None:
    from flax import nnx

    model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    scheduler = Scheduler(lr=0.1 * ss.hold(), total_steps=12)
    sgd = optax.inject_hyperparams(optax.sgd)(learning_rate=scheduler.schedule())
    optimizer = nnx.Optimizer(model, sgd, wrt=nnx.Param)

    @nnx.jit  # type: ignore[untyped-decorator]
    def step(model: Any, optimizer: Any) -> None:
        gradient = nnx.grad(lambda one: one(jnp.ones(2)).sum())(model)
        optimizer.update(model, gradient)

    used = []
    for update in range(6):
        if update == 3:
            scheduler.read(optimizer.opt_state).cooldown(2, shape="linear")
            optimizer.opt_state = scheduler.write(optimizer.opt_state)
        before = float(model.bias[0])
        step(model, optimizer)
        used.append(before - float(model.bias[0]))
    assert used == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.05, 0.0], abs=1e-6)
    assert scheduler.read(optimizer.opt_state).update == 6


def test_without_jax_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "import stepsize, stepsize.adapters.driving\n"
        "from stepsize.errors import FrameworkMissingError\n"
        "try:\n    import stepsize.adapters.jax\n"
        "except FrameworkMissingError as error:\n    print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'stepsize[jax]'" in found.stdout
