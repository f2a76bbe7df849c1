"""What is believed of a law's parameters before a curve is seen, and on what evidence.

The numbers of `MEASURED` are printed by `python -m benchmarks.laws.priors` from the
recorded curves, by fits under `VAGUE`. `PHYSICS` is set by hand.
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


def pooled(
    members: Sequence[Floats], source: str, physics: Prior | None = None
) -> Prior:
    """Return the prior that fits to several models, or peak rates, lead to.

    The mean of the members; the deviation joins that of `PHYSICS`, as one member more,
    with what the members differ by: s**2 = (physics**2 + sum (theta - mean)**2) / n.

    Args:
        members: Parameters of each, shape (12,).
        source: What they are.
        physics: In place of `PHYSICS`.
    """
    one_more = (PHYSICS if physics is None else physics).deviation
    stacked = np.stack(members)
    mean = stacked.mean(axis=0)
    spread = ((stacked - mean) ** 2).sum(axis=0)
    deviation = np.sqrt((one_more**2 + spread) / len(members))
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
"""What one model, of any kind, may be like.

Convention: its deviations, and the centres that are no theory, were set by hand after a
look at recorded runs of both families; see "How well it predicts" in the documentation
of the laws. The deviations say by how much models are thought to differ (`pooled`).
"""

THEORY = (
    "log_exponent",
    "tilt",
    "noise_power",
    "time_power",
    "log_shrinkage",
    "norm_power",
)
"""The entries whose centres in `PHYSICS` are theory."""

VAGUE = Prior(
    mean=PHYSICS.mean,
    deviation=PHYSICS.deviation * [1.0 if name in THEORY else 4.0 for name in SLOTS],
    source="theory alone",
)
"""The prior of the fits that the measured ones come from: wherever theory says nothing,
too wide for the centres of `PHYSICS` to matter."""

MEASURED: dict[str, tuple[tuple[float, ...], ...]] = {
    "124M": (
        (
            0.8593,
            -3.6631,
            -0.7085,
            -0.5341,
            1.8816,
            -0.1050,
            0.8097,
            1.3132,
            -8.4493,
            4.0835,
            0.4817,
            -3.2066,
        ),
        (
            0.9338,
            -3.5325,
            -0.5192,
            -1.4679,
            1.6192,
            -0.0682,
            0.8603,
            1.0530,
            -8.3869,
            1.8863,
            0.5343,
            4.0886,
        ),
        (
            0.9316,
            -3.6410,
            -0.4878,
            -1.3428,
            1.0689,
            -0.0300,
            0.8553,
            1.1623,
            -8.4622,
            2.1022,
            0.5597,
            1.1629,
        ),
    ),
    "25M": (
        (
            0.9511,
            -3.9058,
            -0.5195,
            -1.7816,
            1.5762,
            0.0479,
            0.8414,
            1.0169,
            -8.5817,
            2.4128,
            0.5143,
            -0.0450,
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
    unknown = [name for name in names if name not in tuple(MEASURED)]
    if unknown or not names:
        rule = f"name some of {', '.join(MEASURED)}"
        raise FitError(describe("recorded.names", rule, names))
    members = [np.array(one) for name in names for one in MEASURED[name]]
    return pooled(members, "; ".join(SOURCES[name] for name in names))
