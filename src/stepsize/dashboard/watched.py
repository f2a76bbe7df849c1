"""`Watched`: one run, of which each record is read once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import final

import msgspec

from stepsize.dashboard.columns import Columns
from stepsize.errors import CorruptRecordError, StepsizeError
from stepsize.ledger.chain import Entry
from stepsize.ledger.following import Follower
from stepsize.ledger.glance import Glance, at_ends, of_history
from stepsize.ledger.history import History
from stepsize.ledger.jsonl_store import JsonlStore
from stepsize.ledger.records import Metric, Spec
from stepsize.ledger.store import HasEnds, Store

FRESH_SECONDS = 0.2
"""Time for which a look at a store is good enough for all who ask."""

_RECENT = 2_000
"""Records kept as text for those who follow the run."""

_BATCH = 5_000


@final
class Watched:
    """A run, and what is known of it; may be used from several threads.

    Args:
        identity: What it is called in addresses.
        place: Where it is, as it is shown.
        store: Its records.
        name: What it is called if it does not say so.
    """

    def __init__(self, identity: str, place: str, store: Store, name: str) -> None:
        self.identity = identity
        self.place = place
        self.store = store
        self.name = name
        self.guard = threading.RLock()
        self.damage = ""
        self.columns: Columns | None = None
        self._history: History | None = None
        self._follower = Follower(store, metrics=False)
        self._looked = float("-inf")
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=_RECENT)
        self._glance: tuple[object, Glance] | None = None

    # --- reading -------------------------------------------------------------------

    def history(self) -> History:
        """Return all records but the metrics, as of now.

        Raises:
            CorruptRecordError: A record is damaged.
            UnavailableError: They could not be read.
        """
        with self.guard:
            return self._look(whole=False)

    def opened(self) -> tuple[History, Columns]:
        """Return all records, the metrics as columns; kept up to date from then on.

        Raises:
            CorruptRecordError: A record is damaged.
            UnavailableError: They could not be read.
        """
        with self.guard:
            history = self._look(whole=True)
            return history, self.columns or Columns()

    def written(self) -> None:
        """Have the next look be a real one: something was written just now."""
        with self.guard:
            self._looked = float("-inf")

    def close(self) -> None:
        """Forget the metrics."""
        with self.guard:
            if self.columns is not None:
                self._begin(whole=False)

    def _begin(self, *, whole: bool) -> History:
        self._follower = Follower(self.store, metrics=whole)
        self._history = History(())
        self.columns = Columns() if whole else None
        self._recent.clear()
        self._looked = float("-inf")
        self._glance = None
        self.damage = ""
        return self._history

    def _look(self, *, whole: bool) -> History:
        history = self._history
        if history is None or (whole and self.columns is None):
            history = self._begin(whole=whole)
        now = time.monotonic()
        if now - self._looked < FRESH_SECONDS and not self.damage:
            return history
        if self._follower.replaced():
            history = self._begin(whole=self.columns is not None)
        if self.damage:
            raise CorruptRecordError(self.damage)
        try:
            for entry in self._follower.entries():
                self._take(history, entry)
        except CorruptRecordError as error:
            self.damage = str(error)
            raise
        self._looked = now
        return history

    def _take(self, history: History, entry: Entry) -> None:
        try:
            history.add(entry)
        except StepsizeError as error:
            raise CorruptRecordError(f"line {entry.n + 1}: {error}") from error
        if self.columns is None:
            return
        record = entry.record
        if isinstance(record, Metric):
            self.columns.add(record)
        elif isinstance(record, Spec):
            self.columns.rename(record.groups)
        plain = msgspec.json.encode({"n": entry.n, "record": record})
        self._recent.append((entry.n, plain))

    # --- what is said of it ----------------------------------------------------------

    def glance(
        self,
        *,
        patient: bool = True,
        last: int | None = None,
        ends: Sequence[Entry] | None = None,
    ) -> Glance:
        """Return where it stands; from its ends if it was not read yet.

        Args:
            patient: Whether there is time to ask for a run that is no file, and was not
                read yet.
            last: Place of its last record, if that is known: what was seen with it is
                not looked at again.
            ends: Its first and last records, if those are known.
        """
        with self.guard:
            try:
                store, read = self.store, self._history
                if read is not None and (last is None or last >= read.n):
                    read = self.history()
                if read is not None:
                    key: object = (read.n, id(read))
                    return self._known(key, lambda: of_history(read, self.name))
                if isinstance(store, JsonlStore):
                    found = store.path.stat()
                    key = (found.st_ino, found.st_size)
                elif ends is not None:
                    return self._known(ends[-1].n, lambda: at_ends(ends, self.name))
                elif not patient:
                    unread = Glance(name=self.name, unread=True)
                    return unread if self._glance is None else self._glance[1]
                else:
                    key = object() if last is None else last
                if isinstance(store, HasEnds):
                    return self._known(key, lambda: at_ends(store.ends(), self.name))
                self.history()
                return self.glance(last=last)
            except (StepsizeError, OSError) as error:
                return Glance(name=self.name, damaged=str(error))

    def _known(self, key: object, make: Callable[[], Glance]) -> Glance:
        if self._glance is None or self._glance[0] != key:
            self._glance = (key, make())
        return self._glance[1]

    @property
    def read(self) -> bool:
        """Whether it was read from beginning to end."""
        return self._history is not None

    def since(self, n: int) -> tuple[int, list[bytes]]:
        """Return records from a place on, as JSON, and the place to go on from.

        Args:
            n: The place of the first; one that is behind the end is the end.
        """
        with self.guard:
            history, _ = self.opened()
            if n >= history.n:
                return history.n, []
            if self._recent and self._recent[0][0] <= n:
                skipped = n - self._recent[0][0]
                found = [self._recent[i][1] for i in range(skipped, len(self._recent))]
                return n + len(found[:_BATCH]), found[:_BATCH]
        lines: list[bytes] = []
        for entry in self.store.read(n):
            lines.append(msgspec.json.encode({"n": entry.n, "record": entry.record}))
            if len(lines) >= _BATCH:
                break
        return n + len(lines), lines
