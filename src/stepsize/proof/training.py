"""The runs of one comparison: taken from the store, or trained by an engine and kept.

Not here: which runs are made (protocols.py), what they mean (summary.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import final

from stepsize.proof.cells import Planned, Returned, run_of
from stepsize.proof.engines import Engine, Task
from stepsize.proof.fingerprint import Fingerprint
from stepsize.proof.results import Direction, Run
from stepsize.proof.store import Sealed, Store

Progress = Callable[[int, int], None]
"""Called with (done, total). Unit: updates of all runs."""

NotifyRun = Callable[[Run], None]
"""Called with a run that did not finish."""


@final
class Training:
    """Makes runs phase by phase, none of them twice.

    Args:
        task: What is trained.
        engine: Who trains it.
        store: Where finished runs are kept; None keeps them in memory alone.
        fresh: Make even those runs that the store has.
        on_progress: Called with updates done and in all.
        on_failed_run: Called with each run that was made and did not finish.
        on_stored: Called with (stored, asked) for each plan that the store has runs of.
    """

    def __init__(
        self,
        task: Task,
        engine: Engine,
        *,
        store: Store | None = None,
        fresh: bool = False,
        on_progress: Progress | None = None,
        on_failed_run: NotifyRun | None = None,
        on_stored: Callable[[int, int], None] | None = None,
    ) -> None:
        self.expected = 0
        self.direction: Direction | None = None
        self._engine = engine
        identity: Mapping[str, str] = {} if store is None else task.identity()
        self._fingerprint = Fingerprint(identity, engine.arithmetic)
        self._store = store
        self._fresh = fresh
        self._on_progress = on_progress
        self._on_failed_run = on_failed_run
        self._on_stored = on_stored
        self._returned: dict[str, Returned] = {}
        self._keys: dict[Planned, str] = {}
        self._from_store: set[str] = set()
        self._done = 0
        self._within = 0

    def train(self, plan: Sequence[Planned]) -> tuple[Run, ...]:
        """Return the runs of a plan, in its order.

        The first run that says what is better, more or less, decides for all; one that
        says the opposite is an error.
        """
        keys = [self._key(planned) for planned in plan]
        self._take_stored(keys)
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        todo = {index for key, index in first.items() if key not in self._returned}
        done = [index for index in range(len(plan)) if index not in todo]
        self._tell_done(plan[index].total_steps for index in done)
        for batch in self._engine.train(plan, frozenset(done), self._advance):
            made = {keys[index]: returned for index, returned in batch}
            self._returned.update(made)
            self._keep(made, {keys[index]: plan[index] for index, _ in batch})
            for index, returned in batch:
                if returned.status != "finished" and self._on_failed_run is not None:
                    self._on_failed_run(run_of(plan[index], returned))
            self._tell_done(plan[index].total_steps for index, _ in batch)
        return self._runs(plan)

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self._engine.name

    def end(self) -> None:
        """Tell that nothing more is trained."""
        self._done, self._within = self.expected, 0
        self._tell()

    def finished(self) -> tuple[Run, ...]:
        """Return the runs made so far, where a plan was interrupted."""
        return self._runs([p for p, key in self._keys.items() if key in self._returned])

    def tests(self, plan: Sequence[Planned]) -> list[Sealed]:
        """Unseal the test metrics of these runs, and of no others."""
        keys = [self._keys[planned] for planned in plan]
        made = {key: self._returned[key] for key in keys}
        stored = [key for key in keys if key in self._from_store]
        found = self._store.tests(stored) if self._store is not None else {}
        return [found.get(key, (made[key].test, made[key].retained)) for key in keys]

    def _key(self, planned: Planned) -> str:
        if planned not in self._keys:
            self._keys[planned] = self._fingerprint.key(planned)
        return self._keys[planned]

    def _take_stored(self, keys: Sequence[str]) -> None:
        if self._store is not None and not self._fresh:
            unknown = [key for key in keys if key not in self._returned]
            found = self._store.runs(unknown)
            self._returned |= found
            self._from_store |= found.keys()
            if found and self._on_stored is not None:
                self._on_stored(len(found), len(unknown))

    def _keep(self, made: Mapping[str, Returned], plan: Mapping[str, Planned]) -> None:
        """Store what is worth it: a run that raised is made again next time."""
        kept = {key: run for key, run in made.items() if run.status != "error"}
        if self._store is not None and kept:
            about = {
                key: {
                    "arm": plan[key].arm.name,
                    "schedule": str(plan[key].schedule),
                    "seed": str(plan[key].seed),
                }
                for key in kept
            }
            self._store.add(kept, about)

    def _runs(self, plan: Sequence[Planned]) -> tuple[Run, ...]:
        returned = [self._returned[self._keys[planned]] for planned in plan]
        if self.direction is None:
            said = [one.direction for one in returned if one.direction is not None]
            if said:
                self.direction = "max" if said[0] == "max" else "min"
        return tuple(
            run_of(planned, _agreed(one, self.direction))
            for planned, one in zip(plan, returned, strict=True)
        )

    def _advance(self, updates: int) -> None:
        self._within += updates
        self._tell()

    def _tell_done(self, steps: Iterable[int]) -> None:
        self._done += sum(steps)
        self._within = 0
        self._tell()

    def _tell(self) -> None:
        if self._on_progress is not None:
            now = min(self._done + self._within, self.expected)
            self._on_progress(now, self.expected)


def _agreed(returned: Returned, direction: Direction | None) -> Returned:
    """Fail a run that says the opposite of the first about what is better."""
    if returned.direction in (None, direction):
        return returned
    reason = (
        f"returned direction must be that of the first run, {direction!r}; got "
        f"{returned.direction!r}."
    )
    return replace(returned, status="error", reason=reason, val=None, updates=None)
