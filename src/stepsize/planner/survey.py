"""What the rules of the linter read: a schedule laid out over a run, and its values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, final

from stepsize.errors import InvalidScheduleError, UnresolvedError
from stepsize.planner.places import Placed, places
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.layout import Span
from stepsize.schedules.lowering import measure
from stepsize.schedules.schedule import (
    Phase,
    ResolvedSchedule,
    Scaled,
    Schedule,
    parts_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EVERY = 200_000
"""Runs up to this many updates are read whole, longer ones at samples."""
OPEN = 10_000
"""Updates that are read of a schedule without end, where no run is given."""
POINTWISE = frozenset({"product", "sum", "average", "minimum", "maximum", "clip"})
"""Combinators that leave their operands where they are."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A schedule over a run.

    Attributes:
        schedule: The schedule.
        horizon: The run.
        resolved: The schedule laid out, cut at the run's end where it is longer.
        needed: Updates it needs where that is more than the run has, else None.
        placed: Its phases in their places.
        steps: The updates that were evaluated, in order.
        rates: Their rates, `base_lr` included.
        optimizer: As given to `check`.
        batch_scale: As given to `check`.
        base_lr: As given to `check`.
    """

    schedule: Schedule
    horizon: Horizon
    resolved: ResolvedSchedule
    needed: Fraction | None
    placed: tuple[Placed, ...]
    steps: NDArray[np.int64]
    rates: NDArray[np.float64]
    optimizer: object
    batch_scale: float | None
    base_lr: float | None

    @property
    def total(self) -> int | None:
        """Updates of the run; None for an open one."""
        return self.horizon.total_steps

    @property
    def peak(self) -> float:
        """The largest rate."""
        return float(self.rates.max())

    @property
    def peak_step(self) -> int:
        """The first update at the peak."""
        return int(self.steps[int(self.rates.argmax())])

    def rate(self, step: float) -> float:
        """Return the rate of an update, `base_lr` included."""
        return float(self.resolved(step)) * (self.base_lr or 1.0)

    def on_the_run(self) -> Iterator[Placed]:
        """Give the phases whose updates are those of the run: not those of a cycle."""
        end = math.inf if self.total is None else self.total
        return (
            p for p in self.placed if POINTWISE.issuperset(p.within) and p.begin < end
        )


def survey(
    schedule: Schedule,
    horizon: Horizon,
    *,
    optimizer: object = None,
    batch_scale: float | None = None,
    base_lr: float | None = None,
) -> Survey:
    """Lay a schedule out and evaluate it.

    Raises:
        UnresolvedError, UnitError: A length is not known.
        InvalidScheduleError: It has no curve, or a value that no rate can have.
    """
    import numpy as np

    needed = None
    try:
        resolved = schedule.resolve(horizon=horizon)
    except UnresolvedError:
        raise
    except InvalidScheduleError:
        resolved = schedule.resolve(horizon=horizon, overflow="truncate")
        needed = _needed(schedule, horizon)
    steps = np.asarray(_sampled(resolved), dtype=np.int64)
    if any(phase.kind == "opaque" for phase in phases(schedule)):
        values = [resolved(int(step)) for step in steps]  # it may know numbers only
    else:
        values = resolved(steps)
    rates = np.asarray(values, dtype=np.float64) * (base_lr or 1.0)
    return Survey(
        schedule,
        horizon,
        resolved,
        needed,
        places(schedule, horizon),
        steps,
        rates,
        optimizer,
        batch_scale,
        base_lr,
    )


def phases(schedule: Schedule) -> Iterator[Phase]:
    """Give every phase of a schedule, operands included."""
    for part in parts_of(schedule):
        phase = part.part if isinstance(part, Scaled) else part
        yield phase
        for operand in phase.operands:
            yield from phases(operand)


def number(value: float) -> str:
    """Write a rate or a share as people do: 0.0003, 1e-05."""
    return f"{value:.3g}"


def count(n: float, noun: str = "update") -> str:
    """Write "1 update", "3 updates"."""
    return f"{n:g} {noun}" if n == 1 else f"{n:.15g} {noun}s"


def _needed(schedule: Schedule, horizon: Horizon) -> Fraction:
    total = Fraction(horizon.total_steps or 0)
    span = Span(horizon, total, truncate=True)
    return measure(schedule, span).used(total)


def _sampled(resolved: ResolvedSchedule) -> list[int]:
    """Return every update of a run, or many of a long one: its ends, and boundaries."""
    total = resolved.total_steps
    if total is None:
        last = max((b for b in resolved.boundaries() if b < math.inf), default=0)
        end = resolved.end
        total = math.ceil(end) if end is not None else max(OPEN, math.ceil(4 * last))
        total = max(total, 1)
    if total <= EVERY:
        return list(range(total))
    chosen = {i * (total - 1) // (EVERY - 1) for i in range(EVERY)}
    chosen |= {*range(1000), *range(total - 1000, total)}
    for boundary in resolved.boundaries():
        near = math.ceil(boundary)
        chosen |= {t for t in (near - 1, near, near + 1) if 0 <= t < total}
    return sorted(chosen)
