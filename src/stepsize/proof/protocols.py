"""Which runs a comparison makes: the grid that rates are chosen on, and fresh seeds.

    grid     every arm at every rate, on the seeds that rates are chosen by
    given    every arm at a rate found before
    fresh    every arm at its chosen rate, on seeds that chose nothing

Not here: how runs are made (training.py), what they mean (summary.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from stepsize.errors import ProofError, StepsizeError
from stepsize.proof.arms import Arm
from stepsize.proof.cells import Planned


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Arms, rates and seeds of one comparison.

    Attributes:
        arms: The arms, the constant first.
        total_steps: Budget of every run. Unit: updates; int >= 1.
        lrs: The grid of peak rates, rising.
        seeds: Seeds that are reported on.
        select_seeds: Seeds that rates are chosen by, none of them in `seeds`; empty:
            `seeds` themselves.
        given: Rates found before, by arm; None to choose here.
        default_lr: A fixed rate that every arm is trained at besides; None for none.
        default_on_fresh: Whether that is done on the fresh seeds too.

    Raises:
        ProofError: A schedule does not fit in the budget, or is no factor.
    """

    arms: tuple[Arm, ...]
    total_steps: int
    lrs: tuple[float, ...]
    seeds: tuple[int, ...]
    select_seeds: tuple[int, ...] = ()
    given: Mapping[str, float] | None = None
    default_lr: float | None = None
    default_on_fresh: bool = False

    def __post_init__(self) -> None:
        """Check every arm at every rate before anything is trained."""
        for arm in self.arms:
            arm.check_peak(self.total_steps)
            for lr in self.rates_of(arm):
                try:
                    arm.rates(lr, self.total_steps)
                except StepsizeError as error:
                    raise ProofError(
                        f"schedule {arm.name!r} at {lr:g}: {error}"
                    ) from error

    @property
    def choosing_seeds(self) -> tuple[int, ...]:
        """The seeds that rates are chosen by."""
        return self.select_seeds or self.seeds

    @property
    def most_runs(self) -> int:
        """Number of runs if every arm gets a rate."""
        grid = sum(len(self.rates_of(arm)) for arm in self.arms)
        fresh = len(self.arms) * (2 if self._default_on_fresh else 1)
        return grid * len(self.choosing_seeds) + (
            fresh * len(self.seeds) if self.select_seeds else 0
        )

    @property
    def _default_on_fresh(self) -> bool:
        return self.default_on_fresh and self.default_lr is not None

    def rates_of(
        self, arm: Arm, lrs: Sequence[float] | None = None
    ) -> tuple[float, ...]:
        """Return the rates an arm is trained at on the choosing seeds.

        Args:
            arm: One of the arms.
            lrs: What is left of the grid for it; None: all of it.
        """
        if self.given is not None:
            return (self.given[arm.name],)
        rates = tuple(self.lrs if lrs is None else lrs)
        if self.default_lr is not None and self.default_lr not in rates:
            rates += (self.default_lr,)
        return rates

    def grid(
        self, lrs: Mapping[str, Sequence[float]] | None = None
    ) -> tuple[Planned, ...]:
        """List the runs that rates are chosen by: arm by arm, rate by rate.

        Args:
            lrs: What is left of the grid, by arm; None: all of it for every arm.
        """
        return tuple(
            Planned(arm, lr, seed, self.total_steps)
            for arm in self.arms
            for lr in self.rates_of(arm, None if lrs is None else lrs[arm.name])
            for seed in self.choosing_seeds
        )

    def fresh(self, chosen: Mapping[str, float | None]) -> tuple[Planned, ...]:
        """List the runs at the chosen rates, on seeds that chose nothing.

        Args:
            chosen: Rate by arm; None where no run of the arm counts.
        """
        if not self.select_seeds:
            return ()
        planned = []
        for arm in self.arms:
            rates = [chosen[arm.name]]
            if self._default_on_fresh and self.default_lr not in rates:
                rates.append(self.default_lr)
            planned += [
                Planned(arm, lr, seed, self.total_steps)
                for lr in rates
                if lr is not None
                for seed in self.seeds
            ]
        return tuple(planned)
