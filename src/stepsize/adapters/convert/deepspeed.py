"""Reads the scheduler of a DeepSpeed JSON; its rules are run here as published.

DeepSpeed itself is not imported (it compiles kernels); `published` says its
runtime/lr_schedules.py (edaa7221) step by step, independently of the dialect.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from stepsize.adapters.convert.reading import Reading, Values
from stepsize.errors import AdapterError, InvalidScheduleError, describe
from stepsize.schedules.schedule import Schedule

NAMES = ("LRRangeTest", "OneCycle", "WarmupLR", "WarmupDecayLR", "WarmupCosineLR")

STAIRS = ("cycle_first_stair_count", "cycle_second_stair_count")


def reads(mapping: Mapping[str, Any]) -> bool:
    """Whether this is a DeepSpeed configuration, or its "scheduler" section."""
    section = mapping.get("scheduler", mapping)
    return isinstance(section, Mapping) and section.get("type") in NAMES


def read(
    mapping: Mapping[str, Any],
    *,
    total_steps: int | None,
    base_lr: float | None,
    faithful: bool,
) -> Reading:
    """Read a configuration.

    Args:
        mapping: With "scheduler": {"type", "params"} (or that section alone) and, for
            the rate of the optimizer, "optimizer": {"params": {"lr"}}.
        total_steps: Updates in all, where "total_num_steps" is "auto".
        base_lr: Rate of the optimizer, where the mapping does not have it.
        faithful: Whether the peer's defects are wanted.

    Raises:
        AdapterError: The type is unknown, or a value is "auto" and not given.
    """
    section = mapping.get("scheduler", mapping)
    name = section.get("type") if isinstance(section, Mapping) else None
    if name not in NAMES:
        rule = f"be one of {', '.join(NAMES)}"
        raise AdapterError(describe("scheduler.type", rule, name))
    rate = _base(mapping) if base_lr is None else base_lr
    params = dict(section.get("params") or {})
    params.pop("last_batch_iteration", None)
    notes = []
    if name.startswith("Warmup"):
        notes.append("the warmup comes one update late: updates 0 and 1 have one rate")
    stairs = [params.pop(key, None) for key in STAIRS]
    if any(stairs):
        notes.append("DeepSpeed stores stair counts and does not use them")
    for key, value in params.items():
        if value == "auto":
            params[key] = _auto(key, total_steps, rate)
    lawful, base = _dialect(name, params, rate)
    momentum = None
    if name == "OneCycle" and params.get("cycle_momentum", True):
        momentum = _momentum(params, faithful=faithful)
    if momentum is not None:
        notes.append("DeepSpeed also sets betas[1] to 0.99")
    peer = published(name, params, base)

    def run(start: int, stop: int) -> Values:
        steps = range(start, stop)
        moves = () if momentum is None else steps
        return Values(
            [[peer(step) for step in steps]],
            [_momentum_rule(step, params) for step in moves],
        )

    return Reading(
        peer=f"deepspeed {name}",
        schedules=(lawful,),
        momentum=momentum,
        evaluate=run,
        length=_length(params.get("total_num_steps")),
        notes=(*notes, "compared with DeepSpeed's published rule, not its package"),
    )


def _base(mapping: Mapping[str, Any]) -> float | None:
    optimizer = mapping.get("optimizer")
    params = optimizer.get("params") if isinstance(optimizer, Mapping) else None
    rate = params.get("lr") if isinstance(params, Mapping) else None
    return None if rate is None or rate == "auto" else float(rate)


def _auto(key: str, total: int | None, rate: float | None) -> float:
    found = {
        "total_num_steps": total,
        "warmup_max_lr": rate,
        "warmup_min_lr": 0.0,
    }.get(key)
    if found is None:
        names = {"total_num_steps": "total_steps", "warmup_max_lr": "base_lr"}
        hint = "write the number into the JSON"
        if key in names:
            hint = f"convert(..., {names[key]}=...)"
        rule = 'be a number: "auto" is filled in by transformers only'
        raise AdapterError(describe(f"scheduler.params.{key}", rule, "auto", hint=hint))
    return found


def _length(total: Any) -> int | None:
    return int(total) + 2 if isinstance(total, (int, float)) else None


def _dialect(
    name: str, params: Mapping[str, Any], rate: float | None
) -> tuple[Schedule, float]:
    from stepsize.dialects import deepspeed as dialect

    function: Callable[..., Schedule] = getattr(dialect, name)
    takes = inspect.signature(function).parameters
    wrong = sorted(set(params) - set(takes))
    if wrong:
        rule = f"be arguments of {name}"
        raise AdapterError(describe("scheduler.params", rule, wrong))
    more = {}
    if "base_lr" in takes and params.get("warmup_max_lr") is None:
        if rate is None:
            rule = "be given: this scheduler takes its rate from the optimizer"
            hint = "convert(..., base_lr=...)"
            raise AdapterError(describe("optimizer.params.lr", rule, None, hint=hint))
        more["base_lr"] = rate
    try:
        return function(**params, **more), rate or 0.0
    except TypeError as error:
        field = "scheduler.params"
        rule = f"have all arguments of {name}"
        raise InvalidScheduleError(describe(field, rule, dict(params))) from error


def _momentum(params: Mapping[str, Any], *, faithful: bool) -> Schedule:
    from stepsize.dialects import deepspeed as dialect

    return dialect.OneCycle_momentum(**params, faithful=faithful)


def published(
    name: str, params: Mapping[str, Any], base: float
) -> Callable[[int], float]:
    """Return what the scheduler of that name gives an update.

    Args:
        name: Type of the scheduler.
        params: Its parameters, without "auto".
        base: Rate of the optimizer. Unit: lr.

    Source:
        DeepSpeed edaa7221, runtime/lr_schedules.py.
    """
    if name == "LRRangeTest":
        return lambda step: _range_test(step, **params)
    if name == "OneCycle":
        return lambda step: _one_cycle(step, params)
    if name == "WarmupCosineLR":
        return lambda step: base * _cosine_ratio(step - 1, params)
    low = params.get("warmup_min_lr", 0.0)
    default = base if name == "WarmupLR" else 0.001
    high = params.get("warmup_max_lr")
    high = default if high is None else high
    return lambda step: low + (high - low) * _height(step - 1, name, params)


def _range_test(
    step: int,
    lr_range_test_min_lr: float = 1e-3,
    lr_range_test_step_size: int = 2000,
    lr_range_test_step_rate: float = 1.0,
    lr_range_test_staircase: bool = False,
) -> float:
    interval = step / lr_range_test_step_size
    if lr_range_test_staircase:
        interval = math.floor(interval)
    return lr_range_test_min_lr * (1 + lr_range_test_step_rate * interval)


def _warming(b: int, params: Mapping[str, Any]) -> float | None:
    """Return the height of the warmup, or None after it."""
    steps: int = max(2, params.get("warmup_num_steps", 1000))
    if b >= steps:
        return None
    if params.get("warmup_type", "log") == "linear":
        return b / steps
    return math.log(b + 1) / math.log(steps)


def _height(b: int, name: str, params: Mapping[str, Any]) -> float:
    if b < 0:
        return 0.0
    height = _warming(b, params)
    if height is not None:
        return height
    if name == "WarmupLR":
        return 1.0
    total: int = params["total_num_steps"]
    steps: int = max(2, params.get("warmup_num_steps", 1000))
    return max(0.0, (total - b) / max(1.0, total - steps))


def _cosine_ratio(b: int, params: Mapping[str, Any]) -> float:
    if b < 0:
        return 0.0
    height = _warming(b, params)
    if height is not None:
        low: float = params.get("warmup_min_ratio", 0.0)
        return low + (1 - low) * height
    steps = max(2, params.get("warmup_num_steps", 1000))
    total, floor = params["total_num_steps"], params.get("cos_min_ratio", 0.0001)
    progress = min(1.0, (b - steps + 1) / max(1, total - steps))
    ratio: float = floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2
    return max(0.0, ratio)


def _one_cycle(step: int, params: Mapping[str, Any]) -> float:
    low, high = params["cycle_min_lr"], params["cycle_max_lr"]
    past = _past_cycle(step, params)
    if past > 0:
        interval = params.get("decay_step_size", 0)
        rate = params.get("decay_lr_rate", 0.0)
        return float(low / (1 + rate * past / interval)) if interval else float(low)
    return float(low + (high - low) * _in_cycle(step, params))


def _momentum_rule(step: int, params: Mapping[str, Any]) -> float:
    low, high = params.get("cycle_min_mom", 0.8), params.get("cycle_max_mom", 0.9)
    if step == 0:  # what the constructor writes
        return float(low)
    past = _past_cycle(step, params)
    if past > 0:
        interval = params.get("decay_step_size", 0)
        rate = params.get("decay_mom_rate", 0.0)
        return float(high * (1 + rate * past / interval)) if interval else float(high)
    return float(high - (high - low) * _in_cycle(step, params))


def _halves(params: Mapping[str, Any]) -> tuple[int, int]:
    first: int = params.get("cycle_first_step_size", 2000)
    second = params.get("cycle_second_step_size")
    return first, first if second is None else second


def _past_cycle(step: int, params: Mapping[str, Any]) -> int:
    return step - sum(_halves(params))


def _in_cycle(step: int, params: Mapping[str, Any]) -> float:
    """Return the height in the cycle; stair counts are stored and never used."""
    first, second = _halves(params)
    return step / first if step <= first else (first + second - step) / second
