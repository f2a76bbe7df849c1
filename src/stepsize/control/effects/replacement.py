"""`replace`: another schedule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, final

from stepsize.control.effects.reading import Values, count, only
from stepsize.control.line import resolved, with_total
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice
from stepsize.schedules.durations import duration
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import Schedule, leading_scale

if TYPE_CHECKING:
    from stepsize.control.events import Event
    from stepsize.control.line import Line


@final
class Replace:
    """Follow another schedule.

    With r the schedule resolved, t the step, t0 the step at the event, v the value the
    event's update would have had, and n = over,

        at="now"    lr = r(t - t0), r resolved for the updates left
        at="step"   lr = r(t), r resolved for all steps
        for t < t0 + n:  lr = w * v + (1 - w) * (that),   w = (n - (t - t0)) / n

    Continuous only with `over`. A hold ends.

    Values:
        schedule: Its text (`str(schedule)`), or the schedule. Absolute, as the one it
            replaces: it is handed 1, not the present value.
        total_steps: Steps of the curve in all from now on, past ones included; int
            >= 1; None, the default: what there was.
        at: Where it is entered: "now", the default, at its beginning; "step" where the
            run would be if it had always been followed.
        over: n. Unit: updates, or a text with a unit; a percentage is of the updates
            left; None, the default, is at once.
        scales: Whether scales in force end ("drop", the default: the schedule's own
            values hold) or go on to multiply ("keep").
    """

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        only("replace", values, ("schedule", "total_steps", "at", "over", "scales"))
        schedule = values.get("schedule")
        if not isinstance(schedule, (str, Schedule)):
            rule = "be a Schedule or its text"
            raise InvalidScheduleError(describe("replace.schedule", rule, schedule))
        total, over = values.get("total_steps"), values.get("over")
        return {
            "schedule": str(_read(str(schedule))),
            "total_steps": None
            if total is None
            else count(total, "replace.total_steps", least=1),
            "at": choice(values.get("at", "now"), "replace.at", ("now", "step")),
            "over": None if over is None else duration(over, "replace.over"),
            "scales": choice(
                values.get("scales", "drop"), "replace.scales", ("drop", "keep")
            ),
        }

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""
        values: Mapping[str, Any] = event.values
        total = line.total if values["total_steps"] is None else values["total_steps"]
        if total is not None and total <= line.step:
            rule = f"be > {line.step}, the step it is at (unit: steps of the curve)"
            raise InvalidScheduleError(describe("replace.total_steps", rule, total))
        _, horizon = _place(line, values)
        resolved(_read(values["schedule"]), horizon)

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`."""
        values: Mapping[str, Any] = event.values
        schedule = _read(values["schedule"])
        origin, horizon = _place(line, values)
        over = 0
        if values["over"] is not None:
            left = None if horizon.steps is None else horizon.steps - line.step + origin
            over = line.updates(values["over"], "replace.over", left)
        total = None if horizon.steps is None else horizon.steps + origin
        line.follow(
            resolved(schedule, horizon, "truncate"),
            origin=origin,
            total=total,
            absorb=values["scales"] == "drop",
            over=over,
        )
        line.peak = leading_scale(schedule)


def _place(line: Line, values: Mapping[str, Any]) -> tuple[int, Horizon]:
    """Return the step at which its own step is 0, and its own horizon."""
    origin = line.step if values["at"] == "now" else 0
    total = line.total if values["total_steps"] is None else values["total_steps"]
    steps = None if total is None else max(total - origin, 1)
    return origin, with_total(line.horizon, steps)


@lru_cache(maxsize=256)
def _read(text: str) -> Schedule:
    from stepsize.schedules.text import parse

    return parse(text)
