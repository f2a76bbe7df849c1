"""Checks of what a scheduler is given, and what the short forms stand for."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

from stepsize.control.policies import Policy
from stepsize.control.sink import EventSink
from stepsize.errors import AdapterError, StepsizeError, describe
from stepsize.ledger.event_log import EventLog
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

Ledger = str | os.PathLike[str] | EventSink
Value = Schedule | ResolvedSchedule | float


def as_sink(ledger: Ledger | None) -> EventSink | None:
    """Return the sink that a path stands for.

    Raises:
        AdapterError: It is neither a path nor an `EventSink`.
    """
    if isinstance(ledger, (str, os.PathLike)):
        return EventLog(ledger)
    if ledger is None or isinstance(ledger, EventSink):
        return ledger
    rule = "be the path of an event log, or an EventSink"
    raise AdapterError(describe("Scheduler.ledger", rule, ledger))


def as_policies(
    policies: Iterable[Policy] | Policy, owner: str = "Scheduler"
) -> list[Policy]:
    """Return the policies that were given; one alone is a list of one.

    Raises:
        AdapterError: One of these is none.
    """
    given: Any = [policies] if _is_policy(policies) else policies
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        given = [given]
    asked = list(given)
    for policy in asked:
        if not _is_policy(policy):
            rule = "be policies, as in stepsize.control"
            raise AdapterError(describe(f"{owner}.policies", rule, policy))
    return asked


def _is_policy(value: object) -> bool:
    return all(hasattr(value, name) for name in ("name", "start", "observe"))


def as_horizon(total_steps: int | None, horizon: Horizon | None) -> Horizon | None:
    """Return the horizon that one of the two gives, None for neither.

    Raises:
        AdapterError: Both are given, or `horizon` is no Horizon.
        InvalidScheduleError: `total_steps` is no int >= 1.
    """
    if horizon is not None and not isinstance(horizon, Horizon):
        rule = "be a Horizon"
        hint = "total_steps takes a number of updates"
        raise AdapterError(describe("Scheduler.horizon", rule, horizon, hint=hint))
    if total_steps is None:
        return horizon
    if horizon is not None:
        rule = "be left out when horizon is given"
        raise AdapterError(describe("Scheduler.total_steps", rule, total_steps))
    return Horizon(steps=total_steps)


def as_schedule(value: object, field: str) -> Schedule:
    """Return a schedule, or the constant one for a number.

    Raises:
        AdapterError: It is neither, or the number is negative or not finite.
    """
    if isinstance(value, Schedule):
        return value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and 0 <= value < math.inf:  # type: ignore[operator]  # checked just now
        return value * hold()
    rule = "be a Schedule, or a finite number >= 0"
    hint = "for the text form: stepsize.parse(text)" if isinstance(value, str) else ""
    raise AdapterError(describe(field, rule, value, hint=hint))


def resolve(value: Value, field: str, horizon: Horizon | None) -> ResolvedSchedule:
    """Return a schedule with every length known.

    Raises:
        AdapterError: It is none, or is of another horizon.
        UnresolvedError, UnitError, InvalidScheduleError: See `Schedule.resolve`.
    """
    if isinstance(value, ResolvedSchedule):
        if horizon is not None and value.horizon != horizon:
            rule = "have the horizon that total_steps or horizon say"
            hint = "give the schedule unresolved, or leave the other two out"
            raise AdapterError(describe(field, rule, value.horizon, hint=hint))
        return value
    schedule = as_schedule(value, field)
    try:
        return schedule.resolve(horizon=horizon)
    except StepsizeError as error:
        # the reader knows our arguments, not those of resolve
        error.add_note(f"in {field} = {schedule}")
        raise


def check_count(value: object, field: str, low: int = 0) -> int:
    """Return an int >= `low`.

    Raises:
        AdapterError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise AdapterError(
            describe(field, f"be an int >= {low} (unit: updates)", value)
        )
    return value


def check_choice(value: object, field: str, choices: Sequence[str | None]) -> None:
    """Raise unless a value is among the choices.

    Raises:
        AdapterError: It is not.
    """
    if value not in choices:
        listed = " or ".join(repr(choice) for choice in choices)
        raise AdapterError(describe(field, f"be {listed}", value))


def number_of(value: object, field: str) -> float:
    """Return a measured value as a float.

    Raises:
        AdapterError: It is no single number.
    """
    if not isinstance(value, (str, bytes, bool)):
        try:
            return float(value)  # type: ignore[arg-type]  # what has no float is refused
        except (TypeError, ValueError, OverflowError):
            pass
    hint = "" if getattr(value, "shape", None) is None else "give its mean"
    raise AdapterError(describe(field, "be a single number", value, hint=hint))
