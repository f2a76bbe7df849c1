"""Calls that change the schedule of a running Scheduler: each is a recorded event."""

from __future__ import annotations

from stepsize.adapters.driving.steering import Steering as Calls
from stepsize.adapters.torch.facade import Facade
from stepsize.control.events import Target


class Steering(Calls, Facade):
    """The calls, over the groups that the optimizer has now."""

    def _covers(self, target: Target) -> bool:
        return self._current_plan().covers(target)

    def _is_relative(self) -> bool:
        return self._program.relative

    @property
    def done(self) -> bool:
        """Whether every step of the horizon was made, as it is after all events.

        `while not scheduler.done:` is the loop of a run that may be extended, held,
        rewound or cooled down. Of "lr", if that is driven, in every group; False for
        as long as there is no horizon.
        """
        plan = self._current_plan()
        paths = ["lr"] if "lr" in plan.sources else list(plan.sources)
        return all(
            trajectory.left_at(self._update) == 0
            for path in paths
            for trajectory in plan.trajectories(path)
        )
