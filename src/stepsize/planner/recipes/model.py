"""What a recipe reads of a model: its parameters' names, shapes and number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.durations import whole

Shape = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as plain data.

    Attributes:
        names: Names of its parameters in order, from the input on.
        shapes: Their shapes; None where only names are known.
        parameters: How many numbers they hold; None where that is not known.
    """

    names: tuple[str, ...] = ()
    shapes: tuple[Shape, ...] | None = None
    parameters: float | None = None


def read_model(model: Any) -> Model:
    """Return what is known of a model.

    Args:
        model: A number of parameters; names of parameters; a mapping of names to
            shapes; or an object with `named_parameters()`, such as a torch module.

    Raises:
        InvalidScheduleError: It is none of these.

    Examples:
        >>> read_model({"embed.weight": (100, 8), "head.weight": (8, 10)}).parameters
        880
        >>> read_model(125e6).parameters
        125000000.0
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, (int, float)) and not isinstance(model, bool):
        if not 0 < model < math.inf:
            raise _unknown(model)
        return Model(parameters=model)
    named = getattr(model, "named_parameters", None)
    if callable(named):
        model = {name: tuple(one.shape) for name, one in named()}
    if isinstance(model, Mapping):
        if not model:
            raise _unknown(model)
        shapes = tuple(_shape(name, shape) for name, shape in model.items())
        count = sum(math.prod(shape) for shape in shapes)
        return Model(names=tuple(model), shapes=shapes, parameters=count or None)
    if isinstance(model, Iterable) and not isinstance(model, (str, bytes)):
        names = tuple(model)
        if names and all(isinstance(name, str) for name in names):
            return Model(names=names)
    raise _unknown(model)


def _shape(name: object, shape: Any) -> Shape:
    if not isinstance(name, str) or not isinstance(shape, Sequence):
        raise _unknown({name: shape})
    sizes = tuple(size for size in map(whole, shape) if size is not None and size >= 0)
    if len(sizes) < len(shape):
        raise _unknown({name: shape})
    return sizes


def _unknown(model: object) -> InvalidScheduleError:
    rule = (
        "be a number of parameters > 0, names of parameters, a mapping of names to "
        "shapes, or an object with named_parameters()"
    )
    return InvalidScheduleError(describe("recipe.model", rule, model))
