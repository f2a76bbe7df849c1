"""A model that trains with an optimizer of the finder's own, and is put back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend.common.global_state import (
    get_global_attribute,
    set_global_attribute,
)

from stepsize.adapters.keras.optimizers import groups_of, sync, unwrapped
from stepsize.errors import AdapterError, describe

_RATE = "learning_rate"
_GENERATOR = "global_seed_generator"  # where Keras keeps it
# What training sets on a model: the optimizer's copy and the step compiled for it.
_SET = (
    "optimizer",
    "steps_per_execution",
    "train_function",
    "test_function",
    "stop_training",
    "_jax_state",
    "_jax_state_synced",
)


def check_compiled(model: Any) -> None:
    """Raise unless a model has one optimizer, that of `compile`.

    Raises:
        AdapterError: It is no model, is not compiled, or keeps other optimizers.
    """
    optimizer = getattr(model, "optimizer", None)
    if not isinstance(model, keras.Model) or not isinstance(
        optimizer, keras.optimizers.Optimizer
    ):
        rule = "be a compiled keras.Model"
        hint = "model.compile(optimizer, loss)"
        kind = type(model).__name__
        raise AdapterError(describe("find_lr.model", rule, kind, hint=hint))
    others = [
        name
        for name, one in vars(model).items()
        if isinstance(one, keras.optimizers.Optimizer) and one is not optimizer
    ]
    if others:
        rule = "have no optimizer besides that of compile"
        hint = "stepsize.finder.find takes a step of your own"
        raise AdapterError(describe("find_lr.model", rule, others, hint=hint))


@contextmanager
def apart(model: Any, seed: int) -> Iterator[Callable[[], None]]:
    """Have a model train without a trace, with a copy of its optimizer.

    At the end, of an exception and of Ctrl-C too, it has its own optimizer again, which
    was not touched, the values of all its variables, those of metrics and of seed
    generators among them, and the step that was compiled.

    Args:
        model: Compiled and built.
        seed: Of Keras' own global generator meanwhile; in [0, 2**31).

    Yields:
        A function that puts everything back to the start, the copy too.

    Raises:
        AdapterError: The optimizer cannot be copied.
    """
    sync(model)
    kept_attributes = {name: vars(model)[name] for name in _SET if name in vars(model)}
    kept = _kept([*model.variables, *model.metrics_variables])
    gradients = [(one, one._value.grad) for one, _ in kept if _has_gradient(one)]
    unbuilt = [one for one in _compiled(model) if not one.built]
    copy = _copied(model)
    generator = get_global_attribute(_GENERATOR)
    own = keras.random.SeedGenerator(seed)
    start = _kept([*copy.variables, own.state])

    def again() -> None:
        for variable, value in (*kept, *start):
            variable.assign(keras.ops.copy(value))

    def back() -> None:
        set_global_attribute(_GENERATOR, generator)
        for name, value in kept_attributes.items():
            setattr(model, name, value)
        model.reset_metrics()  # also those that were made meanwhile
        for one in unbuilt:  # else `fit` would draw its batches in another order
            one.built = False
            getattr(one, "_metrics", []).clear()
        for variable, value in kept:
            variable.assign(value)
        for variable, gradient in gradients:
            variable._value.grad = gradient

    try:
        set_global_attribute(_GENERATOR, own)
        model.optimizer = copy
        model.steps_per_execution = 1
        model.train_function = None
        yield again
    finally:
        try:
            back()
        except KeyboardInterrupt:  # pressed once more
            back()
            raise


def _compiled(model: Any) -> list[Any]:
    """Return what `compile` makes of losses and metrics; the first batch builds it."""
    both = (model._compile_loss, model._compile_metrics)
    return [one for one in both if one is not None]


def _kept(variables: list[Any]) -> list[tuple[Any, Any]]:
    return [(one, keras.ops.copy(one.value)) for one in variables]


def _has_gradient(variable: Any) -> bool:
    return keras.backend.backend() == "torch" and bool(variable.trainable)


def _copied(model: Any) -> Any:
    """Return a copy of a model's optimizer, with numbers as its rates."""
    optimizer = model.optimizer
    try:
        copy = type(optimizer).from_config(_with_numbers(config_of(optimizer)))
    except Exception as error:
        rule = "be made again from its get_config()"
        hint = "register a class of your own: keras.saving"
        kind = type(optimizer).__name__
        raise AdapterError(
            describe("model.optimizer", rule, kind, hint=hint)
        ) from error
    pairs = list(zip(parts_of(copy), parts_of(optimizer), strict=False))
    for mine, its in pairs:  # what exclude_from_weight_decay has set
        vars(mine).update({k: v for k, v in vars(its).items() if "_exclude_" in k})
    inner = unwrapped(optimizer)
    if inner.built:
        copy.build(inner._trainable_variables)
        mine, its = _states(copy), _states(optimizer)
        if [one.shape for one in mine] != [one.shape for one in its]:
            rule = "have the variables that its get_config() describes"
            raise AdapterError(describe("model.optimizer", rule, type(inner).__name__))
        for one, other in zip(mine, its, strict=True):
            one.assign(keras.ops.copy(other.value))
    else:
        copy.build(model.trainable_variables)
    return copy


def config_of(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's config, without Keras' own warning on JAX."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ impl", DeprecationWarning)
        config: dict[str, Any] = optimizer.get_config()
    return config


def parts_of(optimizer: Any) -> list[Any]:
    """Return the optimizers that make the updates."""
    inner = unwrapped(optimizer)
    return list(getattr(inner, "optimizers", [inner]))


def _states(optimizer: Any) -> list[Any]:
    """Return an optimizer's variables but for the rates."""
    inner = unwrapped(optimizer)
    rates = [one._learning_rate for one in (inner, *parts_of(optimizer))]
    return [
        one for one in optimizer.variables if not any(one is rate for rate in rates)
    ]


def _with_numbers(config: Any) -> Any:
    """Return a config with numbers in the place of schedules."""
    if isinstance(config, dict):
        return {
            key: 1.0
            if key == _RATE and not isinstance(one, (int, float))
            else _with_numbers(one)
            for key, one in config.items()
        }
    return config


def ratios_of(optimizer: Any) -> list[float]:
    """Return each part's rate as it is now to the largest; 1 where all are 0."""
    rates = [float(one.learning_rate) for one in parts_of(optimizer)]
    largest = max(rates)
    return [rate / largest if largest > 0 else 1.0 for rate in rates]


def set_rates(optimizer: Any, lr: float, ratios: list[float]) -> None:
    """Set the largest rate of a copy, and the others in their ratio to it."""
    for part, ratio in zip(groups_of(optimizer).values(), ratios, strict=True):
        part._learning_rate.assign(lr * ratio)
