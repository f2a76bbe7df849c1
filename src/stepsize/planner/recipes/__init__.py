"""Recipes: a reasoned start for a run, and group rules for rates that differ."""

from stepsize.planner.recipes.advice import Advice
from stepsize.planner.recipes.groups import (
    Group,
    Groups,
    layer_decay,
    muon_split,
    ulmfit,
    unfreezing,
)
from stepsize.planner.recipes.recipe import recipe

__all__ = [
    "Advice",
    "Group",
    "Groups",
    "layer_decay",
    "muon_split",
    "recipe",
    "ulmfit",
    "unfreezing",
]
