"""`scale`: multiply what follows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from stepsize.control.effects.reading import Values, count, only
from stepsize.errors import InvalidScheduleError, describe

if TYPE_CHECKING:
    from stepsize.control.events import Event
    from stepsize.control.line import Line


@final
class Scale:
    """Multiply what the schedule gives, floors included: at once, or eased.

    With a = (updates since the event) and n = over, the factor of `factor` f is

        f ** (a / n) for a < n, f from a = n on

    so that it moves on a straight line in log. Several scales multiply. They last
    until a `cooldown`, a `rewarm` or a `replace` starts from the value they led to.

    Values:
        factor: Finite and > 0; 0.5 halves.
        over: Updates the change takes; int >= 0; 0, the default, is at once.
    """

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        only("scale", values, ("factor", "over"))
        factor = values.get("factor")
        number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not number or not 0 < factor < math.inf:  # type: ignore[operator]  # a number
            rule = "be a finite number > 0"
            raise InvalidScheduleError(describe("scale.factor", rule, factor))
        over = count(values.get("over", 0), "scale.over")
        return {"factor": float(factor), "over": over}  # type: ignore[arg-type]  # a number

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`."""
        line.scales = (*line.scales, event)
