"""`Scheduler`: an optimizer's hyperparameters follow schedules, update by update."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch

from stepsize.adapters.driving.arguments import (
    Ledger,
    Value,
    as_horizon,
    as_policies,
    as_sink,
    check_choice,
    check_count,
)
from stepsize.adapters.driving.resuming import HorizonChange
from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.adapters.torch import hooks
from stepsize.adapters.torch.counting import (
    Repeats,
    forward_passes,
    probe_of,
    version_of,
)
from stepsize.adapters.torch.deciding import Deciding, Rewound
from stepsize.adapters.torch.eager import eager
from stepsize.adapters.torch.facade import no_epoch
from stepsize.adapters.torch.groups import Rule, as_rules
from stepsize.adapters.torch.making import journal_of, make_deciding, ranks_of
from stepsize.adapters.torch.plan import Plan, make_plan
from stepsize.adapters.torch.program import Program, make_program
from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.remote import Remote, check_free
from stepsize.adapters.torch.resumable import Resumable
from stepsize.adapters.torch.snapshots import Subject
from stepsize.adapters.torch.state import Bases, check_even
from stepsize.control.events import Event, append
from stepsize.control.journal import Journal
from stepsize.control.policies import Policy
from stepsize.control.snapshots import Snapshots
from stepsize.control.trajectory import Trajectory
from stepsize.errors import AdapterError, describe
from stepsize.ledger.ledger import Ledger as RunLedger
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import Schedule

Store = str | os.PathLike[str] | Snapshots


class Scheduler(Resumable):
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
        policies: Who decides on changes from what is measured: `Plateau`, `Guard`, ...
            of `stepsize.control`; see `step` and `observe`.
        model: The model, or a list of them: what a guard restores. None: the
            optimizer's parameters only, without buffers.
        scaler: The GradScaler: a guard restores it, and learns of skipped updates.
        data: What reads the data, with `state_dict` and `load_state_dict`: restored by
            `Guard(clock="rewind")`.
        snapshots: Where a guard's snapshots are: a folder, which a resumed run finds
            again; or a `Snapshots`. None: in memory.
        ranks: The processes that decide together; "auto": all of torch.distributed, if
            it is initialised. Then the constructor, `step`, `observe` and
            `load_state_dict` are to be called by all of them, alike.
        sync_every: Updates whose losses are read, and shared between ranks, at once;
            int >= 1. None: 16, or 1 with a policy that watches the loss itself or the
            clock. A loss on the CPU that is not finite is looked at at once.
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
        policies: Iterable[Policy] = (),
        model: Any = None,
        scaler: Any = None,
        data: Any = None,
        snapshots: Store | None = None,
        ranks: Ranks | Literal["auto"] | None = "auto",
        sync_every: int | None = None,
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
        if isinstance(ledger, RunLedger):
            check_free(ledger, replaced=inner if replace else None)
        given: tuple[Event, ...] = ()
        for event in events:
            given = append(given, event, made=0)
        start = 0 if update is None else check_count(update, "Scheduler.update")
        asked = as_policies(policies)
        group = ranks_of(ranks, needed=bool(asked) or ledger is not None)
        deciding = make_deciding(
            asked,
            Subject(model, inner, scaler=scaler, data=data),
            snapshots,
            group,
            sync_every,
        )
        self._start(
            inner,
            program,
            journal_of(group, as_sink(ledger), given, start),
            start,
            ranks=group,
            deciding=deciding,
            count=count,
            policy=on_horizon_change,
            replace=replace,
        )
        # a count that the optimizer carries is taken only if nothing else says one
        self._anchored = update is not None
        self._given = given
        self._take_carried()
        self._rewrite()
        self._await_first()
        self._obey(ledger)

    def _obey(self, ledger: Ledger | None) -> None:
        """Record the run in its ledger, and do what commands there ask for."""
        if isinstance(ledger, RunLedger):
            self._remote: Remote | None = Remote.of(self, ledger)

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
        self._optimizer = optimizer
        self._program = program
        self._asked = program  # what a loaded state must agree with
        self._parent: Mapping[str, Any] | None = None
        self._journal = journal
        self._ranks = ranks
        self._deciding = deciding
        self._starting = False
        self._remote = None
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

    def _await_first(self) -> None:
        """Have the snapshot of the start taken just before the first update."""
        if self._deciding is None:
            return
        if self._calls:
            self._deciding.begin(self)
        else:
            self._starting = True
            self._lay_out()

    # --- the loop ------------------------------------------------------------------

    @eager
    def step(  # type: ignore[override]  # no epochs
        self, epoch: None = None, *, loss: Any = None
    ) -> Rewound | None:
        """Write the next update's values into the groups, for whoever reads them.

        Call it after `optimizer.step()`, or not at all: the values are written before
        each update anyway. A second call in the same update does nothing. With
        `count="call"` this call is what counts an update.

        Policies are asked here: they need the call.

        Args:
            epoch: Not to be given.
            loss: The update's training loss, for policies: a number or a tensor of one,
                its graph is not kept. With several calls an update (accumulation), the
                mean of what they were given.

        Returns:
            None, unless the guard went back to a snapshot: then `Rewound`. Model and
            optimizer hold the snapshot's values again and the loop just goes on.

        Raises:
            AdapterError: An epoch was given, ten calls in a row saw no update, or the
                loss is no number.
            GaveUpError: The guard gave up, and was to raise then.
        """
        if epoch is not None:
            raise no_epoch(epoch)
        if self._remote is not None and loss is not None:
            self._remote.loss(loss)
        if self._calls:
            return self._counted(loss)
        done = self._update + self._skipped
        if done == self._stepped:
            self._repeated()
            return self._decide(loss)
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
        return None if self._deciding is None else self._decide(loss)

    def _counted(self, loss: Any) -> Rewound | None:
        """Count a call as an update."""
        self._update += 1
        self._rewrite()
        if self._remote is not None:
            self._remote.look()
        return self._decide(loss)

    def _decide(self, loss: Any) -> Rewound | None:
        if self._deciding is None:
            return None
        rewound: Rewound | None
        rewound = self._deciding.after(self, loss)
        if rewound is not None:  # the weights were written to, and not by an update
            self._version = version_of(self._probe)
            self._repeats.versions = None
        return rewound

    def observe(self, **metrics: Any) -> Rewound | None:
        """Show the policies what was measured, after an evaluation for instance.

        Args:
            metrics: By name: `observe(val_loss=0.3, accuracy=0.91)`; numbers, or
                tensors of one. NaN is a value; what was not measured is left out. With
                ranks, the mean over those that measured it.

        Returns:
            As `step` does.

        Raises:
            AdapterError: There are no policies, or a metric is no number.
            GaveUpError: The guard gave up, and was to raise then.

        Examples:
            >>> import stepsize as ss, torch
            >>> from stepsize.control import Plateau
            >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=1.0)
            >>> plateau = Plateau(patience=3, convention="torch")
            >>> scheduler = Scheduler(optimizer, lr=0.1, policies=[plateau])
            >>> for _ in range(5):
            ...     optimizer.step()
            ...     scheduler.step()
            ...     scheduler.observe(val_loss=1.0)
            >>> [event.source for event in scheduler.events], scheduler.next_lr
            (['policy:plateau'], [0.010000000000000002])
        """
        if self._deciding is None:
            hint = "Scheduler(..., policies=[Plateau()])"
            raise AdapterError(
                describe("Scheduler.policies", "be given for observe", (), hint=hint)
            )
        rewound: Rewound | None = self._deciding.observe(self, metrics)
        return rewound

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
        if self._starting and self._deciding is not None:
            self._starting = False
            self._deciding.begin(self)
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
        if self._starting or self._adopted:
            plan.groups = []  # so that the next update comes to _replan
        self._plan = plan
        return plan

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _rewrite(self) -> None:
        self._lay_out().write(self._optimizer.param_groups)

    def close(self) -> None:
        """Let go of the optimizer: its rates stay where they are from now on."""
        if self._remote is not None:
            self._remote.close()
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

    def asked(self, wish: Literal["checkpoint", "stop"]) -> bool:
        """Return whether a person asked for it through the ledger; once each time."""
        return self._remote is not None and self._remote.asked(wish)

    @property
    def done(self) -> bool:
        """Whether every step of the horizon was made, or a person asked to stop.

        `while not scheduler.done:` is the loop of a run that may be extended, held,
        rewound, cooled down or stopped. Of "lr", if that is driven, in every group;
        without a horizon only a person ends it.
        """
        return (self._remote is not None and self._remote.stopped) or super().done

    # --- what it says --------------------------------------------------------------

    @property
    def update(self) -> int:
        """Updates made so far, which is also the index of the next one."""
        return self._update

    @property
    def skipped(self) -> int:
        """Updates that a fused optimizer was called for and skipped."""
        return self._skipped

    def step_at(self, update: int, hyperparameter: str = "lr") -> int:
        """Return the position on a hyperparameter's curve at an update, in group 0.

        It is the update itself, but for holds, and rewinds of the clock.
        """
        return self._leading(hyperparameter)[0].step_at(update)

    def _leading(self, hyperparameter: str = "lr") -> tuple[Trajectory, float]:
        """Return the trajectory and the factor of the first group that has one."""
        sources = self._current_plan().sources
        path = hyperparameter if hyperparameter in sources else next(iter(sources))
        return next(source for source in sources[path] if source is not None)

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

    def __repr__(self) -> str:
        """Return what is driven, and where it stands."""
        lr = "lr_factor" if self._program.relative else "lr"
        parts = ", ".join(
            f"{lr if path == 'lr' else path}={one.schedule}"
            for path, one in self._program.parts.items()
        )
        return f"Scheduler({parts}, update={self._update})"
