"""When to start the cooldown of a run that is under way."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.fitting.fitted import FittedLaw
from stepsize.planner.laws.law import Floats, check_rates
from stepsize.schedules.durations import whole
from stepsize.schedules.phases import decay

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Lengths of a cooldown that are looked at, as shares of the updates made."""
SEEN = 0.5
"""Share of the peak below which a rate counts as decayed."""


class Start(NamedTuple):
    """A cooldown that starts now.

    Attributes:
        updates: Its length.
        mean: Most probable loss at its end.
        low: Lower end of the 90 % interval.
        high: Upper end.
        worth: What a further update at the present rate, before the same cooldown,
            would lower that by. Unit: loss per update.
    """

    updates: int
    mean: float
    low: float
    high: float
    worth: float


class Advice(NamedTuple):
    """What a law says of a cooldown.

    Attributes:
        identifiable: Whether a decay was seen, without which all this is the prior's.
        made: Updates made.
        starts: A cooldown from now, for several lengths.
        best_start: Update to start at, where the run has an end; None otherwise.
        best_loss: Predicted at the end then.
    """

    identifiable: bool
    made: int
    starts: tuple[Start, ...]
    best_start: int | None
    best_loss: float | None


def cooldown_advice(
    law: FittedLaw,
    rates: Floats,
    *,
    total_steps: int | None = None,
    shape: str = "linear",
) -> Advice:
    """Return what a cooldown from now would give, and when it is best to start.

    Args:
        law: Fitted on this run so far, and on others of the same model.
        rates: Rate of every update made so far, shape (T,). Unit: lr; the last > 0.
        total_steps: End of the run; int >= T + 2; None: open.
        shape: Of the cooldown, to 0: as in `stepsize.decay`.

    Raises:
        FitError: A value is outside its range.
    """
    made = check_rates(rates, "cooldown_advice")
    now, last = len(made), float(made[-1])
    if not last > 0:
        rule = "not have ended at a rate of 0"
        raise FitError(describe("cooldown_advice.rates", rule, last))
    starts = []
    ahead = max(1, now // 50)
    for share in SHARES:
        updates = max(2, round(share * now))
        curve = continued(made, 0, updates, shape)
        mean, low, high = (float(x[0]) for x in law.predict(curve, [len(curve)]))
        later = continued(made, ahead, updates, shape)
        worth = (mean - float(law.loss(later, [len(later)])[0])) / ahead
        starts.append(Start(updates, mean, low, high, worth))
    best: tuple[int, float] | None = None
    if total_steps is not None:
        planned = whole(total_steps)
        if planned is None or planned < now + 2:  # a cooldown's first and last update
            rule = f"be an int >= {now + 2}, two more than the updates made"
            raise FitError(describe("cooldown_advice.total_steps", rule, total_steps))
        left = planned - now
        for held in np.unique(np.linspace(0, left - 2, 40).astype(int)):
            curve = continued(made, int(held), left - int(held), shape)
            loss = float(law.loss(curve, [len(curve)])[0])
            if best is None or loss < best[1]:
                best = (now + int(held), loss)
    return Advice(
        identifiable=law.lowest <= SEEN,
        made=now,
        starts=tuple(starts),
        best_start=None if best is None else best[0],
        best_loss=None if best is None else best[1],
    )


def continued(made: Floats, held: int, updates: int, shape: str) -> Floats:
    """Return the rates of a run held for a while, then cooled down to 0.

    Args:
        made: Rates so far, shape (T,).
        held: Updates at the last of them.
        updates: Length of the cooldown.
        shape: Of the cooldown.
    """
    last = float(made[-1])
    fall = np.array((last * decay(updates, shape=shape)).resolve().block(0, updates))
    return np.concatenate([made, np.full(held, last), fall])
