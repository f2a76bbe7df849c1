"""A resume whose schedule, horizon or rules are not those that were saved.

What is to happen then is said by `on_horizon_change`, and becomes events. Nothing is
applied here.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stepsize.adapters.torch.groups import Rule
from stepsize.adapters.torch.program import Program
from stepsize.adapters.torch.state import HorizonChange, State
from stepsize.control.effects.lengths import absorbs
from stepsize.control.events import Event, Target
from stepsize.control.journal import Check
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

FIELD = "Scheduler.load_state_dict"
_LENGTH = ("steps", "epochs")


class Agreed(NamedTuple):
    """What a resumed run goes on with.

    Attributes:
        program: The schedules under its events.
        events: What the resume changes, to be recorded after those of the state.
    """

    program: Program
    events: tuple[Event, ...]


def agree(state: State, program: Program, policy: HorizonChange | None) -> Agreed:
    """Return what to go on with.

    Args:
        state: What was saved.
        program: What the constructor was given.
        policy: What becomes of a difference; None allows none.

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
    given = state.program if state.given is None else state.given
    rules = [rule for rule, _ in program.rules]
    if given == plain:
        known = state.program == plain
        return Agreed(program if known else read_program(state.program, rules), ())
    if policy is None:
        raise HorizonChangedError(_message(state, given, program, rules))
    try:
        saved = read_program(state.program, rules)
        before = read_program(given, rules)
    except StepsizeError:
        if policy != "adopt":
            raise
        return Agreed(program, (_note(state, "adopts another program"),))
    if not _alike(before, program):
        if policy == "adopt":
            return Agreed(program, (_note(state, "adopts another program"),))
        if policy == "keep":
            return Agreed(saved, (_note(state, "keeps the saved program"),))
        rule = "be 'keep' or 'adopt': rules or hyperparameters differ"
        raise AdapterError(describe("Scheduler.on_horizon_change", rule, policy))
    events = []
    for path, after in program.parts.items():
        one = before.parts[path]
        if _plain(one) != _plain(after):
            trajectory = Trajectory.of(saved.parts[path], state.events, path)
            events.append(_change(state, trajectory, one, after, policy))
    return Agreed(saved, tuple(events))


def check_parts(program: Program) -> Check:
    """Return what raises if an event cannot be applied to a program's schedules."""

    def check(events: tuple[Event, ...], event: Event) -> None:
        for path, part in program.parts.items():
            Trajectory.of(part, events, path).admit(event)

    return check


def _change(
    state: State,
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
    state: State, kind: str, values: Mapping[str, Any], reason: str, path: str = "lr"
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


def _note(state: State, reason: str, path: str = "lr") -> Event:
    return _event(state, "note", {}, reason, path)


def _alike(before: Program, after: Program) -> bool:
    """Whether events can lead from one to the other."""
    if before.relative != after.relative or set(before.parts) != set(after.parts):
        return False
    if _rules(before) != _rules(after):
        return False
    for path, one in before.parts.items():
        other = after.parts[path]
        units = [with_total(part.horizon, None) for part in (one, other)]
        if units[0] != units[1] or one.overflow != other.overflow:
            return False
        try:
            Event(update=0, kind="replace", values={"schedule": other.schedule})
        except InvalidScheduleError:  # it has no text: a wrapped function
            if one.schedule != other.schedule:
                return False
    return True


def _rules(program: Program) -> list[dict[str, Any]]:
    """Return the rules without the length of the run."""
    rules = []
    for rule in program.to_dict()["rules"]:
        horizon = {k: v for k, v in rule.get("horizon", {}).items() if k not in _LENGTH}
        rules.append(rule | {"horizon": horizon})
    return rules


def _message(
    state: State, given: Mapping[str, Any], program: Program, rules: Sequence[Rule]
) -> str:
    try:
        saved = read_program(given, rules)
    except StepsizeError as error:
        difference = f"the saved one cannot be read here: {error}"
    else:
        difference = _difference(state, saved, program)
    return (
        f"{FIELD}: the schedule or its horizon is not the one that "
        f"was saved.\n{difference}\n"
        'hint: Scheduler(..., on_horizon_change="keep") goes on with the saved one, '
        '"adopt" with the one given here, "bridge" goes over to it without a jump, '
        '"stretch" plays what is left of the saved one over the given horizon.'
    )


def read_program(plain: Mapping[str, Any], rules: Sequence[Rule]) -> Program:
    """Return a saved program.

    Args:
        plain: `Program.to_dict()`.
        rules: Where the predicates of its rules are found.

    Raises:
        AdapterError: It is damaged, or a predicate is not there.
        InvalidScheduleError: A schedule or a horizon is damaged.
    """
    try:
        return Program.from_dict(plain, rules)
    except StepsizeError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        rule = "have a program as state_dict writes"
        raise AdapterError(
            describe(FIELD, rule, plain, hint=f"missing or damaged: {error}")
        ) from error


def parent_of(state: State) -> dict[str, Any]:
    """Return what a branch says of the state it began from."""
    text = json.dumps(state.to_dict(), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"update": state.update, "sha256": digest}


def _difference(state: State, saved: Program, given: Program) -> str:
    lines = []
    if saved.relative != given.relative:
        names = {True: "lr_factor", False: "lr"}
        lines.append(f"  saved {names[saved.relative]}, here {names[given.relative]}")
    if saved.to_dict()["rules"] != given.to_dict()["rules"]:
        lines.append("  the rules differ")
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


def _plain(resolved: ResolvedSchedule) -> tuple[Any, ...]:
    return (
        resolved.schedule.to_dict(),
        resolved.horizon.to_dict(),
        resolved.overflow,
    )


def _value(state: State, path: str, resolved: ResolvedSchedule) -> float:
    trajectory = Trajectory.of(resolved, state.events, path)
    return trajectory(state.update)
