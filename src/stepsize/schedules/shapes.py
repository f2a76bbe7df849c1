"""The names of interpolating shapes and their parameters; the formulas are elsewhere.

`decay` and `warmup` take a shape by name and its parameters by keyword. A parameter
that equals its default is not stored, so that equal schedules are equal values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number


class Parameter(NamedTuple):
    """A parameter of a shape: its default and its range."""

    default: float
    low: float = 0.0
    high: float = math.inf
    open_low: bool = True
    open_high: bool = False


_POWER = {"power": Parameter(2.0)}
_K = {"k": Parameter(1.0)}
_RATIO = {"ratio": Parameter(1.0, high=1.0)}

DECAYS: dict[str, Mapping[str, Parameter]] = {
    "linear": {},
    "cosine": {"power": Parameter(1.0), **_K},
    "polynomial": {**_POWER, **_K},
    "exponential": {},
    "1-sqrt": {},
    "1-square": {},
    "mirrored-cosine": {},
    "rex": {"beta": Parameter(0.5, high=1.0, open_low=False, open_high=True)},
    "tanh": {"low": Parameter(-7.0, low=-50.0), "high": Parameter(3.0, low=-50.0)},
    "hyperbolic": _RATIO,
    "exponential-hyperbolic": _RATIO,
    "shifted-exponential": {"ratio": Parameter(0.5, high=1.0, open_high=True)},
    "harmonic": {},
}

WARMUPS: dict[str, Mapping[str, Parameter]] = {
    "linear": {},
    "cosine": {},
    "polynomial": _POWER,
    "exponential": {},
    "1-sqrt": {},
    "log": {},
}

GEOMETRIC = frozenset({"exponential", "exponential-hyperbolic", "harmonic"})
"""Shapes that multiply or divide their way from value to value: neither may be 0."""


def check_shape(
    owner: str,
    shape: object,
    known: Mapping[str, Mapping[str, Parameter]],
    given: Mapping[str, object],
) -> tuple[str, tuple[tuple[str, float], ...]]:
    """Return the shape's name and those of its parameters that differ from a default.

    Raises:
        InvalidScheduleError: The shape is unknown, has no such parameter, or a
            parameter is outside its range.
    """
    name = choice(shape, f"{owner}.shape", tuple(known))
    parameters = known[name]
    for key, value in given.items():
        if key not in parameters:
            takes = ", ".join(parameters) or "no parameter"
            rule = f'be left out: shape "{name}" takes {takes}'
            raise InvalidScheduleError(describe(f"{owner}.{key}", rule, value))
    stored = []
    for key, parameter in parameters.items():
        if key in given:
            field = f"{owner}.{key}"
            default, low, high, open_low, open_high = parameter
            value = number(given[key], field, low=low, high=high, open_low=open_low)
            if open_high and value == high:
                rule = f"be a finite number < {high:g}"
                raise InvalidScheduleError(describe(field, rule, value))
            if value != default:
                stored.append((key, value))
    return name, tuple(stored)


def numbers_of(
    shape: str,
    known: Mapping[str, Mapping[str, Parameter]],
    args: Mapping[str, object],
) -> tuple[float, ...]:
    """Return the parameters of a shape in the order its formula takes them."""
    parameters = known[shape].items()
    return tuple(float(args.get(k, p.default)) for k, p in parameters)  # type: ignore[arg-type]  # checked numbers
