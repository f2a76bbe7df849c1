"""What adapters must do whose loop the user writes, as a class of tests to subclass.

class TestMine(LoopSuite):
    def make_run(self, schedule, *, total_steps, base_lrs, lr_factor) -> Run: ...
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from stepsize.control import Event, Trajectory
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.named import wsd
from stepsize.schedules.phases import cosine, decay, hold, warmup
from stepsize.schedules.schedule import Schedule

STEPS = 12


class Run(Protocol):
    """One training under an adapter, small enough to run thousands of."""

    def update(self) -> None:
        """Make one update, then whatever the adapter asks for after it."""

    def used(self) -> Sequence[float]:
        """Return the rate that each param group's last update really used."""

    def edit(self, lr: float) -> None:
        """Set every group's rate by hand."""

    def add_event(self, event: Event) -> None:
        """Record a change."""

    def save(self) -> Any:
        """Return the adapter's state, JSON-plain, and keep the framework's with it."""

    def load(self, saved: Any, framework_first: bool) -> None:
        """Load both, in one or the other order."""


class LoopSuite:
    """Subclass it, give it `make_run`, and pytest collects its tests.

    Attributes:
        tolerance: Largest difference of a rate, relative to the schedule's peak: 0 for
            float64, 1e-6 where the framework holds rates in float32.
    """

    tolerance = 0.0

    def make_run(
        self,
        schedule: Schedule,
        *,
        total_steps: int,
        base_lrs: Sequence[float],
        lr_factor: bool,
    ) -> Run:
        """Start a training.

        Args:
            schedule: Absolute rates, or a factor.
            total_steps: The horizon.
            base_lrs: What each param group was given.
            lr_factor: Whether the schedule multiplies those.
        """
        raise NotImplementedError

    def _run(self, schedule: Schedule, bases: Sequence[float] = ()) -> Run:
        return self.make_run(
            schedule,
            total_steps=STEPS,
            base_lrs=bases or (0.1,),
            lr_factor=bool(bases),
        )

    def _same(self, found: Sequence[float], wanted: Sequence[float]) -> None:
        assert len(found) == len(wanted)
        limit = self.tolerance * max(map(abs, wanted), default=0.0)
        for one, other in zip(found, wanted, strict=True):
            assert abs(one - other) <= limit, (found, wanted)

    def test_each_update_uses_its_rate(self) -> None:
        """Every update of the run uses the rate of the schedule."""
        schedule = 0.1 * warmup(3) >> cosine()
        run, found = self._run(schedule), []
        for _ in range(STEPS):
            run.update()
            found.append(run.used()[0])
        self._same(found, schedule.resolve(STEPS).rates())

    def test_the_last_value_holds_after_the_end(self) -> None:
        """Updates after the horizon use the last value."""
        run, found = self._run(0.1 * cosine(to=0.25)), []
        for _ in range(STEPS + 5):
            run.update()
            found.append(run.used()[0])
        self._same(found[STEPS:], [0.1 * 0.25] * 5)

    def test_a_factor_keeps_the_ratio_of_the_groups(self) -> None:
        """A factor multiplies each group's own rate."""
        factor = warmup(2) >> hold() >> decay("50%", shape="1-sqrt")
        bases, rates = (0.1, 0.003), factor.resolve(STEPS).rates()
        run = self._run(factor, bases)
        for rate in rates:
            run.update()
            self._same(run.used(), [rate * base for base in bases])

    def test_a_hand_edit_reaches_no_update(self) -> None:
        """A rate that is set by hand between two updates is not used."""
        schedule = 0.1 * cosine()
        run, found = self._run(schedule), []
        for _ in range(STEPS):
            run.edit(7.0)
            run.update()
            found.append(run.used()[0])
        self._same(found, schedule.resolve(STEPS).rates())

    def test_an_event_changes_the_updates_to_come_only(self) -> None:
        """An event acts from its update on, as in a `Trajectory`."""
        schedule = 0.1 * cosine()
        cut = Event(update=5, kind="scale", values={"factor": 0.5, "over": 3})
        run, found = self._run(schedule), []
        for update in range(STEPS):
            if update == 2:  # noqa: PLR2004 - any before the event's
                run.add_event(cut)
            run.update()
            found.append(run.used()[0])
        wanted = Trajectory(schedule, Horizon(steps=STEPS), (cut,))
        self._same(found, wanted.block(0, STEPS))

    def test_a_resume_is_the_same_run_from_every_stop(self) -> None:
        """A resume goes on as if nothing had happened, loaded twice too."""
        schedule, bases = 1.0 * wsd(warmup_steps=2, cooldown_steps="50%"), (0.1, 0.02)
        cut = Event(update=4, kind="scale", values={"factor": 0.3})
        rates = Trajectory(schedule, Horizon(steps=STEPS), (cut,)).block(0, STEPS)
        for stop in range(STEPS):
            for framework_first in (True, False):
                run = self._run(schedule, bases)
                run.add_event(cut)
                for _ in range(stop):
                    run.update()
                saved = run.save()
                resumed = self._run(schedule, bases)
                resumed.load(saved, framework_first)
                resumed.load(saved, framework_first)
                for rate in rates[stop:]:
                    resumed.update()
                    self._same(resumed.used(), [rate * base for base in bases])

    def test_the_state_is_json(self) -> None:
        """The saved state survives JSON."""
        run = self._run(0.1 * cosine())
        run.add_event(Event(update=3, kind="scale", values={"factor": 0.5}))
        run.update()
        state = run.save()
        assert json.loads(json.dumps(state)) == state
