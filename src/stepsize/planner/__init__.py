"""Planning a run before it starts: checks, recipes, scaling, and laws of the loss.

    from stepsize.planner import Curve, fit

    law = fit([Curve(rates, steps, losses)])
    mean, low, high = law.predict(other_rates, [9999])
    schedule = law.optimize(steps=10_000)

Names load on first use, and numpy and scipy with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Name -> the module of stepsize.planner that defines it.
_NAMES = {
    "Curve": "fitting.curve",
    "FittedLaw": "fitting.fitted",
    "Prediction": "fitting.fitted",
    "Prior": "fitting.priors",
    "fit": "fitting.fit",
    "predict": "best.predicting",
    "rank": "best.ranking",
    "recorded": "fitting.priors",
    "refine": "refinement",
    "transfer": "transferring",
}

__all__ = [  # noqa: PLE0604 - the table is the list
    *_NAMES,
]

if TYPE_CHECKING:
    from stepsize.planner.best.predicting import predict as predict
    from stepsize.planner.best.ranking import rank as rank
    from stepsize.planner.fitting.curve import Curve as Curve
    from stepsize.planner.fitting.fit import fit as fit
    from stepsize.planner.fitting.fitted import FittedLaw as FittedLaw
    from stepsize.planner.fitting.fitted import Prediction as Prediction
    from stepsize.planner.fitting.priors import Prior as Prior
    from stepsize.planner.fitting.priors import recorded as recorded
    from stepsize.planner.refinement import refine as refine
    from stepsize.planner.transferring import transfer as transfer


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _NAMES:
        message = f"module 'stepsize.planner' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"stepsize.planner.{_NAMES[name]}"), name)
    globals()[name] = value
    return value
