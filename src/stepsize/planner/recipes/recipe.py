"""`recipe`: a reasoned start for a run, from what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.recipes.advice import Advice
from stepsize.planner.recipes.groups import (
    LAYER_DECAY,
    Groups,
    layer_decay,
    muon_split,
    ulmfit,
    unfreezing,
)
from stepsize.planner.recipes.others import others, second_beta
from stepsize.planner.recipes.peaks import peak
from stepsize.planner.recipes.shapes import shaped
from stepsize.planner.recipes.situation import Situation, situation
from stepsize.planner.scaling import sources
from stepsize.planner.scaling.choice import Choice
from stepsize.schedules.arguments import choice, optional
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.named import constant
from stepsize.schedules.schedule import Schedule

if TYPE_CHECKING:
    from stepsize.control.policies import Policy

GROUPS = ("none", "layer-decay", "ulmfit", "unfreezing")
MUON_OTHERS = 3e-4
"""AdamW's rate beside Muon; Jordan et al. 2024, Muon/README.md."""
NOT_HYPERPARAMETERS = ("lr", "schedule", "warmup", "clip_norm", "layer_decay")
"""Choices that do not stand in a param group, or stand in the schedule."""


def recipe(
    task: str = "general",
    *,
    optimizer: object = "AdamW",
    horizon: Horizon | int | None = None,
    batch: float | None = None,
    model: object = None,
    pretrained: bool | str = False,
    peak_lr: float | None = None,
    style: str = "auto",
    extendable: bool = False,
    groups: str = "none",
    deadline: float | None = None,
) -> Advice:
    """Return a robust start for a run: schedule, peak rate, warmup and what goes along.

    Every number comes with its reason, its range and its sources. It is a start, not an
    optimum: a finder gives the peak, a comparison says whether the schedule helps.

    Args:
        task: "vision" (image models), "language" (language models) or "general".
        optimizer: Its name in any spelling, its class, or an optimizer.
        horizon: The run. Unit of an int: updates. None: open, to be cooled down when it
            shall end.
        batch: Samples in an update, over all ranks and micro-batches; None: the
            horizon's `samples_per_step`, or not known.
        model: A number of parameters; names of parameters; a mapping of names to
            shapes; or an object with `named_parameters()`, such as a torch module.
        pretrained: Whether its weights are; "lora" for adapters of low rank beside
            frozen weights.
        peak_lr: The peak rate if it is known, as from a finder; > 0.
        style: "auto", "cosine", "linear", "wsd", "restarts", "step" or "constant".
        extendable: Whether the run may go on after its planned end.
        groups: Rates by group: "none", "layer-decay", "ulmfit" or "unfreezing"; these
            need the model's names. Muon splits a model with shapes by itself.
        deadline: Wall time of the run; adds the `Deadline` policy. Unit: seconds; > 0.

    Returns:
        The recipe with reasons.

    Raises:
        InvalidScheduleError: A value is outside its range, the optimizer is unknown, or
            two values contradict each other.

    Examples:
        >>> advice = recipe("language", horizon=20_000, model=125e6)
        >>> advice.recipe.lr
        6e-4 * warmup("1%") >> decay()
        >>> advice["lr"].sources[0].work
        'Brown et al. 2020'
    """
    s = situation(
        task=task,
        optimizer=optimizer,
        horizon=horizon,
        batch=batch,
        model=model,
        pretrained=pretrained,
        style=style,
        extendable=extendable,
    )
    choice(groups, "recipe.groups", GROUPS)
    beside = others(s)
    top = peak(s, optional(peak_lr, "recipe.peak_lr", open_low=True, unit="lr"))
    shape = shaped(s, second_beta(beside))
    schedule = float(top.value) * shape.schedule
    made, told, warnings = _groups(s, groups, shape.schedule, schedule)
    choices = (top, *shape.choices, *_clipping(s), *beside, *told)
    return Advice(
        recipe=Recipe(
            lr=schedule,
            optimizer=s.optimizer,
            horizon=_horizon(s),
            hyperparameters=tuple(
                (one.name, constant(float(one.value)))
                for one in beside
                if one.name not in NOT_HYPERPARAMETERS
            ),
            rules=() if made is None else made.rules,
        ),
        situation=_sentence(s),
        choices=choices,
        policies=_policies(deadline),
        groups=made,
        warnings=(*warnings, *_warnings(s)),
    )


def _horizon(s: Situation) -> Horizon | None:
    run = s.horizon
    if s.batch is not None and run.samples_per_step is None:
        size = int(s.batch) if float(s.batch).is_integer() else s.batch
        run = replace(run, samples_per_step=size)
    return run if run.to_dict() else None


def _groups(
    s: Situation, wanted: str, factor: Schedule, schedule: Schedule
) -> tuple[Groups | None, tuple[Choice, ...], tuple[str, ...]]:
    if s.key == "muon" and wanted == "none":
        if s.model.shapes is None:
            text = (
                "Muon is for hidden matrices: give model= with shapes to split it, and "
                f"AdamW the rest at about {MUON_OTHERS:g}"
            )
            return None, (), (text,)
        shapes = dict(zip(s.model.names, s.model.shapes, strict=True))
        split = muon_split(shapes, MUON_OTHERS * factor)
        told = Choice(
            name="lr of adamw",
            value=MUON_OTHERS,
            reason="Embeddings, heads, gains and biases go to AdamW, with a schedule "
            "of their own.",
            sources=(sources.MUON,),
            disputed="speed records cool the two down over different lengths: 40 % for "
            "AdamW's part, 80 % for the matrices",
        )
        return split, (told,), ()
    if wanted == "none":
        return None, (), ()
    if s.family == "free":
        rule = 'be "none": the optimizer finds one rate, for all groups'
        raise InvalidScheduleError(describe("recipe.groups", rule, wanted))
    if not s.model.names:
        rule = 'be "none" where the names of the parameters are not known'
        hint = "give model= as the module, or as a mapping of names to shapes"
        raise InvalidScheduleError(describe("recipe.groups", rule, wanted, hint=hint))
    if wanted == "ulmfit":
        return ulmfit(s.model.names), (_told(1 / 2.6, sources.ULMFIT),), ()
    if wanted == "unfreezing":
        made = unfreezing(s.model.names, schedule, every=_unfreezing_step(s))
        return made, (), ()
    return (
        layer_decay(s.model.names),
        (_told(LAYER_DECAY, sources.MAE, sources.ELECTRA),),
        (),
    )


def _unfreezing_step(s: Situation) -> str:
    """An epoch where epochs are known, else a share that thaws all in half the run."""
    if s.horizon.steps_per_epoch is not None:
        return "1 epoch"
    from stepsize.planner.recipes.layers import layers_of

    layers = sum(1 for one in layers_of(s.model.names) if one)
    return f"{50 / max(1, layers - 1):.4g}%"


def _told(value: float, *cited: sources.Source) -> Choice:
    ulmfit_rate = cited[0] is sources.ULMFIT
    return Choice(
        name="layer_decay",
        value=value,
        low=1 / 2.6 if ulmfit_rate else 0.65,
        high=1 / 2.6 if ulmfit_rate else 0.9,
        reason="A layer's rate over that of the layer above: the first layers know "
        "what carries over.",
        sources=cited,
        disputed=""
        if ulmfit_rate
        else "0.65 for ViT-B, 0.75 for ViT-L and H, 0.8 and 0.9 for ELECTRA: the "
        "deeper the model, the nearer to 1",
    )


def _clipping(s: Situation) -> tuple[Choice, ...]:
    if s.kind != "language" or s.family not in {"adam", "sign"}:
        return ()
    return (
        Choice(
            name="clip_norm",
            value=1.0,
            reason="Language models: the norm of the gradient is clipped. Done in the "
            "training loop, not by a scheduler.",
            sources=(sources.GPT3,),
        ),
    )


def _policies(deadline: float | None) -> tuple[Policy, ...]:
    seconds = optional(deadline, "recipe.deadline", open_low=True, unit="seconds")
    if seconds is None:
        return ()
    from stepsize.control.policies import Deadline

    return (Deadline(seconds),)


def _sentence(s: Situation) -> str:
    kind = {"fine-tuning": "fine-tuning", "lora": "LoRA fine-tuning"}.get(
        s.kind, "training from scratch"
    )
    steps = "open end" if s.total_steps is None else f"{s.total_steps} updates"
    text = f"{s.task} model, {kind}, {s.usual.name}, {steps}"
    if s.batch is not None:
        text += f", batch {s.batch:g}"
    if s.model.parameters is not None:
        text += f", {s.model.parameters:.3g} parameters"
    return text


def _warnings(s: Situation) -> tuple[str, ...]:
    found = []
    if not s.scheduled:
        found.append(
            "call optimizer.train() and optimizer.eval() with the model's; refresh "
            "batch-norm statistics before evaluating"
        )
    if s.key == "adafactor":
        found.append(
            "these rates are absolute: set relative_step and scale_parameter to False"
        )
    return tuple(found)
