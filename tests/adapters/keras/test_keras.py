"""Keras: schedules in the optimizer, loops of one's own, traps, what is refused."""

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import stepsize as ss
from stepsize.adapters.keras import Schedule, Scheduler
from stepsize.control import Event, Guard, Plateau, Trajectory
from stepsize.errors import AdapterError, HorizonChangedError

COSINE = 0.1 * ss.warmup(3) >> ss.cosine()
RATES = COSINE.resolve(12).block(0, 12)
SAVING = pytest.mark.filterwarnings(  # Keras' own, when it saves on JAX
    "ignore:__array__ implementation doesn't accept:DeprecationWarning"
)

AT_ONCE = pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="Keras on torch has no steps_per_execution",
)


def model_of(optimizer: Any, **compiled: Any) -> Any:
    """Return a model whose loss has gradient 1 in its only weight."""
    x = keras.Input((1,))
    y = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(x)
    model = keras.Model(x, y)
    model.compile(optimizer, loss=_mean, **compiled)
    return model


@keras.saving.register_keras_serializable(package="tests")  # type: ignore[untyped-decorator]
def _mean(_: Any, y: Any) -> Any:
    return keras.ops.mean(y)


class _Each(keras.metrics.Metric):  # type: ignore[misc]  # untyped
    """As `F1Score(average=None)`: a number for each class."""

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Keep nothing."""

    def result(self) -> Any:
        return keras.ops.ones(3)


def fit(model: Any, batches: int, **given: Any) -> Any:
    x = np.ones((batches, 1), "float32")
    return model.fit(x, x, batch_size=1, shuffle=False, verbose=0, **given)


def weight(model: Any) -> float:
    return float(keras.ops.stop_gradient(model.trainable_variables[0].value)[0][0])


def test_accumulation_runs_keras_own_schedule_too_fast_and_ours_right() -> None:
    """The trap: Keras evaluates a schedule at batches, not at updates."""
    theirs = keras.optimizers.schedules.PiecewiseConstantDecay([3], [1.0, 0.0])
    ours = 1.0 * ss.hold(4) >> ss.jump(to_lr=0.0) >> ss.hold()
    weights = []
    for rate in (theirs, Schedule(ours, total_steps=8, accumulation=4)):
        sgd = keras.optimizers.SGD(rate, gradient_accumulation_steps=4)
        model = model_of(sgd)
        fit(model, 32)
        weights.append(weight(model))
    assert weights == [-1.0, -4.0]


@SAVING
def test_a_schedule_is_saved_and_loaded_with_the_model(tmp_path: Path) -> None:
    rate = Schedule(COSINE, total_steps=12, accumulation=2)
    model = model_of(keras.optimizers.SGD(rate, gradient_accumulation_steps=2))
    fit(model, 10)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    kept = loaded.optimizer._learning_rate
    assert kept.get_config() == rate.get_config()
    fit(loaded, 14)
    assert weight(loaded) == pytest.approx(-sum(RATES), rel=1e-6)


@AT_ONCE
def test_a_schedule_goes_through_many_updates_of_one_execution() -> None:
    model = model_of(
        keras.optimizers.SGD(Schedule(COSINE, total_steps=12)), steps_per_execution=4
    )
    fit(model, 12)
    assert weight(model) == pytest.approx(-sum(RATES), rel=1e-6)


def test_the_log_has_the_rate_that_the_last_update_used() -> None:
    model = model_of(keras.optimizers.SGD(0.5))
    scheduler = Scheduler(model.optimizer, lr=COSINE, total_steps=12)
    logs = fit(model, 4, epochs=3, callbacks=[scheduler]).history
    assert logs["learning_rate"] == [RATES[3], RATES[7], RATES[11]]
    assert weight(model) == pytest.approx(-sum(RATES), rel=1e-6)


def test_a_metric_of_several_numbers_is_left_out() -> None:
    model = model_of(keras.optimizers.SGD(0.5), metrics=[_Each(name="each")])
    plateau = Plateau("loss", patience=1, convention="keras")
    scheduler = Scheduler(model.optimizer, lr=0.1, policies=[plateau])
    logs = fit(model, 4, epochs=2, callbacks=[scheduler]).history
    assert np.shape(logs["each"]) == (2, 3)
    assert scheduler.update == 8


def test_a_second_fit_goes_on() -> None:
    model = model_of(keras.optimizers.SGD(0.5))
    scheduler = Scheduler(model.optimizer, lr=COSINE, total_steps=12)
    for _ in range(3):
        fit(model, 4, callbacks=[scheduler])
    assert weight(model) == pytest.approx(-sum(RATES), rel=1e-6)
    other = Scheduler(model.optimizer, lr=0.25)  # another stage, from its own 0
    fit(model, 4, callbacks=[other])
    assert other.update == 4
    assert weight(model) == pytest.approx(-sum(RATES) - 1.0, rel=1e-6)


def test_an_accumulation_goes_over_the_end_of_an_epoch() -> None:
    model = model_of(keras.optimizers.SGD(0.5, gradient_accumulation_steps=4))
    scheduler = Scheduler(model.optimizer, lr=COSINE, total_steps=12)
    fit(model, 6, epochs=8, callbacks=[scheduler])
    assert scheduler.update == 12
    assert weight(model) == pytest.approx(-sum(RATES), rel=1e-6)


class Editing(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.model.optimizer.learning_rate = 7.0


def test_a_hand_edit_reaches_no_update_and_is_reported() -> None:
    model = model_of(keras.optimizers.SGD(0.5))
    scheduler = Scheduler(model.optimizer, lr=0.125)
    with pytest.raises(AdapterError, match=r"rate that was written, 0\.125; got 7\.0"):
        fit(model, 8, callbacks=[Editing(), scheduler])
    assert weight(model) == -1.0


class Steering(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self.scheduler = scheduler

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.scheduler.scale(0.5)


class Observing(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self.scheduler = scheduler

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.scheduler.observe(seen=1.0)


def test_an_observation_within_an_epoch_acts_on_the_next_update() -> None:
    model = model_of(keras.optimizers.SGD(0.5))
    plateau = Plateau("seen", factor=0.5, patience=2, convention="keras")
    scheduler = Scheduler(model.optimizer, lr=0.125, policies=[plateau])
    fit(model, 6, callbacks=[scheduler, Observing(scheduler)])
    assert [event.update for event in scheduler.events] == [3, 5]
    assert weight(model) == -(3 * 0.125 + 2 * 0.0625 + 0.03125)


def test_a_model_that_runs_eagerly_follows() -> None:
    model = model_of(keras.optimizers.SGD(0.5), run_eagerly=True)
    scheduler = Scheduler(model.optimizer, lr=COSINE, total_steps=12)
    fit(model, 6, epochs=2, callbacks=[scheduler])
    assert weight(model) == pytest.approx(-sum(RATES), rel=1e-6)


def test_an_interrupted_fit_leaves_a_model_that_others_train() -> None:
    """What steered the fit is gone from its step, and so is the rate it had set."""

    class Cut(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                raise KeyboardInterrupt

    model = model_of(keras.optimizers.SGD(0.5))
    scheduler = Scheduler(model.optimizer, lr=COSINE, total_steps=12)
    with pytest.raises(KeyboardInterrupt):
        fit(model, 4, callbacks=[scheduler, Cut()])
    assert weight(model) == pytest.approx(-sum(RATES[:2]), rel=1e-6)
    model.optimizer.learning_rate = 0.25
    fit(model, 2)
    assert weight(model) == pytest.approx(-sum(RATES[:2]) - 0.5, rel=1e-6)


def test_an_event_for_a_batch_that_is_under_way_is_refused() -> None:
    model = model_of(keras.optimizers.SGD(0.5))
    scheduler = Scheduler(model.optimizer, lr=0.125)
    with pytest.raises(AdapterError, match="not be called while a batch is trained"):
        fit(model, 2, callbacks=[scheduler, Steering(scheduler)])
    assert scheduler.events == ()


def test_a_loop_of_ones_own_counts_what_the_optimizer_made() -> None:
    every = 2
    variable = keras.Variable(0.0)
    sgd = keras.optimizers.SGD(0.5, gradient_accumulation_steps=every)
    plateau = Plateau("val_loss", factor=0.5, patience=1, convention="keras")
    scheduler = Scheduler(sgd, lr=COSINE, total_steps=12, policies=[plateau])
    for batch in range(12 * every):
        sgd.apply([keras.ops.ones(())], [variable])
        scheduler.step()
        if (batch + 1) % (4 * every) == 0:
            scheduler.observe(val_loss=1.0)
    assert scheduler.update == 12
    assert [event.update for event in scheduler.events] == [8]
    wanted = Trajectory(COSINE, ss.Horizon(steps=12), scheduler.events).block(0, 12)
    found = -float(keras.ops.stop_gradient(variable.value))
    assert found == pytest.approx(sum(wanted), rel=1e-6)


@SAVING
@pytest.mark.parametrize("state_first", [True, False])
def test_a_loaded_model_goes_on(tmp_path: Path, state_first: bool) -> None:
    """With `model.save` and a factor, whose base is not the rate that was saved."""
    model = model_of(keras.optimizers.SGD(0.1))
    factor = ss.warmup(3) >> ss.cosine()
    scheduler = Scheduler(model.optimizer, lr_factor=factor, total_steps=12)
    fit(model, 7, callbacks=[scheduler])
    model.save(tmp_path / "model.keras")
    state = json.loads(json.dumps(scheduler.state_dict()))
    if state_first:
        loaded = model_of(keras.optimizers.SGD(0.1))
        loaded.optimizer.build(loaded.trainable_variables)
        resumed = Scheduler(loaded.optimizer, lr_factor=factor, total_steps=12)
        resumed.load_state_dict(state)
        loaded.load_weights(tmp_path / "model.keras")
    else:
        loaded = keras.models.load_model(tmp_path / "model.keras")
        resumed = Scheduler(loaded.optimizer, lr_factor=factor, total_steps=12)
        resumed.load_state_dict(state)
    fit(loaded, 5, callbacks=[resumed])
    fit(model, 5, callbacks=[scheduler])
    assert weight(loaded) == weight(model)
    with pytest.raises(HorizonChangedError, match="12"):
        Scheduler(loaded.optimizer, lr_factor=factor, total_steps=9).load_state_dict(
            state
        )


@SAVING
def test_a_restored_optimizer_without_its_state_is_an_error(tmp_path: Path) -> None:
    folder, file = str(tmp_path / "keras"), tmp_path / "lr.json"

    def run(epochs: int, **given: Any) -> None:
        model = model_of(keras.optimizers.SGD(0.5))
        scheduler = Scheduler(model.optimizer, lr=COSINE, total_steps=12, **given)
        backup = keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
        fit(model, 4, epochs=epochs, callbacks=[backup, scheduler])

    run(1)
    with pytest.raises(AdapterError, match="have made 0 updates, as the Scheduler"):
        run(2)
    with pytest.raises(AdapterError, match="have the state at 4 updates"):
        run(2, backup=file)
    file.write_text("{}")
    with pytest.raises(AdapterError, match="be the file that a Scheduler wrote"):
        run(2, backup=file)


def test_the_backup_keeps_the_last_states_every_so_many_batches(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lr.json"
    model = model_of(keras.optimizers.SGD(0.5))
    scheduler = Scheduler(model.optimizer, lr=0.1, backup=file, save_freq=2)
    fit(model, 20, callbacks=[scheduler])
    states = json.loads(file.read_text())["states"]
    assert [int(count) for count in states] == [6, 8, 10, 12, 14, 16, 18, 20]
    assert states["12"]["update"] == 12


@pytest.mark.parametrize(
    ("names", "groups"),
    [((None, "head"), ("0", "head")), (("a", "a"), ("a", "1")), (("sgd", "b"), "0b")],
)
def test_parts_go_by_the_name_they_were_given(names: Any, groups: Any) -> None:
    parts = [
        keras.optimizers.SGD(rate, **({} if name is None else {"name": name}))
        for rate, name in zip((0.1, 0.2), names, strict=True)
    ]
    chosen = keras.optimizers.OptimizerMap(parts[1], {"x/.*": parts[0]})
    optimizer = keras.optimizers.MultiOptimizer(chosen)
    scheduler = Scheduler(optimizer, lr_factor=1.0)
    assert list(scheduler.next_lr.values()) == [0.1, 0.2]
    assert scheduler.groups == tuple(groups)


def test_what_cannot_be_driven_is_refused() -> None:
    sgd = keras.optimizers.SGD(0.1)
    with pytest.raises(AdapterError, match="be a Keras optimizer"):
        Scheduler("sgd", lr=0.1)
    with pytest.raises(AdapterError, match="have a number as its learning rate"):
        Scheduler(keras.optimizers.SGD(Schedule(COSINE, total_steps=3)), lr=0.1)
    with pytest.raises(AdapterError, match=r"name the optimizer's: 0"):
        Scheduler(sgd, lr=0.1, groups={"a": 1.0})
    with pytest.raises(AdapterError, match="be other than a guard"):
        Scheduler(sgd, lr=0.1, policies=[Guard()])
    with pytest.raises(AdapterError, match="save_freq must be 'epoch'"):
        Scheduler(sgd, lr=0.1, save_freq="batch")
    with pytest.raises(AdapterError, match="accumulation must be an int >= 1"):
        Schedule(COSINE, total_steps=3, accumulation=0)
    other = Scheduler(keras.optimizers.SGD(0.1), lr=0.1)
    with pytest.raises(AdapterError, match=r"Scheduler.optimizer must be that of the"):
        fit(model_of(keras.optimizers.SGD(0.1)), 2, callbacks=[other])


@AT_ONCE
def test_many_updates_of_one_execution_have_no_callback_between() -> None:
    model = model_of(keras.optimizers.SGD(0.1), steps_per_execution=2)
    with pytest.raises(AdapterError, match=r"compile.steps_per_execution must be 1"):
        fit(model, 2, callbacks=[Scheduler(model.optimizer, lr=0.1)])


def test_events_are_recorded_as_everywhere(tmp_path: Path) -> None:
    sgd = keras.optimizers.SGD(0.1)
    scheduler = Scheduler(
        sgd, lr=COSINE, total_steps=12, ledger=tmp_path / "events.jsonl"
    )
    scheduler.add_event(Event(update=0, kind="scale", values={"factor": 0.5}))
    assert scheduler.rate() == RATES[0] * 0.5


@pytest.mark.parametrize("shape", [(), (1,), (6,), (2, 3)])
def test_steps_of_any_shape_give_rates_of_it(shape: tuple[int, ...]) -> None:
    count = math.prod(shape)
    steps = keras.ops.reshape(keras.ops.arange(count, dtype="int32"), shape)
    rates = COSINE.resolve(12)(steps)
    assert tuple(rates.shape) == shape
    flat = [float(rate) for rate in keras.ops.reshape(rates, (-1,))]
    assert flat == pytest.approx(RATES[:count], rel=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a loop of TensorFlow's own"
)
def test_a_tf_function_is_traced_once_and_reads_each_rate() -> None:
    tf: Any = importlib.import_module("tensorflow")

    variable, sgd = keras.Variable(0.0), keras.optimizers.SGD(0.5)
    sgd.build([variable])
    scheduler = Scheduler(sgd, lr=COSINE, total_steps=12)
    schedule = keras.optimizers.SGD(Schedule(COSINE, total_steps=12))
    other, traced = keras.Variable(0.0), []
    schedule.build([other])

    @tf.function  # type: ignore[untyped-decorator]
    def step(gradient: Any) -> None:
        traced.append(True)
        sgd.apply([gradient], [variable])
        schedule.apply([gradient], [other])

    for update in range(12):
        if update == 5:
            scheduler.scale(0.5)
            scheduler.step()
        step(tf.constant(1.0))
        scheduler.step()
    wanted = Trajectory(COSINE, ss.Horizon(steps=12), scheduler.events).block(0, 12)
    assert float(variable.value) == pytest.approx(-sum(wanted), rel=1e-6)
    assert float(other.value) == pytest.approx(-sum(RATES), rel=1e-6)
    assert len(traced) == 1


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("torch", marks=pytest.mark.slow),
        pytest.param("tensorflow", marks=pytest.mark.peers),
    ],
)
def test_the_other_backends(backend: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-m", "not slow and not peers", str(Path(__file__).parent)]
    found = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": backend},
    )
    assert found.returncode == 0, found.stdout


def test_without_keras_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "import stepsize, stepsize.adapters.driving\n"
        "from stepsize.errors import FrameworkMissingError\n"
        "try:\n    import stepsize.adapters.keras\n"
        "except FrameworkMissingError as error:\n    print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'stepsize[keras]'" in found.stdout
