"""Where events go to last: what control needs from a log; not the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from stepsize.control.events import Event


@runtime_checkable
class EventSink(Protocol):
    """A place that keeps the events of one run, whatever becomes of the process."""

    def append(self, event: Event) -> None:
        """Keep an event; it is on disk when this returns.

        Raises:
            LedgerError: It could not be kept.
        """

    def events(self) -> Sequence[Event]:
        """Return every event kept, in the order they came.

        Raises:
            LedgerError: They could not be read.
        """
