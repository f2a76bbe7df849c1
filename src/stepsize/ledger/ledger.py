"""`Ledger`: all that is recorded of a run, written by its training process.

Not here: where records are kept (`Store`), how they get there (`Outbox`), and who may
steer (`Bounds`).
"""

from __future__ import annotations

import atexit
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self, final

from stepsize.control.events import Event
from stepsize.errors import LedgerError, describe
from stepsize.ledger.bounds import Bounds, load_bounds
from stepsize.ledger.chain import START, Entry, seal
from stepsize.ledger.outbox import LedgerWarning, Outbox
from stepsize.ledger.places import name_of, store_of
from stepsize.ledger.records import (
    Advice,
    AnyRecord,
    Changed,
    End,
    Finder,
    Metric,
    Note,
    Run,
    Spec,
)
from stepsize.ledger.store import Store


@final
class Ledger:
    """The records of one run; an `EventSink`, to be given to a Scheduler.

    Every record but a metric is on disk before the call that makes it returns; metrics
    follow every few seconds. A disk that fails never stops a training, and what it did
    not take is not lost silently: it is kept in memory and marked `late`, a warning
    says so, it is written as soon as that is possible again, and what is left at the
    end is told in full.

    Several processes may hold ledgers of the same run; on the ranks of one training,
    only the first writes.

    Args:
        place: The run's folder, the address of a database (see `store_of`), or a
            `Store`.
        name: The run's name; a text that is not empty. None: that of the folder.
        metrics_every: Updates between two records of rates and losses; int >= 1.
        flush_seconds: Time after which metrics are written. Unit: seconds; >= 0.
        poll_seconds: Time between two looks for commands. Unit: seconds; > 0; None:
            never, nobody can steer.
        bounds: Who may steer, and how far: a `Bounds`, or its file. None:
            `steering.yaml` in the run's folder, if it is there.
        tags: What else is to be known of the run, texts by name: a commit, a job's
            number, ...

    Raises:
        LedgerError: A value is outside its range, or the file of bounds is damaged.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> with Ledger(folder.name, name="first") as ledger:
        ...     ledger.append(Event(update=5, kind="scale", values={"factor": 0.5}))
        ...     ledger.metric(4, loss=0.7)
        ...     ledger.note("the data were shuffled anew")
        >>> [type(entry.record).__name__ for entry in ledger.entries()]
        ['Run', 'Changed', 'Metric', 'Note', 'End']
        >>> folder.cleanup()
    """

    def __init__(
        self,
        place: str | os.PathLike[str] | Store,
        *,
        name: str | None = None,
        metrics_every: int = 10,
        flush_seconds: float = 5.0,
        poll_seconds: float | None = 1.0,
        bounds: Bounds | str | os.PathLike[str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.store: Store = store_of(place)
        self.name = name_of(self.store) if name is None else name
        if not _is_text(self.name) or not self.name:
            rule = "be a text that is not empty"
            raise LedgerError(describe("Ledger.name", rule, self.name))
        if type(metrics_every) is not int or metrics_every < 1:
            rule = "be an int >= 1 (unit: updates)"
            raise LedgerError(describe("Ledger.metrics_every", rule, metrics_every))
        if not _is_number(flush_seconds) or not flush_seconds >= 0:
            rule = "be >= 0 (unit: seconds)"
            raise LedgerError(describe("Ledger.flush_seconds", rule, flush_seconds))
        if poll_seconds is not None and not (
            _is_number(poll_seconds) and poll_seconds > 0
        ):
            rule = "be > 0, or None (unit: seconds)"
            raise LedgerError(describe("Ledger.poll_seconds", rule, poll_seconds))
        self.metrics_every = metrics_every
        self.flush_seconds = flush_seconds
        self.poll_seconds = poll_seconds
        self.bounds = _bounds(bounds, self.store)
        self.tags = _tags(tags)
        self.ranks = 1
        self._guard = threading.RLock()
        self._outbox = Outbox(self.store)
        self._ending: Callable[..., Any] | None = None
        self._made: Callable[[], int | None] | None = None

    def counted(self, made: Callable[[], int | None]) -> None:
        """Say how to know the updates made: asked once, at the end."""
        self._made = made

    # --- the sink of a Scheduler ---------------------------------------------------

    def append(self, event: Event) -> None:
        """Record an event; on disk when this returns, or kept in memory and told.

        Raises:
            LedgerError: It is no event.
        """
        if not isinstance(event, Event):
            hint = "Ledger.record(...) takes records"
            raise LedgerError(
                describe("Ledger.append", "get an Event", event, hint=hint)
            )
        self.record(Changed.of(event))

    def events(self) -> list[Event]:
        """Return every event, in the order they came.

        Raises:
            LedgerError: They could not be read.
        """
        with self._guard:
            written = (entry.record for entry in self.store.read())
            return [
                one.value()
                for one in chain(written, self._outbox.waiting)
                if isinstance(one, Changed)
            ]

    # --- what is recorded ----------------------------------------------------------

    def record(self, *records: AnyRecord) -> None:
        """Write records; metrics alone may wait.

        Raises:
            LedgerError: One of them is no record, or no JSON. None was written.
        """
        for one in records:
            if getattr(one, "lasting", True):
                seal(0, one, START)
        with self._guard:
            self._remember_end()
            self._outbox.add(records, self._run, self.flush_seconds)

    def metric(
        self,
        update: int,
        rates: Mapping[str, Sequence[float | None]] | None = None,
        **values: float,
    ) -> None:
        """Record what was measured in an update.

        Args:
            update: The update; it was made. int >= 0.
            rates: Values it used: for each hyperparameter one for each group.
            values: Measurements by name: `metric(7, loss=0.3)`; NaN is one.

        Raises:
            LedgerError: The update is no int >= 0.
        """
        self.record(Metric.of(update, rates, values))

    def note(
        self, text: str, *, source: str = "operator", update: int | None = None
    ) -> None:
        """Record something to be known."""
        self.record(Note(text=text, source=source, update=update))

    def advice(
        self,
        text: str,
        *,
        source: str = "",
        values: Mapping[str, Any] | None = None,
        followed: bool | None = None,
    ) -> None:
        """Record a recommendation, such as one of the planner."""
        given = dict(values or {})
        self.record(Advice(text=text, source=source, values=given, followed=followed))

    def finder(self, found: Any, text: str = "") -> None:
        """Record what a search for a rate found.

        Args:
            found: A mapping of JSON, or what has one as `to_dict()`.
            text: The same in words.
        """
        plain = found.to_dict() if hasattr(found, "to_dict") else found
        self.record(Finder(found=_without_nan(plain), text=text))

    def spec(self, spec: Spec) -> None:
        """Record what the rates follow from."""
        self.record(spec)

    def resumed(self) -> None:
        """Record that this process has gone back to a checkpoint."""
        with self._guard:
            if self._outbox.begun:
                self.record(self._run())

    def _run(self) -> Run:
        digest = None if self.bounds is None else self.bounds.sha256()
        return Run.here(self.name, ranks=self.ranks, bounds=digest, tags=self.tags)

    # --- reading -------------------------------------------------------------------

    def entries(self, from_n: int = 0) -> Iterator[Entry]:
        """Return what is written, from a place on; metrics that wait are written first.

        Raises:
            LedgerError: It could not be read.
        """
        self.flush()
        return self.store.read(from_n)

    @property
    def unsaved(self) -> int:
        """Records that are in memory only."""
        return len(self._outbox.waiting)

    # --- writing -------------------------------------------------------------------

    def flush(self) -> None:
        """Write what waits, if the disk takes it."""
        with self._guard:
            self._outbox.flush(self._run)

    def close(
        self, outcome: Literal["closed", "failed", "exited"] = "closed", why: str = ""
    ) -> None:
        """Write what waits; warn, with all of it, if that is not possible.

        Args:
            outcome: How the training ended.
            why: The exception, if it failed.
        """
        with self._guard:
            if self._ending is not None:
                atexit.unregister(self._ending)
                self._ending = None
                if self._outbox.begun or self._outbox.begins():
                    made = None if self._made is None else self._made()
                    end = End(outcome=outcome, why=why, update=made)
                    self._outbox.waiting.append(end)
            self._outbox.flush(self._run)
            left = self._outbox.left()
            if left:
                whose = f"The ledger of run {self.name!r}"
                warnings.warn(f"{whose} {left}", LedgerWarning, stacklevel=2)

    def __enter__(self) -> Self:
        """Return itself; `close` comes at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        """Close it, and record what was raised."""
        if kind is None:
            self.close()
        else:
            self.close("failed", f"{kind.__name__}: {error}")

    def tell(self, error: Exception, what: str) -> None:
        """Warn of a disk, or a database, that failed."""
        warnings.warn(f"{what} {error}", LedgerWarning, stacklevel=5)

    def _remember_end(self) -> None:
        """Have what waits written, or told, when the process ends."""
        if self._ending is None:
            self._ending = _at_end(weakref.ref(self))
            atexit.register(self._ending)

    # --- copies --------------------------------------------------------------------

    def __copy__(self) -> Ledger:
        """Return itself: a copy would be of the same run."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Ledger:
        """Return itself, as `__copy__` does."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the place and the settings."""
        return _again, (
            self.store,
            {
                "name": self.name,
                "metrics_every": self.metrics_every,
                "flush_seconds": self.flush_seconds,
                "poll_seconds": self.poll_seconds,
                "bounds": self.bounds,
                "tags": self.tags,
            },
        )

    def __repr__(self) -> str:
        """Return the place."""
        return f"Ledger({self.store!r}, name={self.name!r})"


def _again(store: Store, settings: dict[str, Any]) -> Ledger:
    return Ledger(store, **settings)


def _at_end(reference: weakref.ref[Ledger]) -> Callable[[], None]:
    def end() -> None:
        ledger = reference()
        if ledger is not None:
            ledger.close("exited")

    return end


def _bounds(
    given: Bounds | str | os.PathLike[str] | None, store: Store
) -> Bounds | None:
    if isinstance(given, Bounds):
        return given
    if isinstance(given, (str, os.PathLike)):
        return load_bounds(Path(given))
    if given is not None:
        rule = "be a Bounds, or the path of its file"
        raise LedgerError(describe("Ledger.bounds", rule, given))
    path = getattr(store, "path", None)
    usual = path.parent / "steering.yaml" if isinstance(path, Path) else None
    return load_bounds(usual) if usual is not None and usual.exists() else None


def _tags(given: Mapping[str, str] | None) -> dict[str, str]:
    tags = {} if given is None else given
    if not isinstance(tags, Mapping):
        raise LedgerError(describe("Ledger.tags", "be a mapping of texts", tags))
    for name, one in tags.items():
        if not (_is_text(name) and _is_text(one)):
            hint = "write a number as str(number)"
            field = f"Ledger.tags[{name!r}]"
            raise LedgerError(describe(field, "be a text", one, hint=hint))
    return dict(tags)


def _is_text(value: object) -> bool:
    """Whether it is a text that UTF-8 can hold."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _without_nan(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value
