"""Cosines of any number of cycles, ended or not; no warmups and no peer's names."""

from __future__ import annotations

import math
from fractions import Fraction

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import jump, skip
from stepsize.schedules.cycles import repeat
from stepsize.schedules.joins import join
from stepsize.schedules.phases import cosine, hold
from stepsize.schedules.schedule import Schedule
from stepsize.schedules.waves import wave

MOST_CYCLES = 10_000
INT32 = 2**31


def swing(
    steps: int, cycles: float, to: float = 0.0, to_lr: float | None = None
) -> Schedule:
    """Swing between 1 and `to`, then hold: half a cycle is a cosine decay.

    to + (1 - to) * (1 + cos(2 pi cycles d / steps)) / 2
    """
    count = abs(cycles)
    if count == 0:
        return hold(steps)
    if count == 0.5:  # noqa: PLR2004 - half a swing
        return cosine(steps, to, to_lr=to_lr)
    return wave(steps, to, count, to_lr=to_lr)


def endless_swing(
    steps: int, cycles: float, to: float = 0.0, to_lr: float | None = None
) -> Schedule:
    """Swing as `swing` does, and on and on, as the unclamped formula of the peer."""
    count = Fraction(repr(abs(cycles)))
    if count == 0:
        return hold()
    period = steps * count.denominator
    if period < INT32:
        return repeat(wave(period, to, count.numerator, to_lr=to_lr))
    longer = max(INT32 // steps, 1).bit_length() - 1  # a power of 2 changes no bit
    return repeat(wave(steps << longer, to, abs(cycles) * 2**longer, to_lr=to_lr))


def saw(steps: int, cycles: float, field: str, *, late: bool = False) -> Schedule:
    """Fall as cosines, each back at 1 when the one before has come to 0; 0 after all.

        (1 + cos(pi ((cycles d / steps) mod 1))) / 2

    With `late` a restart that the peer's rounding misses comes one step later.

    Raises:
        InvalidScheduleError: `cycles` is negative, or has too many digits.
    """
    exact = Fraction(repr(number(cycles, field)))
    if exact == 0:
        return hold(steps) >> 0.0 * hold()
    if exact == 1:
        return cosine(steps)
    if exact.numerator > MOST_CYCLES:
        rule = f"be a number of cycles with few digits (<= {MOST_CYCLES} without point)"
        raise InvalidScheduleError(describe(field, rule, cycles))
    # cycles of a real length: that many fill a span of whole steps
    whole = hold(steps * exact.denominator)
    falls = whole * repeat(cosine(), exact.numerator, boundaries="real")
    parts: list[Schedule] = [falls]
    at: list[int] = []
    for step in _missed(steps, cycles, exact) if late else ():
        parts += [jump(to_lr=0.0) >> hold(), skip(falls, step + 1)]
        at += [step, step + 1]
    if exact.denominator != 1:
        parts, at = [*parts, 0.0 * hold()], [*at, steps]
    return join(*parts, at=at) if at else falls


def _missed(steps: int, cycles: float, exact: Fraction) -> list[int]:
    """Return the steps of restarts for which (cycles * (d / steps)) mod 1 is not 0."""
    length = steps / exact
    restarts = (length * i for i in range(1, math.ceil(exact)))
    whole = [int(start) for start in restarts if start.denominator == 1]
    return [d for d in whole if (float(cycles) * (d / steps)) % 1.0 > 0.5]  # noqa: PLR2004 - nearly 1
