"""A resume whose schedule, horizon or groups are not those that were saved.

What is to happen then is said by `on_horizon_change`, and becomes events. Nothing is
applied here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from stepsize.adapters.driving.arguments import check_count
from stepsize.control.effects.lengths import absorbs
from stepsize.control.events import Event, Target
from stepsize.control.line import with_total
from stepsize.control.trajectory import Trajectory
from stepsize.errors import (
    AdapterError,
    HorizonChangedError,
    InvalidScheduleError,
    StepsizeError,
    describe,
)
from stepsize.schedules.schedule import ResolvedSchedule

VERSION = 1  # of a Driver's state
HorizonChange = Literal["keep", "adopt", "stretch", "bridge"]


class Asked(Protocol):
    """What a scheduler was asked for, and can be again."""

    @property
    def parts(self) -> Mapping[str, ResolvedSchedule]:
        """A resolved schedule for each hyperparameter."""

    @property
    def relative(self) -> bool:
        """Whether that of "lr" multiplies the groups' own rates."""

    def rest(self) -> object:
        """Return what no event can lead over to another: all but the schedules."""

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain; equal ones give equal mappings."""


P = TypeVar("P", bound=Asked)


class Agreed(NamedTuple, Generic[P]):
    """What a resumed run goes on with.

    Attributes:
        program: The schedules under its events.
        events: What the resume changes, to be recorded after those of the state.
    """

    program: P
    events: tuple[Event, ...]


class Saved(NamedTuple):
    """A saved run, as far as it matters here.

    Attributes:
        update: Updates made.
        program: What it followed, plain.
        given: What its constructor was given, plain.
        events: The events so far.
    """

    update: int
    program: Mapping[str, Any]
    given: Mapping[str, Any]
    events: tuple[Event, ...]


def agree(
    state: Saved,
    program: P,
    policy: HorizonChange | None,
    read: Callable[[Mapping[str, Any]], P],
) -> Agreed[P]:
    """Return what to go on with.

    Args:
        state: What was saved.
        program: What the constructor was given.
        policy: What becomes of a difference; None allows none.
        read: Makes a program of a plain one.

    Returns:
        The saved program and, for a difference, events of source "resume":

            horizon differs   `extend` or `shorten` to the given one; the mode is the
                              policy ("keep" for a schedule of fixed lengths)
            schedule differs  "adopt", "bridge": `replace`, entered at the present step;
                              "keep": a `note`
            anything else     "keep": a `note`; "adopt": a `note`, and the given
                              program in place of the saved one

    Raises:
        HorizonChangedError: They differ and there is no policy.
        AdapterError: The policy has no meaning for what differs.
    """
    plain = program.to_dict()
    if state.given == plain:
        known = state.program == plain
        return Agreed(program if known else read(state.program), ())
    if policy is None:
        raise HorizonChangedError(_message(state, program, read))
    try:
        saved, before = read(state.program), read(state.given)
    except StepsizeError:
        if policy != "adopt":
            raise
        return Agreed(program, (_note(state, "adopts another program"),))
    if not _alike(before, program):
        if policy == "adopt":
            return Agreed(program, (_note(state, "adopts another program"),))
        if policy == "keep":
            return Agreed(saved, (_note(state, "keeps the saved program"),))
        rule = "be 'keep' or 'adopt': groups, rules or hyperparameters differ"
        raise AdapterError(describe("Scheduler.on_horizon_change", rule, policy))
    events = []
    for path, after in program.parts.items():
        one = before.parts[path]
        if _plain(one) != _plain(after):
            trajectory = Trajectory.of(saved.parts[path], state.events, path)
            events.append(_change(state, trajectory, one, after, policy))
    return Agreed(saved, tuple(events))


def _change(
    state: Saved,
    trajectory: Trajectory,
    before: ResolvedSchedule,
    after: ResolvedSchedule,
    policy: HorizonChange,
) -> Event:
    path = trajectory.hyperparameter
    old, new = trajectory.total_steps, after.total_steps
    if before.schedule == after.schedule and old is not None and new is not None:
        step = trajectory.step_at(state.update)
        if old == new or (policy == "keep" and new <= step):
            reason = f"{path} keeps its end at step {old}"
            return _note(state, reason, path)
        values: dict[str, Any] = {
            "total_steps": new,
            "mode": policy if absorbs(before) else "keep",
        }
        reason = f"{path} was resumed with {new} steps instead of {old} ({policy})"
        kind = "extend" if new > old else "shorten"
        return _event(state, kind, values, reason, path)
    if policy == "keep":
        return _note(state, f"keeps the saved schedule of {path}", path)
    if policy == "stretch":
        rule = "be 'keep', 'adopt' or 'bridge': another schedule cannot be stretched to"
        raise AdapterError(describe("Scheduler.on_horizon_change", rule, policy))
    values = {
        "schedule": after.schedule,
        "total_steps": new,
        "at": "step",
        "over": "10%" if policy == "bridge" else None,
        "scales": "keep",
    }
    reason = f"{path} was resumed with another schedule ({policy})"
    return _event(state, "replace", values, reason, path)


def _event(
    state: Saved, kind: str, values: Mapping[str, Any], reason: str, path: str = "lr"
) -> Event:
    return Event(
        update=state.update,
        kind=kind,
        values=values,
        source="resume",
        reason=reason,
        time=time.time(),
        target=Target(path),
    )


def _note(state: Saved, reason: str, path: str = "lr") -> Event:
    return _event(state, "note", {}, reason, path)


def _alike(before: Asked, program: Asked) -> bool:
    """Whether events can lead from one to the other."""
    if before.relative != program.relative or set(before.parts) != set(program.parts):
        return False
    if before.rest() != program.rest():
        return False
    for path, one in before.parts.items():
        other = program.parts[path]
        units = [with_total(part.horizon, None) for part in (one, other)]
        if units[0] != units[1] or one.overflow != other.overflow:
            return False
        try:
            Event(update=0, kind="replace", values={"schedule": other.schedule})
        except InvalidScheduleError:  # it has no text: a wrapped function
            if one.schedule != other.schedule:
                return False
    return True


def _message(
    state: Saved, program: Asked, read: Callable[[Mapping[str, Any]], Asked]
) -> str:
    try:
        saved = read(state.given)
    except StepsizeError as error:
        difference = f"the saved one cannot be read here: {error}"
    else:
        difference = _difference(state, saved, program)
    return (
        "Scheduler.load_state_dict: the schedule or its horizon is not the one that "
        f"was saved.\n{difference}\n"
        'hint: Scheduler(..., on_horizon_change="keep") goes on with the saved one, '
        '"adopt" with the one given here, "bridge" goes over to it without a jump, '
        '"stretch" plays what is left of the saved one over the given horizon.'
    )


def _difference(state: Saved, saved: Asked, given: Asked) -> str:
    lines = []
    if saved.relative != given.relative:
        names = {True: "lr_factor", False: "lr"}
        lines.append(f"  saved {names[saved.relative]}, here {names[given.relative]}")
    if saved.rest() != given.rest():
        lines.append("  the rules differ, or the groups")
    for path in sorted({*saved.parts, *given.parts}):
        before, after = saved.parts.get(path), given.parts.get(path)
        if before is None or after is None:
            where = "here" if before is None else "in the saved state"
            lines.append(f"  {path}: only {where}")
        elif _plain(before) != _plain(after):
            old, new = (_value(state, path, one) for one in (before, after))
            lines += [
                f"  {path} saved: {before.schedule} over {before.horizon}",
                f"  {path} here:  {after.schedule} over {after.horizon}",
                f"  {path} of update {state.update}: {old:.6g} saved, {new:.6g} here",
            ]
    return "\n".join(lines)


def _plain(part: ResolvedSchedule) -> tuple[Any, ...]:
    return part.schedule.to_dict(), part.horizon.to_dict(), part.overflow


def _value(state: Saved, path: str, part: ResolvedSchedule) -> float:
    return Trajectory.of(part, state.events, path)(state.update)


def read_state(plain: Any) -> Saved:
    """Return the saved run of a Driver's `state_dict`.

    Raises:
        AdapterError: It is none.
        InvalidScheduleError: One of its events is damaged.
    """
    field = "Scheduler.load_state_dict"
    if not isinstance(plain, Mapping) or plain.get("version") != VERSION:
        rule = f"be given a state_dict of version {VERSION}"
        raise AdapterError(describe(field, rule, plain))
    try:
        return Saved(
            update=check_count(plain["update"], f"{field} update"),
            program=dict(plain["program"]),
            given=dict(plain["given"]),
            events=tuple(Event.from_dict(event) for event in plain["events"]),
        )
    except StepsizeError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        rule = "have what state_dict writes"
        raise AdapterError(
            describe(field, rule, plain, hint=f"missing or damaged: {error}")
        ) from error
