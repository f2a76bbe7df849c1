"""Loss laws: what a run loses, as a function of all its rates.

Each law is a frozen value with `loss(rates, steps)`; `EffectiveRate` is the one that
`stepsize.planner.fit` fits.
"""

from stepsize.planner.laws.annealed import AnnealedTime, FunctionalScaling
from stepsize.planner.laws.bound import ConvexBound
from stepsize.planner.laws.effective import EffectiveRate
from stepsize.planner.laws.law import Differentiable, Law
from stepsize.planner.laws.momentum import Momentum
from stepsize.planner.laws.multi_power import MultiPower

__all__ = [
    "AnnealedTime",
    "ConvexBound",
    "Differentiable",
    "EffectiveRate",
    "FunctionalScaling",
    "Law",
    "Momentum",
    "MultiPower",
]
