"""What is believed of a law's parameters before a curve is seen, and on what evidence.

The numbers of `MEASURED` are printed by `python -m benchmarks.laws.priors` from the
recorded curves, by fits under `PHYSICS`, which is set by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.laws.effective_pass import SLOTS
from stepsize.planner.laws.law import Floats

UNIT = 1e-3
"""Rate in whose units rates of Adam's kind are measured. Unit: lr."""
REFERENCE = 25_000.0
"""Time at which progress is stated, in updates at one unit."""
DECAY = 0.1
"""Weight decay of the recorded runs, and the usual one of language models."""
_UNKNOWN_SHRINKAGE = 1.0
"""Deviation of its logarithm where the weight decay is not known."""
_LEAST_DECAY = 1e-5


@final
@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Independent normals on the entries of `EffectiveRate.theta`.

    Losses are in units of the lowest loss seen.

    Attributes:
        mean: Shape (12,), in the order of `effective_pass.SLOTS`.
        deviation: Shape (12,); > 0.
        source: Where it is from, a phrase.
    """

    mean: Floats
    deviation: Floats
    source: str

    def __post_init__(self) -> None:
        """Check the shapes and signs."""
        for name in ("mean", "deviation"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            sound = value.shape == (len(SLOTS),) and np.isfinite(value).all()
            if not sound or (name == "deviation" and not (value > 0).all()):
                rule = f"be {len(SLOTS)} finite numbers, deviations > 0"
                raise FitError(describe(f"Prior.{name}", rule, getattr(self, name)))
            object.__setattr__(self, name, value)

    def widened(self, factor: float) -> Prior:
        """Return it with every deviation times a factor."""
        return Prior(self.mean, self.deviation * factor, f"{self.source}, widened")

    def with_decay(self, weight_decay: float | None) -> Prior:
        """Return it for another weight decay: shrinkage is known then.

        The growth of the norm an update stays; its equilibrium moves.

        Args:
            weight_decay: Decoupled, as in AdamW; >= 0. None: not known.
        """
        mean, deviation = self.mean.copy(), self.deviation.copy()
        shrinkage, growth = SLOTS.index("log_shrinkage"), SLOTS.index("log_growth")
        if weight_decay is None:
            deviation[shrinkage] = _UNKNOWN_SHRINKAGE
        else:
            shift = np.log(max(weight_decay, _LEAST_DECAY) / DECAY)
            mean[shrinkage] += shift
            mean[growth] -= shift
        return Prior(mean, deviation, self.source)

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        return {
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "source": self.source,
        }


def pooled(members: Sequence[Floats], source: str) -> Prior:
    """Return the prior that fits to several models, or peak rates, lead to.

    The mean of the members; the deviation joins that of `PHYSICS`, as one member more,
    with what the members differ by: s**2 = (physics**2 + sum (theta - mean)**2) / n.

    Args:
        members: Parameters of each, shape (12,).
        source: What they are.
    """
    stacked = np.stack(members)
    mean = stacked.mean(axis=0)
    spread = ((stacked - mean) ** 2).sum(axis=0)
    deviation = np.sqrt((PHYSICS.deviation**2 + spread) / len(members))
    return Prior(mean, deviation, source)


PHYSICS = Prior(
    # Shrinkage 2 * unit * weight decay, direction only (norm power 1/2), noise and
    # progress linear in the effective rate, relaxation without a scale (tilt 0), a
    # power law like most (1/2): theory. The others are orders of magnitude.
    mean=np.array(
        [0.93, -3.4, -0.65, -1.5, 0.7, 0.0, 1.0, 1.0, np.log(2e-4), 1.8, 0.5, 2.0]
    ),
    deviation=np.array([0.04, 1.5, 0.3, 1.0, 1.5, 0.1, 0.15, 0.2, 0.1, 0.7, 0.03, 1.5]),
    source="theory, and orders of magnitude of recorded runs",
)
"""The prior of the fits that the measured priors come from.

Convention: form from theory, centres set by hand after a look at recorded runs of both
families of models; see "How good it is" in the documentation of the laws.
"""

MEASURED: dict[str, tuple[tuple[float, ...], ...]] = {
    "124M": (
        (
            0.8695,
            -3.2935,
            -0.7712,
            -0.8340,
            2.0044,
            -0.0652,
            0.8254,
            1.1482,
            -8.4888,
            3.4412,
            0.5029,
            -0.7962,
        ),
        (
            0.9332,
            -3.5205,
            -0.5307,
            -1.4565,
            1.6751,
            -0.0733,
            0.8608,
            1.0537,
            -8.3776,
            1.9159,
            0.5331,
            3.9081,
        ),
        (
            0.9316,
            -3.5887,
            -0.4926,
            -1.3987,
            0.9751,
            -0.0267,
            0.8565,
            1.1541,
            -8.4662,
            1.9735,
            0.5624,
            1.9158,
        ),
    ),
    "25M": (
        (
            0.9510,
            -3.8840,
            -0.5217,
            -1.7934,
            1.3936,
            0.0661,
            0.8447,
            1.0102,
            -8.5824,
            2.3581,
            0.5171,
            1.4207,
        ),
    ),
}
"""Parameters of every model and peak rate that was recorded."""

SOURCES = {
    "124M": "124M model at 1e-4, 5e-4 and 1e-3 (Schaipp et al. 2025)",
    "25M": "25M model at 3e-4 (Luo et al. 2025)",
}


def recorded(*names: str) -> Prior:
    """Return the prior from the recorded models named: "124M", "25M", or both.

    Raises:
        FitError: A name is unknown, or none is given.
    """
    unknown = [name for name in names if name not in MEASURED]
    if unknown or not names:
        rule = f"name some of {', '.join(MEASURED)}"
        raise FitError(describe("recorded.names", rule, names))
    members = [np.array(one) for name in names for one in MEASURED[name]]
    return pooled(members, "; ".join(SOURCES[name] for name in names))
