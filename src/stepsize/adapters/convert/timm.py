"""Reads the arguments of timm's create_scheduler_v2 and of its training script."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from stepsize.adapters.convert.reading import Evaluate, Reading, Values
from stepsize.errors import AdapterError, describe

SCRIPT = {
    "epochs": "num_epochs",
    "lr_noise": "noise",
    "lr_noise_pct": "noise_pct",
    "lr_noise_std": "noise_std",
    "seed": "noise_seed",
    "lr_cycle_mul": "cycle_mul",
    "lr_cycle_decay": "cycle_decay",
    "lr_cycle_limit": "cycle_limit",
    "lr_k_decay": "k_decay",
    "lr_decay_fn": "decay_fn",
    "lr_stable_timescale": "stable_timescale",
}
"""Names of timm's training script -> names of create_scheduler_v2."""
SCRIPT_DEFAULTS = {
    "num_epochs": 100,
    "decay_epochs": 30,
    "decay_milestones": (30, 60),
    "warmup_epochs": 5,
}
"""Where the script's defaults differ from those of create_scheduler_v2."""


def reads(obj: object) -> bool:
    """Whether these are such arguments: a mapping or an object with `sched`."""
    if isinstance(obj, Mapping):
        return "sched" in obj
    return hasattr(obj, "sched") and not isinstance(obj, type)


def read(obj: Any, *, base_lr: float | None, faithful: bool) -> Reading:
    """Read arguments.

    Args:
        obj: A mapping or an object (as of argparse). With `epochs` or an `lr_...`
            argument it is read as arguments of timm's training script.
        base_lr: Rate of the optimizer, where there is no `lr`.
        faithful: Whether the peer's defects are wanted.

    Raises:
        AdapterError: The rate is missing.
    """
    from stepsize.dialects import timm as dialect

    given = dict(obj) if isinstance(obj, Mapping) else dict(vars(obj))
    takes = set(inspect.signature(dialect.create_scheduler_v2).parameters)
    rate = given.get("lr") if base_lr is None else base_lr
    if rate is None:
        rule = "be given: timm takes the rate from the optimizer"
        hint = "convert(..., base_lr=...)"
        raise AdapterError(describe("timm.lr", rule, None, hint=hint))
    arguments = _of_script(given) if set(given) & set(SCRIPT) else dict(given)
    unused = sorted(set(arguments) - takes - {"lr"}) if arguments == given else []
    arguments = {k: v for k, v in arguments.items() if k in takes - {"base_lr"}}
    if arguments.get("sched") == "plateau":
        rule = "follow the step alone: plateau follows a metric"
        raise AdapterError(describe("timm.sched", rule, "plateau"))
    make = dialect.create_scheduler_v2
    lawful = make(**arguments, base_lr=float(rate))
    defects = make(**arguments, base_lr=float(rate), faithful=True)
    on_epochs = arguments.get("step_on_epochs", True)
    notes = []
    if on_epochs:
        notes.append("a step of this schedule is an epoch (step_on_epochs), no update")
    if unused:
        notes.append(f"not read: {', '.join(unused)}")
    return Reading(
        peer=f"timm {arguments.get('sched', 'cosine')}",
        schedules=(lawful,),
        defects=None if defects == lawful else (defects,),
        evaluate=_evaluation(arguments, float(rate)),
        live=False,
        notes=tuple(notes),
    )


def _of_script(given: Mapping[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(SCRIPT_DEFAULTS)
    for name, value in given.items():
        arguments[SCRIPT.get(name, name)] = value
    if "sched_on_updates" in given:
        arguments["step_on_epochs"] = not given["sched_on_updates"]
    return arguments


def _evaluation(arguments: Mapping[str, Any], rate: float) -> Evaluate | None:
    """Return what runs the peer, or None where it cannot be imported."""
    try:
        import torch
        from timm.scheduler import create_scheduler_v2
    except (ImportError, RuntimeError):  # RuntimeError: a torchvision of another torch
        return None

    def run(start: int, stop: int) -> Values:
        optimizer = torch.optim.SGD([torch.zeros(0)], lr=rate)
        scheduler, _ = create_scheduler_v2(optimizer, **arguments)
        rates = []
        for step in range(stop):
            if step and scheduler is not None:
                # timm answers to whichever of the two counts
                scheduler.step(step)
                scheduler.step_update(step)
            if step >= start:
                rates.append(float(optimizer.param_groups[0]["lr"]))
        return Values([rates], [])

    return run
