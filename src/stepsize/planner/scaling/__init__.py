"""Scaling rules: how rates and what goes with them follow batch, horizon and width.

`scale` rewrites a recipe; the modules beside it hold the formulas and their sources.
"""

from stepsize.planner.scaling.choice import Choice
from stepsize.planner.scaling.counting import effective_batch
from stepsize.planner.scaling.longer import scale_horizon
from stepsize.planner.scaling.scale import scale
from stepsize.planner.scaling.scaled import ScaledRecipe
from stepsize.planner.scaling.sources import Source
from stepsize.planner.scaling.validation import Validation, validate

__all__ = [
    "Choice",
    "ScaledRecipe",
    "Source",
    "Validation",
    "effective_batch",
    "scale",
    "scale_horizon",
    "validate",
]
