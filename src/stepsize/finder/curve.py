"""A recorded ramp of rates and what is read off it; not how it is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, median
from typing import Any, final

import numpy as np

from stepsize.errors import FinderError, describe
from stepsize.finder.arguments import as_float

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# Half the width of the smoothing window. Unit: decades, and points at the least.
_REACH, _LEAST_POINTS = 0.25, 2
# The loss has left its minimum when it has risen by this share of its drop. Between
# .05 and .3 the rate hardly moves, since a divergence is sharp.
_LEFT = 0.1
# Standard errors that a rise or a drop must exceed to count.
_CLEAR = 3.0
_START_SHARE = 0.1
_NORMAL = 1.4826  # a normal deviation over its median absolute deviation
# A loss as large counts as not finite: beyond it sums of losses overflow.
HUGE = 1e304
_FEWEST = 8  # losses, without which a curve has no shape


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """The losses of a ramp: one update at each rate.

    Two are equal if their rates and their finite losses are: as in `to_dict`, NaN and
    infinite losses are not told apart.

    Attributes:
        lrs: Rates, rising. Unit: lr; finite, > 0.
        losses: Training loss before the update at each rate, as recorded (raw): noisy,
            of any sign, and NaN or infinite where the training broke.

    Raises:
        FinderError: The two differ in length, there is none, or the rates do not rise.

    Examples:
        >>> curve = Curve(lrs=(1e-3, 1e-2, 1e-1), losses=(2.0, 1.0, float("nan")))
        >>> curve.sound()
        2
    """

    lrs: tuple[float, ...]
    losses: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the lengths and the rates."""
        if len(self.lrs) != len(self.losses):
            rule = f"hold a loss for each of the {len(self.lrs)} rates"
            raise FinderError(describe("Curve.losses", rule, len(self.losses)))
        if not self.lrs:
            raise FinderError(describe("Curve.lrs", "hold at least one rate", self.lrs))
        for before, lr in zip((0.0, *self.lrs), self.lrs, strict=False):
            if not before < lr < math.inf:
                rule = "be finite, > 0 and rise from one to the next (unit: lr)"
                hint = f"after {before!r} comes {lr!r}; sort the rows by rate"
                raise FinderError(describe("Curve.lrs", rule, lr, hint=hint))

    @classmethod
    def of(cls, lrs: Sequence[float], losses: Sequence[float]) -> Curve:
        """Return the curve of any two sequences of numbers."""
        return cls(
            lrs=tuple(as_float(lr, "Curve.lrs") for lr in lrs),
            losses=tuple(as_float(loss, "Curve.losses") for loss in losses),
        )

    def sound(self) -> int:
        """Return how many losses come before the first that is not finite, or huge."""
        for place, loss in enumerate(self.losses):
            if not abs(loss) < HUGE:  # NaN is not
                return place
        return len(self.losses)

    def smoothed(self) -> Floats:
        """Return the finite losses before the first other one, smoothed.

        A running median, then a running mean, both centred, over a quarter decade to
        each side in log lr, and over two points at the least. At the ends the window
        shrinks on both sides alike, so that nothing lags.

        Returns:
            Shape (sound(),).
        """
        return np.array(_smoothed(self.lrs, self.losses[: self.sound()]))

    def shape(self) -> Shape | None:
        """Return what is read off the curve; None where it is too short for that."""
        count = self.sound()
        if count < _FEWEST:
            return None
        smooth = self.smoothed()
        raw = np.asarray(self.losses[:count])
        level = max(3, math.ceil(_START_SHARE * count))
        start = float(np.median(raw[:level]))
        noise = _noise(raw)
        lowest = int(smooth.argmin())
        drop = start - float(smooth[lowest])
        # a smoothed value averages about this many losses
        window = 1 + 2 * max(1, int(np.median(_reaches(np.log10(self.lrs[:count])))))
        error = _CLEAR * noise / math.sqrt(window)
        limit = float(smooth[lowest]) + max(_LEFT * drop, error)
        return Shape(
            start=start,
            lowest=float(smooth[lowest]),
            lowest_lr=self.lrs[lowest],
            noise=noise,
            falls=drop > 2.0 * error and drop > 0.0,
            blowup=self._blowup(smooth, lowest, limit),
        )

    def _blowup(self, smooth: Floats, lowest: int, limit: float) -> float | None:
        """Return the rate after which the loss stays above its limit."""
        within = np.flatnonzero(smooth <= limit)
        last = int(within[-1]) if len(within) else lowest
        if last + 1 < len(smooth):
            return self.lrs[last + 1]
        count = len(smooth)
        return self.lrs[count] if count < len(self.lrs) else None

    def __eq__(self, other: object) -> bool:
        """Whether rates and finite losses are the same."""
        if not isinstance(other, Curve):
            return NotImplemented
        return self._plain() == other._plain()

    def __hash__(self) -> int:
        """Return the hash of what makes it equal."""
        return hash(self._plain())

    def _plain(self) -> tuple[tuple[float, ...], tuple[float | None, ...]]:
        finite = (loss if math.isfinite(loss) else None for loss in self.losses)
        return self.lrs, tuple(finite)

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain; a loss that is not finite is null."""
        lrs, losses = self._plain()
        return {"lrs": list(lrs), "losses": list(losses)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Curve:
        """Read it again; null is NaN."""
        losses = [math.nan if loss is None else loss for loss in plain["losses"]]
        return cls.of(plain["lrs"], losses)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is read off a curve.

    Attributes:
        start: Loss at the lowest rates, a median. Unit: loss.
        lowest: Minimum of the smoothed losses. Unit: loss.
        lowest_lr: Where it lies. Unit: lr.
        noise: Standard deviation of one loss around the curve. Unit: loss.
        falls: Whether the drop is clearly more than noise.
        blowup: Rate after which the smoothed loss stays above its minimum by a tenth
            of the drop, or is not finite; None if it never does. Unit: lr.
    """

    start: float
    lowest: float
    lowest_lr: float
    noise: float
    falls: bool
    blowup: float | None


@lru_cache(maxsize=1)  # the shape and every rule read the same curve
def _smoothed(lrs: tuple[float, ...], losses: tuple[float, ...]) -> tuple[float, ...]:
    """Return the running mean of the running median, both centred."""
    reach = _reaches(np.log10(lrs[: len(losses)]))
    for centre in (median, fmean):  # on a few numbers faster than an array's
        windows = [losses[i - k : i + k + 1] for i, k in enumerate(reach)]
        losses = tuple(centre(window) for window in windows)
    return losses


def _reaches(places: Floats) -> list[int]:
    """Return, per point, how many neighbours on each side its window has."""
    count = len(places)
    ends = np.searchsorted(places, places + _REACH, side="right")
    return [
        min(max(int(end) - 1 - i, _LEAST_POINTS), i, count - 1 - i)
        for i, end in enumerate(ends)
    ]


def _noise(losses: Floats) -> float:
    """Return the deviation of a loss from the line through its two neighbours."""
    bends = losses[1:-1] - 0.5 * (losses[:-2] + losses[2:])
    # half the points, the calm ones, so that a divergence is not taken for noise
    return _NORMAL * float(np.median(np.abs(bends))) / math.sqrt(1.5)
