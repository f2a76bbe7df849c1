"""Reads Megatron-LM's arguments; its scheduler is run here as published.

Megatron-LM itself is not imported (it needs GPUs); `rate` says its
core/optimizer_param_scheduler.py (d98e8a64) step by step, independently of the dialect.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from stepsize.adapters.convert.mappings import Settings
from stepsize.adapters.convert.reading import Reading, Values
from stepsize.errors import AdapterError, describe
from stepsize.schedules.schedule import Schedule

SIGNS = (
    "lr_decay_style",
    "lr_decay_iters",
    "lr_decay_samples",
    "lr_warmup_iters",
    "lr_warmup_samples",
    "lr_warmup_fraction",
    "train_iters",
    "train_samples",
)
"""Arguments that only Megatron-LM has."""
FLAGS = ("override_opt_param_scheduler", "use_checkpoint_opt_param_scheduler")


def reads(obj: object) -> bool:
    """Whether these are arguments of Megatron-LM's: a mapping, object or list."""
    if isinstance(obj, Mapping):
        names = {str(key).lstrip("-").replace("-", "_") for key in obj}
        return bool(names & set(SIGNS))
    if isinstance(obj, (list, tuple)):
        words = {str(word).partition("=")[0] for word in obj}
        return bool({f"--{name.replace('_', '-')}" for name in SIGNS} & words)
    return any(hasattr(obj, name) for name in SIGNS)


def read(obj: Any, *, total_steps: int | None, base_lr: float | None) -> Reading:
    """Read arguments, as a mapping, a Namespace, or the words of a command line.

    Args:
        obj: lr, min_lr (0), lr_decay_style ("linear"), train_iters or train_samples,
            global_batch_size, and the optional lr_warmup_init, lr_warmup_iters |
            _samples | _fraction, lr_decay_iters | _samples, lr_wsd_decay_iters |
            _samples, lr_wsd_decay_style, weight_decay, start_weight_decay,
            end_weight_decay, weight_decay_incr_style, rampup_batch_size,
            step_batch_size_schedule, seq_length. In brackets: the peer's defaults.
        total_steps: Updates, where the arguments do not say them.
        base_lr: Rate in place of lr.

    Raises:
        AdapterError: An argument is missing, or a word of a list is no argument.
    """
    from stepsize.dialects import megatron

    given = Settings("megatron", _named(obj))
    sizes = _batch_sizes(given)
    warm, end, tail, growth = _samples(given, sizes, total_steps)
    peak = given.number("lr") if base_lr is None else base_lr
    decay = given.number("weight_decay", 0.01)
    style = str(given.get("lr_decay_style", None) or "linear")
    tail_style = given.get("lr_wsd_decay_style", None) or "exponential"
    wd_style = str(given.get("weight_decay_incr_style", None) or "constant")
    grows = wd_style != "constant"
    arguments: dict[str, Any] = {
        "init_lr": given.number("lr_warmup_init", 0.0),
        "max_lr": peak,
        "min_lr": given.number("min_lr", 0.0),
        "lr_warmup_steps": warm,
        "lr_decay_steps": end,
        "lr_decay_style": style,
        "start_wd": given.number("start_weight_decay", decay) if grows else decay,
        "end_wd": given.number("end_weight_decay", decay) if grows else decay,
        "wd_incr_steps": growth,
        "wd_incr_style": wd_style,
        "wsd_decay_steps": tail,
        "lr_wsd_decay_style": tail_style if style == "WSD" else None,
    }
    increment: Any = sizes
    schedule = megatron.OptimizerParamScheduler(**arguments, increment=increment)
    others: dict[str, Schedule] = {
        "weight_decay": megatron.OptimizerParamScheduler_weight_decay(
            **arguments, increment=increment
        )
    }
    notes = ["compared with Megatron-LM's published rule, not its package"]
    if isinstance(sizes, Schedule):
        others["batch_size"] = sizes
        notes.append("the batch grows, so samples become updates along its schedule")

    def run(start: int, stop: int) -> Values:
        consumed, values = 0.0, []
        for step in range(stop):
            if step >= start:
                values.append(rate(consumed, arguments))
            consumed += sizes(step) if isinstance(sizes, Schedule) else sizes
        return Values([values], [])

    return Reading(
        peer=f"megatron {style}",
        schedules=(schedule,),
        others=others,
        evaluate=run,
        length=_updates(given, total_steps),
        notes=tuple(notes),
    )


def rate(n: float, a: Mapping[str, Any]) -> float:
    """Return the rate after n samples.

    Args:
        n: Unit: samples.
        a: Arguments of OptimizerParamScheduler.

    Source:
        Megatron-LM d98e8a64, core/optimizer_param_scheduler.py, `get_lr`.
    """
    init, peak, low = a["init_lr"], a["max_lr"], a["min_lr"]
    warm, end, style = a["lr_warmup_steps"], a["lr_decay_steps"], a["lr_decay_style"]
    result: float
    if warm > 0 and n <= warm:
        result = init + (peak - init) * n / warm
        return result
    if style == "constant":
        return float(peak)
    if n > end:
        return float(low)
    if style == "inverse-square-root":
        return float(max(low, peak * max(warm, 1) ** 0.5 / max(n, 1) ** 0.5))
    part = (n - warm) / (end - warm)
    if style == "WSD":
        coefficient = _tail(n, a)
    elif style == "linear":
        coefficient = 1 - part
    else:
        coefficient = 0.5 * (math.cos(math.pi * part) + 1)
    result = low + coefficient * (peak - low)
    return result


def _tail(n: float, a: Mapping[str, Any]) -> float:
    begin = a["lr_decay_steps"] - a["wsd_decay_steps"]
    if n <= begin:
        return 1.0
    part = (n - begin) / a["wsd_decay_steps"]
    shapes: dict[str, float] = {
        "linear": 1 - part,
        "cosine": 0.5 * (math.cos(math.pi * part) + 1),
        "exponential": 2 * 0.5**part - 1,
        "minus_sqrt": 1 - math.sqrt(part),
    }
    return shapes[str(a["lr_wsd_decay_style"])]


def _named(obj: Any) -> Any:
    """Return arguments by their names in Python."""
    if isinstance(obj, str):
        obj = shlex.split(obj)
    if isinstance(obj, (list, tuple)):
        return _words(obj)
    if isinstance(obj, Mapping):
        return {str(k).lstrip("-").replace("-", "_"): v for k, v in obj.items()}
    return obj


def _words(words: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    name = ""
    for word in map(str, words):
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = [value] if value else []
        elif name:
            found[name].append(word)
    return {
        name: True if not values else values[0] if len(values) == 1 else values
        for name, values in found.items()
        if name not in FLAGS
    }


def _batch_sizes(given: Settings) -> int | Schedule:
    ramp = given.get("rampup_batch_size", None)
    steps = given.get("step_batch_size_schedule", None)
    if ramp is None and steps is None:
        return int(given.number("global_batch_size"))
    from stepsize.dialects import megatron

    length = given.optional("seq_length")
    found: Schedule = megatron.init_num_microbatches_calculator(
        0,
        ramp,
        None if steps else int(given.number("global_batch_size")),
        int(given.number("micro_batch_size", 1)),
        int(given.number("data_parallel_size", 1)),
        False,
        steps,
        None if length is None else int(length),
    )
    return found


def _updates(given: Settings, total: int | None) -> int | None:
    planned = given.optional("train_iters")
    return total if planned is None else int(planned)


def _samples(
    given: Settings, sizes: int | Schedule, total: int | None
) -> tuple[float, float, float | None, float]:
    """Return warmup, decay, tail of WSD and growth of weight decay. Unit: samples."""
    iterations = _updates(given, total)
    fraction = given.optional("lr_warmup_fraction")
    if given.optional("train_samples") is not None:
        planned = given.number("train_samples")
        end = given.number("lr_decay_samples", planned)
        tail = given.optional("lr_wsd_decay_samples")
        warm = given.number("lr_warmup_samples", 0)
        return (fraction * end if fraction is not None else warm), end, tail, planned
    if iterations is None:
        rule = "be given, or train_samples"
        hint = "convert(..., total_steps=...)"
        message = describe("megatron.train_iters", rule, None, hint=hint)
        raise AdapterError(message)
    # with a growing batch the peer still multiplies by the final size
    size = given.number("global_batch_size") if isinstance(sizes, Schedule) else sizes
    end = given.number("lr_decay_iters", iterations) * size
    wsd = given.optional("lr_wsd_decay_iters")
    warm = given.number("lr_warmup_iters", 0) * size
    return (
        fraction * end if fraction is not None else warm,
        end,
        None if wsd is None else wsd * size,
        iterations * size,
    )
