"""What a guard needs of a place for snapshots; not the place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Snapshots(Protocol):
    """Snapshots of one run by label, the update before which each was taken.

    An adapter implements it for its framework: in memory, on disk, or sharded over many
    machines. What a snapshot has in it is the store's own business; that it comes back
    exactly is the contract. A store of several processes is one such object in each,
    whose calls are made by all of them, alike.
    """

    def take(self, label: int, extra: Mapping[str, Any]) -> None:
        """Take a snapshot of now; one of the same label is replaced.

        Args:
            label: Its name. Unit: updates made; int >= 0.
            extra: What comes back with it: JSON-plain (the states of policies).
        """

    def restore(self, label: int, *, everything: bool) -> Mapping[str, Any]:
        """Go back to a snapshot, which stays held.

        Args:
            label: Its name.
            everything: False: model, optimizer and gradient scaler; True: the random
                generators and the data's position as well.

        Returns:
            Its extra.

        Raises:
            AdapterError: There is none of this label, or it does not fit the run.
        """

    def drop(self, label: int) -> None:
        """Let go of a snapshot.

        Raises:
            AdapterError: There is none of this label.
        """

    def labels(self) -> tuple[int, ...]:
        """Return the labels that are held, ascending."""
