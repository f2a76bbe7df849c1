"""What every adapter must do, as tests over whole trainings in the framework's own way.

class TestMine(AdapterSuite):
    def train(self, case: Case) -> Trained: ...

Not here: adapters whose loop the user writes get more tests from `LoopSuite`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

from stepsize.control import Event, Plateau, Policy, Trajectory
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.phases import cosine, decay, hold, warmup
from stepsize.schedules.schedule import Schedule

EPOCH = 4
"""Updates of an epoch of every case; what is evaluated is evaluated after each."""

STEPS = 3 * EPOCH
FIRST = 0.1
BASES = (0.1, 0.02)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One training, to be made in the framework's usual way.

    Attributes:
        schedule: Absolute rates; with `bases`, a factor.
        total_steps: The horizon. Unit: updates.
        updates: Updates to be made; a multiple of `EPOCH`.
        bases: Rates that the param groups were given, one for each; () is one group
            and absolute rates.
        micro_batches: Batches accumulated into one update, by the framework.
        stops: Updates made when everything is saved with the framework's own
            checkpoint, thrown away, built anew by the same code and loaded.
        policies: The policies.
        metrics: The `val_loss` of each epoch; () where nothing is evaluated.
        cooldown: Updates made when somebody calls for a cooldown, and its length; None:
            nobody does.
        overflows: Attempts of an update, counted from 0, whose gradients overflow; the
            framework's mixed precision skips them. They are no updates: `updates` are
            to be made besides.
    """

    schedule: Schedule
    total_steps: int = STEPS
    updates: int = STEPS
    bases: tuple[float, ...] = ()
    micro_batches: int = 1
    stops: tuple[int, ...] = ()
    policies: tuple[Policy, ...] = ()
    metrics: tuple[float, ...] = ()
    cooldown: tuple[int, int] | None = None
    overflows: frozenset[int] = frozenset()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of it, found without asking the adapter where that can be.

    Attributes:
        rates: For each update made, the rate that it really used in each group.
        weights: All weights at the end, in a form that `==` compares exactly.
        update: Updates made, as the adapter says.
        events: The adapter's events.
    """

    rates: Sequence[Sequence[float]]
    weights: Any
    update: int
    events: tuple[Event, ...] = ()


class AdapterSuite:
    """Subclass it, give it `train`, and pytest collects its tests.

    Attributes:
        tolerance: Largest difference of a rate, relative to the largest: 0, but where
            the rate is read off the weights.
        stops: Updates at which trainings are interrupted, one after the other.
        lacks: What the framework itself does not have, with the reason: "groups",
            "accumulation", "metrics", "checkpoint", "overflows".
    """

    tolerance: ClassVar[float] = 0.0
    stops: ClassVar[tuple[int, ...]] = (4, 6, 11)
    lacks: ClassVar[Mapping[str, str]] = {}

    def train(self, case: Case) -> Trained:
        """Make a training."""
        raise NotImplementedError

    def held(self, rate: float) -> float:
        """Return what the framework's own precision makes of a rate."""
        return rate

    # --- the tests -----------------------------------------------------------------

    def test_every_update_uses_its_rate(self) -> None:
        """Updates are counted, not epochs or batches, and each uses its own rate."""
        case = Case(schedule=FIRST * warmup(3) >> cosine())
        trained = self._trained(case)
        assert trained.update == STEPS
        assert trained.events == ()

    def test_the_last_value_holds_after_the_end(self) -> None:
        """Updates after the horizon use the last value: no new rise."""
        case = Case(schedule=FIRST * cosine(to=0.25), updates=STEPS + EPOCH)
        trained = self._trained(case)
        for last in trained.rates[STEPS:]:
            self._same(last, [FIRST * 0.25])

    def test_two_groups_keep_their_ratio(self) -> None:
        """A factor multiplies what each group was given."""
        self._needs("groups")
        factor = warmup(2) >> hold() >> decay("50%", shape="1-sqrt")
        self._trained(Case(schedule=factor, bases=BASES))

    def test_accumulated_batches_are_one_update(self) -> None:
        """Micro-batches do not count."""
        self._needs("accumulation")
        schedule = FIRST * warmup(3) >> cosine()
        trained = self._trained(Case(schedule=schedule, micro_batches=2))
        assert trained.update == STEPS

    def test_a_resume_is_the_same_run(self) -> None:
        """An interrupted training uses the same rates and ends at the same weights."""
        self._needs("checkpoint")
        case = Case(schedule=FIRST * warmup(3) >> cosine(to=0.1))
        whole = self._trained(case)
        for stop in self.stops:
            resumed = self._trained(replace(case, stops=(stop,)))
            assert resumed.weights == whole.weights, f"interrupted after {stop}"
        twice = self._trained(replace(case, stops=self.stops))
        assert twice.weights == whole.weights

    def test_a_resume_keeps_accumulation_and_groups(self) -> None:
        """The same with micro-batches and two groups, where there are such."""
        self._needs("checkpoint")
        case = Case(
            schedule=warmup(3) >> cosine(to=0.1),
            bases=() if "groups" in self.lacks else BASES,
            micro_batches=1 if "accumulation" in self.lacks else 2,
        )
        whole = self._trained(case)
        resumed = self._trained(replace(case, stops=self.stops[:1]))
        assert resumed.weights == whole.weights

    def test_a_plateau_cuts_the_rate(self) -> None:
        """A metric that does not improve cuts the rate, from the next update on."""
        self._needs("metrics")
        trained = self._trained(_plateau())
        assert [event.source for event in trained.events] == ["policy:plateau"]

    def test_a_policy_remembers_over_a_resume(self) -> None:
        """What a policy saw before an interruption counts after it."""
        self._needs("metrics")
        self._needs("checkpoint")
        for stop in self.stops:
            self._trained(replace(_plateau(), stops=(stop,)))

    def test_a_cooldown_starts_now(self) -> None:
        """A cooldown that is called for in mid-run acts on the next update."""
        case = Case(schedule=FIRST * warmup(2) >> hold(), cooldown=(5, 4))
        trained = self._trained(case)
        assert [event.kind for event in trained.events] == ["cooldown"]

    def test_a_cooldown_goes_on_after_a_resume(self) -> None:
        """An interruption in the middle of a cooldown changes nothing."""
        self._needs("checkpoint")
        case = Case(schedule=FIRST * warmup(2) >> hold(), cooldown=(3, 7))
        whole = self._trained(case)
        for stop in self.stops:
            resumed = self._trained(replace(case, stops=(stop,)))
            assert resumed.weights == whole.weights, f"interrupted after {stop}"

    def test_a_skipped_update_does_not_count(self) -> None:
        """An attempt that mixed precision skips leaves the schedule where it is."""
        self._needs("overflows")
        case = Case(schedule=FIRST * warmup(3) >> cosine(), overflows=frozenset({2, 6}))
        trained = self._trained(case)
        assert trained.update == STEPS

    # --- how they compare ----------------------------------------------------------

    def _needs(self, name: str) -> None:
        if name in self.lacks:
            import pytest

            pytest.skip(f"{type(self).__name__} has no {name}: {self.lacks[name]}")

    def _trained(self, case: Case) -> Trained:
        trained = self.train(case)
        wanted = expected(case)
        assert len(trained.rates) == len(wanted) == case.updates
        for update, (rates, rate) in enumerate(zip(trained.rates, wanted, strict=True)):
            bases = case.bases or (1.0,)
            self._same(rates, [rate * base for base in bases], f"update {update}")
        return trained

    def _same(
        self, found: Sequence[float], wanted: Sequence[float], where: str = ""
    ) -> None:
        assert len(found) == len(wanted), where
        for one, other in zip(found, wanted, strict=True):
            limit = self.tolerance * FIRST
            assert abs(one - self.held(other)) <= limit, (where, found, wanted)


def expected(case: Case) -> list[float]:
    """Return the rate of every update of a case, or its factor.

    Written apart from what adapters use: no journal, no policy is asked.
    """
    events = []
    if case.cooldown is not None:
        update, steps = case.cooldown
        events.append(Event(update=update, kind="cooldown", values={"steps": steps}))
    if case.policies:
        events.append(Event(update=2 * EPOCH, kind="scale", values={"factor": 0.5}))
    horizon = Horizon(steps=case.total_steps)
    rates = Trajectory(case.schedule, horizon, tuple(events)).block(0, case.updates)
    assert all(map(math.isfinite, rates))
    return rates


def _plateau() -> Case:
    """Return a case whose metric is flat, so that the second evaluation cuts."""
    return Case(
        schedule=FIRST * warmup(2) >> hold(),
        policies=(Plateau("val_loss", factor=0.5, patience=1, convention="keras"),),
        metrics=(1.0, 1.0, 0.5),
    )
