"""The records of a run: one immutable fact each, as JSON; not where they are kept."""

from __future__ import annotations

import getpass
import math
import os
import platform
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from operator import index
from typing import Any, ClassVar, Literal, final

import msgspec

from stepsize.control.events import Event
from stepsize.errors import LedgerError, describe

Plain = dict[str, Any]


class Record(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
):
    """What every record has; its kind is the class's name in small letters.

    Attributes:
        time: When it happened. Unit: seconds since 1970 (UTC).
        late: Whether it was written after it had taken effect: the disk failed.
    """

    lasting: ClassVar[bool] = True  # on disk before `append` returns

    time: float = msgspec.field(default_factory=time.time)
    late: bool = False


@final
class Run(Record, frozen=True, kw_only=True, tag="run"):
    """A process began to write: the first one starts the run, later ones resume it.

    Attributes:
        run: The run's name.
        process: What tells this process from all others.
        host: Where it runs.
        user: Whose it is, as the operating system says.
        pid: Its number there.
        version: Of stepsize.
        python: Version of Python.
        ranks: Processes that train together; this one speaks for them.
        bounds: SHA-256 of the file that says who may steer, and how far; None: there
            is none.
        tags: What else is to be known: a commit, a job's number, ...
    """

    run: str
    process: str
    host: str = ""
    user: str = ""
    pid: int = 0
    version: str = ""
    python: str = ""
    ranks: int = 1
    bounds: str | None = None
    tags: dict[str, str] = {}

    @classmethod
    def here(
        cls,
        run: str,
        *,
        ranks: int = 1,
        bounds: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Run:
        """Return the record of this process."""
        from stepsize import __version__

        return cls(
            run=run,
            process=uuid.uuid4().hex,
            host=socket.gethostname(),
            user=user_name(),
            pid=os.getpid(),
            version=__version__,
            python=platform.python_version(),
            ranks=ranks,
            bounds=bounds,
            tags=dict(tags or {}),
        )


@final
class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one hyperparameter of one param group follows.

    Attributes:
        part: Index in `Spec.parts`.
        factor: What multiplies it.
        dtype: How exactly the value is held: "float64", "float32", "float16" or
            "bfloat16".
    """

    part: int
    factor: float = 1.0
    dtype: str = "float64"


@final
class Spec(Record, frozen=True, kw_only=True, tag="spec"):
    """What the rates follow from, besides the events.

    Attributes:
        update: The first update it is of.
        groups: The param groups, by name.
        parts: Schedules with their horizons: {"schedule", "horizon", "overflow"}.
        sources: For each hyperparameter one for each group; None where a group has no
            such hyperparameter.
        source: What stands in the program, where that is known.
    """

    update: int
    groups: tuple[str, ...]
    parts: tuple[Plain, ...]
    sources: dict[str, tuple[Source | None, ...]]
    source: str = ""


@final
class Changed(Record, frozen=True, kw_only=True, tag="event"):
    """An event: one change of the schedule.

    Attributes:
        event: `Event.to_dict()`.
    """

    event: Plain

    @classmethod
    def of(cls, event: Event) -> Changed:
        """Return the record of an event."""
        return cls(event=event.to_dict())

    def value(self) -> Event:
        """Return the event.

        Raises:
            InvalidScheduleError: It is damaged.
        """
        return Event.from_dict(self.event)


@final
class Metric(Record, frozen=True, kw_only=True, tag="metric"):
    """What was measured in an update.

    Attributes:
        update: The update; it was made.
        rates: Values that it really used: for each hyperparameter one for each group,
            None where a group has none.
        values: Measurements by name: "loss", ...; "nan", "inf" and "-inf" as texts, as
            JSON has no such numbers. `float` reads both.
    """

    lasting: ClassVar[bool] = False

    update: int
    rates: dict[str, tuple[float | None, ...]] = {}
    values: dict[str, float | Literal["nan", "inf", "-inf"]] = {}

    @classmethod
    def of(
        cls,
        update: int,
        rates: Mapping[str, Sequence[float | None]] | None = None,
        values: Mapping[str, float] | None = None,
        *,
        when: float | None = None,
    ) -> Metric:
        """Return the record of measurements, not finite ones among them.

        Raises:
            LedgerError: The update is no int >= 0.
        """
        return cls(
            update=_update(update),
            rates={
                path: tuple(None if one is None else float(one) for one in row)
                for path, row in (rates or {}).items()
            },
            values={name: _plain(value) for name, value in (values or {}).items()},
            time=time.time() if when is None else when,
        )


@final
class Finder(Record, frozen=True, kw_only=True, tag="finder"):
    """A rate was looked for.

    Attributes:
        found: What was found, as the finder writes it.
        text: The same in words.
    """

    found: Plain
    text: str = ""


@final
class Advice(Record, frozen=True, kw_only=True, tag="advice"):
    """A recommendation that the run follows, or does not.

    Attributes:
        text: What was recommended.
        source: Who or what says so, with where to read it.
        values: Its numbers.
        followed: Whether the run follows it; None: not said.
    """

    text: str
    source: str = ""
    values: Plain = {}
    followed: bool | None = None


@final
class Command(Record, frozen=True, kw_only=True, tag="command"):
    """What somebody asks of a running training.

    Attributes:
        id: What tells it from all others: one that was seen before does nothing.
        verb: "cooldown", "scale", "stop", ...; see `stepsize.ledger.commands`.
        values: The verb's values.
        author: Who asks.
        reason: Why.
        hyperparameter: What it is about.
        groups: Pattern of the names of param groups.
        expected_step: Step of the curve at which it was meant to take effect; None:
            at any.
        tolerance: Steps it may be off by.
        seen: Sequence of the last event its author knew of, -1 for none: after a later
            one it is refused. None: it does not matter.
        expires: Time after which it is refused. Unit: seconds since 1970; None: never.
        host: Where it was given.
    """

    id: str
    verb: str
    values: Plain = {}
    author: str
    reason: str = ""
    hyperparameter: str = "lr"
    groups: str = "*"
    expected_step: int | None = None
    tolerance: int = 0
    seen: int | None = None
    expires: float | None = None
    host: str = ""


@final
class Answer(Record, frozen=True, kw_only=True, tag="answer"):
    """What became of a command.

    Attributes:
        command: The command's id.
        status: "applied", or "refused".
        update: The first update that it has an effect on, the same on all ranks.
        why: Why it was refused, or what was done.
        events: Sequences of the events that came of it.
    """

    command: str
    status: Literal["applied", "refused"]
    update: int
    why: str = ""
    events: tuple[int, ...] = ()


@final
class Note(Record, frozen=True, kw_only=True, tag="note"):
    """Something to be known, without effect.

    Attributes:
        text: What.
        source: Who says so: "ledger", "operator:NAME", ...
        update: The update it is about; None: none.
    """

    text: str
    source: str = "operator"
    update: int | None = None


@final
class End(Record, frozen=True, kw_only=True, tag="end"):
    """A process of the run closed its ledger; one that was killed leaves none.

    Attributes:
        outcome: "closed"; "failed", by an exception; or "exited", the process ended
            without closing it.
        why: The exception.
        update: Updates made, over all processes; None: not known.
    """

    outcome: Literal["closed", "failed", "exited"]
    why: str = ""
    update: int | None = None


AnyRecord = (
    Run | Spec | Changed | Metric | Finder | Advice | Command | Answer | Note | End
)
"""Any record: what a line may hold."""


def _update(value: Any) -> int:
    """Read an update: Python's int or NumPy's."""
    try:
        update = index(value)
    except TypeError:
        update = -1
    if update < 0:
        rule = "be an int >= 0 (unit: updates)"
        raise LedgerError(describe("Metric.update", rule, value))
    return update


def _plain(value: float) -> Any:
    number = float(value)
    if math.isfinite(number):
        return number
    return "nan" if number != number else ("inf" if number > 0 else "-inf")  # noqa: PLR0124 - NaN


def user_name() -> str:
    """Return who runs this process, as the operating system says."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
