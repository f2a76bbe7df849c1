"""One run of a comparison: what is asked for, and what it gave.

Not here: who trains it (engines/), where it is kept (store.py).
"""

from dataclasses import dataclass
from typing import final

import stepsize as ss
from stepsize.proof.arms import Arm
from stepsize.proof.results import Curve, Run, Status


@final
@dataclass(frozen=True, slots=True)
class Planned:
    """One run to make.

    Attributes:
        arm: The schedule of factors under its name, and what else belongs to it.
        peak_lr: The peak rate that multiplies it. Unit: lr; > 0.
        seed: Seed; int >= 0.
        total_steps: Length of the run. Unit: updates; int >= 1.
    """

    arm: Arm
    peak_lr: float
    seed: int
    total_steps: int

    @property
    def schedule(self) -> ss.Schedule:
        """The absolute rates: the arm's factors times the peak rate."""
        return self.peak_lr * self.arm.schedule

    def rates(self) -> list[float]:
        """Return the rate of every update. Unit: lr; length `total_steps`.

        Raises:
            ProofError: The schedule does not fit, or a rate is negative or not finite.
        """
        return self.arm.rates(self.peak_lr, self.total_steps)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What one run gave. `test` stays sealed unless the run's rate is chosen.

    Attributes:
        status: How it ended; see `Run`.
        reason: Why the status is not "finished"; empty if it is.
        traceback: Where it raised, file by file; empty if it did not.
        val: Validation metric; None unless it is a number.
        test: Test metric; None unless it is a number.
        retained: The test metric of what the model was trained on before, sealed like
            `test`; None where there was nothing.
        direction: "min" or "max"; None where the run did not get so far.
        updates: Updates made; None if unknown.
        seconds: Wall time of this run alone; None where runs train together.
        curves: Metrics over the updates.
    """

    status: Status
    reason: str = ""
    traceback: str = ""
    val: float | None = None
    test: float | None = None
    retained: float | None = None
    direction: str | None = None
    updates: int | None = None
    seconds: float | None = None
    curves: tuple[Curve, ...] = ()


MOST = 1e100
"""Beyond it a metric is as good as infinite: means and squares would not be finite."""


def usable(value: float | None) -> bool:
    """Whether a metric is a number that can be counted with."""
    return value is not None and abs(value) <= MOST  # NaN is not


def run_of(planned: Planned, returned: Returned) -> Run:
    """Return the run for the results, its test metric left out."""
    return Run(
        arm=planned.arm.name,
        schedule=str(planned.schedule),
        peak_lr=planned.peak_lr,
        seed=planned.seed,
        status=returned.status,
        val=returned.val,
        updates=returned.updates,
        reason=returned.reason,
        traceback=returned.traceback,
        curves=returned.curves,
        seconds=returned.seconds,
    )
