"""`cooldown`: decay from now on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from stepsize.control.effects.reading import Values, check_geometric, shaped
from stepsize.control.line import resolved
from stepsize.schedules.arguments import ending
from stepsize.schedules.durations import duration
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.phases import decay, hold
from stepsize.schedules.schedule import Schedule
from stepsize.schedules.shapes import GEOMETRIC

if TYPE_CHECKING:
    from stepsize.control.events import Event
    from stepsize.control.line import Line

_NAMES = ("steps", "to", "to_lr", "shape")


@final
class Cooldown:
    """Decay from the present value, wherever it is, and end the run there.

    With u the event's update, v the value it would have had, d = steps and
    end = v * to (or to_lr),

        lr(u + a) = w(a / d) * v + (1 - w(a / d)) * end,   end from a = d on

    where w is the shape's, as in `decay`. The horizon becomes u + d. What was still to
    come of the schedule is dropped, scales in force are part of v, a hold ends.

    Values:
        steps: d, at least 1. Unit: updates, or a text with a unit; a percentage is of
            the updates left.
        to: Last value as a fraction of v; finite, >= 0; default 0.
        to_lr: Last value, absolute. Unit: lr; finite, >= 0; None, the default: `to`.
        shape: As in `decay`, with its parameters under their own names; default
            "1-sqrt". From v = 0, an exponential or harmonic one is linear.
    """

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        shape, parameters = shaped("cooldown", values, _NAMES, "1-sqrt")
        steps = duration(values.get("steps"), "cooldown.steps")
        to, to_lr = ending(values.get("to", 0.0), values.get("to_lr"), "cooldown")
        check_geometric("cooldown.to", shape, to or to_lr)
        return {"steps": steps, "to": to, "to_lr": to_lr, "shape": shape, **parameters}

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`."""
        values: Mapping[str, Any] = event.values
        length = line.updates(values["steps"], "cooldown.steps")
        tail = resolved(_falling(line.value(), values), Horizon(steps=length))
        line.follow(tail, origin=line.step, total=line.step + length)


def _falling(value: float, values: Mapping[str, Any]) -> Schedule:
    to, to_lr, shape = values["to"], values["to_lr"], values["shape"]
    if value == 0:
        if not to_lr:
            return 0.0 * hold()
        if shape in GEOMETRIC:
            shape = "linear"
    parameters = {k: v for k, v in values.items() if k not in _NAMES}
    if shape != values["shape"]:
        parameters = {}
    return value * decay(None, to, shape, to_lr=to_lr, **parameters)
