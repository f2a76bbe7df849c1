"""A resume whose schedule, horizon or rules are not those that were saved.

What is to happen then is said by `on_horizon_change`, and becomes events. Nothing is
applied here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from stepsize.adapters.driving.resuming import Agreed, HorizonChange, Saved
from stepsize.adapters.driving.resuming import agree as agreed
from stepsize.adapters.torch.groups import Rule
from stepsize.adapters.torch.program import Program
from stepsize.adapters.torch.state import State
from stepsize.control.events import Event
from stepsize.control.journal import Check
from stepsize.control.trajectory import Trajectory
from stepsize.errors import (
    AdapterError,
    StepsizeError,
    describe,
)

FIELD = "Scheduler.load_state_dict"


def agree(
    state: State, program: Program, policy: HorizonChange | None
) -> Agreed[Program]:
    """Return what to go on with; see `stepsize.adapters.driving.resuming.agree`."""
    rules = [rule for rule, _ in program.rules]
    given = state.program if state.given is None else state.given
    saved = Saved(state.update, state.program, given, state.events)
    return agreed(saved, program, policy, lambda plain: read_program(plain, rules))


def check_parts(program: Program) -> Check:
    """Return what raises if an event cannot be applied to a program's schedules."""

    def check(events: tuple[Event, ...], event: Event) -> None:
        for path, part in program.parts.items():
            Trajectory.of(part, events, path).admit(event)

    return check


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
