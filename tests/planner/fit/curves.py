"""Curves made by a law that is known, with a little noise on them."""

import numpy as np

from stepsize.planner.fitting import Curve
from stepsize.planner.laws import EffectiveRate
from stepsize.planner.laws.law import Floats

TRUTH = EffectiveRate(
    floor=0.92,
    progress=0.03,
    exponent=0.57,
    noise=0.21,
    speed=3.0,
    tilt=-0.02,
    noise_power=0.86,
    time_power=1.08,
    shrinkage=2e-4,
    growth=8.0,
    norm_power=0.52,
    offset=8.0,
    scale=3.0,
)
STEPS = np.arange(400, 10_000, 100)


def rates(kind: str, peak: float = 1e-3, steps: int = 10_000) -> Floats:
    t = np.arange(steps)
    rise = np.minimum(1, (t + 1) / 200)
    if kind == "constant":
        fall = np.ones(steps)
    elif kind == "cosine":
        fall = (1 + np.cos(np.pi * t / steps)) / 2
    else:
        length = float(kind) * steps
        fall = np.minimum(1, (steps - t) / length)
    return peak * np.minimum(rise, fall)


def curve(kind: str, peak: float = 1e-3, seed: int = 0, steps: int = 10_000) -> Curve:
    made = rates(kind, peak, steps)
    where = np.arange(400, steps, 100)
    noise = np.random.default_rng(seed).normal(0, 5e-4, len(where))
    losses = TRUTH.loss(made, where) * np.exp(noise)
    return Curve(made, where, losses, name=f"{kind} at {peak:g}")
