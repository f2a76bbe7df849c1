"""`predict`: the loss curve of a schedule, with its interval and what to doubt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.best.ranking import rates_of
from stepsize.planner.fitting.fitted import FittedLaw
from stepsize.planner.fitting.screening import warmup_end
from stepsize.planner.laws.law import Floats, Ints
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

_POINTS = 60


class PredictedCurve(NamedTuple):
    """A predicted loss curve with its 90 % interval.

    Attributes:
        steps: Some sixty steps from the end of the warmup to the end of the run, int64
            array, shape (n,). Unit: updates.
        mean: Most probable losses there, float64 array, shape (n,).
        low: Lower ends, the same shape.
        high: Upper ends.
        doubts: What sets the schedule apart from the runs seen, a sentence each.
    """

    steps: Ints
    mean: Floats
    low: Floats
    high: Floats
    doubts: tuple[str, ...]


def predict(
    law: FittedLaw,
    schedule: Schedule | ResolvedSchedule,
    *,
    steps: int | None = None,
    horizon: Horizon | None = None,
) -> PredictedCurve:
    """Predict the loss curve of a schedule.

    `law.predict(rates, steps)` does the same for rates, at steps of your choice.

    Args:
        law: A fitted law.
        schedule: The schedule; one that is resolved has a length by itself.
        steps: Updates of the run; int >= 1.
        horizon: Instead of `steps`, where durations need its conversions.

    Raises:
        FitError: `law` or `schedule` is none, or the length is not known.
    """
    if not isinstance(law, FittedLaw):
        raise FitError(describe("predict.law", "be a FittedLaw", law))
    rates = rates_of(schedule, str(schedule), steps=steps, horizon=horizon)
    return predicted(law, rates, max(law.first, warmup_end(rates)))


def predicted(law: FittedLaw, rates: Floats, first: int) -> PredictedCurve:
    """Return the curve of a run with these rates, from a step on."""
    last = len(rates)
    begin = min(first, last - 1)
    where = np.unique(np.linspace(begin, last, _POINTS).astype(np.int64))
    return PredictedCurve(where, *law.predict(rates, where), law.doubts(rates))
