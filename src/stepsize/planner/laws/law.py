"""What a loss law is, and the checks of what all of them are given; no formula."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stepsize.errors import FitError, describe

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


class Law(Protocol):
    """Maps the rates of a run to its loss curve.

    A frozen value: the fields are the law's parameters.
    """

    def loss(self, rates: Any, steps: Any) -> Floats:
        """Return the loss at each of `steps`.

        Args:
            rates: Rate of every update, float array, shape (T,). Unit: lr; >= 0.
            steps: Where the loss is wanted, int array, shape (n,), each in 0..T. At
                step t the updates 0..t have been made; T is taken as T - 1.

        Returns:
            The losses, float64 array, shape (n,).
        """


class Differentiable(Law, Protocol):
    """A law that also knows its derivatives by its own parameters."""

    def jacobian(self, rates: Any, steps: Any) -> tuple[Floats, Floats]:
        """Return the losses, shape (n,), and the derivatives, shape (n, parameters).

        The columns follow the law's fields.
        """


def check_rates(rates: Any, owner: str) -> Floats:
    """Return rates as a float64 array.

    Raises:
        FitError: They are no one-dimensional array of finite numbers >= 0, at least
            one of them > 0.
    """
    array = _array(rates, f"{owner}.rates")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        at = int(np.argmax(wrong))
        rule = f"be finite and >= 0 (unit: lr); at step {at} it is not"
        raise FitError(describe(f"{owner}.rates", rule, float(array[at])))
    if not array.any():
        raise FitError(describe(f"{owner}.rates", "be > 0 somewhere", "only 0"))
    return array


def check_steps(steps: Any, length: int, owner: str) -> Ints:
    """Return steps as an int64 array in 0..length - 1.

    Raises:
        FitError: They are no one-dimensional array of whole numbers in 0..length.
    """
    array = _array(steps, f"{owner}.steps")
    wrong = ~((array == np.floor(array)) & (array >= 0) & (array <= length))
    if wrong.any():
        rule = f"be ints in 0..{length}, the number of rates (unit: updates)"
        hint = "give the rate of every update up to the last step"
        got = float(array[np.argmax(wrong)])
        raise FitError(describe(f"{owner}.steps", rule, got, hint=hint))
    return np.minimum(array.astype(np.int64), length - 1)


def _array(values: Any, owner: str) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FitError(describe(owner, "be an array of numbers", values)) from error
    if array.ndim != 1 or array.size == 0:
        rule = "be a one-dimensional array that is not empty"
        raise FitError(describe(owner, rule, array.shape))
    return array


def check_fields(law: Any, positive: tuple[str, ...]) -> None:
    """Make the fields of a frozen law built-in floats (ints and bools stay).

    Raises:
        FitError: One is no finite number, or one of `positive` is not > 0.
    """
    for one in fields(law):
        owner, value = f"{type(law).__name__}.{one.name}", getattr(law, one.name)
        if isinstance(value, (str, bytes)) or not _is_finite(value):
            raise FitError(describe(owner, "be a finite number", value))
        if one.name in positive and not value > 0:
            raise FitError(describe(owner, "be > 0", value))
        if not isinstance(value, int):
            object.__setattr__(law, one.name, float(value))


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except (TypeError, OverflowError):
        return False
