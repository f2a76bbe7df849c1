"""The step planner: from data, batch, accumulation and ranks to updates and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

from stepsize.errors import InvalidScheduleError, UnitError, describe
from stepsize.planner.scaling.choice import wrapped
from stepsize.planner.scaling.counting import effective_batch
from stepsize.schedules.durations import duration, of, whole
from stepsize.schedules.horizon import Horizon, Number, Remainder


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """The updates of a run and what they are made of.

    Attributes:
        horizon: For `resolve`, `Scheduler` and recipe files.
        total_steps: Updates in all.
        warmup_steps: Updates of the warmup; 0 for none.
        batch: Samples in an update, over all ranks and micro-batches.
        micro_batch: Samples in one forward pass of one rank.
        accumulation: Micro-batches in an update.
        world_size: Ranks.
        samples: Samples in all, nominal.
        tokens: Tokens in all, nominal; None where a sample's are not known.
    """

    horizon: Horizon
    total_steps: int
    warmup_steps: int
    batch: int
    micro_batch: int
    accumulation: int
    world_size: int
    samples: Number
    tokens: Number | None

    def told(self) -> dict[str, dict[str, Any]]:
        """Return what every framework must be told, by name: its words, our numbers."""
        from stepsize.planner.scaling.frameworks import told

        return told(self)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-plain mapping."""
        return {
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "steps_per_epoch": self.horizon.steps_per_epoch,
            "batch": self.batch,
            "micro_batch": self.micro_batch,
            "accumulation": self.accumulation,
            "world_size": self.world_size,
            "samples": self.samples,
            "tokens": self.tokens,
            "horizon": self.horizon.to_dict(),
            "frameworks": self.told(),
        }

    def __str__(self) -> str:
        """Return it in lines of at most 80 columns."""
        made = f"{self.micro_batch} x {self.accumulation} x {self.world_size}"
        lines = [
            f"updates          {self.total_steps}",
            f"  of them warmup {self.warmup_steps}",
            f"  in an epoch    {self.horizon.steps_per_epoch:g}",
            f"batch            {self.batch} = {made} (micro x accumulation x ranks)",
            f"samples          {self.samples:g}",
        ]
        if self.tokens is not None:
            lines.append(f"tokens           {self.tokens:g}")
        for name, settings in self.told().items():
            pairs = ", ".join(f"{key}={value}" for key, value in settings.items())
            lines.append(wrapped(f"{name}: {pairs}", 0))
        return "\n".join(lines)


def plan_steps(
    *,
    dataset_size: int,
    epochs: Number | None = None,
    steps: int | None = None,
    batch: int | None = None,
    micro_batch: int | None = None,
    accumulation: int = 1,
    world_size: int = 1,
    drop_last: bool = False,
    remainder: Remainder = "update",
    tokens_per_sample: Number | None = None,
    warmup: int | str | None = None,
) -> StepPlan:
    """Return the updates, the warmup and the tokens of a run.

    Args:
        dataset_size: Samples in the training set; int >= 1.
        epochs: Passes over the data; > 0. Give this or `steps`.
        steps: Updates in all; int >= 1.
        batch: Samples in an update; int >= 1. Give this or `micro_batch`.
        micro_batch: Samples in one forward pass of one rank; int >= 1.
        accumulation: Micro-batches in an update; int >= 1.
        world_size: Ranks that each take their share of the data; int >= 1.
        drop_last: Whether incomplete micro-batches are dropped.
        remainder: What an epoch's leftover micro-batches do, as in `Horizon.plan`.
        tokens_per_sample: Tokens in a sample; > 0.
        warmup: Length of the warmup. Unit: updates, or a text with a unit; None or 0
            for none.

    Returns:
        The plan.

    Raises:
        InvalidScheduleError: A value is outside its range, two contradict each other,
            or the warmup is longer than the run.
        UnitError: The warmup is in tokens, and a sample's are not known.

    Examples:
        >>> plan = plan_steps(dataset_size=50_000, micro_batch=32, accumulation=4,
        ...                   world_size=2, epochs=10, warmup="5%")
        >>> plan.batch, plan.total_steps, plan.warmup_steps
        (256, 1960, 98)
    """
    size = effective_batch(
        batch=batch,
        micro_batch=micro_batch,
        accumulation=accumulation,
        world_size=world_size,
    )
    # checked there; built-in ints, whatever was given
    accumulation, world_size = int(accumulation), int(world_size)
    micro = size // (accumulation * world_size)
    horizon = Horizon.plan(
        dataset_size=dataset_size,
        batch_size=micro,
        epochs=epochs,
        steps=steps,
        accumulation=accumulation,
        world_size=world_size,
        drop_last=drop_last,
        remainder=remainder,
        tokens_per_sample=tokens_per_sample,
    )
    total = horizon.total_steps or 0
    rise = 0
    if warmup is not None and whole(warmup) != 0:
        exact = _updates(warmup, horizon)
        rise = int(exact + type(exact)(1, 2))
        if rise > total:
            rule = f"be at most the run's {total} updates"
            raise InvalidScheduleError(describe("plan_steps.warmup", rule, warmup))
    each = horizon.tokens_per_step
    return StepPlan(
        horizon=horizon,
        total_steps=total,
        warmup_steps=rise,
        batch=size,
        micro_batch=micro,
        accumulation=accumulation,
        world_size=world_size,
        samples=total * size,
        tokens=None if each is None else total * each,
    )


def _updates(warmup: int | str, horizon: Horizon) -> Fraction:
    try:
        return horizon.updates(of(duration(warmup, "plan_steps.warmup")))
    except UnitError as error:
        if horizon.tokens_per_step is not None or "token" not in str(warmup):
            raise
        rule = "be given for a warmup in tokens"
        raise UnitError(describe("plan_steps.tokens_per_sample", rule, None)) from error
