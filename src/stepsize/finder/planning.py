"""What a search will cost, known before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from stepsize.errors import FinderError, describe
from stepsize.schedules.durations import whole

DEFAULT_STEPS, FAST_STEPS, FEWEST_STEPS = 500, 100, 60

_FEW = 250  # updates below which there is one round of probes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a search may cost. Unit of all: updates.

    Attributes:
        steps: At most, in all.
        ramp: Of the ramp; fewer if the training breaks before its end.
        short: Length of the probes that bracket the best rate; 0 if there are none.
        long: Length of the probes that settle it; 0 if there are none.
    """

    steps: int
    ramp: int
    short: int
    long: int


def planned(*, steps: int = DEFAULT_STEPS, fast: bool = False) -> Planned:
    """Return what a search will cost at most, before it starts.

    Args:
        steps: Updates it may use. Int >= 1.
        fast: Whether it is one ramp of at most 100.

    Raises:
        FinderError: `steps` is no int >= 1, or `fast` no bool.

    Examples:
        >>> planned()
        Planned(steps=500, ramp=100, short=32, long=64)
        >>> planned(fast=True)
        Planned(steps=100, ramp=100, short=0, long=0)
    """
    most = whole(steps)
    if most is None or most < 1:
        rule = "be an int >= 1 (unit: updates)"
        raise FinderError(describe("find.steps", rule, steps))
    if not isinstance(fast, bool):
        raise FinderError(describe("find.fast", "be True or False", fast))
    if fast:
        most = min(most, FAST_STEPS)
        return Planned(steps=most, ramp=most, short=0, long=0)
    if most < _FEW:
        # two probes long enough to tell beat more that are too short for that
        length = most * 32 // 100
        return Planned(steps=most, ramp=most - 2 * length, short=length, long=length)
    short = most * 32 // 500
    return Planned(steps=most, ramp=most // 5, short=short, long=2 * short)
