"""What a run has to say to a sink: the values of an update, and new events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from stepsize.control.events import Event


class Source(Protocol):
    """What a torch `Scheduler` and a `Driver` have in common."""

    @property
    def update(self) -> int:
        """Updates made so far."""

    @property
    def events(self) -> tuple[Event, ...]:
        """The changes so far."""

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """What is driven: "lr", ..."""

    @property
    def last_lr(self) -> Sequence[float] | Mapping[str, float]:
        """Each group's rate in the last update."""

    def value_at(
        self, update: int, hyperparameter: str = "lr", group: Any = 0
    ) -> float | None:
        """Return a group's value at any update."""


class Reader:
    """Reads a source again and again, and returns what is new."""

    def __init__(self) -> None:
        self._logged = 0  # updates made at the last reading
        self._told: set[int] | None = None  # sequences of events

    def values(self, source: Source) -> dict[str, float]:
        """Return the values of the last update as "lr/GROUP"; {} if they are not new.

        A group of torch goes by its "name", one without a name of its own by its index.
        """
        if source.update <= self._logged:
            return {}
        self._logged = source.update
        found: dict[str, float] = {}
        for key, name in _groups(source).items():
            for path in source.hyperparameters:
                value = source.value_at(source.update - 1, path, key)
                if value is not None:
                    found[f"{path}/{name}"] = value
        return found

    def events(self, source: Source) -> list[Event]:
        """Return the events that were not returned before.

        Of a source that was resumed, those before the resume were told by the process
        before.
        """
        if self._told is None:
            first = source.update - 1
            old = (event.sequence for event in source.events if event.update < first)
            self._told = set(old)
        new = [event for event in source.events if event.sequence not in self._told]
        self._told.update(event.sequence for event in new)
        return new


def told(event: Event) -> str:
    """Return an event as a line for people.

    Examples:
        >>> told(Event(update=9, kind="scale", values={"factor": 0.5}, source="guard",
        ...            reason="the loss spiked"))
        'update 9: scale(factor=0.5, over=0) by guard: the loss spiked'
    """
    values = ", ".join(
        f"{name}={value!r}" for name, value in event.values.items() if value is not None
    )
    line = f"update {event.update}: {event.kind}({values}) by {event.source}"
    target = event.target
    if (target.hyperparameter, target.groups) != ("lr", "*"):
        line += f" on {target.hyperparameter} of {target.groups}"
    return f"{line}: {event.reason}" if event.reason else line


def _groups(source: Any) -> dict[Any, str]:
    """Return what `value_at` calls each group, and the name to show."""
    named: tuple[str, ...] | None = getattr(source, "groups", None)
    if named is not None:
        return {name: name for name in named}
    groups = source.optimizer.param_groups
    names = [str(group.get("name", "")) for group in groups]
    return {
        index: name if name and names.count(name) == 1 else str(index)
        for index, name in enumerate(names)
    }
