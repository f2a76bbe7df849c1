"""A schedule as the function that torch's LambdaLR wants."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

from stepsize.adapters.convert.compare import difference
from stepsize.adapters.convert.reading import EXACT
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

OPEN = 1000


@final
@dataclass(frozen=True, slots=True)
class TorchLambda:
    """The factor of each step: `LambdaLR(optimizer, to_torch_lambda(...))`.

    It pickles, deep-copies and compares by content. LambdaLR stores no part of it in
    its state, so a resumed run must build it again.

    Attributes:
        rates: The schedule, with every length known.
        base_lr: Rate that the optimizer was given. Unit: lr.
        largest_difference: Between base_lr * factor, as LambdaLR computes it, and the
            schedule, over the horizon. Unit: the largest rate.
        at: Step of the largest difference.
    """

    rates: ResolvedSchedule
    base_lr: float
    largest_difference: float = field(compare=False)
    at: int = field(compare=False)

    @property
    def exact(self) -> bool:
        """Whether the difference is round-off: at most 1e-12."""
        return self.largest_difference <= EXACT

    def __call__(self, step: int) -> float:
        """Return the factor at a step."""
        return float(self.rates(step)) / self.base_lr


def resolved(
    schedule: Schedule | ResolvedSchedule, horizon: Horizon | int | None
) -> ResolvedSchedule:
    """Return a schedule with every length known.

    Raises:
        UnresolvedError: A length needs a horizon and there is none.
    """
    if isinstance(schedule, ResolvedSchedule):
        if horizon is None:
            return schedule
        schedule = schedule.schedule
    if isinstance(horizon, Horizon):
        return schedule.resolve(horizon=horizon)
    return schedule.resolve(horizon)


def steps_of(rates: ResolvedSchedule) -> int:
    """Return how many steps are compared: the horizon, or up to the end and past it."""
    if rates.total_steps is not None:
        return rates.total_steps
    end = rates.end
    return OPEN if end is None else min(math.ceil(end) + 2, 100 * OPEN)


def to_torch_lambda(
    schedule: Schedule | ResolvedSchedule,
    horizon: Horizon | int | None = None,
    *,
    base_lr: float,
) -> TorchLambda:
    """Return the function that LambdaLR multiplies the optimizer's rate by.

    Args:
        schedule: Absolute rates.
        horizon: Updates, or the horizon, where the schedule needs one.
        base_lr: The `lr` of the optimizer, by which the rates are divided; > 0.

    Returns:
        The function; picklable as long as the schedule is.

    Raises:
        AdapterError: base_lr is not a finite number > 0.
        UnresolvedError: A length needs the horizon.

    Examples:
        >>> import stepsize as ss
        >>> factor = to_torch_lambda(0.5 * ss.linear(4), base_lr=0.5)
        >>> [factor(t) for t in range(5)]
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    number = isinstance(base_lr, (int, float)) and not isinstance(base_lr, bool)
    if not number or not 0 < base_lr < math.inf:
        rule = "be a finite number > 0 (unit: lr)"
        hint = "it is the lr that the optimizer was made with"
        raise AdapterError(
            describe("to_torch_lambda.base_lr", rule, base_lr, hint=hint)
        )
    rates = resolved(schedule, horizon)
    ours = rates.block(0, steps_of(rates))
    theirs = [base_lr * (rate / base_lr) for rate in ours]  # as LambdaLR multiplies
    found = difference(theirs, ours, 0)
    return TorchLambda(rates, float(base_lr), found.value, found.at)
