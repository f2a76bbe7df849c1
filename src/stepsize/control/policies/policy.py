"""What a policy is, what it is shown and what it may ask for; no policy itself."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Protocol, Self, TypeVar, final, runtime_checkable

from stepsize.control.events import Event, Target
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.durations import whole

State = Mapping[str, Any]
"""What a policy remembers: JSON-plain, never changed in place."""

VERSION = 1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What is known before an update is made.

    Attributes:
        update: The update about to be made, at which a change would take effect; int
            >= 0.
        step: Position on the curve; int.
        rate: Rate that the update would use, of the first group. Unit: lr; finite.
        peak: Highest rate of the schedule, in the same group. Unit: lr; finite.
        nominal: The same as `rate` without what the guard has changed; None: it has
            changed nothing. Unit: lr; finite.
        metrics: What was measured since the last observation, by name; numbers, NaN
            and infinities among them. What was not measured is left out: no
            observation, no decision.
        seconds: Wall time since the run began. Unit: seconds, finite; None if unknown.
        total_steps: The horizon, events so far included. Unit: steps; None if open.
        in_warmup: Whether the schedule is still in its first rise.

    Raises:
        InvalidScheduleError: A value is outside its range.
    """

    update: int
    step: int
    rate: float
    peak: float
    nominal: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    total_steps: int | None = None
    in_warmup: bool = False

    def __post_init__(self) -> None:
        """Check every field; metrics become built-in floats, read-only."""
        if self._is_plain():
            metrics = MappingProxyType(dict(self.metrics))
            object.__setattr__(self, "metrics", metrics)
        else:
            self._check()

    def _is_plain(self) -> bool:
        """Whether all is as it should be: the usual case, quickly."""
        return (
            type(self.update) is int
            and self.update >= 0
            and type(self.step) is int
            and type(self.rate) is float
            and type(self.peak) is float
            and math.isfinite(self.rate + self.peak)
            and (
                self.total_steps is None
                or (type(self.total_steps) is int and self.total_steps >= 0)
            )
            and (self.nominal is None or type(self.nominal) is float)
            and math.isfinite(self.nominal or 0.0)
            and (self.seconds is None or type(self.seconds) is float)
            and math.isfinite(self.seconds or 0.0)
            and type(self.metrics) is dict
            and all(type(value) is float for value in self.metrics.values())
        )

    def _check(self) -> None:
        counts: dict[str, Any] = {"update": self.update, "step": self.step}
        if self.total_steps is not None:
            counts["total_steps"] = self.total_steps
        for name, value in counts.items():
            count = whole(value)
            if count is None or (name != "step" and count < 0):
                rule = "be an int" if name == "step" else "be an int >= 0"
                raise InvalidScheduleError(describe(f"Observation.{name}", rule, value))
            object.__setattr__(self, name, count)
        for name in ("rate", "peak", "nominal", "seconds"):
            value = getattr(self, name)
            if value is None and name in ("nominal", "seconds"):
                continue
            value = _float(value)
            if value is None or not math.isfinite(value):
                rule = "be a finite number"
                given = getattr(self, name)
                raise InvalidScheduleError(describe(f"Observation.{name}", rule, given))
            object.__setattr__(self, name, value)
        if not isinstance(self.metrics, Mapping):
            rule = "be a mapping of names to numbers"
            raise InvalidScheduleError(
                describe("Observation.metrics", rule, self.metrics)
            )
        metrics = {}
        for key, measured in self.metrics.items():
            value = _float(measured)
            if value is None:
                rule = "be a number"
                hint = "leave out what was not measured"
                owner = f"Observation.metrics[{key!r}]"
                raise InvalidScheduleError(describe(owner, rule, measured, hint=hint))
            metrics[key] = value
        object.__setattr__(self, "metrics", MappingProxyType(metrics))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a policy asks for: an event without its update, number and time.

    Attributes:
        kind: What it does, as in `Event.kind`: "scale", "cooldown", ...
        values: The kind's values by name; read-only.
        reason: A sentence that says why.
        source: Who decided, as in `Event.source`: "policy:" and the policy's name, or
            "clock:" and it, if the decision follows from wall time.
        target: The hyperparameter and the groups that it changes.
    """

    kind: str
    values: Mapping[str, float | str | None] = field(hash=False)
    reason: str
    source: str
    target: Target = field(default_factory=Target)

    def __post_init__(self) -> None:
        """Make the values read-only."""
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


Decision = tuple[State, tuple[Change, ...]]
"""The new state, and the changes asked for: mostly none."""


class Policy(Protocol):
    """Decides on changes from what it observes.

    The configuration is a frozen value; the state is a separate plain one. `observe`
    is a pure function of both: same state and observation, same decision, on every
    rank and in every replay.
    """

    @property
    def name(self) -> str:
        """What events call it; one of its own for each policy of a run."""

    def start(self) -> State:
        """Return the state before the first observation."""

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the changes it leads to."""

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a JSON-plain mapping."""

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the policy that `to_dict` gave this mapping."""


@runtime_checkable
class Notices(Protocol):
    """A policy that wants to know of changes which it did not just ask for."""

    def notice(self, state: State, event: Event) -> State:
        """Return the state once an event has taken effect.

        It is of another source; or of this policy's own, decided before a resume and
        applied again since.
        """


@runtime_checkable
class Rewinds(Protocol):
    """A policy that has snapshots of the run taken, and goes back to them: a guard.

    A snapshot is named by the update before which it was taken. To go back is a
    `Change` of kind "rewind" whose "snapshot" says to which.
    """

    def snapshots(self, state: State) -> tuple[int, ...]:
        """Return the snapshots to be held; that of the present is taken if missing."""

    def without(self, state: State, available: Collection[int]) -> State:
        """Return the state when only these snapshots are there, after a resume."""

    def inspects(self, state: State, update: int) -> Collection[str]:
        """Return what the observation of an update should tell, beside the loss.

        Of "nonfinite", the number of weights and moments that are not finite, and
        "displacement", the distance of the weights from those of the oldest snapshot
        that is held, in units of their norm.
        """


Built = TypeVar("Built")


def plain_of(policy: Any) -> dict[str, Any]:
    """Return the class's name and the fields of a policy, a JSON-plain mapping."""
    values = {one.name: getattr(policy, one.name) for one in fields(policy)}
    return {"policy": type(policy).__name__, "version": VERSION, **values}


def built_from(cls: type[Built], plain: Mapping[str, Any]) -> Built:
    """Return the policy of a mapping that `plain_of` gave.

    Raises:
        InvalidScheduleError: It is of another class or version, or a field is unknown
            or outside its range.
    """
    owner = f"{cls.__name__}.from_dict"
    head = {"policy": cls.__name__, "version": VERSION}
    if not isinstance(plain, Mapping) or any(
        plain.get(key) != value for key, value in head.items()
    ):
        rule = f"be a mapping with policy {cls.__name__!r} and version {VERSION}"
        raise InvalidScheduleError(describe(owner, rule, plain))
    try:
        return cls(**{key: value for key, value in plain.items() if key not in head})
    except TypeError as error:
        rule = "have the fields that to_dict writes"
        hint = str(error)
        raise InvalidScheduleError(
            describe(owner, rule, dict(plain), hint=hint)
        ) from error


def text(value: object, owner: str) -> None:
    """Refuse what is no text, or an empty one.

    Raises:
        InvalidScheduleError: It is one of these.
    """
    if not isinstance(value, str) or not value:
        rule = "be a text that is not empty"
        raise InvalidScheduleError(describe(owner, rule, value))


def count(value: object, owner: str, *, low: int, unit: str = "") -> int:
    """Return an int >= `low` as a built-in int.

    Raises:
        InvalidScheduleError: It is none.
    """
    number = whole(value)
    if number is None or number < low:
        suffix = f" (unit: {unit})" if unit else ""
        rule = f"be an int >= {low}{suffix}"
        raise InvalidScheduleError(describe(owner, rule, value))
    return number


def _float(value: object) -> float | None:
    if isinstance(value, (str, bytes, bool)):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # what has no float is refused
    except (TypeError, ValueError, OverflowError):
        return None
