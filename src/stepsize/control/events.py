"""Events: recorded changes of a schedule with their cause; not what they do to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, final

from stepsize.control.kinds import KINDS
from stepsize.errors import InvalidScheduleError, describe

VERSION = 1


@final
@dataclass(frozen=True, slots=True)
class Target:
    """What an event changes: a hyperparameter, in the param groups that match.

    Attributes:
        hyperparameter: Its name in the optimizer: "lr", "weight_decay", "betas[0]".
        groups: Shell pattern over group names; a group without a name goes by its
            index ("0", "1", ...). "*" is every group.

    Raises:
        InvalidScheduleError: One of the two is not a text, or is empty.
    """

    hyperparameter: str = "lr"
    groups: str = "*"

    def __post_init__(self) -> None:
        """Check both."""
        for name in ("hyperparameter", "groups"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                rule = "be a text that is not empty"
                raise InvalidScheduleError(describe(f"Target.{name}", rule, value))

    def matches(self, hyperparameter: str, group: str | None = None) -> bool:
        """Whether it covers that hyperparameter in the group of that name.

        Args:
            hyperparameter: As in `Target.hyperparameter`.
            group: The group's name; None asks for what holds for every group.
        """
        if self.hyperparameter != hyperparameter:
            return False
        return self.groups == "*" or (
            group is not None and fnmatchcase(group, self.groups)
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One recorded change of a schedule, and its cause.

    Attributes:
        update: Update it takes effect at. Unit: updates applied before; int >= 0.
        kind: What it does; a name of `kinds.KINDS` ("scale").
        values: The kind's numbers and texts by name, as its class in
            `stepsize.control.effects` lists them; read-only, complete with defaults.
        sequence: Order among events of the same update; int >= 0; set by `append`.
        source: Who decided: "policy:plateau", "guard", "operator:NAME", "resume",
            "clock:deadline".
        reason: A sentence that says why.
        time: When it was decided. Unit: seconds since 1970 (UTC); None if unknown.
        target: The hyperparameter and the groups that it changes.

    Raises:
        InvalidScheduleError: A value is outside its range, or the kind is unknown.

    Examples:
        >>> cut = Event(update=100, kind="scale", values={"factor": 0.5},
        ...             source="operator:ada", reason="the loss spiked")
        >>> dict(cut.values)
        {'factor': 0.5, 'over': 0}
        >>> Event.from_dict(cut.to_dict()) == cut
        True
    """

    update: int
    kind: str
    values: Mapping[str, Any] = field(hash=False, default_factory=dict)
    sequence: int = 0
    source: str = "operator"
    reason: str = ""
    time: float | None = None
    target: Target = Target()

    def __post_init__(self) -> None:
        """Check every field; complete the values."""
        for name in ("update", "sequence"):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise InvalidScheduleError(
                    describe(f"Event.{name}", "be an int >= 0 (unit: updates)", count)
                    if name == "update"
                    else describe(f"Event.{name}", "be an int >= 0", count)
                )
        for name in ("source", "reason"):
            if not isinstance(getattr(self, name), str):
                raise InvalidScheduleError(
                    describe(f"Event.{name}", "be a text", getattr(self, name))
                )
        if self.time is not None and not _finite(self.time):
            rule = "be a finite number or None (unit: seconds since 1970)"
            raise InvalidScheduleError(describe("Event.time", rule, self.time))
        if not isinstance(self.target, Target):
            raise InvalidScheduleError(
                describe("Event.target", "be a Target", self.target)
            )
        if self.kind not in KINDS:
            rule = f"be one of {', '.join(sorted(KINDS))}"
            raise InvalidScheduleError(describe("Event.kind", rule, self.kind))
        if not isinstance(self.values, Mapping):
            rule = "be a mapping of names to numbers and texts"
            raise InvalidScheduleError(describe("Event.values", rule, self.values))
        complete = KINDS[self.kind].check(dict(self.values))
        object.__setattr__(self, "values", MappingProxyType(complete))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-plain mapping from which `from_dict` builds this event."""
        return {
            "version": VERSION,
            "update": self.update,
            "sequence": self.sequence,
            "kind": self.kind,
            "values": dict(self.values),
            "source": self.source,
            "reason": self.reason,
            "time": self.time,
            "target": {
                "hyperparameter": self.target.hyperparameter,
                "groups": self.target.groups,
            },
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Event:
        """Return the event that `to_dict` gave this mapping.

        Raises:
            InvalidScheduleError: It is not of this version, or a field is missing,
                unknown or outside its range.
        """
        if not isinstance(plain, Mapping) or plain.get("version") != VERSION:
            rule = f"be a mapping with version {VERSION}"
            raise InvalidScheduleError(describe("Event.from_dict", rule, plain))
        fields = {name: value for name, value in plain.items() if name != "version"}
        try:
            target = Target(**fields.pop("target"))
            return cls(target=target, **fields)
        except (KeyError, TypeError) as error:
            rule = "have the fields that to_dict writes"
            raise InvalidScheduleError(
                describe("Event.from_dict", rule, plain, hint=str(error))
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy through the plain form."""
        return Event.from_dict, (self.to_dict(),)


def append(events: Sequence[Event], event: Event, *, made: int) -> tuple[Event, ...]:
    """Add an event to a list of them, as the last of its update.

    Args:
        events: The events so far.
        event: The new one; its `sequence` is set here.
        made: Updates already applied: 0 .. made - 1 cannot be changed any more.

    Returns:
        All events.

    Raises:
        InvalidScheduleError: The event is for an update already made.
    """
    if event.update < made:
        rule = f"be at least {made}, the next update (unit: updates)"
        hint = "what was applied cannot be changed any more"
        raise InvalidScheduleError(
            describe("Event.update", rule, event.update, hint=hint)
        )
    last = max((one.sequence for one in events), default=-1)
    return (*events, replace(event, sequence=last + 1))


def _finite(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]  # checked just now
