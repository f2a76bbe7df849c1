"""Schedules in the words of others: DeepSpeed, knot tables, Keras, optax."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from stepsize.adapters.convert import deepspeed
from stepsize.adapters.convert.compare import Difference, difference
from stepsize.adapters.convert.lambdas import resolved, steps_of
from stepsize.adapters.convert.reading import EXACT, SINGLE
from stepsize.errors import AdapterError, FrameworkMissingError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.knots import knots
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

Candidate = tuple[str, dict[str, Any], float]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A schedule in the words of another library, with the comparison of both.

    Attributes:
        value: What the other library reads.
        largest_difference: Between what it means there and the schedule, over the
            horizon. Unit: the largest rate.
        at: Step of the largest difference.
        exact: Whether that is round-off: at most 1e-12 (1e-6 in single precision).
        notes: What is lost or assumed, in words.
    """

    value: Any
    largest_difference: float
    at: int
    exact: bool
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report with the value, as `value` itself is."""
        return {
            "value": self.value,
            "largest_difference": self.largest_difference,
            "at": self.at,
            "exact": self.exact,
            "notes": list(self.notes),
        }


def to_optax(
    schedule: Schedule | ResolvedSchedule, horizon: Horizon | int | None = None
) -> ResolvedSchedule:
    """Return the schedule itself: called with a count, it is an optax schedule.

    Args:
        schedule: Absolute rates.
        horizon: Updates, or the horizon, where the schedule needs one.

    Returns:
        `optax.sgd(to_optax(schedule, 1000))` takes it; under jit it computes in the
        precision of JAX. Nothing is converted, so nothing differs.

    Raises:
        UnresolvedError: A length needs the horizon.

    Examples:
        >>> import stepsize as ss
        >>> to_optax(ss.linear(), 4)(1)
        0.75
    """
    return resolved(schedule, horizon)


def to_keras(
    schedule: Schedule | ResolvedSchedule, horizon: Horizon | int | None = None
) -> Any:
    """Return a keras LearningRateSchedule, which Keras saves and loads.

    Args:
        schedule: Absolute rates.
        horizon: Updates, or the horizon, where the schedule needs one.

    Returns:
        The object, with `largest_difference`, `at`, `exact` and `notes` as `Exported`
        has them. Keras computes in its `floatx`.

    Raises:
        FrameworkMissingError: Keras is not installed.
        UnresolvedError: A length needs the horizon.
    """
    try:
        from stepsize.adapters.convert.keras_schedule import StepsizeSchedule
    except ImportError as error:
        message = "to_keras needs keras. hint: pip install 'stepsize[keras]'"
        raise FrameworkMissingError(message) from error
    rates = resolved(schedule, horizon)
    made = StepsizeSchedule(rates.schedule.to_dict(), rates.horizon.to_dict())
    count = steps_of(rates)
    found = difference(made.values(count), rates.block(0, count), 0)
    made.largest_difference, made.at = found
    made.exact = found.value <= SINGLE
    return made


def to_knots(
    schedule: Schedule | ResolvedSchedule,
    horizon: Horizon | int | None = None,
    tolerance: float = 1e-3,
) -> Exported:
    """Return a table of points that, joined by lines, are the schedule.

    From each point, the line to the farthest later step that passes every step between
    within the tolerance; a jump takes two points.

    Args:
        schedule: Absolute rates.
        horizon: Updates, or the horizon, where the schedule needs one.
        tolerance: Largest difference at any step. Unit: the largest rate; in [0, 1);
            0 keeps what lies exactly on lines.

    Returns:
        `value` is a list of [step, rate], JSON-plain; `ss.knots(value)` reads it.

    Raises:
        AdapterError: The tolerance is outside its range.
        UnresolvedError: A length needs the horizon.

    Examples:
        >>> import stepsize as ss
        >>> found = to_knots(ss.warmup(4, start=0.0) >> ss.linear(8))
        >>> found.value, found.exact
        ([[0, 0.0], [4, 1.0], [12, 0.0]], True)
    """
    number = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool)
    if not number or not 0 <= tolerance < 1:
        rule = "be a number in [0, 1) (unit: fraction of the peak)"
        raise AdapterError(describe("to_knots.tolerance", rule, tolerance))
    rates = resolved(schedule, horizon)
    ours = rates.block(0, _with_end(rates))
    peak = max(ours)
    points = [[step, ours[step]] for step in _corners(ours, tolerance * peak)]
    found = difference(_between(points, len(ours)), ours, 0)
    notes = []
    if found.value > EXACT:
        notes.append(f"lines between {len(points)} points, in place of the curve")
    if rates.total_steps is None and rates.end is None:
        notes.append(f"the schedule has no end; the table has {len(ours)} steps of it")
    return _exported(points, found, tuple(notes))


def _with_end(rates: ResolvedSchedule) -> int:
    """Return how many steps a table has: the value at the horizon's end is one."""
    if rates.total_steps is not None:
        return rates.total_steps + 1
    end = rates.end
    return steps_of(rates) if end is None else steps_of(rates) - 1


def _corners(values: Sequence[float], allowed: float) -> Iterator[int]:
    """Yield the steps between which lines stay within the allowed difference."""
    start, last = 0, len(values) - 1
    yield 0
    while start < last:
        low, high, best = -math.inf, math.inf, start + 1
        for step in range(start + 1, last + 1):
            run = step - start
            slope = (values[step] - values[start]) / run
            slack = 1e-15 * abs(slope)  # a line of many steps has slopes to round-off
            if low - slack <= slope <= high + slack:
                best = step
            low = max(low, (values[step] - allowed - values[start]) / run)
            high = min(high, (values[step] + allowed - values[start]) / run)
            if low > high + slack:
                break
        start = best
        yield best


def _between(points: Sequence[Sequence[float]], count: int) -> list[float]:
    """Return what the table means: ss.knots itself, evaluated."""
    curve = knots([(int(step), rate) for step, rate in points])
    return curve.resolve().block(0, count)


def to_deepspeed(
    schedule: Schedule | ResolvedSchedule,
    horizon: Horizon | int | None = None,
    tolerance: float = 1e-9,
) -> Exported:
    """Return the "scheduler" section (and the optimizer's rate) of a DeepSpeed JSON.

    Tried are WarmupLR, WarmupDecayLR, WarmupCosineLR and one cycle of OneCycle, with
    parameters read off the curve; the closest is taken if it is close enough. All of
    DeepSpeed's warmups come one update late and begin at the first rate twice, so
    native schedules differ by about 1 / warmup_steps unless `skip(s, -1)` shifts them.

    Args:
        schedule: Absolute rates.
        horizon: Updates, or the horizon, where the schedule needs one.
        tolerance: Largest difference that is accepted. Unit: the largest rate.

    Returns:
        `value` is a mapping with "scheduler" and, where DeepSpeed reads the rate there,
        "optimizer": {"params": {"lr": ...}}.

    Raises:
        AdapterError: DeepSpeed has no schedule within the tolerance; the message names
            the nearest, how far it is, and where.
        UnresolvedError: A length needs the horizon.

    Examples:
        >>> import stepsize as ss
        >>> s = ss.skip(0.5 * ss.warmup(4, start=0.0) >> ss.hold(), -1)
        >>> to_deepspeed(s, 20).value["scheduler"]["params"]["warmup_num_steps"]
        4
    """
    rates = resolved(schedule, horizon)
    ours = rates.block(0, steps_of(rates))
    tried = [(_distance(one, ours), one) for one in _candidates(ours)]
    if not tried:
        rule = "have a warmup, or rise and fall: DeepSpeed has nothing else"
        hint = "to_knots gives a table"
        raise AdapterError(describe("to_deepspeed.schedule", rule, schedule, hint=hint))
    found, (name, params, base) = min(tried, key=lambda pair: pair[0].value)
    if not found.value <= tolerance:
        rule = (
            f"be one of DeepSpeed's: the nearest, {name}, is {found.value:.3g} of the "
            f"peak away at step {found.at}"
        )
        hint = f"to_knots gives a table; tolerance={found.value:.2g} accepts it"
        raise AdapterError(describe("to_deepspeed.schedule", rule, schedule, hint=hint))
    value: dict[str, Any] = {"scheduler": {"type": name, "params": params}}
    notes = ["compared with DeepSpeed's published rule, not its package"]
    if name == "WarmupCosineLR":
        value["optimizer"] = {"params": {"lr": base}}
        notes.append('its rate is "optimizer.params.lr"')
    if found.value > EXACT:
        notes.append(f"{found.value:.3g} of the peak away at step {found.at}")
    return _exported(value, found, tuple(notes))


def _distance(candidate: Candidate, ours: Sequence[float]) -> Difference:
    name, params, base = candidate
    peer = deepspeed.published(name, params, base)
    return difference([peer(step) for step in range(len(ours))], ours, 0)


def _candidates(values: Sequence[float]) -> Iterator[Candidate]:
    """Yield what the curve could be, with parameters read off it."""
    peak, low = max(values), values[0]
    if not peak:
        return
    top = values.index(peak)
    last = next(t for t, v in enumerate(values) if v == values[-1] and _flat(values, t))
    for steps in sorted({2, *range(max(2, top - 2), top + 2)}):
        for kind in ("linear", "log"):
            shared = {"warmup_num_steps": steps, "warmup_type": kind}
            plain = {"warmup_min_lr": low, "warmup_max_lr": peak, **shared}
            yield "WarmupLR", plain, peak
            for total in _totals(values, last):
                decay = {"total_num_steps": total, **plain}
                yield "WarmupDecayLR", decay, peak
                yield from _cosines(values, total, steps, shared)
    yield from _cycles(values, top, last)


def _flat(values: Sequence[float], start: int) -> bool:
    return all(value == values[-1] for value in values[start:])


def _totals(values: Sequence[float], last: int) -> set[int]:
    count = len(values)
    ends = {last - 1, last, last + 1, count - 2, count - 1, count, count + 1}
    if last == count - 1 and count > 2:  # noqa: PLR2004 - it still falls: where to?
        slope = values[-2] - values[-1]
        if slope > 0:
            ends.add(last - 1 + round((values[-1] - values[0]) / slope))
    return {end for end in ends if end > 0}


def _cosines(
    values: Sequence[float], total: int, steps: int, shared: Mapping[str, Any]
) -> Iterator[Candidate]:
    end, after = values[-1], steps + 1
    if not after < len(values) - 1 or total <= steps:
        return
    shape = (1 + math.cos(math.pi * min(1.0, 1 / (total - steps)))) / 2
    for base in {max(values), end + (values[after] - end) / max(shape, 1e-3)}:
        if base > 0 and end <= base:
            params = {
                "total_num_steps": total,
                "warmup_min_ratio": values[1] / base,
                "cos_min_ratio": end / base,
                **shared,
            }
            yield "WarmupCosineLR", params, base


def _cycles(values: Sequence[float], top: int, last: int) -> Iterator[Candidate]:
    if 0 < top < last:
        params = {
            "cycle_min_lr": values[0],
            "cycle_max_lr": values[top],
            "cycle_first_step_size": top,
            "cycle_second_step_size": last - top,
            "cycle_momentum": False,
        }
        yield "OneCycle", params, values[top]


def _exported(value: Any, found: Difference, notes: tuple[str, ...]) -> Exported:
    return Exported(
        value=value,
        largest_difference=found.value,
        at=found.at,
        exact=found.value <= EXACT,
        notes=notes,
    )
