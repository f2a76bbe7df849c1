"""The rates that follow from a spec and events: a pure function of both.

Not here: which spec and which events hold (history.py).
"""

from __future__ import annotations

import struct
from typing import Any, final

from stepsize.control.events import Event
from stepsize.control.trajectory import Trajectory
from stepsize.errors import LedgerError, StepsizeError, describe
from stepsize.ledger.records import Source, Spec
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule


@final
class Rates:
    """The rates that follow from a spec and events.

    Args:
        spec: The spec.
        events: The events that hold, in any order.

    Raises:
        LedgerError: A schedule of the spec is a wrapped function, or is damaged.
        InvalidScheduleError: The events contradict each other.
    """

    def __init__(self, spec: Spec, events: tuple[Event, ...]) -> None:
        self.spec = spec
        self.events = events
        parts = [_resolved(one) for one in spec.parts]
        made: dict[Any, Trajectory] = {}
        self._sources: dict[str, list[tuple[Trajectory, Source] | None]] = {}
        self._peaks: dict[str, tuple[float, ...]] = {}
        for path, row in spec.sources.items():
            _check_row(spec, path)
            found: list[tuple[Trajectory, Source] | None] = []
            for name, source in zip(spec.groups, row, strict=True):
                if source is None:
                    found.append(None)
                    continue
                own = tuple(one for one in events if one.target.matches(path, name))
                key = (path, source.part, tuple(one.sequence for one in own))
                if key not in made:
                    part = parts[source.part]
                    made[key] = Trajectory.of(part, own, path, name)
                found.append((made[key], source))
            self._sources[path] = found

    @property
    def paths(self) -> tuple[str, ...]:
        """The hyperparameters."""
        return tuple(self._sources)

    def at(self, update: int, path: str = "lr") -> tuple[float | None, ...]:
        """Return each group's value of an update, as exact as it is held."""
        return tuple(
            None
            if one is None
            else rounded(one[0](update) * one[1].factor, one[1].dtype)
            for one in self._sources[path]
        )

    def block(self, start: int, stop: int, path: str = "lr") -> list[float]:
        """Return the values of [start, stop) of the first group that has any.

        Raises:
            StopIteration: None has.
        """
        trajectory, source = next(one for one in self._sources[path] if one is not None)
        return [
            rounded(value * source.factor, source.dtype)
            for value in trajectory.block(start, stop)
        ]

    def leading(self, path: str = "lr") -> Trajectory:
        """Return the trajectory of the first group that has one."""
        row = self._sources.get(path) or next(iter(self._sources.values()))
        return next(one[0] for one in row if one is not None)

    def ends(self, made: int, path: str = "lr") -> int | None:
        """Return the update at which the run ends, after so many; None: it does not."""
        left = self.leading(path).left_at(made)
        return None if left is None else made + left

    def admit(self, event: Event) -> None:
        """Raise if an event that is one of these makes no sense where it stands.

        Raises:
            InvalidScheduleError, UnresolvedError, UnitError: See `Trajectory.admit`.
        """
        for row in self._sources.values():
            for one in row:
                if one is not None and event in one[0].events:
                    one[0].admit(event)

    def covers(self, event: Event) -> bool:
        """Whether an event changes anything that there is."""
        row = self._sources.get(event.target.hyperparameter, [])
        return any(
            one is not None and event.target.matches(event.target.hyperparameter, name)
            for name, one in zip(self.spec.groups, row, strict=False)
        )

    def extremes(self, update: int, points: int = 500) -> tuple[float, float]:
        """Return the lowest rate at an update, and the highest from it on.

        As far as `points` updates up to the end of the run show.
        """
        path = "lr" if "lr" in self._sources else self.paths[0]
        table = [self.at(u, path) for u in self._some(update, points)]
        rows = [[one for one in row if one is not None] for row in table]
        return min(rows[0]), max(max(row) for row in rows)

    def peaks(self, path: str = "lr", points: int = 500) -> tuple[float, ...]:
        """Return each group's largest value over the whole run, by its size.

        As far as `points` updates show; 0.0 for a group without any.
        """
        if path not in self._peaks:
            table = [self.at(u, path) for u in self._some(0, points)]
            self._peaks[path] = tuple(
                max(abs(one or 0.0) for one in row) for row in zip(*table, strict=True)
            )
        return self._peaks[path]

    def _some(self, update: int, points: int) -> list[int]:
        """Return updates from one to the end of the run, both included."""
        left = self.leading().left_at(update)
        span = max(left if left is not None else points, 1)
        stride = max(1, span // points)
        return [*range(update, update + span + 1, stride), update + span]


def _check_row(spec: Spec, path: str) -> None:
    row = spec.sources[path]
    places = [one.part for one in row if one is not None]
    if len(row) != len(spec.groups) or not all(
        0 <= one < len(spec.parts) for one in places
    ):
        rule = "have a part, or null, for each group"
        raise LedgerError(describe(f"spec.sources[{path!r}]", rule, row))


def _resolved(plain: dict[str, Any]) -> ResolvedSchedule:
    from stepsize.schedules.plain import from_dict

    try:
        schedule = from_dict(plain["schedule"])
        horizon = Horizon.from_dict(plain["horizon"])
        overflow = plain.get("overflow", "error")
        return schedule.resolve(horizon=horizon, overflow=overflow)
    except (StepsizeError, KeyError, TypeError) as error:
        rule = "be a schedule that can be read here"
        hint = f"{error}"
        raise LedgerError(describe("spec.parts", rule, plain, hint=hint)) from error


def rounded(value: float, dtype: str) -> float:
    """Return a number as a type of tensor holds it.

    Args:
        value: The number.
        dtype: "float64", "float32", "float16" or "bfloat16"; others are as float64.

    Examples:
        >>> rounded(0.1, "float32"), rounded(0.1, "bfloat16")
        (0.10000000149011612, 0.10009765625)
    """
    if dtype in ("float32", "float16"):
        code = "f" if dtype == "float32" else "e"
        try:
            (held,) = struct.unpack(code, struct.pack(code, value))
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
        return float(held)
    if dtype == "bfloat16":
        (bits,) = struct.unpack("I", struct.pack("f", value))
        half = bits + 0x7FFF + ((bits >> 16) & 1)  # to nearest, ties to even
        (held,) = struct.unpack("f", struct.pack("I", half & 0xFFFF0000))
        return float(held)
    return value
