"""Where a run stands: from its first and last records, or from all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from stepsize.errors import StepsizeError
from stepsize.ledger.chain import Entry
from stepsize.ledger.history import History
from stepsize.ledger.records import Changed, End, Metric, Run

SILENT_SECONDS = 600.0
"""Time without a record after which a run counts as silent."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a list says of a run.

    Attributes:
        name: What it is called.
        update: Updates made, as far as is recorded.
        total: Update at which it ends, as planned now; None: unknown, or not looked at
            yet.
        rate: The first rate of the last recorded update.
        loss: Its loss.
        changes: Events in force; None: not looked at yet.
        time: Of the last record. Unit: seconds since 1970.
        ended: How its last process ended; "" for not.
        host: Where it runs.
        damaged: What is wrong with its records; "" for nothing.
        unread: Whether nothing but its name is known yet.
    """

    name: str
    update: int = 0
    total: int | None = None
    rate: float | None = None
    loss: float | None = None
    changes: int | None = None
    time: float | None = None
    ended: str = ""
    host: str = ""
    damaged: str = ""
    unread: bool = False

    @property
    def state(self) -> str:
        """Return "running", "silent", "damaged", "unread", or how it ended."""
        if self.damaged or self.unread:
            return "damaged" if self.damaged else "unread"
        if self.ended:
            return self.ended
        if self.time is not None and time.time() - self.time < SILENT_SECONDS:
            return "running"
        return "silent"


def at_ends(ends: Sequence[Entry], name: str) -> Glance:
    """Return where a run stands, from its first and last records alone.

    Args:
        ends: The records, as `HasEnds.ends` gives them.
        name: What it is called if they do not say so.
    """
    records = [one.record for one in ends]
    runs = [one for one in records if isinstance(one, Run)]
    metric = next((one for one in reversed(records) if isinstance(one, Metric)), None)
    ended = ""
    for one in reversed(records):
        if isinstance(one, End):
            ended = one.outcome
        if isinstance(one, (End, Run, Metric, Changed)):
            break
    return Glance(
        name=runs[-1].run if runs else name,
        update=0 if metric is None else metric.update + 1,
        rate=_rate(metric),
        loss=_loss(metric),
        time=records[-1].time if records else None,
        ended=ended,
        host=runs[-1].host if runs else "",
    )


def of_history(history: History, name: str) -> Glance:
    """Return where a run stands, from all of its records."""
    total, rate = None, _rate(history.latest)
    try:
        rates = history.rates()
        total = rates.ends(history.update)
        if rate is None:
            row = rates.at(max(history.update - 1, 0), rates.paths[0])
            rate = next((one for one in row if one is not None), None)
    except StepsizeError:
        pass  # a run without a spec, or with a schedule that is a function
    end = history.lives[-1].end if history.lives else None
    run = history.run
    return Glance(
        name=name if run is None else run.run,
        update=history.update,
        total=total,
        rate=rate,
        loss=_loss(history.latest),
        changes=sum(one.kind != "note" for one in history.events),
        time=history.time,
        ended="" if end is None else end.outcome,
        host="" if run is None else run.host,
    )


def _rate(metric: Metric | None) -> float | None:
    if metric is None:
        return None
    row = metric.rates.get("lr") or next(iter(metric.rates.values()), ())
    return next((one for one in row if one is not None), None)


def _loss(metric: Metric | None) -> float | None:
    if metric is None or "loss" not in metric.values:
        return None
    return float(metric.values["loss"])
