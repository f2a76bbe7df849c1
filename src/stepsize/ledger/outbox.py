"""`Outbox`: records on their way to a store; kept, marked and told where that fails.

Not here: what is recorded of a run (`Ledger`).
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterable
from typing import final

import msgspec

from stepsize.errors import CorruptRecordError, LedgerError
from stepsize.ledger.records import AnyRecord, Changed, Metric, Note, Run, Spec
from stepsize.ledger.store import Store

RETRY_SECONDS = 1.0
"""Time between two attempts to write after one that failed."""

MOST_WAITING = 100_000
"""Metrics kept in memory while nothing can be written; events are always kept."""

_KEPT = (
    "The training goes on; its records are kept in memory, and written when that is "
    "possible again:"
)


class LedgerWarning(UserWarning):
    """Records of a run are in memory only, or were."""


@final
class Outbox:
    """The records of one process that are not written yet, in order.

    Args:
        store: Where they go.

    Attributes:
        waiting: The records.
        begun: Whether the record of this process is written, which comes first.
    """

    def __init__(self, store: Store) -> None:
        self.waiting: list[AnyRecord] = []
        self.begun = False
        self._store = store
        self._flushed = time.monotonic()
        self._failed: float | None = None  # when writing began to fail
        self._tried = 0.0
        self._dropped = 0  # metrics that found no place in memory

    def add(
        self,
        records: Iterable[AnyRecord],
        first: Callable[[], Run],
        metrics_wait: float,
    ) -> None:
        """Take records, and write all that waits unless these are metrics alone.

        Args:
            records: The records.
            first: Makes the record of this process.
            metrics_wait: Time for which metrics may wait. Unit: seconds.

        Raises:
            CorruptRecordError: What is there is damaged, before anything was trained.
        """
        new = tuple(records)
        self.waiting += new
        lasting = any(one.lasting for one in new)
        now = time.monotonic()
        if not lasting:
            if self._failed is not None:
                self._limit()
            if now - self._flushed < metrics_wait:
                return
        self._write(now, first, urgent=lasting)

    def flush(self, first: Callable[[], Run]) -> None:
        """Write what waits, if the disk takes it."""
        if self.waiting:
            self._write(time.monotonic(), first, urgent=True)

    def begins(self) -> bool:
        """Whether what waits is the first of a training: others may only take notes."""
        kinds = (Changed, Metric, Spec)
        return not self.begun and any(isinstance(one, kinds) for one in self.waiting)

    def left(self) -> str:
        """Return what could not be written, in full; "" for nothing."""
        if not (self.waiting or self._dropped):
            return ""
        lasting = [one for one in self.waiting if one.lasting]
        metrics = len(self.waiting) - len(lasting) + self._dropped
        plain = [json.dumps(msgspec.to_builtins(one)) for one in lasting]
        text = (
            "could not be written to the end: "
            f"{len(lasting)} records and {metrics} metrics are not on disk."
        )
        return "\n".join([text, *plain])

    def _write(self, now: float, first: Callable[[], Run], *, urgent: bool) -> None:
        failed = self._failed is not None
        if failed and now - self._tried < RETRY_SECONDS and not urgent:
            return
        if failed and urgent and now - self._tried < RETRY_SECONDS / 10:
            self._mark()
            return
        lead: list[AnyRecord] = []
        begins = self.begins()
        if begins:
            lead.append(first())
        if failed:
            lead.append(self._outage(now))
        self._tried = now
        try:
            self._store.append(*lead, *self.waiting)
        except (LedgerError, OSError) as error:
            if not self.begun and isinstance(error, CorruptRecordError):
                self.waiting.clear()
                raise  # before anything was trained: for a person to look at
            self._mark()
            if not failed:
                self._failed = now
                warnings.warn(f"{_KEPT} {error}", LedgerWarning, stacklevel=5)
            return
        self.waiting.clear()
        self.begun = self.begun or begins
        self._flushed = now
        self._failed = None
        self._dropped = 0

    def _mark(self) -> None:
        """Mark what is about to take effect without being on disk."""
        self.waiting = [
            msgspec.structs.replace(one, late=True)
            if one.lasting and not one.late
            else one
            for one in self.waiting
        ]

    def _limit(self) -> None:
        metrics = sum(not one.lasting for one in self.waiting)
        if metrics > MOST_WAITING:
            kept = [one for one in self.waiting if one.lasting]
            self._dropped += len(self.waiting) - len(kept)
            self.waiting = kept

    def _outage(self, now: float) -> Note:
        seconds = now - (self._failed or now)
        late = sum(one.late for one in self.waiting)
        text = (
            f"nothing could be written for {seconds:.1f} s; {late} records that are "
            "marked late were in memory only, and in effect"
        )
        if self._dropped:
            text += f"; {self._dropped} metrics were dropped"
        return Note(text=text, source="ledger")
