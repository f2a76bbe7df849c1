"""Runs the peer and our schedules side by side; chooses what the conversion returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from stepsize.adapters.convert.reading import Conversion, Reading, Values
from stepsize.errors import AdapterError, InvalidScheduleError, describe
from stepsize.schedules.joins import join
from stepsize.schedules.knots import table
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule, scaled

OPEN = 1000
"""Steps compared where neither side has an end."""
MOST = 100_000
"""Steps compared at most, unless more are asked for."""


class Difference(NamedTuple):
    """The largest difference of two curves.

    Attributes:
        value: Unit: the larger peak of the two; 0 where both are 0 throughout.
        at: Step where it is; of several, the first.
    """

    value: float
    at: int


def difference(
    theirs: Sequence[float], ours: Sequence[float], start: int
) -> Difference:
    """Return the largest difference of two curves that begin at step `start`.

    Args:
        theirs: Values, one a step; not empty. A value that is not finite differs by
            infinity.
        ours: As many.
        start: The step of the first values.
    """
    peak = max(map(abs, (*theirs, *ours)))
    gaps = [abs(a - b) for a, b in zip(theirs, ours, strict=True)]
    finite = [gap if math.isfinite(gap) else math.inf for gap in gaps]
    worst = max(finite)
    at = start + finite.index(worst)
    return Difference(worst / peak if 0 < peak < math.inf else worst, at)


def values_of(schedule: Schedule, start: int, stop: int) -> list[float]:
    """Return a schedule's values at the steps from start up to stop."""
    return schedule.resolve().block(start, stop)


def largest(
    theirs: Sequence[Sequence[float]], schedules: Sequence[Schedule], start: int
) -> Difference:
    """Return the largest difference over all param groups."""
    found = [
        difference(values, values_of(one, start, start + len(values)), start)
        for values, one in zip(theirs, schedules, strict=True)
    ]
    return max(found, key=lambda one: one.value)


def finish(reading: Reading, total: int | None, *, faithful: bool) -> Conversion:
    """Compare a reading with its peer and return the conversion.

    In this order: the schedules as read; where only a defect of the peer's parts them,
    the schedules as read, saying so (the defect with `faithful`); where a live object
    stands elsewhere than its arguments say, those schedules scaled, or else its own
    values from here on.

    Args:
        reading: What was read.
        total: Steps 0 .. total - 1 are meant, or None to find an end.
        faithful: Whether the peer's defects are wanted.

    Raises:
        AdapterError: The peer gave no value, or a value that is no rate.
    """
    stop = _stop(reading, total)
    chosen = reading.defects if faithful and reading.defects else reading.schedules
    if reading.evaluate is None:
        if chosen is None:  # pragma: no cover - such readings can be run
            raise AdapterError(describe("convert.obj", "be known", reading.peer))
        return _report(reading, chosen, stop, None)
    values = _lawful_part(reading.evaluate(reading.step, stop), reading.step)
    count = len(values.lr[0]) if values.lr else 0
    if not count:
        rule = "give a rate at its step"
        raise AdapterError(describe("convert.obj", rule, values.stopped))
    notes = reading.notes
    if values.stopped:
        notes += (
            f"the peer has no value from step {reading.step + count} on: "
            f"{values.stopped}; ours holds",
        )
    reading = replace(reading, notes=notes)
    stop = reading.step + count
    if chosen is not None:
        found = largest(values.lr, chosen, reading.step)
        if found.value <= reading.tolerance:
            return _report(_with_momentum(reading, values), chosen, stop, found)
        if reading.defects is not None and not faithful:
            defect = largest(values.lr, reading.defects, reading.step)
            if defect.value <= reading.tolerance:
                first = _first_apart(reading, values, chosen)
                note = (
                    f"from step {first} on the peer has a defect that is not "
                    "reproduced; convert(..., faithful=True) does"
                )
                reading = replace(reading, notes=(*reading.notes, note))
                return _report(_with_momentum(reading, values), chosen, stop, found)
        if not reading.live:
            return _report(_with_momentum(reading, values), chosen, stop, found)
    reading, chosen = _as_it_stands(reading, chosen, values)
    found = largest(values.lr, chosen, reading.step)
    return _report(_with_momentum(reading, values), chosen, stop, found)


def _lawful_part(values: Values, start: int) -> Values:
    """Return the values before the first that is negative or not finite."""
    for offset, now in enumerate(zip(*values.lr, strict=True)):
        if not all(0 <= lr < math.inf for lr in now):
            wrong = next(lr for lr in now if not 0 <= lr < math.inf)
            why = f"it gives the rate {wrong:g} at step {start + offset}"
            rates = [lr[:offset] for lr in values.lr]
            return Values(rates, values.momentum[:offset], why)
    return values


def _stop(reading: Reading, total: int | None) -> int:
    if total is not None:
        if total <= reading.step:
            rule = f"be above the step at which the peer stands ({reading.step})"
            raise AdapterError(describe("convert.total_steps", rule, total))
        return total
    if reading.length is not None:
        end = float(reading.length)
    elif reading.schedules is None:
        rule = "be given: only the peer itself knows this schedule, and not its end"
        raise AdapterError(describe("convert.total_steps", rule, None))
    else:
        ends = [one.resolve().end for one in reading.schedules]
        known = [end for end in ends if end is not None]
        end = max(known) + 1 if known and len(known) == len(ends) else math.inf
    if not end < math.inf:
        return reading.step + OPEN
    return min(max(math.ceil(end), reading.step + 2), reading.step + MOST)


def _first_apart(
    reading: Reading, values: Values, schedules: Sequence[Schedule]
) -> int:
    for offset in range(len(values.lr[0])):
        now = [[lr[offset]] for lr in values.lr]
        step = reading.step + offset
        peaks = [max(lr) or 1.0 for lr in values.lr]
        for lr, one, peak in zip(now, schedules, peaks, strict=True):
            if (
                abs(lr[0] - values_of(one, step, step + 1)[0])
                > reading.tolerance * peak
            ):
                return step
    raise ValueError(reading.peer)  # pragma: no cover - they differ somewhere


def _as_it_stands(
    reading: Reading, schedules: tuple[Schedule, ...] | None, values: Values
) -> tuple[Reading, tuple[Schedule, ...]]:
    """Return schedules that go on as the live object does."""
    for candidates in (schedules, reading.defects):
        if candidates is None:
            continue
        ratios = [
            _ratio(reading, lr, one)
            for lr, one in zip(values.lr, candidates, strict=True)
        ]
        if all(ratio is not None for ratio in ratios):
            note = (
                f"the optimizer's rate at step {reading.step} is {_listed(ratios)} "
                "times what the peer's arguments give (set by hand, or states loaded "
                "in another order): the schedules are scaled to it"
            )
            scaled_ones = tuple(
                scaled(ratio or 0.0, one)
                for ratio, one in zip(ratios, candidates, strict=True)
            )
            return replace(reading, notes=(*reading.notes, note)), scaled_ones
    last = reading.step + len(values.lr[0]) - 1
    if schedules is None:
        why = "its class is not one of the peer's own"
    else:
        text = str(schedules[0])
        text = text if len(text) <= 200 else text[:197] + "..."  # noqa: PLR2004
        why = f"it does not follow what its arguments say, {text}"
    note = (
        f"the rates of steps {reading.step} to {last} are the peer's own, listed one "
        f"by one, because {why}; after step {last} the last one holds"
    )
    made = tuple(
        _listed_values(reading, None if schedules is None else schedules[i], lr)
        for i, lr in enumerate(values.lr)
    )
    return replace(reading, notes=(*reading.notes, note)), made


def _ratio(
    reading: Reading, theirs: Sequence[float], schedule: Schedule
) -> float | None:
    ours = values_of(schedule, reading.step, reading.step + len(theirs))
    peak = max(ours)
    if peak <= 0:
        return None
    ratio = theirs[ours.index(peak)] / peak
    if not 0 < ratio < math.inf:
        return None
    try:  # where absolute values stand in it, scaling is refused or leaves them
        found = largest([theirs], [scaled(ratio, schedule)], reading.step)
    except InvalidScheduleError:
        return None
    return ratio if found.value <= reading.tolerance else None


def _listed(ratios: Sequence[float | None]) -> str:
    return ", ".join(dict.fromkeys(f"{ratio:.6g}" for ratio in ratios))


def _listed_values(
    reading: Reading, schedule: Schedule | None, values: Sequence[float]
) -> Schedule:
    if all(value == values[0] for value in values):
        tail: Schedule = scaled(values[0], hold())
    else:
        tail = table(values)
    if not reading.step:
        return tail
    before = scaled(values[0], hold()) if schedule is None else schedule
    return join(before, tail, at=[reading.step])


def _with_momentum(reading: Reading, values: Values) -> Reading:
    """Note where the momentum differs."""
    if reading.momentum is None or not values.momentum:
        return reading
    found = largest([values.momentum], [reading.momentum], reading.step)
    if found.value <= reading.tolerance:
        return reading
    note = (
        f"the momentum differs from the peer's by {found.value:.2g} of its peak, most "
        f"at step {found.at}"
    )
    return replace(reading, notes=(*reading.notes, note))


def _report(
    reading: Reading,
    schedules: tuple[Schedule, ...],
    stop: int,
    found: Difference | None,
) -> Conversion:
    return Conversion(
        peer=reading.peer,
        schedules=schedules,
        momentum=reading.momentum,
        others=dict(reading.others),
        step=reading.step,
        horizon=stop,
        largest_difference=None if found is None else found.value,
        at=None if found is None else found.at,
        exact=found is not None and found.value <= reading.tolerance,
        notes=reading.notes,
    )
