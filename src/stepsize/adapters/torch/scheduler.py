"""`Scheduler`: an optimizer's hyperparameters follow schedules, update by update."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch

from stepsize.adapters.torch import hooks
from stepsize.adapters.torch.counting import (
    Repeats,
    SchedulerWarning,
    forward_passes,
    probe_of,
    version_of,
)
from stepsize.adapters.torch.eager import eager
from stepsize.adapters.torch.facade import no_epoch
from stepsize.adapters.torch.groups import Rule, as_rules
from stepsize.adapters.torch.plan import Plan, make_plan
from stepsize.adapters.torch.program import Program, Value, as_horizon, make_program
from stepsize.adapters.torch.resuming import (
    agree,
    check_parts,
    parent_of,
    read_program,
)
from stepsize.adapters.torch.state import (
    Bases,
    HorizonChange,
    State,
    check_choice,
    check_count,
    check_even,
)
from stepsize.adapters.torch.steering import Steering
from stepsize.control.events import Event, append
from stepsize.control.journal import Journal
from stepsize.control.sink import EventSink
from stepsize.errors import AdapterError, describe
from stepsize.ledger.event_log import EventLog
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import Schedule

Ledger = str | os.PathLike[str] | EventSink

CARRIED = "stepsize_update"  # the count, in the groups of a saved optimizer


class Scheduler(Steering):
    """Drive an optimizer's hyperparameters along schedules, exactly.

    With u the updates made so far, every hyperparameter of a group is

        trajectory(u)                       for `lr` and `hyperparameters`
        trajectory(u) * (the group's own)   for `lr_factor`

    times the factor of the group's rule. It is written just before each update, by a
    hook of the optimizer, and counted just after: what anybody else writes between
    two updates (a hand edit, a loaded state) reaches no update. `step()` writes the
    next values early, so that logs read them; forgetting it does no harm.

    Attributes are read through the properties below. It is an `LRScheduler` by name,
    so that frameworks take it as their own.

    Args:
        optimizer: The optimizer, or a wrapper that has it as `optimizer` or
            `base_optimizer`.
        lr: Schedule of absolute rates, the same for every group (see `rules`).
        lr_factor: Schedule of a factor on the rate that each group was given.
        total_steps: Updates in all, short for `Horizon(steps=total_steps)`.
        horizon: The horizon, where durations need its conversions.
        hyperparameters: Schedules of absolute values by name: "weight_decay",
            "betas[0]", "momentum", or any other key of the param groups.
        rules: What holds for some groups only: `Rule`s, or {match: value} for the rate.
            Groups added later are matched too.
        events: Changes that were made so far, as recorded.
        ledger: Where events are kept, on disk before a rate of theirs is used: the path
            of this run's event log, or an `EventSink`. A resumed run takes from it what
            was decided after its checkpoint; see `Journal`.
        on_horizon_change: What `load_state_dict` does when schedule, horizon or rules
            are not those of the saved run: "keep" the saved curve, "adopt" the given
            one, "bridge" from the one to the other without a jump, "stretch" what is
            left of the saved one over the given horizon; None raises. It is recorded
            as an event of source "resume".
        count: What counts as an update: "hook", a call of the optimizer's step that
            was not skipped; "call", a call of `step()` here, for updates that are made
            without the optimizer's step (then nothing guards against hand edits).
        update: Updates already made, where no saved state says it; None is 0, or what
            the loaded state of the optimizer carries.
        replace: Whether to close another Scheduler of the same hyperparameters.

    Raises:
        AdapterError: Arguments contradict each other, a group lacks a hyperparameter,
            or another Scheduler drives it.
        UnresolvedError: A schedule needs `total_steps` or `horizon`.

    Examples:
        >>> import stepsize as ss, torch
        >>> weights = torch.nn.Parameter(torch.ones(3))
        >>> optimizer = torch.optim.SGD([weights], lr=0.1)
        >>> schedule = 0.1 * ss.warmup(2, start=0.5) >> ss.cosine()
        >>> scheduler = Scheduler(optimizer, lr=schedule, total_steps=4)
        >>> for _ in range(4):
        ...     weights.sum().backward()
        ...     optimizer.step()
        ...     scheduler.step()
        ...     print(round(scheduler.last_lr[0], 4))
        0.05
        0.075
        0.1
        0.05
    """

    _given: tuple[Event, ...]  # the constructor's events, until a state is loaded

    def __init__(
        self,
        optimizer: Any,
        *,
        lr: Value | None = None,
        lr_factor: Value | None = None,
        total_steps: int | None = None,
        horizon: Horizon | None = None,
        hyperparameters: Mapping[str, Value] | None = None,
        rules: Mapping[Any, float | Schedule] | Iterable[Rule] = (),
        events: Iterable[Event] = (),
        ledger: Ledger | None = None,
        on_horizon_change: HorizonChange | None = None,
        count: Literal["hook", "call"] = "hook",
        update: int | None = None,
        replace: bool = False,
    ) -> None:
        check_choice(count, "Scheduler.count", ("hook", "call"))
        check_choice(
            on_horizon_change,
            "Scheduler.on_horizon_change",
            (None, "keep", "adopt", "stretch", "bridge"),
        )
        program = make_program(
            lr,
            lr_factor,
            {} if hyperparameters is None else hyperparameters,
            as_rules(rules),
            as_horizon(total_steps, horizon),
        )
        inner = hooks.unwrap(optimizer)
        if lr is not None and not any(
            r.hyperparameter == "lr" for r, _ in program.rules
        ):
            check_even(inner)
        given: tuple[Event, ...] = ()
        for event in events:
            given = append(given, event, made=0)
        start = 0 if update is None else check_count(update, "Scheduler.update")
        self._start(
            inner,
            program,
            Journal(as_sink(ledger), given, start),
            start,
            count=count,
            policy=on_horizon_change,
            replace=replace,
        )
        # a count that the optimizer carries is taken only if nothing else says one
        self._anchored = update is not None
        self._given = given
        self._take_carried()
        self._rewrite()

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
    ) -> None:
        self._optimizer = optimizer
        self._program = program
        self._asked = program  # what a loaded state must agree with
        self._parent: Mapping[str, Any] | None = None
        self._journal = journal
        self._update = update
        self._skipped = 0
        self._calls = count == "call"
        self._policy: HorizonChange | None = policy
        self._given = ()
        self._anchored = True
        self._dry = False
        self._inside = 0  # calls of the optimizer's step that have not ended
        self._handles: list[Any] = []
        self._bases = Bases()
        # the double-call check: counts at the last step(), and what it saw then
        self._stepped = -1
        self._forward = -1
        self._version = -1
        self._repeats = Repeats()
        self._first = update
        self._watching = True
        self._adopted = False
        self._plan = self._lay_out()
        self._handles = hooks.attach(
            self, optimizer, counting=count == "hook", replace=replace
        )

    # --- the loop ------------------------------------------------------------------

    @eager
    def step(self, epoch: None = None) -> None:  # type: ignore[override]  # no epochs
        """Write the next update's values into the groups, for whoever reads them.

        Call it after `optimizer.step()`, or not at all: the values are written before
        each update anyway. A second call in the same update does nothing. With
        `count="call"` this call is what counts an update.

        Raises:
            AdapterError: An epoch was given, or ten calls in a row saw no update.
        """
        if epoch is not None:
            raise no_epoch(epoch)
        if self._calls:
            self._update += 1
            self._rewrite()
            return
        done = self._update + self._skipped
        if done == self._stepped:
            self._repeated()
            return
        self._stepped = done
        plan = self._plan
        groups: Any = self._optimizer.param_groups
        if len(groups) != len(plan.groups) or groups is not plan.live:
            plan = hooks.plan_for(self, groups)
        key = plan.key
        if key is None:
            hooks.write_general(self, groups)
        else:
            value = plan.value
            if plan.factors is None:
                for group in groups:
                    group[key] = value
            else:
                for group, factor in zip(groups, plan.factors):  # noqa: B905 - hot
                    group[key] = value * factor
        self._forward = forward_passes()
        if self._watching:
            self._watch()

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _watch(self) -> None:
        # once the hooks have counted an update, they will count the others
        self._watching = self._update == self._first
        self._version = version_of(self._probe)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _repeated(self) -> None:
        forward, version = forward_passes(), version_of(self._probe)
        self._repeats.judge(
            self._optimizer.param_groups,
            self._stepped,
            forward=forward != self._forward,
            untouched=not self._watching or version == self._version,
            seen=not self._watching,
        )
        self._forward, self._version = forward, version

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _replan(self) -> Plan:
        """Make the plan for the groups that are there at an update."""
        if self._adopted:
            self._adopted = False
            message = (
                f"Scheduler goes on at update {self._update}, which the optimizer's "
                "state said; no state of a Scheduler was loaded. hint: load that too "
                "(its events are nowhere else), or say Scheduler(..., update=N)."
            )
            warnings.warn(message, SchedulerWarning, stacklevel=4)
        return self._lay_out()

    def _lay_out(self) -> Plan:
        optimizer = self._optimizer
        if self._program.relative:
            self._bases.update(optimizer)
        self._probe = probe_of(optimizer.param_groups)
        self._fused = hooks.is_fused(optimizer)
        plan = make_plan(optimizer, self._program, self._bases.seen, self.events)
        plan.advance(self._update)
        self._plan = plan
        return plan

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _rewrite(self) -> None:
        plan = self._lay_out()
        plan.write(self._optimizer.param_groups)
        if self._adopted:
            plan.groups = []  # so that the next update comes to _replan

    def close(self) -> None:
        """Let go of the optimizer: its rates stay where they are from now on."""
        hooks.detach(self, self._optimizer, self._handles)
        self._handles = []

    # --- events --------------------------------------------------------------------

    @property
    def events(self) -> tuple[Event, ...]:
        """The changes so far, in the order they came."""
        return self._journal.events

    def add_event(self, event: Event) -> Event:
        """Add a change of the values, from an update that is still to come on.

        With a ledger, it is on disk before any of its values is used. The calls
        `cooldown`, `extend`, `hold`, ... add an event for the next update.

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
        self._current_plan()
        kept = self._journal.record(event, made=self._update, check=self._check)
        self._rewrite()
        return kept

    def _check(self, events: tuple[Event, ...], event: Event) -> None:
        """Raise if an event, the last of these, cannot be applied."""
        plan = make_plan(self._optimizer, self._program, self._bases.seen, events)
        for path in plan.sources:
            for trajectory in plan.trajectories(path):
                if event in trajectory.events:
                    trajectory.admit(event)

    # --- what it says --------------------------------------------------------------

    @property
    def update(self) -> int:
        """Updates made so far, which is also the index of the next one."""
        return self._update

    @property
    def skipped(self) -> int:
        """Updates that a fused optimizer was called for and skipped."""
        return self._skipped

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """What is driven: "lr", "weight_decay", ..."""
        return tuple(self._program.parts)

    def _current_plan(self) -> Plan:
        plan = self._plan
        groups = self._optimizer.param_groups
        same = len(groups) == len(plan.groups) and all(
            one is other for one, other in zip(groups, plan.groups, strict=True)
        )
        return plan if same else self._lay_out()

    # --- state ---------------------------------------------------------------------

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
        journal = Journal(self._journal.sink, state.events, state.update, complete=True)
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
    ) -> Scheduler:
        """Start a cooldown from a checkpoint, as a run of its own.

        The run that the checkpoint is of stays as it is, and may go on.

        Args:
            optimizer: The optimizer of the branch; its own state may be loaded before
                or after.
            state_dict: A checkpoint's `state_dict()`.
            steps: Updates of the cooldown, or "10%" of those left.
            to: Last value as a fraction of the one at the checkpoint.
            shape: As in `decay`, with its `parameters`.
            to_lr: Last value, absolute.
            rules: Where the predicates of the checkpoint's rules are found.
            ledger: The branch's own event log.
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
        made = cls.__new__(cls)
        made._start(
            hooks.unwrap(optimizer),
            program,
            Journal(as_sink(ledger), state.events, state.update, complete=True),
            state.update,
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
            if self._journal.sink is not None:
                self._journal = Journal(self._journal.sink, self._given, self._update)

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
        )
        self._asked = copied["asked"]
        self._parent = state.parent
        self._skipped = state.skipped
        self._bases.loaded = state.bases
        self._rewrite()
        if not copied["open"]:
            self.close()

    def __repr__(self) -> str:
        """Return what is driven, and where it stands."""
        lr = "lr_factor" if self._program.relative else "lr"
        parts = ", ".join(
            f"{lr if path == 'lr' else path}={one.schedule}"
            for path, one in self._program.parts.items()
        )
        return f"Scheduler({parts}, update={self._update})"


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
