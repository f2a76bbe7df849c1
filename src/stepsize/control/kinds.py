"""The kinds of events: their values, and the factor each has on the rate.

A kind is an entry of `KINDS`; nothing else names one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from stepsize.errors import InvalidScheduleError, describe


class Kind(Protocol):
    """What a kind of event has to say."""

    def check(self, values: Mapping[str, object]) -> dict[str, float]:
        """Return the values, complete with defaults.

        Raises:
            InvalidScheduleError: A name is unknown, missing or outside its range.
        """

    def settles(self, values: Mapping[str, float]) -> int:
        """Return the updates after its own from which its factor is constant."""

    def factor(self, values: Mapping[str, float], age: int) -> float:
        """Return the factor on the rate, `age` >= 0 updates after its own."""


class Scale:
    """Multiply what the schedule gives, floors included: at once, or eased.

    With a = age and n = over, the factor of `factor` f is

        f ** (a / n) for a < n, f from a = n on

    so that it moves on a straight line in log. Several scales multiply.

    Values:
        factor: Finite and > 0; 0.5 halves.
        over: Updates the change takes; int >= 0; 0, the default, is at once.
    """

    def check(self, values: Mapping[str, object]) -> dict[str, float]:
        """See `Kind.check`."""
        unknown = sorted(set(values) - {"factor", "over"})
        if unknown:
            rule = "have no other names than factor and over"
            raise InvalidScheduleError(describe("scale.values", rule, unknown))
        factor = values.get("factor")
        number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not number or not 0 < factor < math.inf:  # type: ignore[operator]  # a number
            rule = "be a finite number > 0"
            raise InvalidScheduleError(describe("scale.factor", rule, factor))
        over = values.get("over", 0)
        if isinstance(over, bool) or not isinstance(over, int) or over < 0:
            rule = "be an int >= 0 (unit: updates)"
            raise InvalidScheduleError(describe("scale.over", rule, over))
        return {"factor": float(factor), "over": over}  # type: ignore[arg-type]  # a number

    def settles(self, values: Mapping[str, float]) -> int:
        """See `Kind.settles`."""
        return int(values["over"])

    def factor(self, values: Mapping[str, float], age: int) -> float:
        """See `Kind.factor`."""
        factor, over = values["factor"], values["over"]
        return factor if age >= over else factor ** (age / over)


KINDS: Mapping[str, Kind] = {"scale": Scale()}
