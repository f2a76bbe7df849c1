"""The kinds of events by name; what each does is in `effects`.

A kind is an entry of `KINDS`; nothing else names one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from stepsize.control.effects.clocks import Hold, Release, Rewind
from stepsize.control.effects.cooldown import Cooldown
from stepsize.control.effects.lengths import Length
from stepsize.control.effects.note import Note
from stepsize.control.effects.replacement import Replace
from stepsize.control.effects.rewarm import Rewarm
from stepsize.control.effects.scale import Scale

if TYPE_CHECKING:
    from stepsize.control.effects.reading import Values
    from stepsize.control.events import Event
    from stepsize.control.line import Line


class Kind(Protocol):
    """What a kind of event has to say."""

    def check(self, values: Mapping[str, object]) -> Values:
        """Return the values, complete with defaults and in canonical form.

        Raises:
            InvalidScheduleError: A name is unknown, missing or outside its range.
        """

    def admit(self, line: Line, event: Event) -> None:
        """Raise if the event makes no sense where a trajectory stands.

        Asked once, when the event is made; a recorded one is applied, whatever events
        before it a rewind has taken away since.

        Raises:
            InvalidScheduleError: It does not.
        """

    def apply(self, line: Line, event: Event) -> None:
        """Change the trajectory from the event's update on."""


KINDS: Mapping[str, Kind] = {
    "scale": Scale(),
    "cooldown": Cooldown(),
    "extend": Length("extend"),
    "shorten": Length("shorten"),
    "rewarm": Rewarm(),
    "replace": Replace(),
    "hold": Hold(),
    "release": Release(),
    "rewind": Rewind(),
    "note": Note(),
}
