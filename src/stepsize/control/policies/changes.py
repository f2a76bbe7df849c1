"""The changes that policies ask for, each built in one place; and lengths of time."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from stepsize.control.policies.policy import Change, Observation
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.durations import PERCENT, Length, duration, of
from stepsize.schedules.phases import decay

Values = Mapping[str, float | str | None]


def scale(factor: float, reason: str, source: str) -> Change:
    """Multiply the rate by `factor` from now on."""
    return Change(kind="scale", values={"factor": factor}, reason=reason, source=source)


def cooldown(steps: int, to: float, shape: str, reason: str, source: str) -> Change:
    """Decay from now over `steps` updates to the fraction `to`, then end."""
    values: Values = {"steps": steps, "to": to, "shape": shape}
    return Change(kind="cooldown", values=values, reason=reason, source=source)


def rewarm(steps: int, to: float, reason: str, source: str) -> Change:
    """Rise from now over `steps` updates to the fraction `to` of the peak."""
    values: Values = {"steps": steps, "to": to}
    return Change(kind="rewarm", values=values, reason=reason, source=source)


def resize(old: int, new: int, mode: str, reason: str, source: str) -> Change:
    """Give the run a horizon of `new` steps instead of `old`."""
    kind = "shorten" if new < old else "extend"
    values: Values = {"total_steps": new, "mode": mode}
    return Change(kind=kind, values=values, reason=reason, source=source)


def check_length(value: object, owner: str) -> Length:
    """Return a length in updates, or as a percentage, in canonical form.

    Raises:
        InvalidScheduleError, UnitError: It is none.
    """
    length = duration(value, owner)
    if isinstance(length, str):
        amount = of(length)
        if amount.unit != PERCENT or amount.amount > 100:  # noqa: PLR2004 - per cent
            rule = 'be an int >= 1 (unit: updates) or a percentage up to "100%"'
            raise InvalidScheduleError(describe(owner, rule, value))
    return length


def check_cooldown(to: object, shape: str, owner: str) -> float:
    """Return the checked end of a cooldown, having tried its shape.

    Raises:
        InvalidScheduleError: There is no such shape, or it cannot end there.
    """
    end = number(to, f"{owner}.to", unit="fraction of the entry")
    decay(2, to=end, shape=shape)
    return end


def updates_of(length: Length, span: int) -> int:
    """Return a length in updates, at least 1; a percentage is of `span`."""
    if isinstance(length, int):
        return length
    return max(1, ceil(of(length).amount * span / 100))


def span_of(observation: Observation) -> int:
    """Return what a percentage is of: the updates left, or made if that is open."""
    if observation.total_steps is None:
        return observation.update
    return observation.total_steps - observation.step
