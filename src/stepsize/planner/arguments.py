"""Checks of what the planner is given, with one wording each."""

from __future__ import annotations

import math
from numbers import Real

from stepsize.errors import FitError, InvalidScheduleError, describe
from stepsize.schedules.arguments import number


def rate(value: object, field: str) -> float:
    """Return a learning rate as a float.

    Args:
        value: Any real number, also NumPy's.
        field: Owner and field, for the error.

    Raises:
        FitError: It is no finite number > 0.

    Examples:
        >>> rate(1, "refine.peak_lr")
        1.0
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        found = float(value)
        if 0 < found < math.inf:
            return found
    rule = "be a finite number > 0 (unit: lr)"
    raise FitError(describe(field, rule, value))


def decay_of(value: object, field: str) -> float:
    """Return the weight of the past in a running mean, as a beta, as a float.

    Args:
        value: Any real number, also NumPy's.
        field: Owner and field, for the error.

    Raises:
        InvalidScheduleError: It is no number in [0, 1).

    Examples:
        >>> decay_of(0, "NoiseMeter.decay")
        0.0
    """
    try:
        return number(value, field, high=math.nextafter(1.0, 0.0))
    except InvalidScheduleError as error:
        rule = "be a number >= 0 and < 1"
        raise InvalidScheduleError(describe(field, rule, value)) from error
