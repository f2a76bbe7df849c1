"""What a run's records say: its processes, its spec, the events that hold.

Each process of a run is a *life*. A life that resumes from update c finds the events of
the lives before it: what people and clocks decided is applied again, what policies
decided from c on is decided again or withdrawn (see `stepsize.control.journal`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from stepsize.control.events import Event
from stepsize.control.journal import decided_again
from stepsize.errors import LedgerError, describe
from stepsize.ledger.chain import Entry
from stepsize.ledger.rates import Rates
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
