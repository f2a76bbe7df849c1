"""`Guard`: go back to a snapshot, at a lower rate, when a run diverges."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self, final

from stepsize.control.guard.recovery import (
    afresh,
    check_data,
    end_trial,
    give_back,
    recover,
)
from stepsize.control.guard.watching import (
    RECENT,
    YOUNG,
    clean,
    harm_of,
    has_gained,
    never_good,
)
from stepsize.control.policies.policy import (
    Change,
    Decision,
    Observation,
    State,
    built_from,
    count,
    plain_of,
    text,
)
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number, optional

_INSPECT, _INSPECT_OLD = 10, 25  # updates between looks at weights and moments
_YOUNG_AGES = frozenset((10, 20, 30, 40, 50, 60, 80, 100, 120, YOUNG))
"""Updates since the start at which the movement of the weights is measured."""
_SOON = 20  # updates over which the first movement of the weights is measured
_SKIPPED = 25  # attempts skipped in a row, which is more than a scale finding its level
_LATE = 0.05  # of the peak: below it the run is ending, and heals by itself
_FARTHEST = 1e9  # norms of the weights; no distance beyond it says more
_PENDING = 2  # snapshots waiting to be proven


@final
@dataclass(frozen=True, slots=True)
class Guard:
    """Rescue a run that diverges: rewind to good weights, cut the rate, say why.

    It watches the training loss, and now and then the weights and the optimizer's
    moments. A run comes to harm if

        loss, weights or moments are not finite (an attempt that a GradScaler skips is
            no harm; 25 in a row are)
        the loss has lost `harm` of what was gained, or 0.4 times that for long, and
            stands out from the calm before by a rank-sum test
        the weights have moved far since the start, and nothing was gained

    Then weights, optimizer and scaler go back to the last snapshot that proved good,
    and the rate is multiplied by `factor`: by less if a jump of the schedule is to
    blame, by what the movement of the weights tells if the run was never any good.
    Nothing is cut for a single step that was not finite. A run that had been healthy
    at its rate gets it back after `give_back_after` clean updates. Two mistakes are
    undone: if good weights have the same high loss, the data are to blame; if a new
    start is worse than the one it replaced, that one goes on.

    Attributes:
        mode: "act", or "observe": only a `note` says what would have been done.
        factor: Of a cut; in (0, 1).
        harm: Share of the gain so far whose loss is harm; in (0, 1].
        moved: Distance of the weights from the start that needs a gain to show for it.
            Unit: norm of the first weights; > 0.
        snapshot_every: Unit: updates; int >= 10.
        keep: Good snapshots that are held; int >= 1. The first one, those waiting to
            be proven and, for a while, an abandoned one come on top.
        prove_after: Clean updates that make a snapshot good; int >= 1.
        give_back_after: Clean updates before a cut is given back; int >= 1. At most 15
            count where the rate had been raised and is low again.
        over: Updates over which it is eased back; int >= 0.
        most: Rollbacks after which it gives up; int >= 1.
        most_lately: The same within 1000 updates; int >= 1.
        on_give_up: "warn" or "raise", a `GaveUpError`. The last good snapshot is
            restored before, if there is one.
        clock: "run": schedule and data go on, so a loop of N updates stays one.
            "rewind": they go back as well, which needs `while not scheduler.done` and
            data with a state.
        begin: The loss of an untrained model, if it is known (log of the number of
            classes); None: the first loss. Unit: loss.
        name: What `Together` calls it.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Examples:
        >>> guard = Guard()
        >>> state, changes = guard.without(guard.start(), {0}), ()
        >>> for update, loss in enumerate([2.3, 2.1, float("inf")], start=1):
        ...     seen = Observation(update=update, step=update, rate=0.1, peak=0.1,
        ...                        metrics={"loss": loss})
        ...     state, changes = guard.observe(state, seen)
        >>> [(change.kind, dict(change.values)) for change in changes]
        [('rewind', {'to': 0, 'snapshot': 0, 'clock': 'run'}), \
('scale', {'factor': 0.1, 'over': 0})]
    """

    _: KW_ONLY
    mode: str = "act"
    factor: float = 0.1
    harm: float = 0.3
    moved: float = 2.0
    snapshot_every: int = 50
    keep: int = 2
    prove_after: int = 20
    give_back_after: int = 50
    over: int = 20
    most: int = 8
    most_lately: int = 5
    on_give_up: str = "warn"
    clock: str = "run"
    begin: float | None = None
    name: str = "guard"

    def __post_init__(self) -> None:
        """Check every field."""
        choice(self.mode, "Guard.mode", ("act", "observe"))
        choice(self.on_give_up, "Guard.on_give_up", ("warn", "raise"))
        choice(self.clock, "Guard.clock", ("run", "rewind"))
        text(self.name, "Guard.name")
        values: dict[str, Any] = {
            "factor": number(self.factor, "Guard.factor", open_low=True, high=1.0),
            "harm": number(self.harm, "Guard.harm", open_low=True, high=1.0),
            "moved": number(self.moved, "Guard.moved", open_low=True),
            "begin": optional(self.begin, "Guard.begin", low=-math.inf, unit="loss"),
        }
        if values["factor"] == 1:
            raise InvalidScheduleError(describe("Guard.factor", "be < 1", 1.0))
        for name, low in (
            ("snapshot_every", 10),
            ("keep", 1),
            ("prove_after", 1),
            ("give_back_after", 1),
            ("over", 0),
            ("most", 1),
            ("most_lately", 1),
        ):
            unit = "" if name in ("keep", "most", "most_lately") else "updates"
            values[name] = count(
                getattr(self, name), f"Guard.{name}", low=low, unit=unit
            )
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def source(self) -> str:
        """The source of its events."""
        return "guard"

    def start(self) -> State:
        """Return the state before the first observation."""
        return {
            **afresh(),
            "begin": self.begin,
            "first": None,
            "base": None,
            "since": 0,
            "good": [],
            "marks": {},
            "waiting": {},
            "proven": 0.0,
            "proven_count": 0,
            "stable": 0,
            "factor": 1.0,
            "rollbacks": 0,
            "times": [],
            "last": -(10**9),
            "given": -(10**9),
            "back": None,
            "trial": None,
            "tried": False,
            "noted": 0,
            "broken": None,
            "gave_up": None,
        }

    def snapshots(self, state: State) -> tuple[int, ...]:
        """Return the snapshots to be held; see `Rewinds`."""
        held = {*state["good"], *state["pending"]}
        if state["first"] is not None:
            held.add(state["first"])
        if state["trial"] is not None:
            held.add(state["trial"]["label"])
        return tuple(sorted(held))

    def without(self, state: State, available: Collection[int]) -> State:
        """Return the state when only these snapshots are there; see `Rewinds`."""
        there = set(available)
        if not there or not set(self.snapshots(state)) - there:
            if state["first"] is None and not state["good"] and there:
                now = max(there)
                return {**state, "first": now, "base": now, "since": now}
            return state
        good = [label for label in state["good"] if label in there]
        first = state["first"] if state["first"] in there else None
        trial = state["trial"]
        if trial is not None and trial["label"] not in there:
            trial = None
        if first is None and not good:
            good = [max(there)]  # the present one: nothing better is left
        return {
            **state,
            "good": good,
            "first": first,
            "trial": trial,
            "pending": [label for label in state["pending"] if label in there],
        }

    def inspects(self, state: State, update: int) -> Collection[str]:
        """Return what is to be measured besides the loss; see `Rewinds`."""
        if state["gave_up"] is not None:
            return ()
        age = update - state["since"]
        young = state["base"] == state["first"] and not state["tried"]
        if young and age in _YOUNG_AGES:
            return ("nonfinite", "displacement")
        if update % _INSPECT_OLD == 0 or update % self.snapshot_every == 0:
            return ("nonfinite",)
        return ()

    def observe(self, state: State, observation: Observation) -> Decision:
        """Return the state after an observation, and the way back if there is harm."""
        if state["gave_up"] is not None:
            return state, ()
        memory = dict(state)
        found = _broken(observation.metrics)
        loss = observation.metrics.get("loss")
        if found is None:
            if loss is None:
                return state, ()
            self._take(memory, loss, observation.metrics)
            whole = observation.metrics.get("nonfinite") == 0
            if whole or memory["broken"] == "loss":
                memory["broken"] = None
            found = self._hurt(memory, observation)
        if found is not None:
            kind, why = found
            return recover(self, memory, observation, kind=kind, why=why)
        told: tuple[Change, ...] = ()
        if memory["check"] is not None and loss is not None:
            told = check_data(memory, loss)
        if memory["trial"] is not None:
            undone = end_trial(self, memory, observation)
            if undone is not None:
                return undone
        self._keep(memory, observation)
        return memory, told or give_back(self, memory, observation)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a JSON-plain mapping."""
        return plain_of(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the guard that `to_dict` gave this mapping.

        Raises:
            InvalidScheduleError: It is no such mapping.
        """
        return built_from(cls, plain)

    def _take(
        self, memory: dict[str, Any], loss: float, metrics: Mapping[str, float]
    ) -> None:
        """Remember a loss, and how far the weights are from where they were."""
        age = memory["age"] = memory["age"] + 1
        if memory["begin"] is None:
            memory["begin"] = loss
        recent = memory["recent"] = [*memory["recent"][1 - RECENT :], loss]
        if len(recent) > 2:  # noqa: PLR2004 - a median of three
            middle = sorted(recent[-3:])[1]
            top = memory["top"]
            memory["top"] = middle if top is None else max(top, middle)
        far = metrics.get("displacement")
        if far is None:
            return
        far = far if far < _FARTHEST else _FARTHEST  # NaN too
        memory["moved"] = far
        # in 20 updates, without what a run adds that has blown up in the second ten
        if age <= _INSPECT + 2:
            memory["soon"] = 2.5 * far
        elif age <= _SOON + 2:
            memory["soon"] = min(far, memory["soon"] or far)

    def _hurt(
        self, memory: dict[str, Any], seen: Observation
    ) -> tuple[str, str] | None:
        """Return the kind of harm that the losses tell of, and the reason."""
        why = harm_of(memory, self.harm)
        late = seen.rate < _LATE * seen.peak * memory["factor"]
        if why is not None and not late:
            return "harm", why
        young = memory["base"] == memory["first"] and not memory["tried"]
        if young and "displacement" in seen.metrics and not has_gained(memory):
            why = never_good(memory, self.moved)
            if why is not None:
                return "start", why
        return None

    def _keep(self, memory: dict[str, Any], seen: Observation) -> None:
        """Prove the snapshot that waits, ask for the next one, let go of the first."""
        update = seen.update
        pending = memory["pending"]
        due = pending and update - pending[0] >= self.prove_after
        if due and memory["age"] >= self.prove_after and clean(memory):
            label, *pending = pending
            good = [*memory["good"], label][-self.keep :]
            marks = memory["marks"] | {str(label): memory["waiting"][str(label)]}
            memory["good"] = good
            memory["marks"] = {
                str(one): marks[str(one)] for one in good if str(one) in marks
            }
            memory["pending"] = pending
            memory["proven"] = max(memory["proven"], seen.rate)
            memory["proven_count"] += 1
            memory["stable"] += 1
        if update % self.snapshot_every == 0 and memory["age"] >= _INSPECT - 2:
            pending = memory["pending"] = [*memory["pending"], update][-_PENDING:]
            waiting = memory["waiting"] | {str(update): memory["recent"][-1]}
            if memory["level"] is not None:
                waiting[str(update)] = memory["level"]
            memory["waiting"] = {str(one): waiting[str(one)] for one in pending}
        if memory["first"] is not None and self._outgrown(memory):
            memory["first"] = None

    def _outgrown(self, memory: Mapping[str, Any]) -> bool:
        old = memory["age"] > YOUNG and memory["proven_count"] >= 2 * self.keep
        return old and len(memory["good"]) == self.keep and memory["trial"] is None


def _broken(metrics: Mapping[str, float]) -> tuple[str, str] | None:
    """Return what is plainly broken, whatever the losses were before."""
    bad = metrics.get("nonfinite", 0.0)
    if bad:
        why = f"{bad:.0f} weights or moments of the optimizer are not finite"
        return "nonfinite", why
    skips = metrics.get("skips", 0.0)
    if skips >= _SKIPPED:
        why = f"{skips:.0f} attempts in a row overflowed and were skipped"
        return "nonfinite", why
    loss = metrics.get("loss", 0.0)
    return None if math.isfinite(loss) else ("nonfinite", f"the loss is {loss}")
