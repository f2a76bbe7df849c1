"""timm's factory: schedulers by name, with times in epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stepsize.dialects._rises import base_rate, count
from stepsize.dialects.timm.cycles import (
    CosineLRScheduler,
    PolyLRScheduler,
    TanhLRScheduler,
)
from stepsize.dialects.timm.noise import Range
from stepsize.dialects.timm.steps import MultiStepLRScheduler, StepLRScheduler
from stepsize.dialects.timm.wsd import WSDLRScheduler
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule

NAMES = (
    "cosine",
    "tanh",
    "step",
    "multistep",
    "poly",
    "wsd",
    "rsqrt",
    "constant",
    "none",
)


def create_scheduler_v2(  # noqa: PLR0911, PLR0917 - timm's order; a name, a return
    sched: str = "cosine",
    num_epochs: int = 300,
    decay_epochs: float | None = None,
    decay_milestones: Sequence[float] = (90, 180, 270),
    cooldown_epochs: int = 0,
    patience_epochs: int = 10,
    decay_rate: float = 0.1,
    min_lr: float = 0.0,
    warmup_lr: float = 1e-5,
    warmup_epochs: int = 0,
    warmup_prefix: bool = False,
    noise: Range = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = 42,
    cycle_mul: float = 1.0,
    cycle_decay: float = 0.1,
    cycle_limit: int = 1,
    k_decay: float = 1.0,
    decay_fn: str | None = None,
    stable_timescale: float | None = None,
    plateau_mode: str = "max",
    step_on_epochs: bool = True,
    updates_per_epoch: int = 0,
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Make a scheduler by its name.

    Times are in epochs; with `step_on_epochs=False` they are times `updates_per_epoch`,
    and the step of the schedule is an update.

    Args:
        sched: "cosine", "tanh", "step", "multistep", "poly", "wsd", "rsqrt",
            "constant" or "none" (the base rate).
        num_epochs: Length, warmup included unless `warmup_prefix`. Unit: epochs.
        decay_epochs: Interval (step), or length of the decay (wsd, rsqrt), there a
            fraction if in (0, 1); None is 90, or 0.2. Unit: epochs.
        decay_milestones: Of multistep. Unit: epochs.
        cooldown_epochs: No effect: the last rate holds anyway.
        patience_epochs: No effect.
        decay_rate: Factor of a drop (step, multistep); the exponent of poly.
        min_lr: Lowest rate of cosine, tanh, poly, wsd, rsqrt. Unit: lr.
        warmup_lr: First rate of the warmup. Unit: lr.
        warmup_epochs: Length of the warmup. Unit: epochs.
        warmup_prefix: Whether the length does not include the warmup.
        noise: Fractions of the length between which there is noise, or one from which.
        noise_pct: Largest relative change by noise; in (0, 1].
        noise_std: Standard deviation of the noise.
        noise_seed: Seed of the noise.
        cycle_mul: Length of a cycle relative to the one before (cosine, tanh, poly).
        cycle_decay: Peak of a cycle relative to the one before.
        cycle_limit: How many cycles.
        k_decay: Exponent of the progress in a cycle (cosine, poly).
        decay_fn: Shape of the decay (wsd, rsqrt); None is "1-sqrt", or "linear".
        stable_timescale: Of rsqrt; None is warmup_epochs. Unit: epochs.
        plateau_mode: No effect.
        step_on_epochs: Whether the step of the schedule is an epoch.
        updates_per_epoch: Updates of an epoch; int >= 1 unless step_on_epochs.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.
        faithful: As in `CosineLRScheduler`.

    Returns:
        The schedule alone; timm's second value, the number of epochs to train, is up to
        whoever runs it.

    Raises:
        InvalidScheduleError: A value is outside its range, or the name is unknown.
        FrameworkMissingError: Noise is asked for and torch is not installed.

    Source:
        timm 1.0.31, `create_scheduler_v2`.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.timm.create_scheduler_v2("wsd", 90, warmup_lr=0.0, base_lr=1e-3)
        1e-3 * hold(72) >> decay(18, shape="1-sqrt")
    """
    owner = "create_scheduler_v2"
    if sched not in NAMES:
        hint = ""
        if sched == "plateau":
            hint = "a metric drives it: use stepsize.control"
        rule = "be one of " + ", ".join(NAMES)
        raise InvalidScheduleError(describe(f"{owner}.sched", rule, sched, hint=hint))
    times = 1
    if not step_on_epochs:
        times = count(updates_per_epoch, f"{owner}.updates_per_epoch", low=1)
    length = num_epochs * times
    steps = warmup_epochs * times
    is_wsd = sched in ("wsd", "rsqrt")
    interval = (0.2 if is_wsd else 90) if decay_epochs is None else decay_epochs
    shared: dict[str, Any] = {
        "warmup_t": steps,
        "warmup_lr_init": warmup_lr,
        "noise_range_t": _noise_range(noise, length),
        "noise_pct": noise_pct,
        "noise_std": noise_std,
        "noise_seed": noise_seed,
        "base_lr": base_lr,
    }
    drops = {**shared, "warmup_prefix": warmup_prefix}
    cycles = {
        **drops,
        "cycle_mul": cycle_mul,
        "cycle_decay": cycle_decay,
        "cycle_limit": cycle_limit,
        "lr_min": min_lr,
        "faithful": faithful,
    }
    if sched == "none":
        return base_rate(base_lr, owner) * hold()
    if sched == "cosine":
        return CosineLRScheduler(length, k_decay=k_decay, **cycles)
    if sched == "tanh":
        return TanhLRScheduler(length, **cycles)
    if sched == "poly":
        return PolyLRScheduler(length, decay_rate, k_decay=k_decay, **cycles)
    if sched == "step":
        return StepLRScheduler(interval * times, decay_rate, **drops)
    if sched == "constant":
        return StepLRScheduler(1, 1.0, **drops)
    if sched == "multistep":
        milestones = [milestone * times for milestone in decay_milestones]
        return MultiStepLRScheduler(milestones, decay_rate, **drops)
    total = length if warmup_prefix else length - steps
    fall = interval * total if 0 < interval < 1 else interval * times
    timescale = None if stable_timescale is None else stable_timescale * times
    return WSDLRScheduler(
        total,
        round(fall),
        lr_min=min_lr,
        stable_fn="rsqrt" if sched == "rsqrt" else "constant",
        stable_timescale=timescale,
        decay_fn=decay_fn or ("linear" if sched == "rsqrt" else "1-sqrt"),
        **shared,
    )


def create_scheduler(
    args: Any, updates_per_epoch: int = 0, *, base_lr: float = 1.0
) -> Schedule:
    """Make a scheduler from timm's training arguments.

    Args:
        args: An object (as of argparse) or a mapping with `sched` and any of timm's
            names: epochs, decay_epochs, decay_milestones, warmup_epochs, min_lr,
            warmup_lr, warmup_prefix, lr_noise, lr_noise_pct, lr_noise_std, seed,
            lr_cycle_mul, lr_cycle_decay, lr_cycle_limit, lr_k_decay, lr_decay_fn,
            lr_stable_timescale, sched_on_updates, decay_rate. Defaults are timm's.
        updates_per_epoch: Updates of an epoch, where sched_on_updates is true.
        base_lr: Rate given to the optimizer; finite, > 0. Unit: lr.

    Returns:
        The schedule; see `create_scheduler_v2`.

    Raises:
        InvalidScheduleError: A value is outside its range, or `sched` is missing.
        FrameworkMissingError: Noise is asked for and torch is not installed.

    Source:
        timm 1.0.31, `create_scheduler` and `scheduler_kwargs`.

    Examples:
        >>> from stepsize import dialects
        >>> given = {"sched": "cosine", "epochs": 10, "warmup_epochs": 0}
        >>> dialects.timm.create_scheduler(given, base_lr=0.1)
        0.1 * decay(10, shape="cosine")
    """
    given = args if isinstance(args, Mapping) else vars(args)
    if "sched" not in given:
        rule = "have sched, the name of the scheduler"
        raise InvalidScheduleError(describe("create_scheduler.args", rule, args))
    kwargs = {
        ours: given.get(theirs, default) for theirs, (ours, default) in _ARGS.items()
    }
    return create_scheduler_v2(
        given["sched"],
        **kwargs,
        step_on_epochs=not given.get("sched_on_updates", False),
        updates_per_epoch=updates_per_epoch,
        base_lr=base_lr,
    )


_ARGS: dict[str, tuple[str, Any]] = {
    "epochs": ("num_epochs", 100),
    "decay_epochs": ("decay_epochs", 30),
    "decay_milestones": ("decay_milestones", [30, 60]),
    "warmup_epochs": ("warmup_epochs", 5),
    "decay_rate": ("decay_rate", 0.1),
    "min_lr": ("min_lr", 0.0),
    "warmup_lr": ("warmup_lr", 1e-5),
    "warmup_prefix": ("warmup_prefix", False),
    "lr_noise": ("noise", None),
    "lr_noise_pct": ("noise_pct", 0.67),
    "lr_noise_std": ("noise_std", 1.0),
    "seed": ("noise_seed", 42),
    "lr_cycle_mul": ("cycle_mul", 1.0),
    "lr_cycle_decay": ("cycle_decay", 0.1),
    "lr_cycle_limit": ("cycle_limit", 1),
    "lr_k_decay": ("k_decay", 1.0),
    "lr_decay_fn": ("decay_fn", None),
    "lr_stable_timescale": ("stable_timescale", None),
}
"""timm's name of an argument: its name in `create_scheduler_v2`, and the default."""


def _noise_range(noise: Range, length: float) -> Range:
    if noise is None:
        return None
    if isinstance(noise, Sequence):
        points = [point * length for point in noise]
        return points[0] if len(points) == 1 else points
    return noise * length
