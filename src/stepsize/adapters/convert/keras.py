"""Reads Keras' learning-rate schedules: live objects, optimizers, and configs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from stepsize.adapters.convert.reading import EXACT, SINGLE, Evaluate, Reading, Values
from stepsize.errors import AdapterError, InvalidScheduleError, describe
from stepsize.schedules.schedule import Schedule

CLASSES = (
    "ExponentialDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "InverseTimeDecay",
    "CosineDecay",
    "CosineDecayRestarts",
)
SIGNS = {
    "boundaries": "PiecewiseConstantDecay",
    "end_learning_rate": "PolynomialDecay",
    "first_decay_steps": "CosineDecayRestarts",
    "warmup_target": "CosineDecay",
}
"""Keys of a bare config that tell its class."""


def reads(obj: object) -> bool:
    """Whether this is a schedule or an optimizer of Keras'."""
    return bool(_bases(obj) & {"LearningRateSchedule", "BaseOptimizer", "Optimizer"})


def reads_config(mapping: Mapping[str, Any]) -> bool:
    """Whether this is what Keras writes for a schedule or an optimizer."""
    if "initial_learning_rate" in mapping or {"boundaries", "values"} <= set(mapping):
        return True
    if mapping.get("class_name") in CLASSES:
        return True
    inner = mapping.get("config", mapping)
    rate = inner.get("learning_rate") if isinstance(inner, Mapping) else None
    return isinstance(rate, Mapping) and rate.get("class_name") in CLASSES


def read(obj: Any) -> Reading:
    """Read a live schedule, or the one of a live optimizer at its iteration.

    Raises:
        AdapterError: The optimizer has no schedule.
    """
    if "LearningRateSchedule" not in _bases(obj):
        schedule = getattr(obj, "_learning_rate", None)
        if "LearningRateSchedule" not in _bases(schedule):
            rule = "have a LearningRateSchedule as its learning_rate"
            raise AdapterError(describe("convert.obj", rule, schedule))
        return replace(read(schedule), step=int(obj.iterations))
    name = type(obj).__name__
    reading = _reading(name, partial(evaluate, obj))
    if name not in CLASSES or not type(obj).__module__.startswith(("keras.", "tf_")):
        return reading  # of a class of the user's own: only it knows its rates
    return replace(reading, schedules=(_dialect(name, obj.get_config()),))


def read_config(mapping: Mapping[str, Any]) -> Reading:
    """Read what `keras.optimizers.schedules.serialize` or `get_config` returned.

    Args:
        mapping: Of a schedule, with or without its class, or of an optimizer.

    Raises:
        AdapterError: The class cannot be told, or is none of Keras'.
    """
    inner = mapping.get("config", mapping)
    if isinstance(inner, Mapping) and isinstance(inner.get("learning_rate"), Mapping):
        return read_config(inner["learning_rate"])
    name = _class_of(mapping)
    config = mapping.get("config", mapping)
    schedule = _dialect(name, config)
    reading = _reading(name, _evaluation(name, config))
    return replace(reading, schedules=(schedule,), live=False)


def evaluate(schedule: Any, start: int, stop: int) -> Values:
    """Call a schedule of Keras' at each step."""
    with _uncompiled():
        return Values([[float(schedule(step)) for step in range(start, stop)]], [])


def _uncompiled() -> AbstractContextManager[Any]:
    """Keep JAX from compiling each call's branches anew: 0.1 s a step."""
    import keras

    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return jax.disable_jit()


def _reading(name: str, run: Evaluate | None) -> Reading:
    single = _single()
    notes = ("Keras computes in single precision here",) if single and run else ()
    return Reading(
        peer=f"keras {name}",
        schedules=None,
        evaluate=run,
        tolerance=SINGLE if single else EXACT,
        live=True,
        notes=notes,
    )


def _single() -> bool:
    try:
        import keras
    except ImportError:
        return False
    return bool(keras.config.floatx() != "float64")


def _bases(obj: object) -> set[str]:
    return {
        kind.__name__
        for kind in type(obj).__mro__
        if kind.__module__.split(".")[0] in {"keras", "tf_keras"}
    }


def _class_of(mapping: Mapping[str, Any]) -> str:
    names = (mapping.get("class_name"), mapping.get("name"))
    found = next((name for name in names if name in CLASSES), None)
    if found is None and mapping.get("class_name") is None:
        found = next((SIGNS[key] for key in SIGNS if key in mapping), None)
    if found is None:
        rule = f"be one of {', '.join(CLASSES)}"
        hint = "use keras.optimizers.schedules.serialize(schedule), which names it"
        got = mapping.get("class_name")
        raise AdapterError(describe("convert.class_name", rule, got, hint=hint))
    return str(found)


def _dialect(name: str, config: Mapping[str, Any]) -> Schedule:
    from stepsize.dialects import keras as dialect

    function: Callable[..., Schedule] = getattr(dialect, name)
    takes = inspect.signature(function).parameters
    given = {key: _plain(value) for key, value in config.items() if key in takes}
    given.pop("name", None)
    try:
        return function(**given)
    except TypeError as error:
        rule = "have all its arguments"
        message = describe(f"keras.{name}", rule, dict(config))
        raise InvalidScheduleError(message) from error


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    number = float(value)
    return number if not math.isnan(number) else value


def _evaluation(name: str, config: Mapping[str, Any]) -> Evaluate | None:
    try:
        import keras
    except ImportError:
        return None
    kind = getattr(keras.optimizers.schedules, name)
    return partial(evaluate, kind(**config))
