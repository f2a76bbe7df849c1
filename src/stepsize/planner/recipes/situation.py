"""What is to be trained, as `recipe` was told; checked, with nothing decided yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.recipes.model import Model, read_model
from stepsize.planner.scaling.families import Family, family_of, key_of
from stepsize.planner.usual_rates import USUAL, Usual, name_of
from stepsize.schedules.arguments import choice, flag, optional
from stepsize.schedules.horizon import Horizon

Kind = Literal["vision", "language", "general", "fine-tuning", "lora"]
TASKS = ("general", "vision", "language")
ENDING = ("cosine", "linear", "restarts", "step")
"""Styles that are made for a run of a known length."""
STYLES = ("auto", "cosine", "linear", "wsd", "restarts", "step", "constant")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is to be trained.

    Attributes:
        task: "general", "vision" or "language".
        kind: What decides on numbers: the task, or "fine-tuning" or "lora".
        optimizer: Its name, as it was written.
        key: The optimizer's key in `usual_rates.USUAL`.
        family: How it scales.
        horizon: The run; without a length where it is open.
        batch: Samples in an update; None if it is not known.
        model: What is known of the model.
        style: One of `STYLES`.
        extendable: Whether the run may go on after its planned end.
    """

    task: str
    kind: Kind
    optimizer: str
    key: str
    family: Family
    horizon: Horizon
    batch: float | None
    model: Model
    style: str
    extendable: bool

    @property
    def usual(self) -> Usual:
        """The optimizer's usual rates."""
        return USUAL[self.key]

    @property
    def total_steps(self) -> int | None:
        """Updates planned; None where the run is open."""
        return self.horizon.total_steps

    @property
    def scheduled(self) -> bool:
        """Whether the optimizer wants its rate to fall: not if it averages instead."""
        return not self.key.startswith("schedulefree")


def situation(
    *,
    task: str,
    optimizer: object,
    horizon: Horizon | int | None,
    batch: float | None,
    model: object,
    pretrained: bool | str,
    style: str,
    extendable: bool,
) -> Situation:
    """Return the situation, checked.

    Raises:
        InvalidScheduleError: A value is outside its range, the optimizer is unknown, or
            two values contradict each other.
    """
    choice(task, "recipe.task", TASKS)
    choice(style, "recipe.style", STYLES)
    flag(extendable, "recipe.extendable")
    if not isinstance(pretrained, bool) and pretrained != "lora":
        rule = 'be True, False or "lora"'
        raise InvalidScheduleError(describe("recipe.pretrained", rule, pretrained))
    kind: Kind = task  # type: ignore[assignment]  # checked just now
    if pretrained:
        kind = "lora" if pretrained == "lora" else "fine-tuning"
    run = horizon if isinstance(horizon, Horizon) else Horizon(steps=horizon)
    if run.epochs is not None and run.total_steps is None:
        rule = "have steps_per_epoch beside epochs"
        hint = "plan_steps and `stepsize steps` count it from the size of the data"
        raise InvalidScheduleError(describe("recipe.horizon", rule, run, hint=hint))
    known = Model() if model is None else read_model(model)
    size = optional(batch, "recipe.batch", open_low=True, unit="samples")
    if size is not None and run.samples_per_step not in {None, size}:
        rule = f"equal the horizon's samples_per_step = {run.samples_per_step:g}"
        hint = "an update's batch is counted once: micro-batch * accumulation * ranks"
        raise InvalidScheduleError(describe("recipe.batch", rule, batch, hint=hint))
    made = Situation(
        task=task,
        kind=kind,
        optimizer=name_of(optimizer),
        key=key_of(optimizer, "recipe.optimizer"),
        family=family_of(optimizer, "recipe.optimizer"),
        horizon=run,
        batch=size if size is not None else run.samples_per_step,
        model=known,
        style=style,
        extendable=extendable,
    )
    if not made.scheduled and style not in {"auto", "constant"}:
        rule = 'be "auto" or "constant" for a schedule-free optimizer, which averages'
        raise InvalidScheduleError(describe("recipe.style", rule, style))
    if style in ENDING and (extendable or run.total_steps is None):
        rule = 'be "auto", "wsd" or "constant" where the end is open or may move'
        hint = "say the length with horizon=, and leave extendable out"
        raise InvalidScheduleError(describe("recipe.style", rule, style, hint=hint))
    return made
