"""The training that is searched: counts its updates and runs short parts of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from stepsize.errors import FinderError, describe
from stepsize.finder.arguments import as_float
from stepsize.finder.curve import HUGE, Curve

LOSS = "return a loss: a number"
Step = Callable[[float], float]
Again = Callable[[int], None]
Validate = Callable[[], Sequence[float]]

_WARMUP = 0.1
_TAIL = 0.25  # share of a probe whose losses are its score
# A ramp ends when the median of so many losses lies above the first such median by so
# many times the drop, and by so many deviations of a loss.
_LATEST, _FAR, _DEVIATIONS = 5, 3.0, 10.0
_FIRST = 10  # losses that a ramp has before it may end
_NORMAL = 1.4826


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """Where a search stands.

    Attributes:
        steps: Updates used so far.
        planned: Updates it may use in all.
        lr: Rate of the latest update. Unit: lr.
        loss: Loss before it; may be NaN or infinite.
        phase: "ramp" or "probe".
    """

    steps: int
    planned: int
    lr: float
    loss: float
    phase: str


Tell = Callable[[Progress], None]


@final
@dataclass(frozen=True, slots=True)
class Run:
    """The losses of one short training.

    Attributes:
        lr: Peak rate.
        stream: Number of its batches.
        losses: Before each update; the last may not be finite, and then it is broken.
        length: Updates planned.
        validation: Losses of batches that were kept out of training, at its end; empty
            where there are none.
    """

    lr: float
    stream: int
    losses: tuple[float, ...]
    length: int
    validation: tuple[float, ...] = ()

    @property
    def tail(self) -> tuple[float, ...] | None:
        """The losses that score it; None if it is broken."""
        if len(self.losses) < self.length or not math.isfinite(self.losses[-1]):
            return None
        last = self.losses[-max(2, round(_TAIL * self.length)) :]
        scoring = self.validation or last
        return scoring if all(abs(loss) < HUGE for loss in scoring) else None

    @property
    def score(self) -> float:
        """Mean of the tail; infinite if it is broken."""
        tail = self.tail
        return math.inf if tail is None else math.fsum(tail) / len(tail)


@final
class Training:
    """A training by its `step` and `again`, with a count of updates.

    Attributes:
        used: Updates made.
    """

    def __init__(
        self,
        step: Step,
        again: Again,
        planned: int,
        tell: Tell | None,
        validate: Validate | None = None,
    ) -> None:
        self.used = 0
        self._step, self._again, self._tell = step, again, tell
        self._validate = validate
        self._planned = planned

    def untrained(self) -> Run | None:
        """Return a run without updates at the snapshot, None without validation.

        Raises:
            FinderError: Validation gives no loss.
        """
        if self._validate is None:
            return None
        self._again(0)
        found = self._validated()
        if not found:
            rule = "give the loss of one batch at least"
            raise FinderError(describe("find.validate", rule, found))
        return Run(0.0, 0, (math.fsum(found) / len(found),), 1, found)

    def _validated(self) -> tuple[float, ...]:
        losses = () if self._validate is None else self._validate()
        if not isinstance(losses, Iterable):
            rule = "return losses, a number for each batch"
            raise FinderError(describe("find.validate", rule, losses))
        return tuple(as_float(loss, "find.validate", LOSS) for loss in losses)

    @property
    def left(self) -> int:
        """Updates that may still be made."""
        return self._planned - self.used

    def _update(self, lr: float, phase: str) -> float:
        loss = as_float(self._step(lr), "step", LOSS)
        self.used += 1
        if self._tell is not None:
            self._tell(Progress(self.used, self._planned, lr, loss, phase))
        return loss

    def ramp(self, low: float, high: float, steps: int) -> Curve:
        """Raise the rate from low to high until the training breaks.

        Args:
            low: First rate.
            high: Last rate.
            steps: Updates, spaced evenly in log lr.
        """
        self._again(0)
        lrs: list[float] = []
        losses: list[float] = []
        medians: list[float] = []
        ratio = math.log(high / low) / (steps - 1)
        for number in range(steps):
            lrs.append(low * math.exp(ratio * number))
            losses.append(self._update(lrs[-1], "ramp"))
            if not math.isfinite(losses[-1]):
                break
            if number >= _LATEST - 1:
                medians.append(_median(losses[-_LATEST:]))
                if number >= _FIRST and _broken(losses, medians):
                    break
        return Curve.of(lrs, losses)

    def probe(self, lr: float, length: int, stream: int) -> Run:
        """Train from the snapshot under a short warmup and a cosine to 0."""
        self._again(stream)
        rise = max(1, round(_WARMUP * length))
        losses: list[float] = []
        for number in range(length):
            if number < rise:
                factor = (number + 1) / (rise + 1)
            else:
                part = (number - rise) / (length - rise)
                factor = 0.5 * (1.0 + math.cos(math.pi * part))
            losses.append(self._update(lr * factor, "probe"))
            if not math.isfinite(losses[-1]):
                break
        whole = len(losses) == length and math.isfinite(losses[-1])
        ends = self._validated() if whole else ()
        return Run(lr, stream, tuple(losses), length, ends)


def _broken(losses: list[float], medians: list[float]) -> bool:
    """Whether the latest losses lie far above the first ones.

    A momentum's first swings pass, so that twice the drop is not yet far.
    """
    drop = medians[0] - min(medians)
    changes = [abs(b - a) for a, b in pairwise(losses)]
    noise = _NORMAL * _median(changes) / math.sqrt(2.0)
    return medians[-1] > medians[0] + max(_FAR * drop, _DEVIATIONS * noise)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
