"""`scale_horizon`: a recipe for a longer or shorter run at the same batch."""

from __future__ import annotations

from dataclasses import replace

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.scaling import horizons, sources, weight_decay
from stepsize.planner.scaling.choice import Choice, Confidence, short, worst
from stepsize.planner.scaling.families import COUPLED, LEFT, family_of, key_of
from stepsize.planner.scaling.rewriting import constant_of, peak_of, rewritten
from stepsize.planner.scaling.scaled import ScaledRecipe
from stepsize.schedules.durations import whole
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.named import constant
from stepsize.schedules.schedule import Schedule


def scale_horizon(
    recipe: Recipe, *, to_steps: int, optimizer: object = None
) -> ScaledRecipe:
    """Return a recipe for another number of updates at the same batch.

    The peak falls as the length to the power of -0.32, and weight decay keeps its time
    scale's share of the run where it has one (AdamW and SGD, not Adam's L2). Lengths in
    updates stay: a warmup does not grow with the run.

    Args:
        recipe: The recipe; its horizon has a length.
        to_steps: Updates of the new run; int >= 1.
        optimizer: Its name, class or object; None: the recipe's.

    Returns:
        The new recipe, every change with its reason and sources, and warnings.

    Raises:
        InvalidScheduleError: A value is outside its range, the optimizer is unknown, or
            the recipe's run is open.

    Source:
        Bjorck et al. 2024, arXiv:2409.19913, section 4 (language models, AdamW).

    Examples:
        >>> import stepsize as ss
        >>> recipe = ss.Recipe(
        ...     lr=1e-3 * ss.warmup(500) >> ss.linear(),
        ...     optimizer="AdamW",
        ...     horizon=ss.Horizon(steps=10_000),
        ... )
        >>> scaled = scale_horizon(recipe, to_steps=40_000)
        >>> round(scaled["lr"].value, 6)
        0.000642
    """
    if not isinstance(recipe, Recipe):
        raise InvalidScheduleError(
            describe("scale_horizon.recipe", "be a Recipe", recipe)
        )
    new, old = whole(to_steps), (recipe.horizon or Horizon()).total_steps
    if new is None or new < 1:
        rule = "be an int >= 1 (unit: updates)"
        raise InvalidScheduleError(describe("scale_horizon.to_steps", rule, to_steps))
    own = recipe.lr or recipe.lr_factor
    if recipe.horizon is None or old is None or own is None:
        rule = "have a length: the old run is what the new one is compared with"
        raise InvalidScheduleError(
            describe("scale_horizon.recipe.horizon", rule, recipe.horizon)
        )
    named = recipe.optimizer if optimizer is None else optimizer
    family = family_of(named, "scale_horizon.optimizer")
    k = new / old
    factor = 1.0 if family == "free" else horizons.at_fixed_batch(1.0, old, new)
    lr = peak_of(own, recipe.horizon) * (recipe.base_lr or 1.0)
    changes = [_rate(lr, factor, k)] if factor != 1 else []
    others = dict(recipe.hyperparameters)
    said = others.get("weight_decay")
    before = None if said is None else constant_of(said)
    warnings, confidence = _doubts(family, k)
    coupled = key_of(named, "scale_horizon.optimizer") in COUPLED
    if before and factor != 1 and coupled:
        warnings += (LEFT,)
    elif before and factor != 1:
        after = weight_decay.kept(before, lr, lr * factor, 1 / k)
        others["weight_decay"] = constant(after)
        changes.append(_decay(before, after))
    base = recipe.base_lr
    moved = factor if base is None else 1.0
    made = replace(
        recipe,
        lr=None if recipe.lr is None else rewritten(recipe.lr, rate=moved),
        lr_factor=None
        if recipe.lr_factor is None
        else rewritten(recipe.lr_factor, rate=moved),
        base_lr=base if base is None else base * factor,
        horizon=_resized(recipe.horizon, new),
        hyperparameters=tuple(others.items()),
        rules=tuple(
            replace(one, value=rewritten(one.value, rate=factor))
            if isinstance(one.value, Schedule) and one.hyperparameter == "lr"
            else one
            for one in recipe.rules
        ),
    )
    return ScaledRecipe(
        recipe=made,
        rule="token horizon" if factor != 1 else "none",
        factor=k,
        changes=tuple(changes),
        warnings=warnings,
        confidence=confidence,
        quantity="updates",
    )


def _rate(lr: float, factor: float, k: float) -> Choice:
    steep = k ** -horizons.TOKEN_EXPONENT_RANGE[1]
    return Choice(
        name="lr",
        value=lr * factor,
        before=lr,
        low=lr * min(steep, factor, 1.0),
        high=lr * max(steep, factor, 1.0),
        formula=f"{short(lr)} * {k:g} ** -{horizons.TOKEN_EXPONENT:g}",
        reason="At a fixed batch a longer run wants a lower peak.",
        sources=(sources.TOKEN_HORIZON,),
        disputed="exponents of single sizes go up to 0.70; laws that let the batch "
        "grow with the data raise the peak instead (Step Law, arXiv:2503.04715)",
    )


def _decay(before: float, after: float) -> Choice:
    return Choice(
        name="weight_decay",
        value=after,
        before=before,
        reason="Keeps the share of the run over which weights average, "
        "1 / (lr * weight_decay * updates).",
        sources=(sources.TIMESCALE,),
        disputed="where tokens per parameter grow, the best share shrinks with their "
        "power -0.527 (arXiv:2505.13738)",
    )


def _doubts(family: str, k: float) -> tuple[tuple[str, ...], Confidence]:
    if k == 1 or family == "free":
        return (), "high"
    warnings: list[str] = []
    levels: list[Confidence] = ["medium"]
    if max(k, 1 / k) > horizons.FAR:
        levels.append("low")
        warnings.append(
            f"the length changes {k:g}-fold: such laws bend over more than a factor of "
            f"{horizons.FAR:g} (arXiv:2606.29158)"
        )
    if family != "adam":
        levels.append("low")
        warnings.append("the exponent was fitted to language models under AdamW")
    return tuple(warnings), worst(*levels)


def _resized(horizon: Horizon, steps: int) -> Horizon:
    """Return the horizon with another length; epochs follow."""
    kept = {
        name: value
        for name, value in horizon.to_dict().items()
        if name not in {"steps", "epochs"}
    }
    return Horizon(steps=steps, **kept)
