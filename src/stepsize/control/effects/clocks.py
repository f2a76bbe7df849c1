"""`hold`, `release` and `rewind`: the clock stops, goes on, or is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from stepsize.control.effects.reading import Values, count, only
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice

if TYPE_CHECKING:
    from stepsize.control.events import Event
    from stepsize.control.line import Line


@final
class Hold:
    """Stay at the present point of the curve until `release`.

    With u the event's update and F the product of the scales,

        t(u + a) = t(u),   lr(u + a) = r(t(u)) * F(u + a)

    Values: none.
    """

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        only("hold", values, ())
        return {}

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""
        if line.held is not None:
            rule = f"not be made twice: the clock stands still since {line.held}"
            raise InvalidScheduleError(
                describe("hold", rule, event.update, hint="release it first")
            )

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`."""
        if line.held is None:
            line.held = event.update


@final
class Release:
    """End a `hold`.

    With h the update of the hold, u that of the release,

        resume="clock"      t(u + a) = t(h) + a             no jump: the end moves along
        resume="catch-up"   t(u + a) = t(h) + (u - h) + a   as if never held; may jump

    Values:
        resume: One of the two; default "clock".
    """

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        only("release", values, ("resume",))
        resume = values.get("resume", "clock")
        return {"resume": choice(resume, "release.resume", ("clock", "catch-up"))}

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""
        if line.held is None:
            rule = "follow a hold"
            raise InvalidScheduleError(describe("release", rule, event.update))

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`."""
        if line.held is not None and event.values["resume"] == "catch-up":
            line.step += event.update - line.held
        line.held = None


@final
class Rewind:
    """Void what policies did since a step, and perhaps go back to it.

    With u the event's update and t(u) its step, events of a source "policy:..." whose
    step lies in [to, t(u)) have no effect from u on; those of the guard, of people, of
    a clock and of a resume keep it. None is erased, and no update before u changes.

        clock="run"      t(u + a) = t(u) + a
        clock="rewind"   t(u + a) = to + a

    Back before the start of a tail that stays in force, lr is what it was there, times
    the scales that the tail took over.

    Values:
        to: Step; int >= 0, at most the present one.
        clock: One of the two; default "run".
        snapshot: Update whose snapshot was restored then, as its label; int >= 0, or
            None, the default: none was. It has no effect on the rate.
    """

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        only("rewind", values, ("to", "clock", "snapshot"))
        clock, snapshot = values.get("clock", "run"), values.get("snapshot")
        if snapshot is not None:
            snapshot = count(snapshot, "rewind.snapshot")
        return {
            "to": count(values.get("to"), "rewind.to"),
            "clock": choice(clock, "rewind.clock", ("run", "rewind")),
            "snapshot": snapshot,
        }

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""
        to: Any = event.values["to"]
        if to > line.step:
            rule = f"be at most {line.step}, the step it is at"
            raise InvalidScheduleError(describe("rewind.to", rule, to))

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`: the clock; what is voided is folded again by `fold`."""
        to: Any = event.values["to"]
        if event.values["clock"] == "rewind":
            line.step = min(to, line.step)
