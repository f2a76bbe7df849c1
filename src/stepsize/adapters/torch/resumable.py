"""What a Scheduler saves, loads and copies, and the branch of a run.

What becomes of a state that is of another schedule is `resuming`'s to say.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from stepsize.adapters.driving.arguments import (
    Ledger,
    as_sink,
    check_choice,
    check_count,
)
from stepsize.adapters.driving.resuming import HorizonChange
from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.adapters.torch import hooks
from stepsize.adapters.torch.deciding import Deciding
from stepsize.adapters.torch.groups import Rule, as_rules
from stepsize.adapters.torch.making import journal_of, ranks_of
from stepsize.adapters.torch.program import Program
from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.resuming import (
    agree,
    check_parts,
    parent_of,
    read_program,
)
from stepsize.adapters.torch.state import State
from stepsize.adapters.torch.steering import Steering
from stepsize.control.events import Event
from stepsize.control.journal import Journal
from stepsize.errors import AdapterError, describe
from stepsize.schedules.schedule import Schedule

CARRIED = "stepsize_update"  # the count, in the groups of a saved optimizer


class Resumable(Steering):
    """The part of a Scheduler that outlives its process."""

    _asked: Program
    _journal: Journal
    _deciding: Deciding | None
    _ranks: Ranks | None
    _parent: Mapping[str, Any] | None
    _policy: HorizonChange | None
    _given: tuple[Event, ...]
    _handles: list[Any]
    _skipped: int
    _first: int
    _stepped: int
    _anchored: bool
    _adopted: bool
    _calls: bool

    def _start(
        self,
        optimizer: Any,
        program: Program,
        journal: Journal,
        update: int,
        *,
        count: str,
        policy: HorizonChange | None,
        replace: bool,
        ranks: Ranks | None = None,
        deciding: Deciding | None = None,
    ) -> None:
        raise NotImplementedError

    def _rewrite(self) -> None:
        raise NotImplementedError

    def _obey(self, ledger: Ledger | None) -> None:
        raise NotImplementedError

    def _await_first(self) -> None:
        raise NotImplementedError

    @property
    def events(self) -> tuple[Event, ...]:
        """See `Scheduler.events`."""
        raise NotImplementedError

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """See `Scheduler.hyperparameters`."""
        raise NotImplementedError

    def close(self) -> None:
        """See `Scheduler.close`."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return everything the values follow from, JSON-plain: no optimizer, no code.

        It may be taken at any moment, also between `optimizer.step()` and `step()`.
        """
        self._current_plan()
        self._journal.settle(self._update)
        return State(
            update=self._update,
            skipped=self._skipped,
            program=self._program.to_dict(),
            bases=tuple(self._bases.seen),
            events=self.events,
            given=self._asked.to_dict(),
            parent=self._parent,
            policies=None if self._deciding is None else self._deciding.to_dict(),
        ).to_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        In any order with the optimizer's own `load_state_dict`, and as often as you
        like: the state is set, never added to.

        Args:
            state_dict: What `state_dict` returned, perhaps through JSON.

        Raises:
            HorizonChangedError: It is of another schedule, horizon or rules, and
                `on_horizon_change` is None.
            AdapterError: It is no such state, lacks an event that the constructor was
                given, or `on_horizon_change` has no meaning for what differs.
            InvalidScheduleError: What `on_horizon_change` asks for cannot be done.
            LedgerError: The ledger is of another run, or cannot be used.
        """
        state = State.from_dict(state_dict)
        program, changes = agree(state, self._asked, self._policy)
        missing = [event for event in self._given if event not in state.events]
        if missing:
            rule = "be those of the saved state"
            hint = "add new ones with add_event after loading"
            raise AdapterError(
                describe("Scheduler.events", rule, missing[0], hint=hint)
            )
        sink = self._journal.sink
        journal = journal_of(
            self._ranks, sink, state.events, state.update, complete=True
        )
        for event in changes:
            journal.record(event, made=state.update, check=check_parts(program))
        self._program = program
        self._journal = journal
        self._parent = state.parent
        self._update = self._first = state.update
        self._skipped = state.skipped
        self._bases.loaded = state.bases
        self._anchored = True
        self._adopted = False
        self._given = ()
        self._stepped = -1
        self._rewrite()
        self._resume_policies(state.policies)

    def _resume_policies(self, plain: Mapping[str, Any] | None) -> None:
        if self._deciding is None:
            if plain is not None:
                message = (
                    "The saved run had policies, this Scheduler has none: nothing "
                    "steers it any more. hint: Scheduler(..., policies=[...])."
                )
                warnings.warn(message, SchedulerWarning, stacklevel=3)
            return
        if plain is not None:
            for name in self._deciding.load(plain, self._update):
                note = Event(
                    update=self._update,
                    kind="note",
                    source="resume",
                    reason=f"policy {name} starts afresh: it is new, or was changed",
                    time=time.time(),
                )
                self.add_event(note)
        self._await_first()

    @classmethod
    def branch(
        cls,
        optimizer: Any,
        state_dict: Mapping[str, Any],
        steps: int | str,
        to: float = 0.0,
        shape: str = "1-sqrt",
        *,
        to_lr: float | None = None,
        rules: Mapping[Any, float | Schedule] | Iterable[Rule] = (),
        ledger: Ledger | None = None,
        count: Literal["hook", "call"] = "hook",
        replace: bool = False,
        reason: str = "",
        source: str = "operator",
        **parameters: float,
    ) -> Self:
        """Start a cooldown from a checkpoint, as a run of its own.

        The run that the checkpoint is of stays as it is, and may go on. With several
        processes in torch.distributed and a ledger, all of them call this, alike.

        Args:
            optimizer: The optimizer of the branch; its own state may be loaded before
                or after.
            state_dict: A checkpoint's `state_dict()`.
            steps: Updates of the cooldown, or "10%" of those left.
            to: Last value as a fraction of the one at the checkpoint.
            shape: As in `decay`, with its `parameters`.
            to_lr: Last value, absolute.
            rules: Where the predicates of the checkpoint's rules are found.
            ledger: The branch's own ledger: commands in it steer the branch alone.
            count: As in the constructor.
            replace: As in the constructor.
            reason: Why.
            source: Who decides.
            parameters: Of the shape.

        Returns:
            A Scheduler at the checkpoint's update; `parent` says where it came from.

        Raises:
            AdapterError, InvalidScheduleError, LedgerError: See the constructor,
                `load_state_dict` and `cooldown`.
        """
        check_choice(count, "Scheduler.count", ("hook", "call"))
        state = State.from_dict(state_dict)
        program = read_program(state.program, as_rules(rules))
        ranks = ranks_of("auto", needed=ledger is not None)
        made = cls.__new__(cls)
        made._start(
            hooks.unwrap(optimizer),
            program,
            journal_of(
                ranks, as_sink(ledger), state.events, state.update, complete=True
            ),
            state.update,
            ranks=ranks,
            count=count,
            policy=None,
            replace=replace,
        )
        if state.given is not None:
            made._asked = read_program(state.given, as_rules(rules))
        made._parent = parent_of(state)
        made._skipped = state.skipped
        made._bases.loaded = state.bases
        extra: dict[str, Any] = dict(parameters)
        try:
            made.cooldown(
                steps,
                to,
                shape,
                to_lr=to_lr,
                reason=reason or f"branch of the run at update {state.update}",
                source=source,
                **extra,
            )
            made._obey(ledger)
        except Exception:
            made.close()
            raise
        return made

    @property
    def parent(self) -> Mapping[str, Any] | None:
        """Of a branch: the update and the hash of the state it began from."""
        return self._parent

    def _optimizer_loaded(self) -> None:
        """The optimizer loaded its state: the groups are new objects."""
        self._take_carried()
        self._rewrite()

    def _optimizer_saved(self, state_dict: dict[str, Any]) -> None:
        """The optimizer saves its state: the count goes with it."""
        for group in state_dict["param_groups"]:
            group[self._carried] = self._update

    @property
    def _carried(self) -> str:
        return f"{CARRIED}:{self.hyperparameters[0]}"

    def _take_carried(self) -> None:
        counts = [
            group.pop(self._carried)
            for group in self._optimizer.param_groups
            if self._carried in group
        ]
        if counts and not self._anchored and self._update == 0:
            self._update = self._first = check_count(counts[0], self._carried)
            self._adopted = self._update > 0
            sink, ranks = self._journal.sink, self._ranks
            if sink is not None or ranks is not None:
                self._journal = journal_of(ranks, sink, self._given, self._update)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: hooks are registered anew there."""
        self._current_plan()
        return {
            "optimizer": self._optimizer,
            "program": self._program,
            "asked": self._asked,
            "sink": self._journal.sink,
            "state": self.state_dict(),
            "count": "call" if self._calls else "hook",
            "policy": self._policy,
            "open": bool(self._handles),
            "deciding": self._deciding,
            "ranks": self._ranks,
        }

    def __setstate__(self, copied: dict[str, Any]) -> None:
        """Become the Scheduler of the copied optimizer."""
        state = State.from_dict(copied["state"])
        self._start(
            copied["optimizer"],
            copied["program"],
            Journal(copied["sink"], state.events, state.update, complete=True),
            state.update,
            count=copied["count"],
            policy=copied["policy"],
            replace=False,
            ranks=copied["ranks"],
            deciding=copied["deciding"],
        )
        self._asked = copied["asked"]
        self._parent = state.parent
        self._skipped = state.skipped
        self._bases.loaded = state.bases
        self._rewrite()
        self._await_first()
        if not copied["open"]:
            self.close()
