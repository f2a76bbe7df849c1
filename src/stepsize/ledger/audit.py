"""Who changed what in a run, when and why, as rows; not how they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, final

from stepsize.control.events import Event
from stepsize.errors import StepsizeError
from stepsize.ledger.chain import Entry
from stepsize.ledger.history import History, Life
from stepsize.ledger.rates import Rates
from stepsize.ledger.records import (
    Advice,
    Answer,
    Changed,
    Command,
    End,
    Finder,
    Note,
    Run,
    Spec,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that happened.

    Attributes:
        line: Number of its record, from 1.
        time: When; as in ISO 8601, UTC, to the second.
        update: The update it takes effect at; None: none.
        who: Who decided.
        what: What was done.
        why: The reason.
        before: Rate of the first group without it, in that update, or where it is no
            longer eased; None: it changes none, or that cannot be said.
        after: The same with it.
        late: Whether it was written after it had taken effect.
    """

    line: int
    time: str
    update: int | None
    who: str
    what: str
    why: str
    before: float | None = None
    after: float | None = None
    late: bool = False


def rows(history: History) -> list[Row]:
    """Return all that happened but for the metrics, in the order it was recorded."""
    lives = _lives(history)
    return [
        row
        for entry in history.entries
        if (row := _row(entry, next(lives), history)) is not None
    ]


def _lives(history: History) -> Iterator[Life]:
    """Yield the life of each entry; one that is empty before any began."""
    lives = history.lives or [Life(None, 0)]
    index = 0
    for entry in history.entries:
        while index + 1 < len(lives) and lives[index + 1].first <= entry.n:
            index += 1
        yield lives[index]


def _row(entry: Entry, life: Life, history: History) -> Row | None:
    record = entry.record
    made: dict[str, Any]
    if isinstance(record, Run):
        first = life is history.lives[0]
        made = {
            "who": f"{record.user}@{record.host}",
            "what": f"{'start' if first else 'resume'} (stepsize {record.version})",
            "why": ", ".join(f"{k}={v}" for k, v in record.tags.items()),
        }
    elif isinstance(record, Spec):
        made = {"who": "program", "what": "spec", "why": record.source}
        made["update"] = record.update
    elif isinstance(record, Changed):
        made = _change(record.value(), life)
    elif isinstance(record, Command):
        what = f"command {record.id}: {described(record.verb, record.values)}"
        made = {"who": record.author, "what": what, "why": record.reason}
    elif isinstance(record, Answer):
        made = {
            "who": "training",
            "what": f"{record.status} command {record.command}",
            "why": record.why,
            "update": record.update,
        }
    elif isinstance(record, Finder):
        made = {"who": "finder", "what": "rate found", "why": record.text}
    elif isinstance(record, Advice):
        followed = {None: "", True: " (followed)", False: " (not followed)"}
        what = f"advice{followed[record.followed]}"
        made = {"who": record.source or "advice", "what": what, "why": record.text}
    elif isinstance(record, Note):
        made = {"who": record.source, "what": "note", "why": record.text}
        made["update"] = record.update
    elif isinstance(record, End):
        made = {"who": "program", "what": record.outcome, "why": record.why}
    else:
        return None
    return Row(
        line=entry.n + 1,
        time=instant(record.time),
        update=made.pop("update", None),
        late=record.late,
        **made,
    )


def _change(event: Event, life: Life) -> dict[str, Any]:
    before, after = _effect(event, life)
    target = event.target
    where = (
        ""
        if (target.hyperparameter, target.groups) == ("lr", "*")
        else (f" of {target.hyperparameter} in groups {target.groups}")
    )
    return {
        "who": event.source,
        "what": described(event.kind, dict(event.values)) + where,
        "why": event.reason,
        "update": event.update,
        "before": before,
        "after": after,
    }


def _effect(event: Event, life: Life) -> tuple[float | None, float | None]:
    """Return the rate without an event, and with it, where it is no longer eased."""
    if not life.specs or event.kind == "note":
        return None, None
    known = [*life.before, *life.events]
    earlier = tuple(one for one in known if one.sequence < event.sequence)
    path = event.target.hyperparameter
    over = event.values.get("over")
    at = event.update + (over if isinstance(over, int) else 0)
    try:
        found = [
            Rates(life.specs[-1], events).at(at, path)
            for events in (earlier, (*earlier, event))
        ]
    except (StepsizeError, KeyError):
        return None, None
    pairs = [one for one in zip(*found, strict=True) if one[0] is not None]
    changed = [one for one in pairs if one[0] != one[1]]
    return (changed or pairs or [(None, None)])[0]


def described(kind: str, values: dict[str, Any]) -> str:
    """Return a verb with its values, those left out that say nothing.

    Examples:
        >>> described("scale", {"factor": 0.5, "over": 0})
        'scale(factor=0.5, over=0)'
    """
    said = ", ".join(f"{k}={_short(v)}" for k, v in values.items() if v is not None)
    return f"{kind}({said})" if said else kind


def _short(value: Any) -> str:
    text = str(value)
    long = isinstance(value, float) and len(text) > 10  # noqa: PLR2004 - 0.00012345
    return f"{value:.6g}" if long else text


def instant(seconds: float) -> str:
    """Return a time as in ISO 8601, UTC, to the second.

    Examples:
        >>> instant(0.0)
        '1970-01-01T00:00:00Z'
    """
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return "unknown"
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
