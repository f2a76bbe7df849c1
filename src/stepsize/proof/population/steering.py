"""Policies that change a member's rate while it trains.

Not here: the policies (`stepsize.control.policies`), when they observe (`chunk`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from stepsize.control.events import Event
from stepsize.control.policies import Observation, Policy, Together
from stepsize.control.trajectory import Trajectory
from stepsize.proof.population.result import FloatArray
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import Schedule

__all__ = ["METRIC", "OBSERVATIONS", "Steering"]

METRIC = "val"
"""What policies observe: the validation metric, in the sense that less is better."""

OBSERVATIONS = 50
"""How often in a run, evenly; no more often than there are updates."""


@final
class Steering:
    """One member's trajectory and the state of its policies.

    Attributes:
        trajectory: The schedule with the events so far.
    """

    def __init__(
        self, schedule: Schedule, total_steps: int, policies: Sequence[Policy]
    ) -> None:
        """Begin a run.

        Args:
            schedule: Absolute rates. Unit: lr.
            total_steps: The budget. Unit: updates; int >= 1.
            policies: What observes; one change at a time, the first policy's first.
        """
        self.trajectory = Trajectory(schedule, Horizon(steps=total_steps))
        self._policy = Together(*policies)
        self._state = self._policy.start()
        self._total = total_steps
        self._peak = max(self.trajectory.block(0, total_steps))

    def observe(self, update: int, metric: float) -> FloatArray | None:
        """Tell the policies what validation shows before an update.

        Args:
            update: The update about to be made; in [1, total_steps).
            metric: Less is better.

        Returns:
            The rates of the updates from this one on, if they have changed.
        """
        seen = Observation(
            update=update,
            step=self.trajectory.step_at(update),
            rate=self.trajectory(update),
            peak=self._peak,
            metrics={METRIC: metric},
            total_steps=self._total,
        )
        self._state, changes = self._policy.observe(self._state, seen)
        for change in changes:
            event = Event(
                update=update,
                kind=change.kind,
                values=change.values,
                source=change.source,
                reason=change.reason,
                target=change.target,
            )
            self.trajectory = self.trajectory.with_event(event, made=update)
        if not changes:
            return None
        return np.array(self.trajectory.block(update, self._total))
