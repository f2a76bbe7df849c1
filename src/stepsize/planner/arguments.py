"""Checks of what fits, predictions and refinements are given, with one wording."""

from __future__ import annotations

import math
from numbers import Real

from stepsize.errors import FitError, describe


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
