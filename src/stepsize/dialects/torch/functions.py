"""torch's LambdaLR and MultiplicativeLR: schedulers that take a function."""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

from stepsize.dialects._parts import count, rate, times
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.free import opaque
from stepsize.schedules.knots import table
from stepsize.schedules.schedule import Schedule

LAMBDA, MULTIPLICATIVE = "LambdaLR", "MultiplicativeLR"


def LambdaLR(lr_lambda: Callable[[Any], Any], *, base_lr: float = 1.0) -> Schedule:
    """Multiply the base rate by a function of the step.

        lr(t) = base_lr * lr_lambda(t)

    Args:
        lr_lambda: From a step (or an array of steps, to be vectorised) to a factor
            >= 0. The peer's list of functions is a schedule for each param group here.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, endless. It prints as `opaque("LambdaLR NAME")`; reading it back
        needs the function: `ss.parse(text, functions={"LambdaLR NAME": function})`.

    Raises:
        InvalidScheduleError: A value is outside its range; on evaluation: the function
            returned a negative or infinite factor, which the peer would apply.

    Source:
        torch 2.13, torch.optim.lr_scheduler.LambdaLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.LambdaLR(lambda step: 0.5**step, base_lr=0.5)(range(3))
        [0.5, 0.25, 0.125]
    """
    name = _named(LAMBDA, lr_lambda, f"{LAMBDA}.lr_lambda")
    return times(rate(base_lr, f"{LAMBDA}.base_lr"), opaque(name, lr_lambda))


def MultiplicativeLR(
    lr_lambda: Callable[[int], float],
    *,
    base_lr: float = 1.0,
    total_steps: int | None = None,
) -> Schedule:
    """Multiply the rate by a function's value at every step.

        lr(t) = base_lr * lr_lambda(1) * lr_lambda(2) * ... * lr_lambda(t)

    Args:
        lr_lambda: From a step >= 1 to a factor >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.
        total_steps: Updates to tabulate: the schedule is then a plain `table`, which
            is stored without the function and works under `jax.jit`. None multiplies
            on demand, and remembers. Unit: updates; int >= 1.

    Returns:
        The schedule, endless, or `total_steps` long. Any step may be asked for first.

    Raises:
        InvalidScheduleError: A value is outside its range, or a factor is negative.

    Source:
        torch 2.13, torch.optim.lr_scheduler.MultiplicativeLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.MultiplicativeLR(lambda step: 0.5, base_lr=0.8)(3)
        0.1
        >>> dialects.torch.MultiplicativeLR(lambda step: 0.5, total_steps=3)
        table([1.0, 0.5, 0.25])
    """
    name = _named(MULTIPLICATIVE, lr_lambda, f"{MULTIPLICATIVE}.lr_lambda")
    base = rate(base_lr, f"{MULTIPLICATIVE}.base_lr")
    product = RunningProduct(lr_lambda)
    if total_steps is None:
        return times(base, opaque(name, product))
    steps = count(total_steps, f"{MULTIPLICATIVE}.total_steps", 1)
    return times(base, table([product(step) for step in range(steps)]))


@final
class RunningProduct:
    """The product of a function's values at 1, ..., t; equal where the function is."""

    __slots__ = ("_values", "function")

    def __init__(self, function: Callable[[int], float]) -> None:
        """Take the function; nothing is called yet."""
        self.function = function
        self._values = [1.0]

    def __call__(self, step: Any) -> Any:
        """Return the product at a step, or at each of an array of steps."""
        if isinstance(step, (int, float)):
            return self._at(math.floor(step))
        import numpy as np

        steps = np.floor(np.asarray(step)).astype(int)
        listed = [self._at(one) for one in steps.ravel().tolist()]
        return np.array(listed, float).reshape(steps.shape)

    def _at(self, step: int) -> float:
        values = self._values
        while len(values) <= step:
            values.append(values[-1] * float(self.function(len(values))))
        return values[max(step, 0)]

    def __eq__(self, other: object) -> bool:
        """Compare the functions."""
        return isinstance(other, RunningProduct) and self.function == other.function

    def __hash__(self) -> int:
        """Return the hash of the function."""
        return hash(self.function)


def _named(owner: str, function: object, field: str) -> str:
    if not callable(function):
        rule = "be one function"
        hint = "make a schedule for each param group"
        raise InvalidScheduleError(describe(field, rule, function, hint=hint))
    name = getattr(function, "__name__", type(function).__name__)
    return f"{owner} {name}"
