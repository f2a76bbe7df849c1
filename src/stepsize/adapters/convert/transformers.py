"""Reads transformers' training arguments, and the functions inside its LambdaLR."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from stepsize.adapters.convert.mappings import Settings
from stepsize.adapters.convert.reading import Evaluate, Reading, Values
from stepsize.errors import AdapterError, InvalidScheduleError, describe
from stepsize.schedules.schedule import Schedule

FUNCTIONS = {
    "linear": "get_linear_schedule_with_warmup",
    "cosine": "get_cosine_schedule_with_warmup",
    "cosine_with_restarts": "get_cosine_with_hard_restarts_schedule_with_warmup",
    "polynomial": "get_polynomial_decay_schedule_with_warmup",
    "constant": "get_constant_schedule",
    "constant_with_warmup": "get_constant_schedule_with_warmup",
    "inverse_sqrt": "get_inverse_sqrt_schedule",
    "cosine_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup",
    "cosine_warmup_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "warmup_stable_decay": "get_wsd_schedule",
}
"""`lr_scheduler_type` -> the function that the peer calls for it."""
METRIC = ("reduce_lr_on_plateau", "greedy")
KEYS = ("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_ratio", "max_steps")
"""Keys that only training arguments have."""


def reads(obj: object) -> bool:
    """Whether these are training arguments: an object with their attributes."""
    return hasattr(obj, "lr_scheduler_type") and hasattr(obj, "learning_rate")


def read(
    arguments: Any, *, total_steps: int | None, base_lr: float | None, faithful: bool
) -> Reading:
    """Read training arguments: a mapping, or an object with these attributes.

    Args:
        arguments: lr_scheduler_type ("linear"), learning_rate (5e-5), warmup_steps
            (0; below 1 a fraction), warmup_ratio (0), max_steps (-1),
            lr_scheduler_kwargs ({}). In brackets: the peer's defaults.
        total_steps: Updates in all, where max_steps does not say them.
        base_lr: Rate in place of learning_rate.
        faithful: Whether the peer's defects are wanted.

    Raises:
        AdapterError: The type is unknown or follows a metric, or the number of
            updates is missing where the type needs it.
    """
    given = Settings("TrainingArguments", arguments)
    kind = given.get("lr_scheduler_type", "linear")
    kind = str(getattr(kind, "value", kind))
    if kind in METRIC:
        rule = "follow the step alone: this type follows a metric"
        raise AdapterError(given.wrong("lr_scheduler_type", rule, kind))
    if kind not in FUNCTIONS:
        rule = f"be one of {', '.join(FUNCTIONS)}"
        raise AdapterError(given.wrong("lr_scheduler_type", rule, kind))
    more = given.get("lr_scheduler_kwargs", None) or {}
    more = json.loads(more) if isinstance(more, str) else dict(more)
    planned = given.number("max_steps", -1)
    total = int(planned) if planned > 0 else total_steps
    rate = given.number("learning_rate", 5e-5) if base_lr is None else base_lr
    warm = _warmup_steps(given, total)
    needed = _needed(kind, warm, total, more)
    if "num_training_steps" in needed and total is None:
        if kind != "warmup_stable_decay":
            rule = "be given: this type needs the number of updates"
            hint = (
                "convert(..., total_steps=...), which the number of epochs does not say"
            )
            raise AdapterError(given.wrong("max_steps", rule, planned, hint=hint))
        del needed["num_training_steps"]
    lawful = _dialect(FUNCTIONS[kind], needed, rate, faithful=False)
    defects = _dialect(FUNCTIONS[kind], needed, rate, faithful=True)
    return Reading(
        peer=f"transformers {FUNCTIONS[kind]}",
        schedules=(lawful,),
        defects=None if lawful == defects else (defects,),
        evaluate=_evaluation(FUNCTIONS[kind], needed, rate),
        length=total,
    )


def from_lambda(function: Any, base: float, *, faithful: bool) -> Schedule | None:
    """Return the schedule of a function that transformers put into a LambdaLR.

    Args:
        function: A function of the step, as found in `scheduler.lr_lambdas`.
        base: Base rate of its param group.
        faithful: Whether the peer's defects are wanted.

    Returns:
        The schedule, or None if transformers did not make it.
    """
    inner = function.func if isinstance(function, partial) else function
    if getattr(inner, "__module__", "") != "transformers.optimization":
        return None
    name = str(getattr(inner, "__name__", ""))
    if name == "_get_constant_lambda":
        return _dialect("get_constant_schedule", {}, base, faithful=faithful)
    given = dict(function.keywords) if isinstance(function, partial) else {}
    if name == "_get_wsd_scheduler_lambda":
        return _dialect("get_wsd_schedule", given, base, faithful=faithful)
    target = name.removeprefix("_").removesuffix("_lambda").removesuffix("_lr")
    if name.endswith("_lr_rate_lambda"):  # its own name ends like the others' suffix
        target = name.removeprefix("_").removesuffix("_lambda")
    if target not in FUNCTIONS.values():
        return None
    if target == FUNCTIONS["cosine"] and given.get("min_lr_rate"):
        target = FUNCTIONS["cosine_with_min_lr"]
    elif target == FUNCTIONS["cosine"]:
        given.pop("min_lr_rate", None)
    default = given.pop("lr_init", None)
    if default:  # the peer's floor is a share of the optimizer's default rate
        given["lr_end"] *= base / default
    return _dialect(target, given, base, faithful=faithful)


def _dialect(
    name: str, arguments: Mapping[str, Any], base: float, *, faithful: bool
) -> Schedule:
    from stepsize.dialects import transformers as dialect

    function: Callable[..., Schedule] = getattr(dialect, name)
    takes = inspect.signature(function).parameters
    wrong = sorted(set(arguments) - set(takes))
    if wrong:
        rule = f"be arguments of {name}"
        raise AdapterError(describe("lr_scheduler_kwargs", rule, wrong))
    more = {"faithful": True} if faithful and "faithful" in takes else {}
    try:
        return function(**arguments, base_lr=base, **more)
    except TypeError as error:
        field = f"transformers.{name}"
        rule = "have all its arguments"
        raise InvalidScheduleError(describe(field, rule, dict(arguments))) from error


def _warmup_steps(given: Settings, total: int | None) -> int:
    steps, ratio = given.number("warmup_steps", 0), given.number("warmup_ratio", 0)
    if steps >= 1:
        return int(steps)
    share = steps or ratio
    if share and total is None:
        rule = "be given: the warmup is a fraction of it"
        hint = "convert(..., total_steps=...)"
        raise AdapterError(given.wrong("max_steps", rule, None, hint=hint))
    return math.ceil((total or 0) * share)


def _needed(
    kind: str, warm: int, total: int | None, more: dict[str, Any]
) -> dict[str, Any]:
    if kind == "constant":
        return {}
    if kind in {"constant_with_warmup", "inverse_sqrt"}:
        kept = more if kind == "inverse_sqrt" else {}
        return {"num_warmup_steps": warm, **kept}
    return {"num_warmup_steps": warm, "num_training_steps": total, **more}


def _evaluation(
    name: str, arguments: Mapping[str, Any], rate: float
) -> Evaluate | None:
    """Return what runs the peer, or None where it is not installed."""
    try:
        import torch
        from transformers import optimization
    except ImportError:
        return None
    from stepsize.adapters.convert.torch import evaluate

    def run(start: int, stop: int) -> Values:
        optimizer = torch.optim.SGD([torch.zeros(0)], lr=rate)
        return evaluate(
            getattr(optimization, name)(optimizer, **arguments), start, stop
        )

    return run
