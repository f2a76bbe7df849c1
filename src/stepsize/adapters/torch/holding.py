"""The snapshots that guards want to be held, and what they want to know of a model."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, final

from stepsize.adapters.torch.looking import Look
from stepsize.adapters.torch.snapshots import MemorySnapshots, Subject
from stepsize.control.policies import Policy, State
from stepsize.control.policies.policy import Rewinds
from stepsize.control.snapshots import Snapshots
from stepsize.errors import AdapterError, describe


def state_of(state: State, guard: Any) -> State:
    """Return what a guard remembers, of what all policies do."""
    own: State = state["states"][guard.name]
    return own


@final
class Holding:
    """Takes the snapshots that guards ask for, and lets go of the others.

    `state` is always what all policies remember.

    Attributes:
        guards: Those of the policies that rewind.
        store: Where snapshots are, None where no policy wants any.
    """

    def __init__(
        self, policies: Sequence[Policy], store: Snapshots | None, subject: Subject
    ) -> None:
        self.guards = [one for one in policies if isinstance(one, Rewinds)]
        self.store = store
        self._look = Look(subject)
        self._asked: list[tuple[int, ...]] = []  # snapshots held for each guard
        # of the last two checkpoints, of which one may never have reached its file
        lasting = store is not None and not isinstance(store, MemorySnapshots)
        self._pinned: deque[set[int]] = deque(maxlen=2 if lasting else 0)

    def begin(self, state: State, update: int, *, fresh: bool) -> State:
        """Take the snapshot of where the run starts.

        Args:
            state: What the policies remember.
            update: Updates made.
            fresh: Whether no state was loaded: then what is in the store is of a run
                that was here before, and dropped.

        Returns:
            The state, without the snapshots that are not there.
        """
        if self.store is None:
            return state
        if fresh:
            for label in self.store.labels():
                self.store.drop(label)
        known = {*self.store.labels(), update}
        for guard in self.guards:
            own = guard.without(state_of(state, guard), known)
            state = {**state, "states": {**state["states"], guard.name: own}}
        self._asked = []
        self.hold(state, update, state)
        return state

    def of(self, label: int) -> Snapshots:
        """Return the store that has a snapshot.

        Raises:
            AdapterError: There is none of that label.
        """
        held = () if self.store is None else self.store.labels()
        if self.store is None or label not in held:
            rule, hint = "be one that is held", f"held: {held}"
            raise AdapterError(describe("rewind.snapshot", rule, label, hint=hint))
        return self.store

    def hold(self, state: State, update: int, remembered: State) -> None:
        """Take the snapshot that is wanted, let go of those that are not.

        Args:
            state: What the policies remember.
            update: Updates made.
            remembered: What a rewind to this snapshot gives back to them.
        """
        store = self.store
        if store is None:
            return
        asked = [guard.snapshots(state_of(state, guard)) for guard in self.guards]
        if asked == self._asked:
            return
        self._asked = asked
        wanted = {label for labels in asked for label in labels}
        held = set(store.labels())
        for label in held - wanted.union(*self._pinned):
            store.drop(label)
            self._look.forget()
        for label in wanted - held:  # of this update, or of one read together with it
            if label <= update:
                store.take(label, {"policies": remembered})

    def keep_present(self, state: State, update: int) -> None:
        """Take the snapshot of where a rewind begins, if it may be undone."""
        if self.store is None:
            return
        if update in self._wanted(state).difference(self.store.labels()):
            self.store.take(update, {"policies": state})

    def pin(self) -> None:
        """Keep what is held now for whoever resumes from the present checkpoint."""
        self._pinned.append({label for labels in self._asked for label in labels})

    def resume(self, state: State, update: int) -> None:
        """Drop the snapshots of a future that a resume takes back; keep the others."""
        self._asked = []
        if self.store is None:
            return
        for label in self.store.labels():
            if label > update:
                self.store.drop(label)
        self._pinned.append(self._wanted(state))

    def next_look(self, state: State, update: int, last: int) -> int:
        """Return the next update after which a guard looks closer; `last` at most."""
        return next(
            (
                at
                for at in range(update + 1, last)
                if any(one.inspects(state_of(state, one), at) for one in self.guards)
            ),
            last,
        )

    def inspect(self, state: State, update: int) -> dict[str, float]:
        """Return what a guard wants to know of weights and moments, {} for nothing."""
        wants = {
            name
            for guard in self.guards
            for name in guard.inspects(state_of(state, guard), update)
        }
        if not wants or self.store is None:
            return {}
        measured = {"nonfinite": self._look.nonfinite()}
        labels = self.store.labels()
        if "displacement" in wants and labels and not measured["nonfinite"]:
            far = self._look.displacement(self.store, min(labels))
            measured["displacement"] = far
        return measured

    def _wanted(self, state: State) -> set[int]:
        return {
            label
            for guard in self.guards
            for label in guard.snapshots(state_of(state, guard))
        }
