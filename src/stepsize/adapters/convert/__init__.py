"""Schedules from the objects and settings of other libraries, and back out.

import stepsize as ss

conversion = ss.convert(scheduler)          # a live torch scheduler, mid-run
conversion.schedule, conversion.step        # goes on with the same rates
conversion.largest_difference, conversion.at
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stepsize.adapters.convert.compare import Difference, difference, finish
from stepsize.adapters.convert.lambdas import TorchLambda, to_torch_lambda
from stepsize.adapters.convert.out import (
    Exported,
    to_deepspeed,
    to_keras,
    to_knots,
    to_optax,
)
from stepsize.adapters.convert.reading import Conversion, Reading
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

__all__ = [
    "PEERS",
    "Conversion",
    "Difference",
    "Exported",
    "TorchLambda",
    "convert",
    "difference",
    "to_deepspeed",
    "to_keras",
    "to_knots",
    "to_optax",
    "to_torch_lambda",
]

PEERS = ("torch", "transformers", "keras", "deepspeed", "megatron", "timm")
SUPPORTED = (
    "a torch scheduler, transformers training arguments, a Keras schedule, optimizer "
    "or config, a DeepSpeed JSON, Megatron-LM arguments (mapping, Namespace or list) "
    "or arguments of timm's create_scheduler_v2"
)


def convert(
    obj: Any,
    *,
    horizon: Horizon | None = None,
    total_steps: int | None = None,
    base_lr: float | None = None,
    peer: str | None = None,
    faithful: bool = False,
) -> Conversion:
    """Read a peer's object or settings as a schedule, and compare both.

    The peer is run beside the schedule, step by step from where it stands, on a copy:
    what is handed in stays as it is. A torch scheduler whose optimizer was edited or
    loaded in another order goes on as torch would, and the notes say so.

    Args:
        obj: A live torch scheduler (nested, mid-run, also of transformers' or of a
            class of your own); transformers `TrainingArguments` or a mapping of
            them; a Keras schedule, optimizer, or config; a DeepSpeed configuration;
            arguments of Megatron-LM (mapping, Namespace, list of words); arguments
            of timm's `create_scheduler_v2`.
        horizon: How long the run is; what to compare. None finds the end of the
            schedule, or takes 1000 steps (at most 100 000).
        total_steps: Short for `Horizon(steps=total_steps)`; int >= 1.
        base_lr: Rate of the optimizer, where settings do not say it. Unit: lr.
        peer: Which of `PEERS` the settings are of; None finds out.
        faithful: Whether to reproduce the peer's defects (a cosine that rises again).

    Returns:
        The schedule, where the object stands, and the largest difference.

    Raises:
        AdapterError: The object is of no known kind, follows a metric, or a number is
            missing.
        InvalidScheduleError: The settings break a rule of the peer's or ours.

    Examples:
        >>> import stepsize as ss
        >>> section = {"type": "WarmupLR", "params": {
        ...     "warmup_max_lr": 0.5, "warmup_num_steps": 4, "warmup_type": "linear"}}
        >>> c = convert({"scheduler": section})
        >>> c.schedule(range(7))
        [0.0, 0.0, 0.125, 0.25, 0.375, 0.5, 0.5]
        >>> c.exact, c.largest_difference
        (True, 0.0)
    """
    if total_steps is not None and horizon is not None:
        rule = "be left out when horizon is given"
        raise AdapterError(describe("convert.total_steps", rule, total_steps))
    if total_steps is not None:
        horizon = Horizon(steps=total_steps)
    total = None if horizon is None else horizon.total_steps
    if isinstance(obj, (Schedule, ResolvedSchedule)):
        rule = "be of another library: this is a schedule already"
        raise AdapterError(describe("convert.obj", rule, obj))
    obj = _unwrapped(obj)
    reading = _read(obj, peer or _peer_of(obj), total, base_lr, faithful=faithful)
    return finish(reading, total, faithful=faithful)


def _unwrapped(obj: Any) -> Any:
    """Return the scheduler inside a wrapper, as Accelerate's."""
    if type(obj).__module__.startswith("accelerate."):
        return obj.scheduler
    return obj


def _peer_of(obj: Any) -> str:
    """Find out whose object this is, by its class or its keys."""
    from stepsize.adapters.convert import deepspeed, keras, megatron, timm, transformers

    if type(obj).__module__.startswith("stepsize."):
        rule = "be of another library"
        raise AdapterError(describe("convert.obj", rule, type(obj).__name__))
    if any(kind.__module__.startswith("torch.") for kind in type(obj).__mro__):
        return "torch"
    tests: dict[str, Callable[[Any], bool]]
    if isinstance(obj, Mapping):
        tests = {
            "deepspeed": deepspeed.reads,
            "keras": keras.reads_config,
            "timm": timm.reads,
            "transformers": lambda mapping: bool(set(transformers.KEYS) & set(mapping)),
            "megatron": megatron.reads,
        }
    else:
        tests = {
            "keras": keras.reads,
            "transformers": transformers.reads,
            "timm": timm.reads,
            "megatron": megatron.reads,
        }
    for peer, reads in tests.items():
        if reads(obj):
            return peer
    raise AdapterError(describe("convert.obj", f"be {SUPPORTED}", obj))


def _read(
    obj: Any, peer: str, total: int | None, base_lr: float | None, *, faithful: bool
) -> Reading:
    from stepsize.adapters.convert import deepspeed, keras, megatron, timm, transformers

    if peer not in PEERS:
        rule = f"be one of {', '.join(PEERS)}"
        raise AdapterError(describe("convert.peer", rule, peer))
    if peer == "torch":
        from stepsize.adapters.convert import torch

        if not torch.reads(obj):
            raise AdapterError(describe("convert.obj", f"be {SUPPORTED}", obj))
        return torch.read(obj)
    if peer == "keras" and keras.reads(obj):
        return keras.read(obj)
    if peer in {"keras", "deepspeed"} and not isinstance(obj, Mapping):
        raise AdapterError(describe(f"convert.obj of {peer}", "be a mapping", obj))
    numbers: dict[str, Any] = {"total_steps": total, "base_lr": base_lr}
    readers: dict[str, Callable[[], Reading]] = {
        "keras": lambda: keras.read_config(obj),
        "deepspeed": lambda: deepspeed.read(obj, **numbers, faithful=faithful),
        "transformers": lambda: transformers.read(obj, **numbers, faithful=faithful),
        "timm": lambda: timm.read(obj, base_lr=base_lr, faithful=faithful),
        "megatron": lambda: megatron.read(obj, **numbers),
    }
    return readers[peer]()
