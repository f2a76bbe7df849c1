"""transformers' factory: schedules by their name in the training arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stepsize.dialects.transformers.cosines import (
    get_cosine_schedule_with_warmup,
    get_cosine_with_hard_restarts_schedule_with_warmup,
    get_cosine_with_min_lr_schedule_with_warmup,
    get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
)
from stepsize.dialects.transformers.plain import (
    get_constant_schedule,
    get_constant_schedule_with_warmup,
    get_inverse_sqrt_schedule,
    get_linear_schedule_with_warmup,
    get_polynomial_decay_schedule_with_warmup,
)
from stepsize.dialects.transformers.wsd import get_wsd_schedule
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.schedule import Schedule

_BY_NAME: dict[str, tuple[Callable[..., Schedule], bool]] = {
    "linear": (get_linear_schedule_with_warmup, True),
    "cosine": (get_cosine_schedule_with_warmup, True),
    "cosine_with_restarts": (get_cosine_with_hard_restarts_schedule_with_warmup, True),
    "polynomial": (get_polynomial_decay_schedule_with_warmup, True),
    "constant_with_warmup": (get_constant_schedule_with_warmup, False),
    "inverse_sqrt": (get_inverse_sqrt_schedule, False),
    "cosine_with_min_lr": (get_cosine_with_min_lr_schedule_with_warmup, True),
    "cosine_warmup_with_min_lr": (
        get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
        True,
    ),
}
"""Name of a `SchedulerType`: its function, and whether it takes all training steps."""

_BY_METRIC = ("reduce_lr_on_plateau", "greedy")


def get_scheduler(
    name: Any,
    num_warmup_steps: int | None = None,
    num_training_steps: int | None = None,
    scheduler_specific_kwargs: Mapping[str, Any] | None = None,
    *,
    base_lr: float = 1.0,
) -> Schedule:
    """Make a schedule by the name that `lr_scheduler_type` has.

    Args:
        name: "linear", "cosine", "cosine_with_restarts", "polynomial", "constant",
            "constant_with_warmup", "inverse_sqrt", "cosine_with_min_lr",
            "cosine_warmup_with_min_lr" or "warmup_stable_decay", or the member of
            transformers' `SchedulerType`.
        num_warmup_steps: Int >= 0; all but "constant" need it. Unit: updates.
        num_training_steps: Int >= 0; "constant", "constant_with_warmup",
            "inverse_sqrt" and "warmup_stable_decay" do without. Unit: updates.
        scheduler_specific_kwargs: Further arguments of the function; not taken by
            "constant" and "constant_with_warmup".
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: The name is unknown, a metric drives it, or a value that
            it needs is missing or outside its range.

    Source:
        transformers 5.23.0, `get_scheduler`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.transformers.get_scheduler("linear", 0, 10, base_lr=0.1)
        0.1 * decay(10)
    """
    owner = "get_scheduler"
    kind = getattr(name, "value", name)
    kwargs = {**(scheduler_specific_kwargs or {}), "base_lr": base_lr}
    if kind == "constant":
        return get_constant_schedule(base_lr=base_lr)
    if kind != "warmup_stable_decay" and kind not in _BY_NAME:
        known = ", ".join((*_BY_NAME, "constant", "warmup_stable_decay"))
        metric = "a metric drives it: use stepsize.control"
        hint = metric if kind in _BY_METRIC else ""
        raise InvalidScheduleError(
            describe(f"{owner}.name", f"be one of {known}", kind, hint=hint)
        )
    steps = _given(num_warmup_steps, f"{owner}.num_warmup_steps", kind)
    if kind == "warmup_stable_decay":
        return get_wsd_schedule(steps, num_training_steps=num_training_steps, **kwargs)
    function, needs_total = _BY_NAME[kind]
    if kind == "constant_with_warmup":
        return function(steps, base_lr=base_lr)
    if not needs_total:
        return function(steps, **kwargs)
    total = _given(num_training_steps, f"{owner}.num_training_steps", kind)
    return function(steps, total, **kwargs)


def _given(value: int | None, field: str, kind: str) -> int:
    if value is None:
        rule = f'be given for "{kind}" (unit: updates)'
        raise InvalidScheduleError(describe(field, rule, value))
    return value
