"""What is trained (`Task`) and who trains it (`Engine`), as `compare` sees them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

from stepsize.proof.cells import Planned, Returned

Advance = Callable[[int], None]
"""Called with updates made since the last call, for runs not yet given back."""

Batch = list[tuple[int, Returned]]
"""Runs that ended together: (index in the plan, what it gave)."""


class Task(Protocol):
    """Something that makes one run; workers get it pickled."""

    @property
    def name(self) -> str:
        """What tables call it, and the store's folder is named after."""
        ...

    def identity(self) -> Mapping[str, str]:
        """Return what its numbers depend on besides rates and seed.

        Raises:
            ProofError: It cannot be told from another of the same name.
        """
        ...

    def train(self, planned: Planned) -> Returned:
        """Make one run; whatever it raises becomes its reason."""
        ...


class Engine(Protocol):
    """Makes runs, in any order and as many at a time as it can."""

    @property
    def name(self) -> str:
        """One of "population", "processes" and "ray"."""
        ...

    @property
    def arithmetic(self) -> str:
        """Name of the order of operations: engines that share it agree to the bit."""
        ...

    def train(
        self, plan: Sequence[Planned], done: Collection[int], advance: Advance
    ) -> Iterator[Batch]:
        """Make every run of the plan exactly once, but for those done before.

        Args:
            plan: All runs of a phase, which may decide what trains together.
            done: Indices of runs that are not to be made again.
            advance: Where progress within runs is told.

        Yields:
            Batches as they end; what is kept is kept a batch at a time.
        """
        ...
