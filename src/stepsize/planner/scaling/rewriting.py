"""Schedules written anew for another batch: lengths, absolute rates, warmup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepsize.errors import InvalidScheduleError, StepsizeError, describe
from stepsize.planner.survey import phases, survey
from stepsize.schedules.durations import of, read
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.phases import hold, warmup
from stepsize.schedules.plain import from_dict
from stepsize.schedules.schedule import (
    Scaled,
    Schedule,
    chain,
    leading_scale,
    parts_of,
    scaled,
)

_LENGTHS = ("steps", "every", "timescale")
_ABSOLUTE = ("to_lr", "low_lr", "high_lr")
_RISES = frozenset({"warmup", "exponential_warmup", "radam_warmup"})
PER_UPDATE = frozenset({"table", "radam_warmup"})
"""Kinds that count updates inside their formula: their lengths cannot be rewritten."""


def rewritten(
    schedule: Schedule,
    *,
    rate: float = 1.0,
    length: float = 1.0,
    warmup_updates: float | None = None,
    warmup_percent: float = 1.0,
) -> Schedule:
    """Return a schedule with every rate and every length in updates multiplied.

    Percentages, epochs, samples and tokens stay: the horizon converts them anew.

    Args:
        schedule: The schedule.
        rate: Factor of all rates, absolute ends included; > 0.
        length: Factor of lengths in updates; > 0; each is rounded, to at least 1.
        warmup_updates: The same for warmups; None: as `length`.
        warmup_percent: Factor of warmups in percent; > 0, at most 100 % comes out.

    Raises:
        InvalidScheduleError: A function of yours is in it, which cannot be read.
    """
    if any(phase.kind == "opaque" for phase in phases(schedule)):
        rule = "be without functions of your own, whose lengths are not known"
        hint = "use knots or table in place of opaque"
        raise InvalidScheduleError(
            describe("scale.schedule", rule, schedule, hint=hint)
        )
    if rate == length == warmup_percent == 1 and warmup_updates in {None, 1}:
        return schedule
    rise = length if warmup_updates is None else warmup_updates
    plain = _walk(schedule.to_dict(), rate, length, rise, warmup_percent)
    return scaled(rate, from_dict(plain))


def with_warmup(schedule: Schedule, horizon: Horizon, share: str) -> Schedule:
    """Return a schedule that first rises over `share` of the run, as in "5%"."""
    first, *rest = parts_of(schedule)
    factor, phase = first.factor if isinstance(first, Scaled) else 1.0, first
    if isinstance(first, Scaled):
        phase = first.part
    if not getattr(phase, "operands", ()):
        made = scaled(factor, chain(warmup(share), phase, *rest))
        if horizon.total_steps is None or _fits(made, horizon):
            return made
    return schedule * (warmup(share) >> hold())


def rises(schedule: Schedule, horizon: Horizon) -> bool:
    """Whether a schedule begins far below its peak."""
    first = parts_of(schedule)[0]
    phase = first.part if isinstance(first, Scaled) else first
    if phase.kind in _RISES:
        return True
    try:
        seen = survey(schedule, horizon)
    except StepsizeError:
        return False  # open: nothing but its first phase is known
    return bool(seen.rates[0] <= seen.peak / 2)


def peak_of(schedule: Schedule, horizon: Horizon) -> float:
    """Return a schedule's largest rate; of an open one, the rate it is built on."""
    try:
        return survey(schedule, horizon).peak
    except StepsizeError:
        return leading_scale(schedule)


def constant_of(schedule: Schedule) -> float | None:
    """Return the value of a constant schedule; None for any other."""
    first, *rest = parts_of(schedule)
    phase = first.part if isinstance(first, Scaled) else first
    if rest or phase.kind != "hold":
        return None
    return first.factor if isinstance(first, Scaled) else 1.0


def _walk(
    content: Any, rate: float, length: float, rise: float, percent: float
) -> dict[str, Any]:
    kind = content["kind"]
    by = rise if kind in _RISES else length
    share = percent if kind in _RISES else 1.0
    result: dict[str, Any] = {}
    for name, value in content.items():
        if name in {"parts", "of"}:
            several = value if isinstance(value, list) else [value]
            inner = [_walk(one, rate, length, rise, percent) for one in several]
            result[name] = inner if isinstance(value, list) else inner[0]
        elif name in _LENGTHS:
            result[name] = _length(value, by, share, signed=kind == "skip")
        elif name in {"milestones", "at"}:
            result[name] = [_length(one, by, 1.0, signed=False) for one in value]
        elif name == "points":
            result[name] = [
                [at if isinstance(at, str) else at * by, height] for at, height in value
            ]
        elif name in _ABSOLUTE and value is not None:
            result[name] = value * rate
        else:
            result[name] = value
    return result


def _length(value: Any, by: float, share: float, *, signed: bool) -> Any:
    if isinstance(value, str):
        if share == 1 or read(value).unit != "%":
            return value
        return f"{min(100.0, float(of(value).amount) * share):.6g}%"
    if not isinstance(value, (int, float)) or isinstance(value, bool) or by == 1:
        return value
    if signed:
        return round(value * by)
    return max(1, round(value * by)) if value else value


def _fits(schedule: Schedule, horizon: Horizon) -> bool:
    try:
        schedule.resolve(horizon=horizon)
    except InvalidScheduleError:
        return False
    except StepsizeError:
        return True  # a unit is missing, which a warmup in percent does not change
    return True


def scaled_horizon(horizon: Horizon, k: float, keep: str) -> Horizon:
    """Return the horizon at k times the batch.

    Args:
        horizon: The old one.
        k: New batch over old; > 0.
        keep: "samples": as many samples in all, so fewer updates. "updates": as many
            updates.
    """
    old: Mapping[str, float] = horizon.to_dict()
    new = {
        name: _whole(old[name] * k)
        for name in ("samples_per_step", "tokens_per_step")
        if name in old
    }
    fewer = 1 / k if keep == "samples" else 1.0
    if "steps_per_epoch" in old:
        # a last batch that is not full is an update too, as in most loaders
        new["steps_per_epoch"] = max(1, -(-old["steps_per_epoch"] // k))
    if "epochs" in old:
        new["epochs"] = _whole(old["epochs"] * (1.0 if keep == "samples" else k))
    if "steps" in old and not {"epochs", "steps_per_epoch"} <= set(old):
        new["steps"] = max(1, round(old["steps"] * fewer))
    return Horizon.from_dict({name: _whole(value) for name, value in new.items()})


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value
