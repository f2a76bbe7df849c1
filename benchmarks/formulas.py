"""The cases of `values`, each as our schedule and as plain numpy written by hand.

The bare form evaluates each phase over its own span of ordered steps: the least that
any code can do. Steps in any order need another form, also written by hand here: masks
for the few phases of a chain, arithmetic on the cycle for a repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

import stepsize as ss
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

Array = npt.NDArray[Any]
Formula = Callable[[Array], Array | float]
Span = tuple[int, int, Formula]
"""First step, the one after the last, and the formula between them."""

PEAK = 3e-4
STRETCH = 1.001
SHRINK = 0.999


@final
@dataclass(frozen=True, slots=True)
class Case:
    """One schedule in three forms.

    Attributes:
        name: What it is.
        schedule: Ours.
        spans: The bare form, the spans in order and without gaps.
        any_order: The form for steps in any order.
    """

    name: str
    schedule: Schedule
    spans: Sequence[Span]
    any_order: Callable[[Array], Array]

    def resolve(self, total: int) -> ResolvedSchedule:
        """Return our schedule over that many updates."""
        return self.schedule.resolve(total_steps=total)

    def bare(self, steps: Array) -> Array:
        """Return the values of the steps 0, 1, 2, ..., each phase over its span."""
        out = np.empty(steps.shape)
        for start, stop, formula in self.spans:
            out[start:stop] = formula(steps[start:stop])
        return out


def cases(total: int, cycles: int) -> list[Case]:
    """Return every case over `total` updates, a multiple of `cycles`."""
    return [
        _chain("warmup, cosine", *_warmup_cosine(total)),
        _chain("warmup, hold, 1-sqrt", *_wsd(total)),
        _chain("12 phases", *_twelve(total)),
        _chain("cosine * exponential", *_product(total)),
        _equal(total, cycles),
        _stretched(total, cycles),
        _shrinking(total, cycles),
    ]


def _chain(name: str, schedule: Schedule, spans: Sequence[Span]) -> Case:
    def masked(steps: Array) -> Array:
        out = np.empty(steps.shape)
        for start, stop, formula in spans:
            mask = (steps >= start) & (steps < stop)
            out[mask] = formula(steps[mask])
        return out

    return Case(name, schedule, spans, masked)


def warm(n: int, peak: float, at: int = 0) -> Formula:
    """Rise from peak / (n + 1) to the peak, by equal steps."""
    return lambda t: peak * (t - (at - 1)) / (n + 1)


def cosine(n: int, high: float, at: int, low: float = 0.0) -> Formula:
    """Fall as half a cosine."""
    half = 0.5 * (high - low)
    return lambda t: low + half * (1.0 + np.cos(np.pi * (t - at) / n))


def _fall(n: int, high: float, at: int, low: float) -> Formula:
    return lambda t: high + (low - high) * (t - at) / n


def _one_minus_sqrt(n: int, high: float, at: int, low: float = 0.0) -> Formula:
    return lambda t: low + (high - low) * (1.0 - np.sqrt((t - at) / n))


def _square(n: int, high: float, at: int, low: float) -> Formula:
    return lambda t: low + (high - low) * ((at + n - t) / n) ** 2


def _flat(value: float) -> Formula:
    return lambda t: value


def _exponential(n: int, high: float, at: int, low: float) -> Formula:
    return lambda t: high * (low / high) ** ((t - at) / n)


def _warmup_cosine(total: int) -> tuple[Schedule, list[Span]]:
    rise = total // 100
    spans = [
        (0, rise, warm(rise, PEAK)),
        (rise, total, cosine(total - rise, PEAK, rise)),
    ]
    return PEAK * ss.warmup(rise) >> ss.cosine(), spans


def _wsd(total: int) -> tuple[Schedule, list[Span]]:
    rise, fall = total // 100, total // 5
    last = total - fall
    spans = [
        (0, rise, warm(rise, PEAK)),
        (rise, last, _flat(PEAK)),
        (last, total, _one_minus_sqrt(fall, PEAK, last)),
    ]
    return PEAK * ss.wsd(rise, cooldown_steps=fall), spans


def _twelve(total: int) -> tuple[Schedule, list[Span]]:
    n = total // 12
    at = [n * index for index in range(12)]
    top = PEAK
    schedule = (
        top * ss.warmup(n)
        >> ss.hold(n)
        >> ss.cosine(n, to=0.5)
        >> ss.hold(n)
        >> ss.linear(n, to=0.8)
        >> ss.decay(n, to=0.5, shape="1-sqrt")
        >> ss.hold(n)
        >> ss.polynomial(n, to=0.5, power=2)
        >> ss.exponential(n, to=0.5)
        >> ss.cosine(n, to=0.5)
        >> ss.linear(n, to=0.5)
        >> ss.cosine()
    )
    formulas = [
        warm(n, top),
        _flat(top),
        cosine(n, top, at[2], 0.5 * top),
        _flat(0.5 * top),
        _fall(n, 0.5 * top, at[4], 0.4 * top),
        _one_minus_sqrt(n, 0.4 * top, at[5], 0.2 * top),
        _flat(0.2 * top),
        _square(n, 0.2 * top, at[7], 0.1 * top),
        _exponential(n, 0.1 * top, at[8], 0.05 * top),
        cosine(n, 0.05 * top, at[9], 0.025 * top),
        _fall(n, 0.025 * top, at[10], 0.0125 * top),
        cosine(total - at[11], 0.0125 * top, at[11]),
    ]
    stops = [*at[1:], total]
    return schedule, list(zip(at, stops, formulas, strict=True))


def _product(total: int) -> tuple[Schedule, list[Span]]:
    rise, low = total // 100, 0.1
    up, down = warm(rise, PEAK), cosine(total - rise, PEAK, rise)
    # one pass with the factor written into each phase, as one would by hand
    spans: list[Span] = [
        (0, rise, lambda t: up(t) * low ** (t / total)),
        (rise, total, lambda t: down(t) * low ** (t / total)),
    ]
    schedule = (PEAK * ss.warmup(rise) >> ss.cosine()) * ss.exponential(to=low)
    return schedule, spans


def _equal(total: int, cycles: int) -> Case:
    n = total // cycles
    spans = [(n * i, n * (i + 1), cosine(n, PEAK, n * i)) for i in range(cycles)]

    def any_order(steps: Array) -> Array:
        out: Array = 0.5 * PEAK * (1.0 + np.cos(np.pi * (steps % n) / n))
        return out

    schedule = PEAK * ss.repeat(ss.cosine(n), cycles)
    return Case(f"{cycles} cycles, equal", schedule, spans, any_order)


def _stretched(total: int, cycles: int) -> Case:
    grown = (STRETCH ** np.arange(cycles + 1) - 1.0) / (STRETCH**cycles - 1.0)
    starts = np.floor(total * grown + 0.5).astype(np.int64)
    lengths = np.diff(starts)
    spans = [
        (start, start + n, cosine(n, PEAK, start))
        for start, n in zip(starts[:-1].tolist(), lengths.tolist(), strict=True)
    ]

    def any_order(steps: Array) -> Array:
        i = np.searchsorted(starts, steps, side="right") - 1
        u = (steps - starts[i]) / lengths[i]
        out: Array = 0.5 * PEAK * (1.0 + np.cos(np.pi * u))
        return out

    schedule = PEAK * ss.repeat(ss.cosine(), cycles, stretch=STRETCH)
    return Case(f"{cycles} cycles, stretched", schedule, spans, any_order)


def _shrinking(total: int, cycles: int) -> Case:
    n = total // cycles
    rise = n // 10
    peaks = PEAK * SHRINK ** np.arange(cycles)
    spans: list[Span] = []
    for i, peak in enumerate(peaks.tolist()):
        start = n * i
        spans.append((start, start + rise, warm(rise, peak, start)))
        fall = cosine(n - rise, peak, start + rise)
        spans.append((start + rise, start + n, fall))

    def any_order(steps: Array) -> Array:
        d, peak = steps % n, peaks[steps // n]
        out: Array = 0.5 * peak * (1.0 + np.cos(np.pi * (d - rise) / (n - rise)))
        rising = d < rise
        out[rising] = peak[rising] * (d[rising] + 1) / (rise + 1)
        return out

    cycle = ss.warmup(rise) >> ss.cosine(n - rise)
    schedule = PEAK * ss.repeat(cycle, cycles, shrink_peak=SHRINK)
    return Case(f"{cycles} cycles of 2, shrinking", schedule, spans, any_order)
