"""Commands to a running training: what may be asked, and what an order becomes.

    verb                                    values
    scale, cooldown, extend, shorten,       as the event of that kind takes them
    hold, release, rewarm, replace
    deadline                                at: seconds since 1970, None to call it off;
                                            length, reserve_seconds as in `Deadline`
    checkpoint, stop                        none: the training loop asks for them

Not here: who may ask (`Bounds`), and who applies it (`Station`).
"""

from __future__ import annotations

import math
import socket
import time
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from stepsize.control.events import Event, Target
from stepsize.control.kinds import KINDS
from stepsize.control.policies import Deadline
from stepsize.errors import LedgerError, describe
from stepsize.ledger.records import Command, user_name

EVENTS = (
    "scale",
    "cooldown",
    "extend",
    "shorten",
    "hold",
    "release",
    "rewarm",
    "replace",
)
WISHES = ("checkpoint", "stop")
VERBS = (*EVENTS, "deadline", *WISHES)
EXPIRES_SECONDS = 3600.0
LONGEST = {"id": 100, "author": 200, "reason": 2000, "groups": 1000}
"""Characters that a text of a command may have."""

_DEADLINE = ("at", "length", "reserve_seconds")
_LONG_SECONDS = 1e12  # a budget of which any reserve may be a part


def author_here() -> str:
    """Return who gives commands here: user@host, as the operating system says."""
    return f"{user_name()}@{socket.gethostname()}"


def make_command(
    verb: str,
    values: Mapping[str, Any] | None = None,
    *,
    reason: str = "",
    author: str | None = None,
    id: str | None = None,
    hyperparameter: str = "lr",
    groups: str = "*",
    expected_step: int | None = None,
    tolerance: int = 0,
    seen: int | None = None,
    expires_seconds: float | None = EXPIRES_SECONDS,
    now: float | None = None,
) -> Command:
    """Return a command, checked; `store.append` gives it.

    Args:
        verb: One of `VERBS`.
        values: The verb's values.
        reason: Why.
        author: Who asks; None: the user of this process.
        id: What tells it from others: given twice, it is done once. None: a new one.
        hyperparameter: What it is about.
        groups: Pattern of the names of param groups.
        expected_step: Step at which it is meant; None: any.
        tolerance: Steps it may be off by.
        seen: Sequence of the last event that its author knew of, -1 for none; None: it
            does not matter.
        expires_seconds: Time from now after which it is refused. Unit: seconds; > 0;
            None: never.
        now: When it is given. Unit: seconds since 1970; None: by this machine's clock.

    Raises:
        LedgerError: The verb is unknown, or a value is outside its range.
        InvalidScheduleError: A value of an event is outside its range.
    """
    if expires_seconds is not None and not (
        _is_finite(expires_seconds) and expires_seconds > 0
    ):
        rule = "be finite and > 0, or None (unit: seconds)"
        raise LedgerError(describe("Command.expires_seconds", rule, expires_seconds))
    if values is not None and not isinstance(values, Mapping):
        raise LedgerError(describe("Command.values", "be a mapping", values))
    now = time.time() if now is None else now
    made = Command(
        id=uuid.uuid4().hex[:12] if id is None else id,
        verb=verb,
        values=dict(values or {}),
        author=author_here() if author is None else author,
        reason=reason,
        hyperparameter=hyperparameter,
        groups=groups,
        expected_step=expected_step,
        tolerance=tolerance,
        seen=seen,
        expires=None if expires_seconds is None else now + expires_seconds,
        host=socket.gethostname(),
        time=now,
    )
    check(made)
    if verb in EVENTS:
        return msgspec.structs.replace(made, values=KINDS[verb].check(made.values))
    return made


def check(command: Command) -> None:
    """Raise unless a command is one that can be judged: whoever wrote it.

    Raises:
        LedgerError: The verb is unknown, a text is too long, or a value is outside its
            range.
        InvalidScheduleError: A value of an event is outside its range.
    """
    verb, values = command.verb, command.values
    if verb not in VERBS:
        rule = f"be one of {', '.join(VERBS)}"
        raise LedgerError(describe("Command.verb", rule, verb))
    for name, most in LONGEST.items():
        text = getattr(command, name)
        named = name in ("id", "author")
        if not isinstance(text, str) or (named and not text):
            rule = "be a text that is not empty" if named else "be a text"
            raise LedgerError(describe(f"Command.{name}", rule, text))
        if len(text) > most:
            rule = f"have at most {most} characters"
            raise LedgerError(describe(f"Command.{name}", rule, len(text)))
    for name, low in (("expected_step", 0), ("tolerance", 0), ("seen", -1)):
        number = getattr(command, name)
        optional = name != "tolerance"
        if not (optional and number is None) and (
            type(number) is not int or number < low
        ):
            rule = f"be an int >= {low}{', or None' if optional else ''}"
            raise LedgerError(describe(f"Command.{name}", rule, number))
    if verb in EVENTS:
        event_of(command, 0)
        return
    known = _DEADLINE if verb == "deadline" else ()
    extra = [name for name in values if name not in known]
    if extra:
        rule = f"have no values but {', '.join(known) or 'none'}"
        raise LedgerError(describe(verb, rule, extra[0]))
    if verb == "deadline":
        at = values.get("at")
        if at is not None and not _is_finite(at):
            rule = "be a time (unit: seconds since 1970), or None to call it off"
            raise LedgerError(describe("deadline.at", rule, at))
        given = {k: v for k, v in values.items() if k != "at" and v is not None}
        Deadline(_LONG_SECONDS, **given)


def check_ahead(command: Command) -> None:
    """Raise if a deadline was over when it was given: every training would refuse it.

    Raises:
        LedgerError: It was.
    """
    at = command.values.get("at") if command.verb == "deadline" else None
    if at is not None and at <= command.time:
        rule = f"be a time to come, after {command.time:.0f} (unit: seconds since 1970)"
        raise LedgerError(describe("deadline.at", rule, at))


def _is_finite(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)


def event_of(command: Command, update: int) -> Event:
    """Return the event that a command asks for, from an update on.

    Raises:
        InvalidScheduleError: A value is outside its range.
    """
    return Event(
        update=update,
        kind=command.verb,
        values=command.values,
        source=f"operator:{command.author}",
        reason=f"{command.reason} {mark_of(command.id)}".strip(),
        time=time.time(),
        target=Target(command.hyperparameter, command.groups),
    )


def mark_of(identity: str) -> str:
    """Return what the reason of an event ends with that came of a command."""
    return f"[command {identity}]"


def deadline_of(command: Command, since: float) -> Deadline | None:
    """Return the policy that a deadline asks for; None if it calls one off.

    Args:
        command: The command.
        since: When it was taken. Unit: seconds since 1970.

    Raises:
        InvalidScheduleError: It is over, or a value is outside its range.
    """
    values = {k: v for k, v in command.values.items() if v is not None}
    at = values.pop("at", None)
    return None if at is None else Deadline(at - since, **values)
