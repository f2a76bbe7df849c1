"""`Index`: the runs of a folder or a database, found by names that are no paths."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

from stepsize.dashboard.watched import Watched
from stepsize.errors import LedgerError, StepsizeError, describe
from stepsize.ledger.chain import Entry
from stepsize.ledger.glance import Glance
from stepsize.ledger.history import History
from stepsize.ledger.places import ends_below, last_places, name_of, stores_below
from stepsize.ledger.records import Metric

_FIND_SECONDS = 2.0
_LIST_SECONDS = 0.3
_PAUSE_SECONDS = 0.005  # between two runs, so that requests come first
_OPENED = 200
"""Runs of which the metrics are kept in memory."""


@final
class Index:
    """The runs below a place.

    Args:
        place: A folder, or the address of a database.

    Raises:
        LedgerError: It is neither.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._guard = threading.Lock()
        self._runs: dict[str, Watched] = {}
        self._opened: OrderedDict[str, None] = OrderedDict()
        self._found = 0.0
        self._warm: threading.Thread | None = None
        self.runs()

    def runs(self) -> list[Watched]:
        """Return all runs, by place; new ones are found within two seconds.

        Raises:
            LedgerError: The place is gone, or cannot be read.
        """
        with self._guard:
            now = time.monotonic()
            if self._found and now - self._found < _FIND_SECONDS:
                return list(self._runs.values())
            found: dict[str, Watched] = {}
            for place, store in stores_below(self.place):
                identity = identity_of(place)
                known = self._runs.get(identity)
                found[identity] = known or Watched(
                    identity, _shown(place, self.place), store, name_of(store)
                )
            self._runs = found
            self._found = time.monotonic()
            return list(found.values())

    def glances(self) -> list[tuple[Watched, Glance]]:
        """Return where each run stands, the latest first; of some not all is known.

        A file has its last lines to look at, and a database is asked once for those of
        all runs; besides, as many runs are read as fit into a moment. What is left is
        for `warm`.
        """
        runs = self.runs()
        last = last_places(self.place)
        known = ends_below(self.place) if any(not run.read for run in runs) else {}
        ends = time.monotonic() + _LIST_SECONDS
        found = [
            (
                run,
                run.glance(
                    patient=time.monotonic() < ends,
                    last=last.get(run.name),
                    ends=_telling(known.get(run.name, ())),
                ),
            )
            for run in runs
        ]
        found.sort(key=lambda one: (-(one[1].time or 0.0), one[0].place))
        for index, (run, _) in enumerate(found):
            if time.monotonic() > ends:
                break
            if not run.read:
                with suppress(StepsizeError):  # the list says what is wrong with it
                    run.history()
                found[index] = (run, run.glance(last=last.get(run.name)))
        return found

    def run(self, identity: str) -> Watched:
        """Return a run.

        Raises:
            LedgerError: There is none of that name.
        """
        self.runs()
        with self._guard:
            found = self._runs.get(identity)
        if found is None:
            rule = "be the id of a run, as GET /api/runs gives it"
            raise LedgerError(describe("run", rule, identity))
        return found

    def open(self, identity: str) -> Watched:
        """Return a run whose metrics will be wanted; those long unused are dropped."""
        found = self.run(identity)
        with self._guard:
            self._opened[identity] = None
            self._opened.move_to_end(identity)
            dropped = []
            while len(self._opened) > _OPENED:
                dropped.append(self._opened.popitem(last=False)[0])
            closing = [self._runs[one] for one in dropped if one in self._runs]
        for one in closing:
            one.close()
        return found

    def histories(self) -> list[tuple[str, str, History]]:
        """Return the name, the place and the records of each run that can be read."""
        found: list[tuple[str, str, History]] = []
        for run in self.runs():
            try:
                history = run.history()
            except StepsizeError:
                continue  # the list says what is wrong with it
            name = run.name if history.run is None else history.run.run
            found.append((name, run.place, history))
        return found

    def warm(self) -> None:
        """Read in the background what was not read yet, so that totals are known."""
        with self._guard:
            if self._warm is not None and self._warm.is_alive():
                return
            if all(run.read for run in self._runs.values()):
                return
            self._warm = threading.Thread(
                target=self._read_all, name="stepsize-index", daemon=True
            )
            self._warm.start()

    def _read_all(self) -> None:
        with self._guard:
            runs = list(self._runs.values())
        for run in runs:
            time.sleep(_PAUSE_SECONDS)
            if not run.read:
                with suppress(StepsizeError):  # the list says what is wrong with it
                    run.history()


def _telling(ends: Sequence[Entry]) -> Sequence[Entry] | None:
    """Return a run's ends if they tell where it stands; None if more are to be read."""
    return ends if any(isinstance(one.record, Metric) for one in ends) else None


def identity_of(place: str) -> str:
    """Return what a run is called in addresses: no part of a path, always the same.

    Examples:
        >>> identity_of("runs/seven") == identity_of("runs/seven"), len(identity_of(""))
        (True, 16)
    """
    whole = place if "://" in place else os.path.realpath(place)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _shown(place: str, root: str) -> str:
    """Return where a run is, without a password or what is above the root."""
    if "://" in place:
        return place.rpartition("#")[2]
    relative = Path(place).relative_to(root)
    return os.fspath(relative)
