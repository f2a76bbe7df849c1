"""`Station`: takes the commands for one training, and says what is to be done.

It applies nothing: an adapter does, on all ranks at once, and then has it answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from stepsize.control.events import Event, append
from stepsize.control.policies import Observation
from stepsize.errors import LedgerError, StepsizeError
from stepsize.ledger.commands import (
    EVENTS,
    check,
    deadline_of,
    event_of,
    mark_of,
)
from stepsize.ledger.ledger import Ledger
from stepsize.ledger.rates import Rates
from stepsize.ledger.records import Answer, AnyRecord, Command, Spec

MOST_UPDATES = 10_000
"""Updates between two looks, at most."""

_DAY = 86_400.0
_FASTER = 2  # how much longer one pause may be than the one before


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One thing to be done now.

    Attributes:
        command: Id of the command it answers; None: a deadline that goes on.
        events: What is to be added, as `Event.to_dict()`.
        wish: "checkpoint", "stop", or "" for none.
        refused: Why nothing is to be done, "" if something is.
        why: What is to be done, in words.
    """

    command: str | None = None
    events: tuple[dict[str, Any], ...] = ()
    wish: str = ""
    refused: str = ""
    why: str = ""


@final
class Station:
    """The commands of one run; on the first rank only.

    Args:
        ledger: Where commands come from, and answers go to.
        clock: Time. Unit: seconds since 1970.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self.ledger = ledger
        self._clock = clock
        self._next = 0  # place of the first record that was not looked at
        self._answered: set[str] = set()
        self._applied: list[float] = []  # when commands were applied
        self._open: list[Command] = []  # taken in, not answered
        self._commands: dict[str, Command] = {}
        self._deadline: Any = None
        self._deadline_state: Any = None
        self._since = 0.0
        self._noticed: set[int] = set()
        self._told_unreadable = False

    def look(self, spec: Spec, events: tuple[Event, ...], update: int) -> Order | None:
        """Return what is to be done before an update; None for nothing.

        Args:
            spec: What the rates follow from.
            events: The events that hold.
            update: The update about to be made.
        """
        self._read()
        while self._open:
            command = self._open.pop(0)
            done = self._done_before(command, events)
            if done is not None:
                self._answer(command.id, done, update)
                continue
            return self._order(command, spec, events, update)
        return self._keep_deadline(spec, events, update)

    @property
    def more(self) -> bool:
        """Whether a command waits that is not looked at yet."""
        return bool(self._open)

    def answer(self, order: Order, update: int, sequences: tuple[int, ...]) -> None:
        """Record what became of a command."""
        if order.command is None:
            return
        self.ledger.record(
            Answer(
                command=order.command,
                status="refused" if order.refused else "applied",
                update=update,
                why=order.refused or order.why,
                events=sequences,
            )
        )
        self._answered.add(order.command)
        if not order.refused:
            now = self._clock()
            self._applied.append(now)
            command = self._commands[order.command]
            if command.verb == "deadline":
                self._arm(command, now)

    # --- taking in -----------------------------------------------------------------

    def _read(self) -> None:
        try:
            for entry in self.ledger.store.read(self._next):
                self._next = entry.n + 1
                self._take_in(entry.record)
        except LedgerError as error:
            if not self._told_unreadable:
                self._told_unreadable = True
                self.ledger.tell(error, "Commands cannot be read.")
        else:
            self._told_unreadable = False
        self._open = [one for one in self._open if one.id not in self._answered]

    def _take_in(self, record: AnyRecord) -> None:
        if isinstance(record, Command):
            if record.id not in self._commands:
                self._commands[record.id] = record
                self._open.append(record)
        elif isinstance(record, Answer) and record.command not in self._answered:
            self._answered.add(record.command)
            self._take_up(record)

    def _take_up(self, answer: Answer) -> None:
        """Go on with what an earlier process of the run was told."""
        command = self._commands.get(answer.command)
        if answer.status != "applied" or command is None:
            return
        self._applied.append(answer.time)
        if command.verb == "deadline":
            self._arm(command, answer.time)

    def _arm(self, command: Command, since: float) -> None:
        try:
            self._deadline = deadline_of(command, since)
        except StepsizeError:  # it was over before it began
            self._deadline = None
        self._since = since
        self._noticed = set()
        if self._deadline is not None:
            self._deadline_state = self._deadline.start()

    def _done_before(
        self, command: Command, events: tuple[Event, ...]
    ) -> tuple[int, ...] | None:
        """Return the events of a command that a crash kept from being answered."""
        mark = mark_of(command.id)
        source = f"operator:{command.author}"
        found = tuple(
            one.sequence
            for one in events
            if one.source == source and one.reason.endswith(mark)
        )
        return found or None

    def _answer(self, identity: str, found: tuple[int, ...], update: int) -> None:
        why = "it was applied before the process began again"
        self.answer(Order(command=identity, why=why), update, found)

    # --- judging -------------------------------------------------------------------

    def _order(
        self, command: Command, spec: Spec, events: tuple[Event, ...], update: int
    ) -> Order:
        try:
            check(command)
            refused = self._refusal(command, spec, events, update)
            if refused:
                return Order(command=command.id, refused=refused)
            if command.verb not in EVENTS:
                return self._other(command)
            event = append(events, event_of(command, update), made=update)[-1]
            refused = self._too_far(spec, events, event)
        except StepsizeError as error:
            refused = str(error)
        if refused:
            return Order(command=command.id, refused=refused)
        return Order(command=command.id, events=(event.to_dict(),), why=command.verb)

    def _refusal(
        self, command: Command, spec: Spec, events: tuple[Event, ...], update: int
    ) -> str:
        now = self._clock()
        bounds = self.ledger.bounds
        if command.expires is not None and now > command.expires:
            return "it has expired"
        if bounds is not None:
            refused = bounds.refusal(command)
            most = bounds.most_per_day
            if not refused and most is not None:
                made = sum(one > now - _DAY for one in self._applied)
                if made >= most:
                    refused = f"{made} commands were applied in the last 24 hours"
            if refused:
                return refused
        if command.expected_step is not None:
            step = Rates(spec, events).leading().step_at(update)
            if abs(step - command.expected_step) > command.tolerance:
                return (
                    f"it was meant for step {command.expected_step}, within "
                    f"{command.tolerance}, and this is step {step}"
                )
        last = max((one.sequence for one in events), default=-1)
        if command.seen is not None and last != command.seen:
            return (
                "the curve was changed after its author looked at it "
                f"(event {last}, seen: {command.seen})"
            )
        return ""

    def _other(self, command: Command) -> Order:
        if command.verb == "deadline":
            policy = deadline_of(command, self._clock())
            why = "no deadline any more" if policy is None else "the deadline holds"
            return Order(command=command.id, why=why)
        why = f"the training loop is told: {command.verb}"
        return Order(command=command.id, wish=command.verb, why=why)

    def _too_far(self, spec: Spec, events: tuple[Event, ...], event: Event) -> str:
        rates = Rates(spec, (*events, event))
        if not rates.covers(event):
            return (
                f"{event.target.hyperparameter} of groups {event.target.groups!r} "
                "is not driven here"
            )
        rates.admit(event)
        bounds = self.ledger.bounds
        if bounds is None:
            return ""
        before = Rates(spec, events).extremes(event.update)
        return bounds.too_far(*rates.extremes(event.update), before=before)

    # --- the deadline --------------------------------------------------------------

    def _keep_deadline(
        self, spec: Spec, events: tuple[Event, ...], update: int
    ) -> Order | None:
        policy = self._deadline
        if policy is None:
            return None
        for event in events:
            if event.sequence not in self._noticed and event.update <= update:
                self._noticed.add(event.sequence)
                self._deadline_state = policy.notice(self._deadline_state, event)
        rates = Rates(spec, events)
        step, total = rates.leading().place_at(update)
        rate = next(one for one in rates.at(update, rates.paths[0]) if one is not None)
        seen = Observation(
            update=update,
            step=step,
            rate=rate,
            peak=rate,
            seconds=max(self._clock() - self._since, 0.0),
            total_steps=total,
        )
        self._deadline_state, changes = policy.observe(self._deadline_state, seen)
        if not changes:
            return None
        made = tuple(
            Event(
                update=update,
                kind=one.kind,
                values=one.values,
                source=one.source,
                reason=one.reason,
                time=self._clock(),
                target=one.target,
            ).to_dict()
            for one in changes
        )
        return Order(events=made, why="deadline")


@final
class Pace:
    """When to look next, so that a look costs next to nothing.

    Looks are `seconds` apart as far as the pace so far tells, and never more than twice
    as many updates as the time before: a run that becomes slow is noticed.

    Args:
        seconds: Time between two looks. Unit: seconds; > 0.
        clock: A clock that never goes back. Unit: seconds.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._last: tuple[int, float] | None = None
        self._pause = 1

    def next(self, update: int) -> int:
        """Return the update at which to look next, after a look at this one."""
        now = self._clock()
        if self._last is not None and update > self._last[0]:
            made, spent = update - self._last[0], now - self._last[1]
            fits = made * self.seconds / spent if spent > 0 else MOST_UPDATES
            most = min(self._pause * _FASTER, MOST_UPDATES)
            self._pause = max(1, min(int(fits), most))
        self._last = (update, now)
        return update + self._pause
