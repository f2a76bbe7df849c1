"""`note`: something to be known, without effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from stepsize.control.effects.reading import Values, count, only

if TYPE_CHECKING:
    from stepsize.control.events import Event
    from stepsize.control.line import Line


@final
class Note:
    """Change nothing: the reason says what there is to know.

        lr(u) = what it was

    Values:
        withdraws: Sequence of an event in the log that a resumed run did not decide
            again, so that it is no part of the run; int >= 0; None, the default: none.
    """

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        only("note", values, ("withdraws",))
        withdraws = values.get("withdraws")
        if withdraws is not None:
            withdraws = count(withdraws, "note.withdraws")
        return {"withdraws": withdraws}

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`."""
