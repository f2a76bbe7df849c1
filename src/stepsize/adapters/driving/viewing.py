"""What policies are shown of the schedule: rates, horizon, warmup; no metrics here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, final

from stepsize.adapters.driving.feed import Feed
from stepsize.control.policies import Observation
from stepsize.control.trajectory import Trajectory
from stepsize.schedules.schedule import ResolvedSchedule

_BLOCK = 1024
_POINTS = 4096  # of a curve that are looked at for its peak


class Leads(Protocol):
    """A scheduler, as far as it is looked at here."""

    def _leading(self) -> tuple[Trajectory, float]:
        """Return the trajectory and the factor of the first group."""


@final
class View:
    """Makes observations of the first group's rate, "lr" if that is driven."""

    __slots__ = ("_feed", "_nominal", "_peak", "_resolved", "_rise", "_trajectory")

    def __init__(self) -> None:
        self._trajectory: Trajectory | None = None
        self._resolved: ResolvedSchedule | None = None
        self._nominal: Trajectory | None = None
        self._feed: Feed | None = None  # looked up: an observation costs 5 us
        self._peak = 0.0
        self._rise = 0

    def observation(
        self,
        scheduler: Leads,
        update: int,
        metrics: Mapping[str, float],
        seconds: float | None,
    ) -> Observation:
        """Return what is known before an update.

        Args:
            scheduler: Whose.
            update: The update about to be made.
            metrics: What was measured.
            seconds: Wall time since the run began.
        """
        trajectory, factor = scheduler._leading()
        feed = self._feed
        if feed is None or trajectory is not self._trajectory or feed.factor != factor:
            feed = self._feed = Feed(trajectory, factor)
            self._look(trajectory)
        step, total = trajectory.place_at(update)
        nominal = None
        if self._nominal is not None:
            nominal = self._nominal(update) * factor
        return Observation(
            update=update,
            step=step,
            rate=feed.at(update),
            peak=self._peak * factor,
            nominal=nominal,
            metrics=metrics,
            seconds=seconds,
            total_steps=total,
            in_warmup=step < self._rise,
        )

    def _look(self, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        if trajectory._resolved is not self._resolved:
            self._resolved = trajectory._resolved
            self._peak = peak_of(self._resolved)
            self._rise = first_rise(self._resolved)
        others = tuple(
            event
            for event in trajectory.events
            if event.source != "guard" or event.kind != "scale"
        )
        self._nominal = None
        if len(others) < len(trajectory.events):
            self._nominal = Trajectory.of(
                trajectory._resolved,
                others,
                trajectory.hyperparameter,
                trajectory.group,
            )


def first_rise(resolved: ResolvedSchedule) -> int:
    """Return the step from which a schedule does not rise any more for the first time.

    Examples:
        >>> import stepsize as ss
        >>> first_rise((0.1 * ss.warmup(5) >> ss.cosine()).resolve(total_steps=20))
        5
    """
    end = resolved.end
    start, last = 0, resolved(0)
    while end is None or start <= end:
        for index, value in enumerate(resolved.block(start + 1, start + 1 + _BLOCK)):
            if value <= last:
                return start + index
            last = value
        start += _BLOCK
        if end is None and start > _POINTS * _BLOCK:
            break
    return start if end is None else int(end)


def peak_of(resolved: ResolvedSchedule) -> float:
    """Return the highest rate of a schedule, as far as 4096 points of it show."""
    end = _POINTS if resolved.end is None else int(resolved.end)
    stride = max(1, end // _POINTS)
    steps = {*range(0, end + 1, stride), *resolved.boundaries()}
    rates: list[float] = [resolved(int(step)) for step in steps]
    return max(rates)
