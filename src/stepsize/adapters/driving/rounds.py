"""`Boosting`: what the schedulers of boosting rounds have in common."""

from __future__ import annotations

from typing import Any

from stepsize.adapters.driving.driver import Driver
from stepsize.errors import AdapterError, describe


class Boosting(Driver):
    """A `Driver` whose updates are the rounds of a model that may be trained on.

    Takes the arguments of `Driver`, and

    Args:
        stop: Whether training ends when the horizon is over, as events may have moved
            it: after a cooldown, or when a target was reached. Otherwise the last rate
            holds.
        arguments: Those of `Driver`.
    """

    def __init__(self, *, stop: bool = False, **arguments: Any) -> None:
        self._arguments = arguments
        self._stops = stop
        super().__init__(**arguments)

    def _begin(self, rounds: int) -> None:
        """Find out which training this is, before its first round.

        A model without a round is a new training, also for a Scheduler that was used
        before.

        Raises:
            AdapterError: The model has other rounds than the Scheduler counted.
        """
        if rounds == self.update:
            return
        if rounds == 0 and self._journal.sink is None:
            super().__init__(**self._arguments)
            return
        rule = f"have {self.update} rounds, as the Scheduler has"
        hint = f"load its state, or say Scheduler(..., update={rounds}) to start there"
        raise AdapterError(describe("model", rule, rounds, hint=hint))

    def _after(self, metrics: dict[str, float]) -> None:
        """Count a round, and show the policies what was measured after it."""
        self.step()
        if self._council is not None and metrics:
            self.observe(**metrics)
