"""The policies of a Scheduler: measurements go in, their decisions become events.

Nothing here decides anything.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch

from stepsize.adapters.driving.awaited import Awaited
from stepsize.adapters.driving.viewing import View
from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.adapters.torch.decided import events_of, snapshot_of
from stepsize.adapters.torch.eager import eager
from stepsize.adapters.torch.holding import Holding, state_of
from stepsize.adapters.torch.rank_deciding import (
    Decision,
    compared,
    decided_on_first,
    reduced_of,
)
from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.readings import (
    Reading,
    Readings,
    number_of,
)
from stepsize.adapters.torch.snapshots import (
    Subject,
)
from stepsize.control.events import Event
from stepsize.control.policies import Change, Observation, Policy, State, Together
from stepsize.control.snapshots import Snapshots
from stepsize.errors import AdapterError, GaveUpError, describe

if TYPE_CHECKING:
    from stepsize.adapters.torch.scheduler import Scheduler


NOTHING: Mapping[str, float] = MappingProxyType({})
MANY_SKIPS = 25
"""Attempts skipped in a row after which policies are asked without an update."""


class Rewound(NamedTuple):
    """What `Scheduler.step` returns when the guard went back to a snapshot.

    Attributes:
        update: The update about to be made; it never goes back.
        snapshot: The update before which the snapshot was taken.
        reason: Why, in words.
    """

    update: int
    snapshot: int
    reason: str


@final
class Deciding:
    """The policies of one Scheduler, their memory and their snapshots.

    Attributes:
        council: All of them, as one.
        state: What they remember.
        holding: The snapshots that the guards among them want.
        ranks: The processes that decide together, None for one alone.
    """

    def __init__(
        self,
        policies: Sequence[Policy],
        subject: Subject,
        *,
        store: Snapshots | None,
        ranks: Ranks | None,
        every: int,
    ) -> None:
        self.council = Together(*policies)
        self.state: State = self.council.start()
        self._before = self.state  # of the last observation
        self._fresh = True  # no state was loaded
        self.holding = Holding(self.council.policies, store, subject)
        self.ranks = ranks
        self._readings = Readings(every, subject.scaler)
        self._due = 0  # updates made at which the policies are asked, at the latest
        self._view = View()
        self._awaited = Awaited(policies)
        self._seen = -1  # updates made at the last call
        self._noticed: set[int] = set()  # sequences of events the policies know of
        self._known: tuple[Event, ...] = ()  # events of which all are noticed
        self._spent = 0.0  # seconds of earlier processes
        self._began = time.monotonic()
        self._told: set[str] = set()
        self._checked = 0

    # --- what the loop calls -------------------------------------------------------

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def begin(self, scheduler: Scheduler) -> None:
        """Take the snapshot of where the run starts, before its first update."""
        update = scheduler.update
        self._seen = update
        if self.holding.store is None:
            return
        self.state = self.holding.begin(self.state, update, fresh=self._fresh)
        self._fresh = False
        self._plan_ahead(update)

    @eager
    def after(self, scheduler: Scheduler, loss: Any) -> Rewound | None:
        """Take the loss of a call of `step`, and ask the policies if it is time."""
        update = scheduler.update
        if update == self._seen:
            skipped = scheduler.skipped > self._skipped
            self._skipped = scheduler.skipped
            self._readings.attempt(loss, skipped=skipped)
            rewound: Rewound | None = self._stuck(scheduler)
            return rewound
        self._seen = update
        urgent = self._readings.update(update, loss)
        if update < self._due and (not urgent or self.ranks is not None):
            return None
        rewound = self._flush(scheduler)
        return rewound

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _stuck(self, scheduler: Scheduler) -> Rewound | None:
        """Ask the policies when attempt after attempt was skipped."""
        skips = self._readings.skips
        if not skips or skips % MANY_SKIPS:
            return None
        rewound: Rewound | None = self._flush(scheduler)
        if rewound is not None:
            return rewound
        return self._ask(
            scheduler, [Reading(scheduler.update, {"skips": float(skips)})]
        )

    def _plan_ahead(self, update: int) -> None:
        """Find out when to ask next: the updates after which a guard looks closer."""
        last = update + self._readings.every
        self._due = self.holding.next_look(self.state, update, last)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def observe(
        self, scheduler: Scheduler, metrics: Mapping[str, Any]
    ) -> Rewound | None:
        """Show metrics to the policies, after the losses that came before."""
        rewound: Rewound | None = self._flush(scheduler)
        if rewound is not None:
            return rewound
        plain = {
            name: number_of(value, f"Scheduler.observe.{name}")
            for name, value in metrics.items()
        }
        self._awaited.look(plain)
        return self._ask(scheduler, [Reading(scheduler.update, plain)])

    _skipped = 0  # fused updates skipped at the last call

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _flush(self, scheduler: Scheduler) -> Rewound | None:
        rows = self._readings.drain()
        rewound = None
        if rows:
            extra = {}
            if rows[-1].update == scheduler.update:
                extra = self.holding.inspect(self.state, scheduler.update)
            rewound = self._ask(scheduler, rows, extra)
        self._plan_ahead(scheduler.update)
        return rewound

    # --- deciding ------------------------------------------------------------------

    def _ask(
        self,
        scheduler: Scheduler,
        rows: list[Reading],
        extra: Mapping[str, float] = NOTHING,
    ) -> Rewound | None:
        ranks = self.ranks
        if ranks is not None:
            rows = reduced_of(ranks, rows, scheduler.update)
        update = scheduler.update
        if extra and ranks is not None:
            extra = ranks.reduce(extra, {"nonfinite": "sum"}, update=update)
        if ranks is None:
            decided = self._decide(scheduler, rows, extra)
        else:
            decided = decided_on_first(
                ranks,
                lambda: self._decide(scheduler, rows, extra),
                lambda seen: self._one(scheduler, seen),
                update,
            )
        changes = decided[-1].changes
        rewound, remembered = None, self.state
        if changes:
            self._readings.clear()
            rewound = self._apply(scheduler, decided[-1])
            # a rewind to here voids what policies decide here: they decide it again
            decides = any(one.source.startswith("policy") for one in changes)
            remembered = self._before if decides else self.state
        self.holding.hold(self.state, update, remembered)
        if ranks is not None and update - self._checked >= ranks.check_every:
            self._checked = update
            compared(ranks, scheduler, self.state)
        return rewound

    def _decide(
        self, scheduler: Scheduler, rows: list[Reading], extra: Mapping[str, float]
    ) -> list[Decision]:
        """Ask about one reading after the other, until something is to be done."""
        made: list[Decision] = []
        seconds = self._spent + time.monotonic() - self._began
        for row in rows:
            metrics = row.metrics
            if extra and row is rows[-1]:
                metrics = {**metrics, **extra}
            seen = self._view.observation(scheduler, row.update, metrics, seconds)
            made.append(Decision(seen, self._one(scheduler, seen)))
            if made[-1].changes:
                break
        return made

    def _one(self, scheduler: Scheduler, seen: Observation) -> tuple[Change, ...]:
        if scheduler.events is not self._known:
            self._notice(scheduler.events, seen.update)
        self._before = self.state
        self.state, changes = self.council.observe(self.state, seen)
        return changes

    def _notice(self, events: tuple[Event, ...], update: int) -> None:
        """Tell the policies of events that have taken effect."""
        new = [event for event in events if event.sequence not in self._noticed]
        for event in new:
            if event.update < update:
                self._noticed.add(event.sequence)
                self.state = self.council.notice(self.state, event)
        if all(event.update < update for event in new):
            self._known = events

    # --- applying ------------------------------------------------------------------

    def _apply(self, scheduler: Scheduler, decision: Decision) -> Rewound | None:
        events: list[Event] = []
        back: Change | None = None
        for change in decision.changes:
            made = events_of(scheduler, change)
            events += [scheduler.add_event(event) for event in made]
            if change.kind == "rewind":
                back = change
        update = scheduler.update
        rewound = None
        if back is not None:
            label = snapshot_of(back)
            self.holding.keep_present(self.state, update)
            self._restore(scheduler, label, whole=back.values["clock"] == "rewind")
            rewound = Rewound(update, label, back.reason)
        for event in events:
            self._noticed.add(event.sequence)
            self.state = self.council.notice(self.state, event, again=False)
        self._tell()
        return rewound

    def _restore(self, scheduler: Scheduler, label: int, *, whole: bool) -> None:
        store = self.holding.of(label)
        if self.ranks is not None:
            self.ranks.barrier()
        saved = store.restore(label, everything=whole)
        self.state = self.council.rewound(self.state, saved["policies"])
        for event in scheduler.events:
            decided = event.source.startswith("policy")
            if label <= event.update <= scheduler.update and not decided:
                self.state = self.council.notice(self.state, event, again=False)
        scheduler._rewrite()

    def _tell(self) -> None:
        for guard in self.holding.guards:
            why = state_of(self.state, guard).get("gave_up")
            if not why or why in self._told:
                continue
            self._told.add(why)
            if getattr(guard, "on_give_up", "warn") == "raise":
                raise GaveUpError(str(why))
            warnings.warn(str(why), SchedulerWarning, stacklevel=6)

    # --- state ---------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return what the policies are and remember, JSON-plain."""
        self.holding.pin()
        return {
            "council": self.council.to_dict(),
            "state": self.state,
            "noticed": sorted(self._noticed),
            "readings": self._readings.to_dict(),
            "seconds": self._spent + time.monotonic() - self._began,
        }

    def load(self, plain: Mapping[str, Any], update: int) -> list[str]:
        """Go on with what the policies remembered.

        Args:
            plain: As `to_dict` gave it.
            update: Updates made.

        Returns:
            Names of the policies that start afresh: they are new, or were changed.

        Raises:
            AdapterError: It is no such mapping.
        """
        try:
            saved = {one["name"]: one for one in plain["council"]["policies"]}
            states, fresh = {}, []
            for policy in self.council.policies:
                if saved.get(policy.name) == policy.to_dict():
                    states[policy.name] = plain["state"]["states"][policy.name]
                else:
                    states[policy.name] = policy.start()
                    fresh.append(policy.name)
            self.state = {"cooling": plain["state"]["cooling"], "states": states}
            self._noticed, self._known = set(plain["noticed"]), ()
            self._spent = float(plain["seconds"])
            self._readings.load(plain["readings"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            rule = "have policies as state_dict writes them"
            hint = f"missing or damaged: {error!r}"
            raise AdapterError(
                describe("Scheduler.load_state_dict", rule, plain, hint=hint)
            ) from error
        self._began = time.monotonic()
        self._fresh = False
        self._seen = self._checked = update
        self._plan_ahead(update)
        self.holding.resume(self.state, update)
        return fresh
