"""`transfer`: a tuned peak rate for another schedule or another horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.arguments import rate
from stepsize.planner.laws.bound import ConvexBound
from stepsize.planner.laws.law import Floats
from stepsize.schedules.durations import whole
from stepsize.schedules.schedule import Schedule


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """A peak rate that was carried over.

    Attributes:
        lr: The new peak. Unit: lr.
        factor: New over old.
        doubts: Where the bound is known to be off, a sentence each.
    """

    lr: float
    factor: float
    doubts: tuple[str, ...]


def transfer(
    peak_lr: float,
    *,
    old: Schedule,
    new: Schedule,
    old_steps: int,
    new_steps: int | None = None,
) -> Transferred:
    """Return the peak rate of another shape or horizon, given a tuned one.

    The last-iterate bound of a shape h at scale s is a / s + b s, so that its best
    scale is sqrt(a / b); the ratio of the best scales of two shapes carries over to
    real runs. On recorded runs of a 124M model it is within 15 % across the lengths of
    linear cooldowns from 20 % to 90 %, and 18 % at 10 %; it is wrong for a constant
    rate (.71 for a measured .30) and for a cosine that ends at a tenth (1.71 for 1.02).

    Args:
        peak_lr: Tuned peak of the old schedule. Unit: lr; > 0.
        old: The schedule it was tuned with; its own scale does not matter.
        new: The schedule that it is wanted for.
        old_steps: Updates of the run it was tuned in; int >= 2.
        new_steps: Updates of the new run; None: the same.

    Raises:
        FitError: A value is outside its range.

    Source:
        Schaipp et al. 2025, arXiv:2501.18965, section 5.

    Examples:
        >>> import stepsize as ss
        >>> short = ss.hold() >> ss.decay("20%")
        >>> long = ss.hold() >> ss.decay("60%")
        >>> round(transfer(1e-3, old=short, new=long, old_steps=5000).lr, 5)
        0.00138
    """
    peak = rate(peak_lr, "transfer.peak_lr")
    before = _shape(old, old_steps, "old")
    after = _shape(new, old_steps if new_steps is None else new_steps, "new")
    bound = ConvexBound()
    factor = bound.tuned(after).scale / bound.tuned(before).scale
    doubts = []
    for name, shape in (("old", before), ("new", after)):
        last = float(shape[-1])
        if last > 0.05:  # noqa: PLR2004 - neither to 0 nor nearly
            doubts.append(
                f"the {name} schedule ends at {last:.2g} of its peak: the bound has no "
                "noise that stays, and is off by a factor of 2 there"
            )
    longer = len(after) / len(before)
    if max(longer, 1 / longer) > 4:  # noqa: PLR2004 - as far as was measured
        doubts.append(f"a horizon {longer:.2g} times as long was not measured")
    return Transferred(lr=peak * factor, factor=factor, doubts=tuple(doubts))


def _shape(schedule: Schedule, steps: int, name: str) -> Floats:
    length = whole(steps)
    if length is None or length < 2:  # noqa: PLR2004 - a shape has two points
        rule = "be an int >= 2 (unit: updates)"
        raise FitError(describe(f"transfer.{name}_steps", rule, steps))
    if not isinstance(schedule, Schedule):
        raise FitError(describe(f"transfer.{name}", "be a Schedule", schedule))
    rates = np.asarray(schedule.resolve(total_steps=length).block(0, length))
    if not rates.max() > 0:
        raise FitError(describe(f"transfer.{name}", "be > 0 somewhere", schedule))
    shape: Floats = rates / rates.max()
    return shape
