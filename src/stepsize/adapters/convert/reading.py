"""What a peer's object says, and the report of its conversion; nothing of one peer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

from stepsize.schedules.schedule import Schedule

EXACT = 1e-12
"""Largest difference of an exact conversion, in peaks: double precision."""
RECURSIVE = 1e-9
"""The same where the peer makes each rate from the one before (torch)."""
SINGLE = 1e-6
"""The same where the peer computes in single precision."""


class Values(NamedTuple):
    """What a peer itself gave, step by step.

    Attributes:
        lr: Rates, one list a param group, from the first step asked for.
        momentum: Momenta (or `betas[0]`) of the first group; empty if it has none.
        stopped: Why the peer gave no more values; "" if it gave all.
    """

    lr: list[list[float]]
    momentum: list[float]
    stopped: str = ""


Evaluate = Callable[[int, int], Values]
"""The peer run from a step up to (not including) another."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A peer's object in our words, before it is compared.

    Attributes:
        peer: What was read, as in "torch CosineAnnealingLR".
        schedules: One a param group; None where only the peer itself knows the rates.
        defects: The same with the peer's defects; None if there are none.
        momentum: What the peer schedules beside the rate, or None.
        others: Further scheduled values by name.
        step: Where a live object stands. Unit: updates.
        evaluate: Runs the peer; None if it cannot be run here.
        tolerance: Largest difference of an exact conversion. Unit: peaks.
        live: Whether its state may differ from what its arguments say.
        length: Updates the peer itself plans; None if it has no end.
        notes: What is lost or assumed, in words.
    """

    peer: str
    schedules: tuple[Schedule, ...] | None
    defects: tuple[Schedule, ...] | None = None
    momentum: Schedule | None = None
    others: Mapping[str, Schedule] = field(default_factory=dict, hash=False)
    step: int = 0
    evaluate: Evaluate | None = None
    tolerance: float = EXACT
    live: bool = False
    length: int | None = None
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A peer's object as schedules, with the comparison of both.

    Attributes:
        peer: What was read, as in "torch CosineAnnealingLR".
        schedules: The rate of each param group. Unit: lr; step 0 is the peer's first.
        momentum: Momentum (or `betas[0]`) of the first group, where the peer schedules
            it; else None.
        others: Further scheduled values by name, as "weight_decay".
        step: Where a live object stands: the update about to be made.
        horizon: The steps `step` .. `horizon` - 1 were compared.
        largest_difference: Between the peer's rate and ours over these steps, any
            group. Unit: the largest rate of the group. None if the peer could not run.
        at: Step of the largest difference; None as above.
        exact: Whether that difference is round-off: at most 1e-12, 1e-9 where torch
            recurses, 1e-6 where the peer computes in single precision.
        notes: What is lost, assumed or different, in words.
    """

    peer: str
    schedules: tuple[Schedule, ...]
    momentum: Schedule | None
    others: Mapping[str, Schedule] = field(hash=False)
    step: int
    horizon: int
    largest_difference: float | None
    at: int | None
    exact: bool
    notes: tuple[str, ...]

    @property
    def schedule(self) -> Schedule:
        """The rate of the first param group, which is that of all unless `rules`."""
        return self.schedules[0]

    @property
    def rules(self) -> dict[int, Schedule]:
        """The groups whose rate differs from the first's: index -> schedule.

        `Scheduler(optimizer, lr=c.schedule, rules=c.rules, update=c.step)` goes on.
        """
        first = self.schedules[0]
        return {i: s for i, s in enumerate(self.schedules) if s != first}

    def to_dict(self) -> dict[str, Any]:
        """Return the report JSON-plain; schedules are their text."""
        return {
            "peer": self.peer,
            "schedules": [str(schedule) for schedule in self.schedules],
            "momentum": None if self.momentum is None else str(self.momentum),
            "others": {name: str(value) for name, value in self.others.items()},
            "step": self.step,
            "horizon": self.horizon,
            "largest_difference": self.largest_difference,
            "at": self.at,
            "exact": self.exact,
            "notes": list(self.notes),
        }
