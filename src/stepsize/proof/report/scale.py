"""Where a value lies on an axis, and at which values the axis has marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

_LOG_FROM = 20  # ratio of highest to lowest value from which an axis is a log one
_STEPS = (1, 2, 2.5, 5, 10)  # between two marks, times a power of ten


@final
@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`.

    Attributes:
        low: Value at its start; > 0 on a log axis.
        high: Value at its end; > `low`.
        log: Whether equal ratios are equally long.
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(cls, values: Sequence[float], *, log: bool = False) -> "Scale":
        """Return the axis that holds finite values with a little room.

        Args:
            values: At least one.
            log: Whether it may be a log axis, for values > 0 that span decades.
        """
        low, high = min(values), max(values)
        if log and low > 0 and high / low > _LOG_FROM:
            return cls(low, high, log=True)
        room = 0.04 * (high - low) or abs(high) / 10 or 1.0
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        """Return where a value lies: 0 at the start, 1 at the end, beyond outside."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return -1.0
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self, most: int) -> list[float]:
        """Return round values inside, at most `most`, rising.

        A log axis has its powers of ten, or its two ends if there is but one.
        """
        if self.log:
            first, last = math.log10(self.low), math.log10(self.high)
            powers = [10.0**k for k in range(math.ceil(first), math.floor(last) + 1)]
            every = max(1, math.ceil(len(powers) / most))
            return powers[::every] if len(powers) > 1 else [self.low, self.high]
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in _STEPS if s * power >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [float(f"{k * step:.10g}") + 0.0 for k in range(first, last + 1)]
