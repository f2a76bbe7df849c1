"""From recorded runs to a law: curves, priors, the fit, and what it does not know."""

from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.fit import fit
from stepsize.planner.fitting.fitted import FittedLaw, Prediction
from stepsize.planner.fitting.priors import Prior, recorded

__all__ = ["Curve", "FittedLaw", "Prediction", "Prior", "fit", "recorded"]
