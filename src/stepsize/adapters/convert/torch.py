"""Reads torch's learning-rate schedulers, nested and mid-run, without touching them."""

from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch.optim import lr_scheduler, swa_utils

from stepsize.adapters.convert import transformers
from stepsize.adapters.convert.reading import RECURSIVE, SINGLE, Reading, Values
from stepsize.errors import AdapterError, InvalidScheduleError, StepsizeError, describe
from stepsize.schedules.joins import join
from stepsize.schedules.schedule import Schedule

PLAIN = {
    "StepLR": ("step_size", "gamma"),
    "ConstantLR": ("factor", "total_iters"),
    "LinearLR": ("start_factor", "end_factor", "total_iters"),
    "ExponentialLR": ("gamma",),
    "PolynomialLR": ("total_iters", "power"),
    "CosineAnnealingLR": ("T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": ("T_0", "T_mult", "eta_min"),
}
"""Classes whose attributes are their arguments."""
MULTIPLY = (
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "PolynomialLR",
    "MultiplicativeLR",
)
"""Classes that multiply the rate they find, so that a chain of them is a product."""

OVERWRITE = ("LambdaLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR")
"""Classes that overwrite the rate they find."""


def reads(obj: object) -> bool:
    """Whether this is a scheduler of torch's."""
    return isinstance(obj, lr_scheduler.LRScheduler)


def read(scheduler: Any) -> Reading:
    """Read a scheduler where it stands.

    Args:
        scheduler: Of any class of torch's, nested, or of a class of your own.

    Returns:
        The reading; its evaluation steps a copy with an optimizer of its own.

    Raises:
        AdapterError: It reacts to a metric, or has no step yet.
    """
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        rule = "follow the step alone: ReduceLROnPlateau follows a metric"
        raise AdapterError(describe("convert.obj", rule, scheduler))
    groups = scheduler.optimizer.param_groups
    if not groups:
        raise AdapterError(describe("convert.obj", "have a param group", scheduler))
    # a copy, so that a callable of the user's that keeps a state keeps that one
    twin = copy_of(scheduler)
    notes: list[str] = []
    lawful = _all(twin, len(groups), notes, faithful=False)
    defects = _all(twin, len(groups), [], faithful=True)
    return Reading(
        peer=f"torch {type(scheduler).__name__}",
        schedules=lawful,
        defects=None if defects == lawful else defects,
        momentum=_momentum(twin),
        step=position(scheduler),
        evaluate=partial(evaluate, scheduler),
        tolerance=_tolerance(groups),
        live=True,
        notes=tuple(dict.fromkeys(notes)),
    )


def position(scheduler: Any) -> int:
    """Return the step whose rate the scheduler has written last."""
    if "last_epoch" not in vars(scheduler) and hasattr(scheduler, "_schedulers"):
        return max(position(child) for child in scheduler._schedulers)
    return max(int(scheduler.last_epoch), 0)


def evaluate(scheduler: Any, start: int, stop: int) -> Values:
    """Step a copy of a scheduler and return what it writes.

    Args:
        scheduler: The live one; neither it nor its optimizer is changed.
        start: The step at which it stands.
        stop: First step not wanted.
    """
    twin = copy_of(scheduler)
    groups = twin.optimizer.param_groups
    rates: list[list[float]] = [[] for _ in groups]
    momenta: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the optimizer, which makes no step
        for step in range(start, stop):
            for values, group in zip(rates, groups, strict=True):
                values.append(float(group["lr"]))
            momentum = _momentum_of(groups[0])
            if momentum is not None:
                momenta.append(momentum)
            if step + 1 == stop:
                break
            try:
                twin.step()
            except Exception as error:  # whatever torch or a user's function raises
                said = f"{type(error).__name__}: {error}"
                return Values(rates, momenta, said.splitlines()[0])
    return Values(rates, momenta)


def copy_of(scheduler: Any) -> Any:
    """Return a copy of a scheduler that drives an optimizer without parameters.

    Raises:
        AdapterError: A user's callable in it cannot be copied.
    """
    optimizer = scheduler.optimizer
    try:
        return copy.deepcopy(scheduler, {id(optimizer): _stand_in(optimizer)})
    except Exception as error:
        rule = "be copied, so that the copy can be stepped"
        raise AdapterError(describe("convert.obj", rule, scheduler)) from error


def _stand_in(optimizer: Any) -> torch.optim.Optimizer:
    """Return an optimizer with the same hyperparameters and no weights."""
    empty = [{"params": [torch.zeros(0)]} for _ in optimizer.param_groups]
    other = torch.optim.SGD(empty, lr=0.0)
    other.defaults = {key: _own(value) for key, value in optimizer.defaults.items()}
    for group, original in zip(other.param_groups, optimizer.param_groups, strict=True):
        params = group["params"]
        group.clear()
        group["params"] = params
        group.update({k: _own(v) for k, v in original.items() if k != "params"})
    # what torch's schedulers look for before they warn
    other._opt_called = True  # type: ignore[attr-defined]
    return other


def _own(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return copy.copy(value) if isinstance(value, (list, dict)) else value


def _momentum_of(group: Mapping[str, Any]) -> float | None:
    if "betas" in group:
        return float(group["betas"][0])
    return float(group["momentum"]) if "momentum" in group else None


def _tolerance(groups: list[dict[str, Any]]) -> float:
    tensors = [g["lr"] for g in groups if isinstance(g["lr"], torch.Tensor)]
    return SINGLE if any(t.dtype != torch.float64 for t in tensors) else RECURSIVE


def _all(
    scheduler: Any, count: int, notes: list[str], *, faithful: bool
) -> tuple[Schedule, ...] | None:
    """Return a schedule for each group, or None where they cannot be said."""
    try:
        found = [_one(scheduler, i, notes, faithful=faithful) for i in range(count)]
        for schedule in found:
            if schedule is not None:
                schedule.resolve()  # what does not fit together says so only here
    except InvalidScheduleError as error:
        notes.append(f"its arguments have no schedule here ({error})")
        return None
    if any(schedule is None for schedule in found):
        return None
    return tuple(schedule for schedule in found if schedule is not None)


def _one(
    scheduler: Any,
    index: int,
    notes: list[str],
    *,
    faithful: bool,
    base: float | None = None,
) -> Schedule | None:
    """Return the schedule of one group; None for classes that torch does not have."""
    kind = type(scheduler)
    name = kind.__name__
    known = {getattr(lr_scheduler, name, None), getattr(swa_utils, name, None)}
    if kind not in known:
        return None
    if name == "SequentialLR":
        return _sequential(scheduler, index, notes, faithful=faithful)
    if name == "ChainedScheduler":
        return _chained(scheduler, index, notes, faithful=faithful)
    base = float(scheduler.base_lrs[index]) if base is None else base
    if name == "LambdaLR":
        function = scheduler.lr_lambdas[index]
        found = transformers.from_lambda(function, base, faithful=faithful)
        if found is not None:
            return found
    arguments = _arguments(scheduler, name, index)
    if arguments is None:
        return None
    if name in {"LambdaLR", "MultiplicativeLR"}:
        notes.append("a function of yours stays one: it prints as opaque(...)")
    return call(name, arguments, base, faithful=faithful)


def call(
    name: str, arguments: dict[str, Any], base: float, *, faithful: bool
) -> Schedule:
    """Return what torch's class of that name says, in our dialect.

    Raises:
        InvalidScheduleError: The dialect refuses an argument.
    """
    from stepsize.dialects import torch as dialect

    function: Callable[..., Schedule] = getattr(dialect, name)
    takes = inspect.signature(function).parameters
    if "base_lr" in takes and "base_lr" not in arguments:
        arguments = {**arguments, "base_lr": base}
    if faithful and "faithful" in takes:
        arguments = {**arguments, "faithful": True}
    return function(**arguments)


def _arguments(scheduler: Any, name: str, index: int) -> dict[str, Any] | None:
    if name in PLAIN:
        return {key: getattr(scheduler, key) for key in PLAIN[name]}
    if name in {"LambdaLR", "MultiplicativeLR"}:
        return {"lr_lambda": scheduler.lr_lambdas[index]}
    reader = READERS.get(name)
    return None if reader is None else reader(scheduler, index)


def _multi_step(scheduler: Any, index: int) -> dict[str, Any]:
    milestones = sorted(scheduler.milestones.elements())
    return {"milestones": milestones, "gamma": scheduler.gamma}


def _cyclic(scheduler: Any, index: int) -> dict[str, Any]:
    up = scheduler.total_size * scheduler.step_ratio
    arguments = {
        "base_lr": float(scheduler.base_lrs[index]),
        "max_lr": float(scheduler.max_lrs[index]),
        "step_size_up": _whole(up),
        "step_size_down": _whole(scheduler.total_size - up),
        "mode": scheduler.mode,
        "gamma": scheduler.gamma,
        "scale_fn": scheduler._scale_fn_custom,
        "scale_mode": scheduler.scale_mode,
        "cycle_momentum": scheduler.cycle_momentum,
    }
    if scheduler.cycle_momentum:
        arguments["base_momentum"] = float(scheduler.base_momentums[index])
        arguments["max_momentum"] = float(scheduler.max_momentums[index])
    return arguments


def _one_cycle(scheduler: Any, index: int) -> dict[str, Any]:
    group = scheduler.optimizer.param_groups[index]
    phases, total = scheduler._schedule_phases, scheduler.total_steps
    peak, first = float(group["max_lr"]), float(group["initial_lr"])
    last = float(group["min_lr"])
    return {
        "max_lr": peak,
        "total_steps": total,
        "pct_start": _share(phases[0]["end_step"], total),
        "anneal_strategy": getattr(scheduler, "_anneal_func_type", "cos"),
        "cycle_momentum": scheduler.cycle_momentum,
        "base_momentum": float(group.get("base_momentum", 0.85)),
        "max_momentum": float(group.get("max_momentum", 0.95)),
        "div_factor": peak / first if first else math.inf,
        "final_div_factor": first / last if last else math.inf,
        "three_phase": len(phases) == 3,  # noqa: PLR2004 - as the name says
    }


def _share(end: float, total: int) -> float:
    """Return p with p * total - 1 == end: of those, the shortest to write."""
    for digits in range(1, 17):
        share = round((end + 1) / total, digits)
        if float(share * total) - 1 == end:
            return share
    return (end + 1) / total


def _averaging(scheduler: Any, index: int) -> dict[str, Any]:
    group = scheduler.optimizer.param_groups[index]
    cosine = scheduler.anneal_func is type(scheduler)._cosine_anneal
    return {
        "swa_lr": float(group["swa_lr"]),
        "anneal_epochs": scheduler.anneal_epochs,
        "anneal_strategy": "cos" if cosine else "linear",
    }


def _whole(value: float) -> float:
    nearest = round(value)
    return nearest if abs(nearest - value) <= 1e-9 * max(nearest, 1) else value


def _sequential(
    scheduler: Any, index: int, notes: list[str], *, faithful: bool
) -> Schedule | None:
    points = list(scheduler._milestones)
    parts: list[Schedule] = []
    for number, child in enumerate(scheduler._schedulers):
        base = None
        if _recursive(child):
            if number == 0:  # it multiplies what the constructor put back
                base = float(scheduler.optimizer.param_groups[index]["initial_lr"])
            elif type(child).__name__ == "MultiplicativeLR" and points[number - 1]:
                # without a closed form it multiplies the rate that it finds
                found = _joined(parts, points)(points[number - 1] - 1)
                base = found * float(child.lr_lambdas[index](0))
        part = _one(child, index, notes, faithful=faithful, base=base)
        if part is None:
            return None
        parts.append(part)
    return _joined(parts, points)


def _joined(parts: list[Schedule], points: list[int]) -> Schedule:
    return parts[0] if len(parts) == 1 else join(*parts, at=points[: len(parts) - 1])


def _chained(
    scheduler: Any, index: int, notes: list[str], *, faithful: bool
) -> Schedule | None:
    children = scheduler._schedulers
    last = _one(children[-1], index, notes, faithful=faithful)
    if len(children) == 1 or type(children[-1]).__name__ in OVERWRITE:
        return last
    if not all(map(_recursive, children)):
        return None
    factors = [
        _one(child, index, notes, faithful=faithful, base=1.0) for child in children
    ]
    known = [factor for factor in factors if factor is not None]
    base = float(children[0].base_lrs[index])
    return call("ChainedScheduler", {"schedulers": known}, base, faithful=faithful)


def _recursive(scheduler: Any) -> bool:
    """Whether it multiplies the rate that it finds."""
    name = type(scheduler).__name__
    return name in MULTIPLY or (name == "CosineAnnealingLR" and not scheduler.eta_min)


def _momentum(scheduler: Any) -> Schedule | None:
    """Return the momentum of the first group, where the scheduler cycles it."""
    if not getattr(scheduler, "cycle_momentum", False):
        return None
    name = type(scheduler).__name__
    arguments = _arguments(scheduler, name, 0)
    if arguments is None:
        return None
    try:
        return call(f"{name}_momentum", arguments, 1.0, faithful=False)
    except StepsizeError:
        return None


READERS: dict[str, Callable[[Any, int], dict[str, Any]]] = {
    "CyclicLR": _cyclic,
    "MultiStepLR": _multi_step,
    "OneCycleLR": _one_cycle,
    "SWALR": _averaging,
}
