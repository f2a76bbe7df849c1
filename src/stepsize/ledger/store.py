"""What a ledger needs from the place its records are kept in; no place itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from stepsize.ledger.chain import Entry
from stepsize.ledger.records import AnyRecord


@runtime_checkable
class Store(Protocol):
    """The records of one run, in the order they came; nothing is ever taken out.

    Several processes may write: each line is sealed with the one before it.
    """

    def append(
        self, *records: AnyRecord, expected_n: int | None = None
    ) -> tuple[Entry, ...]:
        """Write records, all or none of them; they are on disk when this returns.

        (`Metric` records alone may still be on their way to it.)

        Args:
            records: What to write.
            expected_n: The place that the first of them must get; None: any.

        Returns:
            The records in their places.

        Raises:
            ConflictError: Another record has that place. Nothing was written.
            CorruptRecordError: What was written before is damaged.
            UnavailableError: It could not be written.
            LedgerError: One of them is no record, or no JSON.
        """

    def read(self, from_n: int = 0) -> Iterator[Entry]:
        """Return the records from a place on, as they are now.

        Raises:
            CorruptRecordError: A line is damaged; the message says which.
            UnavailableError: They could not be read.
        """

    def lines(self) -> Iterator[bytes]:
        """Return the lines as they stand there, damaged ones too: for `verify`.

        Raises:
            UnavailableError: They could not be read.
        """


@runtime_checkable
class HasEnds(Protocol):
    """A store whose first and last records can be read without those between."""

    def ends(self) -> tuple[Entry, ...]:
        """Return the first record and the last ones, some hundred of them.

        Raises:
            CorruptRecordError: A line there is damaged.
            UnavailableError: They could not be read.
        """
