"""`Forecasts`: the loss that a run is heading for, where a law can be fitted to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import final

import numpy as np

from stepsize.dashboard.columns import Floats, Series
from stepsize.errors import FitError, StepsizeError, describe
from stepsize.ledger.history import History
from stepsize.ledger.rates import Rates
from stepsize.planner.fitting import Curve, FittedLaw, fit

MOST_UPDATES = 2_000_000
"""Updates of a run up to which a forecast is made: a fit passes over all of them."""

_GROWN = 1.05  # a fit is good until the run has grown by this
_POINTS = 120
_LEAST = 20


@final
@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run's loss will be, by the law that fits it.

    Attributes:
        updates: Where, from now to the end.
        mean: Most probable loss there.
        low: Lower end of the 90 % interval.
        high: Upper end.
        fitted: Updates that the law was fitted to.
        notes: What the run does not identify, and what sets the rest apart from it.
    """

    updates: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    fitted: int
    notes: tuple[str, ...]


@final
class Forecasts:
    """Fits laws to runs, one at a time, and keeps them while a run grows little."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[str, tuple[int, FittedLaw | FitError]] = {}

    def of(self, identity: str, history: History, losses: Series | None) -> Forecast:
        """Return the forecast of a run.

        Args:
            identity: What the run is called.
            history: Its records.
            losses: Its losses; None: it has none.

        Raises:
            StepsizeError: No law can be fitted; the message says why.
        """
        rates = history.rates()
        made = history.update
        left = rates.leading().left_at(made)
        if not left:
            rule = "have updates left"
            raise FitError(describe("run", rule, left))
        if made + left > MOST_UPDATES:
            rule = f"have at most {MOST_UPDATES} updates for a forecast"
            raise FitError(describe("run", rule, made + left))
        whole = planned_rates(rates, made + left)
        law = self._law(identity, whole[:made], losses)
        points = np.linspace(made, made + left, _POINTS)
        updates = np.unique(points.astype(np.int64))
        mean, low, high = law.predict(whole, updates)
        return Forecast(
            updates.tolist(),
            mean.tolist(),
            low.tolist(),
            high.tolist(),
            made,
            (*law.diagnosis, *law.doubts(whole)),
        )

    def end(self, identity: str, rates: Rates, made: int) -> list[float] | None:
        """Return the loss at the end of other rates, (mean, low, high).

        None where no law was fitted to the run before, or the rates have no end.
        """
        known = self._known.get(identity)
        left = rates.leading().left_at(made)
        if known is None or isinstance(known[1], FitError) or not left:
            return None
        if made + left > MOST_UPDATES:
            return None
        try:
            found = known[1].predict(planned_rates(rates, made + left), [made + left])
        except FitError:
            return None
        return [float(one[0]) for one in found]

    def _law(self, identity: str, rates: Floats, losses: Series | None) -> FittedLaw:
        with self._guard:
            made, known = self._known.get(identity, (0, None))
            if known is None or not made <= len(rates) <= made * _GROWN:
                try:
                    known = fit([curve(rates, losses)])
                except FitError as error:
                    known = error
                except StepsizeError as error:
                    known = FitError(str(error))
                self._known[identity] = (len(rates), known)
        if isinstance(known, FitError):
            raise FitError(str(known))
        return known


def planned_rates(rates: Rates, total: int) -> Floats:
    """Return the rate of every update of the first group that has one."""
    path = "lr" if "lr" in rates.paths else rates.paths[0]
    source = next(one for one in rates.spec.sources[path] if one is not None)
    block = rates.leading(path).block(0, total)
    return np.array(block, dtype=np.float64) * source.factor


def curve(rates: Floats, losses: Series | None) -> Curve:
    """Return what a law is fitted to.

    Raises:
        FitError: The losses are too few, or not all finite.
    """
    kept = None if losses is None else losses.updates < len(rates)
    count = 0 if kept is None else int(kept.sum())
    if losses is None or kept is None or count < _LEAST:
        rule = f"have at least {_LEAST} recorded losses for a forecast"
        raise FitError(describe("run", rule, count))
    # a loss that was read in an update is that of the updates before it
    return Curve(rates, losses.updates[kept], losses.values[kept], name="run")
