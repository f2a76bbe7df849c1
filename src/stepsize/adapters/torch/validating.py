"""`validate`: a recipe's rates tried on a plain training loop, before a long run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from stepsize.adapters.torch.finder_loop import LossFn
from stepsize.adapters.torch.finder_training import Loop, opened_training
from stepsize.adapters.torch.ranks import Ranks
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.scaling.validation import Validation

_EVERY = 10  # updates between two looks at the size of an update


def validate(
    recipe: Recipe,
    model: torch.nn.Module,
    optimizer: Any,
    loss_fn: LossFn,
    batches: Iterable[Any],
    *,
    updates: int = 100,
    seed: int = 0,
    accumulate: int = 1,
    clip: float | None = None,
    scaler: Any = None,
    autocast: torch.dtype | None = None,
    device: torch.device | str | None = None,
    data: Any = None,
    ranks: Ranks | str | None = "auto",
) -> Validation:
    """Train for a few updates at a recipe's rates; say pass, or what to change.

    The model, its optimizer, the data and all random generators are restored exactly.
    Rates that do not hold are halved until some do: see
    `stepsize.planner.scaling.validate`. The recipe's other hyperparameters are those
    that the optimizer has; groups keep the ratios of their rates, and the recipe's is
    the largest.

    Args:
        recipe: Its peak, schedule, horizon and batch are checked.
        model: As in `find_lr`, as are all that follow but `updates`.
        optimizer: Its optimizer.
        loss_fn: loss_fn(outputs, targets), the mean over the batch.
        batches: Any iterable of (inputs, targets), or of mappings.
        updates: Length of a trial; int >= 20.
        seed: Of the order of batches and of dropout meanwhile; int.
        accumulate: Batches in an update; int >= 1.
        clip: Largest 2-norm of the gradient; > 0; None for any.
        scaler: The GradScaler of the training.
        autocast: Type for torch.autocast; None for no autocast.
        device: Where batches are moved to. None: that of the first parameter.
        data: What else reads data, with `state_dict` and `load_state_dict`.
        ranks: Processes that validate together; "auto": all, if there are any.

    Returns:
        The result; the size of updates is remarked where it is large.

    Raises:
        AdapterError: Something cannot be captured, batches have another form, or there
            are none.
        InvalidScheduleError: A value is outside its range, or a rate or length of the
            recipe is not known.

    Examples:
        >>> import stepsize as ss
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> inputs = torch.randn(64, 2)
        >>> batches = [(x, x.sum(1, keepdim=True)) for x in inputs.split(8)]
        >>> recipe = ss.Recipe(lr=50.0 * ss.cosine(), horizon=ss.Horizon(steps=1000))
        >>> loss_fn = torch.nn.functional.mse_loss
        >>> found = validate(recipe, model, optimizer, loss_fn, batches)
        >>> found.passed, found.lr_factor
        (False, None)
    """
    loop: Loop = {
        "seed": seed,
        "accumulate": accumulate,
        "clip": clip,
        "scaler": scaler,
        "autocast": autocast,
        "device": device,
        "data": data,
        "ranks": ranks,
    }
    made = 0
    with opened_training(
        "validate", model, optimizer, loss_fn, batches, loop=loop
    ) as training:

        def step() -> dict[str, Any]:
            nonlocal made
            made += 1
            if made % _EVERY:
                return {"loss": training.update()}
            weights = [one for one in model.parameters() if one.requires_grad]
            before = [one.detach().clone() for one in weights]
            loss = training.update()
            return {"loss": loss, "update_ratio": _ratio(before, weights)}

        return training.finder.check(step, recipe, updates=updates)


def _ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Return the norm of an update over that of the weights."""
    moved = [b - a.detach() for a, b in zip(after, before, strict=True)]
    size = math.hypot(*(float(one.norm()) for one in before))
    change = math.hypot(*(float(one.norm()) for one in moved))
    return change / size if size > 0 else 0.0
