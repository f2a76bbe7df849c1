"""`Driver`: what every scheduler without a torch optimizer is made of."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from stepsize.adapters.driving.arguments import (
    Ledger,
    Value,
    as_horizon,
    as_sink,
    check_choice,
    check_count,
    number_of,
)
from stepsize.adapters.driving.council import make_council
from stepsize.adapters.driving.program import Program, make_program
from stepsize.adapters.driving.readable import Readable
from stepsize.adapters.driving.resuming import (
    VERSION,
    HorizonChange,
    agree,
    read_state,
)
from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.control.events import Event, append
from stepsize.control.journal import Journal
from stepsize.control.policies import Policy
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon


class Driver(Readable):
    """A schedule, its horizon, its events and its policies, at an update.

    With u the updates made so far, the next update's values are

        trajectory(u)                        for `lr` and `hyperparameters`
        trajectory(u) * groups[name]         for the rate in a group

    It owns no optimizer: an adapter asks for the values, makes the update, and says so
    by `step`.

    Args:
        lr: Schedule of absolute rates.
        lr_factor: Schedule of a factor on the groups' own rates.
        total_steps: Updates in all, short for `Horizon(steps=total_steps)`.
        horizon: The horizon, where durations need its conversions.
        hyperparameters: Schedules of absolute values by name.
        groups: For each group by name a factor on `lr`; with `lr_factor` its own rate.
            Unit: lr for the latter; finite, >= 0. None: one group.
        events: Changes that were made so far, as recorded.
        policies: Who decides on changes from what is measured; no guard.
        ledger: Where events are kept: the path of this run's event log, or an
            `EventSink`.
        on_horizon_change: What `load_state_dict` does when schedule, horizon or groups
            are not those of the saved run: "keep" the saved curve, "adopt" the given
            one, "bridge" to it without a jump, "stretch" what is left of the saved one
            over the given horizon; None raises.
        update: Updates already made; int >= 0.

    Raises:
        AdapterError: Arguments contradict each other.
        UnresolvedError: A schedule needs `total_steps` or `horizon`.

    Examples:
        >>> import stepsize as ss
        >>> driver = Driver(lr=0.1 * ss.cosine(), total_steps=4)
        >>> for _ in range(4):
        ...     print(round(driver.rate(), 4))
        ...     _ = driver.step()
        0.1
        0.0854
        0.05
        0.0146
    """

    def __init__(
        self,
        *,
        lr: Value | None = None,
        lr_factor: Value | None = None,
        total_steps: int | None = None,
        horizon: Horizon | None = None,
        hyperparameters: Mapping[str, Value] | None = None,
        groups: Mapping[str, float] | None = None,
        events: Iterable[Event] = (),
        policies: Iterable[Policy] = (),
        ledger: Ledger | None = None,
        on_horizon_change: HorizonChange | None = None,
        update: int = 0,
    ) -> None:
        choices = (None, "keep", "adopt", "stretch", "bridge")
        check_choice(on_horizon_change, "Scheduler.on_horizon_change", choices)
        horizon = as_horizon(total_steps, horizon)
        self._program = make_program(lr, lr_factor, hyperparameters, groups, horizon)
        self._asked = self._program  # what a loaded state must agree with
        self._council = make_council(policies)
        self._policy: HorizonChange | None = on_horizon_change
        self._update = check_count(update, "Scheduler.update")
        given: tuple[Event, ...] = ()
        for event in events:
            given = append(given, event, made=0)
        self._given = given  # the constructor's, until a state is loaded
        self._journal = Journal(as_sink(ledger), given, self._update)
        self._hurries = self._council is not None and not self._council.patient
        self._lay_out()

    # --- the loop ------------------------------------------------------------------

    def step(self, updates: int = 1, *, loss: Any = None) -> tuple[Event, ...]:
        """Count updates that were made.

        Args:
            updates: How many; int >= 0.
            loss: The last update's training loss, for policies that watch it.

        Returns:
            What the policies decided, as it was recorded.

        Raises:
            AdapterError: It is no such number, or the loss is none.
        """
        if updates != 1:
            check_count(updates, "Scheduler.step.updates")
        self._update += updates
        if self._council is None or (loss is None and not self._hurries):
            return ()
        metrics = {} if loss is None else {"loss": number_of(loss, "Scheduler.loss")}
        return self._council.ask(self, metrics)

    def observe(self, **metrics: Any) -> tuple[Event, ...]:
        """Show the policies what was measured, after an evaluation for instance.

        Args:
            metrics: By name: `observe(val_loss=0.3, accuracy=0.91)`; numbers, or arrays
                of one. NaN is a value; what was not measured is left out.

        Returns:
            What the policies decided, as it was recorded; in force from the next
            update on.

        Raises:
            AdapterError: There are no policies, or a metric is no number.

        Examples:
            >>> from stepsize.control import Plateau
            >>> plateau = Plateau(patience=2, convention="torch")
            >>> driver = Driver(lr=1.0, policies=[plateau])
            >>> for _ in range(4):
            ...     _ = driver.step()
            ...     _ = driver.observe(val_loss=1.0)
            >>> [event.source for event in driver.events], driver.rate()
            (['policy:plateau'], 0.1)
        """
        if self._council is None:
            hint = "Scheduler(..., policies=[Plateau()])"
            raise AdapterError(
                describe("Scheduler.policies", "be given for observe", (), hint=hint)
            )
        plain = {
            name: number_of(value, f"Scheduler.observe.{name}")
            for name, value in metrics.items()
        }
        return self._council.ask(self, plain)

    # --- events --------------------------------------------------------------------

    def add_event(self, event: Event) -> Event:
        """Add a change of the values, from an update that is still to come on.

        With a ledger, it is on disk before any of its values is used.

        Args:
            event: The change; `Event.update` is at least `update`.

        Returns:
            The event as it was recorded, with its sequence.

        Raises:
            InvalidScheduleError: That update was made already, or the change makes no
                sense there.
            UnresolvedError, UnitError: It needs a horizon, or a conversion, that was
                not given.
            LedgerError: It could not be kept. Nothing was changed then.
        """
        kept = self._journal.record(event, made=self._update, check=self._program.admit)
        self._lay_out()
        return kept

    # --- state ---------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return everything the values follow from, JSON-plain: no model, no code."""
        self._journal.settle(self._update)
        plain: dict[str, Any] = {
            "version": VERSION,
            "update": self._update,
            "program": self._program.to_dict(),
            "given": self._asked.to_dict(),
            "events": [event.to_dict() for event in self.events],
        }
        if self._council is not None:
            plain["policies"] = self._council.to_dict()
        return plain

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; as often as you like.

        Args:
            state_dict: What `state_dict` returned, perhaps through JSON.

        Raises:
            HorizonChangedError: It is of another schedule, horizon or groups, and
                `on_horizon_change` is None.
            AdapterError: It is no such state, lacks an event that the constructor was
                given, or `on_horizon_change` has no meaning for what differs.
            InvalidScheduleError: What `on_horizon_change` asks for cannot be done.
            LedgerError: The ledger is of another run, or cannot be used.
        """
        state = read_state(state_dict)
        program, changes = agree(state, self._asked, self._policy, Program.from_dict)
        missing = [event for event in self._given if event not in state.events]
        if missing:
            rule = "be those of the saved state"
            hint = "add new ones with add_event after loading"
            raise AdapterError(
                describe("Scheduler.events", rule, missing[0], hint=hint)
            )
        sink = self._journal.sink
        journal = Journal(sink, state.events, state.update, complete=True)
        for event in changes:
            journal.record(event, made=state.update, check=program.admit)
        self._program, self._journal = program, journal
        self._update, self._given = state.update, ()
        self._lay_out()
        self._resume_policies(state_dict.get("policies"))

    def _resume_policies(self, plain: Mapping[str, Any] | None) -> None:
        if plain is None:
            return
        if self._council is None:
            message = (
                "The saved run had policies, this Scheduler has none: nothing "
                "steers it any more. hint: Scheduler(..., policies=[...])."
            )
            warnings.warn(message, SchedulerWarning, stacklevel=3)
            return
        for name in self._council.load(plain):
            reason = f"policy {name} starts afresh: it is new, or was changed"
            note = Event(
                update=self._update,
                kind="note",
                source="resume",
                reason=reason,
                time=time.time(),
            )
            self.add_event(note)
