"""Where a trajectory stands at an update, while its events are folded.

A kind of event changes it: the clock, the curve, the scales, the horizon. Not here:
what each kind does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, final

from stepsize.control.curves import Blend, Placed, Tail
from stepsize.errors import UnresolvedError, describe
from stepsize.schedules.durations import PERCENT, Length
from stepsize.schedules.durations import of as duration_of
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule, leading_scale

if TYPE_CHECKING:
    from stepsize.control.events import Event


@final
@dataclass(slots=True)
class Line:
    """The state of a trajectory just after some of its events.

    Attributes:
        tail: The curve.
        horizon: What converts durations; its length is that of the first schedule.
        total: Steps of the curve in all; None: no horizon was given.
        peak: Scale of the schedule that is followed, which `rewarm` refers to.
        update: The update it stands at.
        step: The position on the curve there.
        held: The update from which the clock stands still; None: it runs.
        gain: Product of the scales in force that came first and ease no more.
        scales: The other `scale` events in force, in order.
    """

    tail: Tail
    horizon: Horizon
    total: int | None
    peak: float
    update: int = 0
    step: int = 0
    held: int | None = None
    gain: float = 1.0
    scales: tuple[Event, ...] = ()

    @classmethod
    def of(cls, resolved: ResolvedSchedule) -> Line:
        """Return the beginning of a schedule's trajectory."""
        horizon = resolved.horizon
        tail = Tail(Placed(resolved), resolved)
        return cls(tail, horizon, horizon.total_steps, leading_scale(resolved.schedule))

    def advance(self, update: int) -> None:
        """Go on to a later update."""
        if self.held is None:
            self.step += update - self.update
        self.update = update
        scales = self.scales
        while scales and update >= settled_at(scales[0]):
            self.gain *= scales[0].values["factor"]
            scales = scales[1:]
        self.scales = scales

    def factor(self) -> float:
        """Return the product of the scales in force, at its update."""
        return factor_of(self.gain, self.scales, self.update)

    def value(self) -> float:
        """Return the rate of its update."""
        _, source, lead = self.tail.parts(self.step)[0]
        value: float = source(self.step)
        return value * factor_of(lead * self.gain, self.scales, self.update)

    @property
    def left(self) -> int | None:
        """Updates up to the end of the horizon; >= 0; None where there is none."""
        return None if self.total is None else max(self.total - self.step, 0)

    def updates(self, length: Length, field: str, left: int | None = None) -> int:
        """Convert a duration, a percentage being of the updates left; at least 1.

        Args:
            length: The duration.
            field: Owner and field, for the error.
            left: What a percentage is of, where it is not `self.left`.

        Raises:
            UnresolvedError: It is a percentage and there is no horizon.
            UnitError: Its unit lacks its conversion.
        """
        duration = duration_of(length)
        if duration.unit != PERCENT:
            return _rounded(self.horizon.updates(duration))
        whole = self.left if left is None else left
        if whole is None:
            rule = "be in updates: without total_steps nothing says how many are left"
            raise UnresolvedError(describe(field, rule, length))
        return _rounded(duration.amount * whole / 100)

    def follow(
        self,
        resolved: ResolvedSchedule,
        *,
        origin: int,
        total: int | None,
        absorb: bool = True,
        over: int = 0,
    ) -> None:
        """Follow another schedule from now on; a hold ends.

        Args:
            resolved: The schedule.
            origin: Step at which its own step is 0.
            total: Steps in all from now on.
            absorb: Whether the scales in force end.
            over: Updates to get there from the present value.
        """
        value = self.value() if absorb else self.tail(self.step)
        lead = self.factor() if absorb else 1.0
        self.bend(Placed(resolved, origin), self.step, value, over)
        if absorb:
            self.tail = _with_lead(self.tail, lead, over)
            self.gain, self.scales = 1.0, ()
        self.total = total
        self.held = None

    def bend(
        self,
        source: Placed,
        start: int,
        value: float,
        over: int,
    ) -> None:
        """Put a source on the curve from a step on, blended from a value over steps."""
        before = self.tail
        plan, origin = source.resolved, source.origin
        if over:
            blend = Blend(value, source, start, over)
            before = Tail(blend, plan, start, origin, before)
        self.tail = Tail(source, plan, start + over, origin, before)


def _with_lead(tail: Tail, lead: float, over: int) -> Tail:
    if over and tail.before is not None:
        return replace(tail, before=replace(tail.before, lead=lead))
    return replace(tail, lead=lead)


def settled_at(scale: Event) -> int:
    """Return the update from which a `scale` event eases no more."""
    over: int = scale.values["over"]
    return scale.update + over


def factor_of(gain: float, scales: tuple[Event, ...], update: int) -> float:
    """Return gain times the factors of `scale` events at an update, in order."""
    product = gain
    for event in scales:
        factor, over = event.values["factor"], event.values["over"]
        age = update - event.update
        product *= factor if age >= over else factor ** (age / over)
    return product


@lru_cache(maxsize=1024)
def resolved(
    schedule: Schedule, horizon: Horizon, overflow: str = "error"
) -> ResolvedSchedule:
    """Resolve a schedule, once."""
    return schedule.resolve(horizon=horizon, overflow=overflow)


def with_total(horizon: Horizon, steps: int | None) -> Horizon:
    """Return the horizon with another length and the same conversions."""
    return replace(horizon, steps=steps, epochs=None)


def _rounded(amount: Fraction) -> int:
    return max(math.floor(amount + Fraction(1, 2)), 1)
