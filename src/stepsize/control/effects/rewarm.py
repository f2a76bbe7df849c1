"""`rewarm`: rise again, and decay to the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from stepsize.control.effects.reading import Values, check_geometric, count, shaped
from stepsize.control.line import resolved
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number, optional
from stepsize.schedules.durations import duration
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.phases import decay, hold
from stepsize.schedules.schedule import Schedule

if TYPE_CHECKING:
    from stepsize.control.events import Event
    from stepsize.control.line import Line

_NAMES = ("steps", "to", "to_lr", "shape", "end", "total_steps")


@final
class Rewarm:
    """Rise evenly from the present value to a new peak, then decay to the end.

    With u the event's update, v the value it would have had, F the scales in force
    there, n = steps, P = to * F * (peak of the schedule), or to_lr, and d the updates
    left after the rise,

        lr(u + a) = (1 - a / n) * v + (a / n) * P                      for a < n
        lr(u + n + b) = w(b / d) * P + (1 - w(b / d)) * end * P        from there on

    where w is the shape's, as in `decay`. Without a horizon it stays at P. What was
    still to come of the schedule is dropped, scales in force are part of v and P, a
    hold ends.

    Values:
        steps: n, at least 1. Unit: updates, or a text with a unit; a percentage is of
            the updates left, counted to `total_steps`.
        to: New peak as a fraction of the old; finite, > 0; default 1.
        to_lr: New peak, absolute. Unit: lr; finite, > 0; None, the default: `to`.
        shape: As in `decay`, with its parameters; default "cosine".
        end: Last value as a fraction of P; finite, >= 0; default 0.
        total_steps: Steps of the curve in all from now on; int >= 1; None, the default:
            what there was.
    """

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        shape, parameters = shaped("rewarm", values, _NAMES, "cosine")
        steps = duration(values.get("steps"), "rewarm.steps")
        to_lr = optional(values.get("to_lr"), "rewarm.to_lr", open_low=True, unit="lr")
        to = number(
            values.get("to", 1.0),
            "rewarm.to",
            open_low=True,
            unit="fraction of the peak",
        )
        if to_lr is not None and to != 1:
            rule = "be left out when to_lr is given"
            raise InvalidScheduleError(describe("rewarm.to", rule, to))
        end = number(values.get("end", 0.0), "rewarm.end", unit="fraction of the peak")
        check_geometric("rewarm.end", shape, end)
        total = values.get("total_steps")
        if total is not None:
            total = count(total, "rewarm.total_steps", least=1)
        return {
            "steps": steps,
            "to": to,
            "to_lr": to_lr,
            "shape": shape,
            "end": end,
            "total_steps": total,
            **parameters,
        }

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""
        rise, rest = _lengths(line, event.values)
        if rest is not None and rest < 1:
            rule = f"leave updates for the decay after {rise} of rise"
            hint = "give a larger total_steps"
            got = event.values["total_steps"] or line.total
            raise InvalidScheduleError(
                describe("rewarm.total_steps", rule, got, hint=hint)
            )

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`."""
        values: Mapping[str, Any] = event.values
        rise, rest = _lengths(line, values)
        peak = values["to_lr"]
        if peak is None:
            peak = values["to"] * line.factor() * line.peak
        schedule: Schedule = line.value() * decay(rise, to_lr=peak)
        total = None
        if rest is not None:
            total = line.step + rise + max(rest, 0)
        if rest is None or rest < 1 or peak == 0:
            schedule = schedule >> hold()
        else:
            taken = {k: v for k, v in values.items() if k not in _NAMES}
            schedule = schedule >> decay(None, values["end"], values["shape"], **taken)
        horizon = Horizon(steps=None if total is None else total - line.step)
        line.follow(resolved(schedule, horizon), origin=line.step, total=total)


def _lengths(line: Line, values: Mapping[str, Any]) -> tuple[int, int | None]:
    """Return the updates of the rise and of what follows; None for without end."""
    total = line.total if values["total_steps"] is None else values["total_steps"]
    left = None if total is None else max(total - line.step, 0)
    rise = line.updates(values["steps"], "rewarm.steps", left)
    return rise, None if left is None else left - rise
