"""`Deadline`: let a run end in time with its cooldown complete."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self, final

from stepsize.control.events import Event
from stepsize.control.policies.changes import (
    check_cooldown,
    check_length,
    cooldown,
    resize,
    updates_of,
)
from stepsize.control.policies.policy import (
    Decision,
    Observation,
    State,
    built_from,
    plain_of,
    text,
)
from stepsize.control.policies.throughput import record, seconds_per_update
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number

VARIABLES = ("STEPSIZE_DEADLINE", "SLURM_JOB_END_TIME")
"""Environment variables with a job's end; the first that is set holds. Unit: seconds
since 1970 (UTC)."""

# Shares of the budget, tried on simulated clocks (tests/control/policies).
_GAP = 1 / 400  # between samples
_WINDOW = 0.08  # the record, before the cooldown
_SHORT = 0.03  # and in it, where being late shows at the end
_BAND = 0.01  # a forecast that far off is left alone,
_SHARE = 0.1  # or by that share of what is left, which no estimate can promise


@final
@dataclass(frozen=True, slots=True)
class Deadline:
    """Start the cooldown so that the run ends when its wall time is spent.

    With p the seconds per update (`throughput`), T the budget less the reserve and s
    the seconds spent, n = floor((T - s) / p) updates still fit. The cooldown starts
    when n is no more than `length`, and takes n. A schedule that ends within n by
    itself is left alone. In the cooldown the end moves (`shorten`, `extend`) whenever
    it would be off by more than 1 % of T and 10 % of T - s; never beyond the end that
    was planned first.

    Its decisions are events with the number of updates in them, so a replay needs no
    clock.

    Attributes:
        budget_seconds: Wall time of the run, on the clock of `Observation.seconds`.
            Unit: seconds; > 0.
        length: Of the cooldown. Unit: updates (int), or a percentage of all the updates
            that the budget allows.
        to: Where it ends, as a fraction of the rate it starts from; >= 0.
        shape: As in `stepsize.decay`.
        reserve_seconds: Kept for what follows the last update, a checkpoint for
            instance. Unit: seconds; >= 0, less than the budget.
        name: What events call it.

    Raises:
        InvalidScheduleError: A value is outside its range.
    """

    budget_seconds: float
    _: KW_ONLY
    length: int | str = "20%"
    to: float = 0.0
    shape: str = "1-sqrt"
    reserve_seconds: float = 0.0
    name: str = "deadline"

    def __post_init__(self) -> None:
        """Check every field."""
        owner, unit = "Deadline", "seconds"
        budget = number(
            self.budget_seconds, f"{owner}.budget_seconds", open_low=True, unit=unit
        )
        reserve = number(self.reserve_seconds, f"{owner}.reserve_seconds", unit=unit)
        if reserve >= budget:
            rule = f"be less than the budget, {budget:g} (unit: seconds)"
            raise InvalidScheduleError(
                describe(f"{owner}.reserve_seconds", rule, reserve)
            )
        object.__setattr__(self, "budget_seconds", budget)
        object.__setattr__(self, "reserve_seconds", reserve)
        object.__setattr__(self, "length", check_length(self.length, f"{owner}.length"))
        object.__setattr__(self, "to", check_cooldown(self.to, self.shape, owner))
        text(self.name, f"{owner}.name")

    @classmethod
    def from_environment(
        cls,
        *,
        spent_seconds: float = 0.0,
        environment: Mapping[str, str] | None = None,
        now: float | None = None,
        **fields: Any,
    ) -> Self:
        """Return the deadline that the job's environment sets; read here, once.

        Args:
            spent_seconds: What the run's clock shows now, after earlier jobs. Unit:
                seconds; >= 0.
            environment: Where `VARIABLES` are looked up; by default the process's.
            now: The time now, by default the system's. Unit: seconds since 1970.
            fields: The other fields of `Deadline`.

        Raises:
            InvalidScheduleError: No variable is set, or the first that is set is not a
                time to come.
        """
        environment = os.environ if environment is None else environment
        now = time.time() if now is None else now
        spent = number(spent_seconds, "Deadline.spent_seconds", unit="seconds")
        for variable in VARIABLES:
            if variable not in environment:
                continue
            given = environment[variable]
            try:
                end = float(given)
            except ValueError:
                end = math.nan
            if not now < end < math.inf:
                rule = f"be a time after now, {now:.0f} (unit: seconds since 1970)"
                raise InvalidScheduleError(describe(variable, rule, given))
            return cls(end - now + spent, **fields)
        rule = f"find one of {', '.join(VARIABLES)} in the environment"
        hint = "give budget_seconds"
        raise InvalidScheduleError(
            describe("Deadline.from_environment", rule, None, hint=hint)
        )

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"clock:{self.name}"

    def start(self) -> State:
        """Return the state before the first observation."""
        return {"samples": [], "end": None, "limit": None}

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the cooldown or its new end."""
        seconds = observation.seconds
        if seconds is None:
            return state, ()
        budget = self.budget_seconds - self.reserve_seconds
        cooling = state["end"] is not None
        samples = record(
            state["samples"],
            observation.update,
            seconds,
            gap=budget * _GAP,
            window=budget * (_SHORT if cooling else _WINDOW),
        )
        state = {**state, "samples": samples}
        pace = seconds_per_update(samples)
        if pace is None:
            return state, ()
        fits = max(0, math.floor((budget - seconds) / pace))
        if cooling:
            return self._steer(state, observation, fits, pace)
        return self._begin(state, observation, fits, pace)

    def notice(self, state: State, event: Event) -> State:
        """Return the state after an event: one of its own, applied again on a resume.

        Where that cooldown ends is the horizon of the next observation.
        """
        own = event.source == self.source and event.kind != "note"
        return {**state, "end": 0} if own else state

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a JSON-plain mapping."""
        return plain_of(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the policy that `to_dict` gave this mapping.

        Raises:
            InvalidScheduleError: It is no such mapping.
        """
        return built_from(cls, plain)

    def _begin(
        self, state: State, observation: Observation, fits: int, pace: float
    ) -> Decision:
        step, total = observation.step, observation.total_steps
        state = {**state, "limit": total}
        if total is not None and total - step <= fits:
            return state, ()
        if fits > updates_of(self.length, observation.update + fits):
            return state, ()
        steps = max(1, fits)
        why = self._why(observation, pace)
        change = cooldown(steps, self.to, self.shape, why, self.source)
        return {**state, "end": step + steps}, (change,)

    def _steer(
        self, state: State, observation: Observation, fits: int, pace: float
    ) -> Decision:
        step, end = observation.step, state["end"]
        if observation.total_steps is not None:
            end = observation.total_steps  # as others may have moved it since
        off = (end - step - fits) * pace
        budget = self.budget_seconds - self.reserve_seconds
        new = step + max(1, fits)
        if state["limit"] is not None:
            new = min(new, state["limit"])
        left = budget - (observation.seconds or 0.0)
        band = max(_BAND * budget, _SHARE * left)
        if end <= step or abs(off) <= band or new == end:
            return {**state, "end": end}, ()
        change = resize(end, new, "stretch", self._why(observation, pace), self.source)
        return {**state, "end": new}, (change,)

    def _why(self, observation: Observation, pace: float) -> str:
        return (
            f"{observation.seconds:.6g} of {self.budget_seconds:.6g} seconds are spent "
            f"({self.reserve_seconds:g} kept in reserve), at {pace:.4g} an update"
        )
