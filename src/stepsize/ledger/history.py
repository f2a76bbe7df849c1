"""What a run's records say of its rates: a pure function of them.

Each process of a run is a *life*. A life that resumes from update c finds the events of
the lives before it: what people and clocks decided is applied again, what policies
decided from c on is decided again or withdrawn (see `stepsize.control.journal`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from stepsize.control.events import Event
from stepsize.control.journal import decided_again
from stepsize.control.trajectory import Trajectory
from stepsize.errors import LedgerError, StepsizeError, describe
from stepsize.ledger.chain import Entry
from stepsize.ledger.records import (
    Answer,
    Changed,
    Command,
    End,
    Metric,
    Note,
    Run,
    Source,
    Spec,
)
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule


@final
@dataclass(slots=True)
class Life:
    """The records of one process of a run.

    Attributes:
        run: What process it was; None for records before any.
        first: Place of its first record.
        specs: What rates follow from, in order; a later one replaces the one before.
        before: Events of earlier lives that hold in this one from its beginning.
        awaited: Events of earlier lives that this one may decide again.
        events: Its own, in order.
        withdrawn: Sequences of the events that it withdrew.
        last: Last update that it is known to have made, -1 for none.
        end: How it ended; None: it goes on, or was killed.
    """

    run: Run | None
    first: int
    specs: list[Spec] = field(default_factory=list)
    before: tuple[Event, ...] = ()
    awaited: tuple[Event, ...] = ()
    events: list[Event] = field(default_factory=list)
    withdrawn: set[int] = field(default_factory=set)
    last: int = -1
    end: End | None = None

    def in_force(self, *, awaited: bool = True) -> tuple[Event, ...]:
        """Return the events that hold at its end.

        Args:
            awaited: Whether those count that were neither decided again, as far as
                records say, nor withdrawn.
        """
        found = [*self.before, *(self.awaited if awaited else ()), *self.events]
        kept = [one for one in found if one.sequence not in self.withdrawn]
        return tuple(sorted(kept, key=lambda one: one.sequence))


@final
class History:
    """A run's records, sorted by what they are.

    Attributes:
        lives: One for each process that wrote.
        entries: All but the metrics, in order.
        metrics: Number of metrics.
        latest: The last metric, None for none.
        time: When the last record was made; None without any. Unit: seconds since
            1970.
        n: Number of records.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        watch: Callable[[History, Entry], None] | None = None,
    ) -> None:
        """Read records.

        Args:
            entries: The records, from the first on.
            watch: Called with each, after it was taken in.
        """
        self.lives: list[Life] = []
        self.entries: list[Entry] = []
        self.metrics = 0
        self.latest: Metric | None = None
        self.time: float | None = None
        self.n = 0
        self._opened = False
        for entry in entries:
            self.add(entry)
            if watch is not None:
                watch(self, entry)

    def add(self, entry: Entry) -> None:
        """Take in one record more."""
        record = entry.record
        self.n = entry.n + 1
        self.time = record.time
        if isinstance(record, Metric):
            self.metrics += 1
            self.latest = record
            life = self._life(entry)
            life.last = max(life.last, record.update)
            return
        self.entries.append(entry)
        if isinstance(record, Run):
            last = self.lives[-1] if self.lives else None
            if last is not None and last.run is None and not last.specs:
                last.run = record  # what came before it were notes
            else:
                self.lives.append(Life(record, entry.n))
            self._opened = False
        elif isinstance(record, Answer):
            life = self._life(entry)
            life.last = max(life.last, record.update - 1)
        elif isinstance(record, End):
            life = self._life(entry)
            life.end = record
            life.last = max(life.last, (record.update or 0) - 1)
        elif isinstance(record, Spec):
            life = self._life(entry)
            life.specs.append(record)
            if not self._opened:
                self._open(life, record.update)
        elif isinstance(record, Changed):
            event = record.value()
            life = self._life(entry)
            if event.kind == "note" and event.values.get("withdraws") is not None:
                life.withdrawn.add(event.values["withdraws"])
            life.events.append(event)

    def _life(self, entry: Entry) -> Life:
        if not self.lives:
            self.lives.append(Life(None, entry.n))
        return self.lives[-1]

    def _open(self, life: Life, update: int) -> None:
        """Sort what earlier lives left, now that it is known where this one begins."""
        self._opened = True
        if len(self.lives) < 2:  # noqa: PLR2004 - this one and one before
            return
        old = self.lives[-2].in_force()
        again = [one for one in old if decided_again(one) and one.kind != "note"]
        life.awaited = tuple(one for one in again if one.update >= update)
        late = {one.sequence for one in life.awaited}
        life.before = tuple(one for one in old if one.sequence not in late)

    # --- what follows from it ------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The first process's record."""
        return next((life.run for life in self.lives if life.run is not None), None)

    @property
    def spec(self) -> Spec | None:
        """What the rates follow from now."""
        specs = (life.specs[-1] for life in reversed(self.lives) if life.specs)
        return next(specs, None)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events that hold now, in the order they came."""
        return self.lives[-1].in_force() if self.lives else ()

    @property
    def update(self) -> int:
        """Updates known to be made."""
        if not self.lives:
            return 0
        last = self.lives[-1]
        started = last.specs[0].update if last.specs else 0
        return max(last.last + 1, started)

    def commands(self) -> dict[str, tuple[Command, Answer | None]]:
        """Return every command with its answer, by id, in the order they came."""
        found: dict[str, tuple[Command, Answer | None]] = {}
        for entry in self.entries:
            record = entry.record
            if isinstance(record, Command):
                found.setdefault(record.id, (record, None))
            elif isinstance(record, Answer) and record.command in found:
                found[record.command] = (found[record.command][0], record)
        return found

    def notes(self) -> list[Note]:
        """Return all notes, in order."""
        records = (entry.record for entry in self.entries)
        return [one for one in records if isinstance(one, Note)]

    def rates(self, events: Sequence[Event] | None = None) -> Rates:
        """Return the rates as they are planned now.

        Args:
            events: The events that hold; None: those of the records.

        Raises:
            LedgerError: No record says what they follow from.
        """
        spec = self.spec
        if spec is None:
            rule = "have a spec: what the rates follow from"
            hint = "Scheduler(..., ledger=Ledger(folder)) records one"
            raise LedgerError(describe("run", rule, None, hint=hint))
        return Rates(spec, self.events if events is None else tuple(events))


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


Follows = tuple[ResolvedSchedule, float, str]
"""A schedule, what multiplies it, and the type of number that holds the product."""


def spec_from(
    update: int,
    groups: Sequence[str],
    rows: Mapping[str, Sequence[Follows | None]],
    source: str = "",
) -> Spec:
    """Return the record of what rates follow from, besides the events.

    Args:
        update: The first update it is of.
        groups: The param groups, by name.
        rows: For each hyperparameter what each group follows; None for nothing.
        source: What stands in the program.
    """
    parts: list[dict[str, Any]] = []
    places: dict[ResolvedSchedule, int] = {}
    sources: dict[str, tuple[Source | None, ...]] = {}
    for path, row in rows.items():
        found: list[Source | None] = []
        for one in row:
            if one is None:
                found.append(None)
                continue
            resolved, factor, dtype = one
            if resolved not in places:
                places[resolved] = len(parts)
                plain = {
                    "schedule": resolved.schedule.to_dict(),
                    "horizon": resolved.horizon.to_dict(),
                    "overflow": resolved.overflow,
                }
                parts.append(plain)
            name = dtype.removeprefix("torch.")
            found.append(Source(places[resolved], factor, name))
        sources[path] = tuple(found)
    return Spec(
        update=update,
        groups=tuple(groups),
        parts=tuple(parts),
        sources=sources,
        source=source,
    )


def alike(one: Spec, other: Spec) -> bool:
    """Whether the same rates follow from two specs."""
    return (one.groups, one.parts, one.sources) == (
        other.groups,
        other.parts,
        other.sources,
    )


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
