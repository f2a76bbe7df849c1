"""`Readable`: the values of a schedule with its events, read at any update."""

from __future__ import annotations

from stepsize.adapters.driving.feed import Feed
from stepsize.adapters.driving.program import Program
from stepsize.adapters.driving.steering import Steering
from stepsize.control.events import Event, Target
from stepsize.control.journal import Journal
from stepsize.control.trajectory import Trajectory
from stepsize.errors import AdapterError, describe


class Readable(Steering):
    """What a Driver says: its program and its journal, at the update it is at."""

    _program: Program
    _journal: Journal

    def _lay_out(self) -> None:
        program = self._program
        self._trajectories = program.trajectories(self._journal.events)
        self._feeds = {
            (path, group): Feed(trajectory, program.factor(path, group))
            for (path, group), trajectory in self._trajectories.items()
        }
        self._first = next(iter(self._feeds.values()))  # "lr", where that is driven
        self._rates = [
            (group, feed) for (path, group), feed in self._feeds.items() if path == "lr"
        ]

    def rate(self, group: str | None = None) -> float:
        """Return the rate of the next update.

        Args:
            group: Which group's; None: the first one's.

        Raises:
            AdapterError: The rate is not driven, or there is no such group.
        """
        if group is None and "lr" in self._program.parts:
            return self._first.at(self._update)
        return self.value_at(self._update, group=group)

    @property
    def events(self) -> tuple[Event, ...]:
        """The changes so far, in the order they came."""
        return self._journal.events

    @property
    def update(self) -> int:
        """Updates made so far, which is also the index of the next one."""
        return self._update

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(self._program.groups)

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """What is driven: "lr", "weight_decay", ..."""
        return tuple(self._program.parts)

    def value_at(
        self, update: int, hyperparameter: str = "lr", group: str | None = None
    ) -> float:
        """Return a group's value at any update; None is the first group.

        Raises:
            AdapterError: The hyperparameter is not driven, or there is no such group.
        """
        return self._feed(hyperparameter, group).at(update)

    def values(
        self, count: int, hyperparameter: str = "lr", group: str | None = None
    ) -> list[float]:
        """Return a group's values in the next `count` updates; None is the first group.

        Raises:
            AdapterError: See `value_at`.
        """
        return self._feed(hyperparameter, group).block(self._update, count)

    def _feed(self, hyperparameter: str, group: str | None) -> Feed:
        key = hyperparameter, self.groups[0] if group is None else group
        if key not in self._feeds:
            names = ", ".join(f"{one} of {other!r}" for one, other in self._feeds)
            rule = f"be one of those driven: {names}"
            raise AdapterError(describe("Scheduler.value_at", rule, key))
        return self._feeds[key]

    @property
    def last_lr(self) -> dict[str, float]:
        """Each group's rate in the last update that was made: what to log for it.

        Before the first update, that of the first; {} where no rate is driven.
        """
        last = max(self._update - 1, 0)
        return {name: feed.trajectory(last) * feed.factor for name, feed in self._rates}

    @property
    def next_lr(self) -> dict[str, float]:
        """Each group's rate in the next update; {} where no rate is driven."""
        return {name: feed.at(self._update) for name, feed in self._rates}

    def step_at(self, update: int) -> int:
        """Return the position on the first group's curve at an update."""
        return self._first.trajectory.step_at(update)

    @property
    def done(self) -> bool:
        """Whether every step of the horizon was made, as it is after all events.

        False for as long as there is no horizon.
        """
        lr = "lr" in self._program.parts
        return all(
            trajectory.left_at(self._update) == 0
            for (path, _), trajectory in self._trajectories.items()
            if path == "lr" or not lr
        )

    def _leading(self) -> tuple[Trajectory, float]:
        return self._first.trajectory, self._first.factor

    def __repr__(self) -> str:
        """Return what is driven, and where it stands."""
        lr = "lr_factor" if self._program.relative else "lr"
        parts = ", ".join(
            f"{lr if path == 'lr' else path}={one.schedule}"
            for path, one in self._program.parts.items()
        )
        return f"{type(self).__name__}({parts}, update={self._update})"

    # --- for who steers ------------------------------------------------------------

    def _covers(self, target: Target) -> bool:
        return any(target.matches(path, group) for path, group in self._feeds)

    def _is_relative(self) -> bool:
        return self._program.relative
