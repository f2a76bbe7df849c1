"""What a task is: a small training that is the same, to the bit, for a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

import stepsize as ss
from stepsize.schedules.schedule import Schedule

Batch = tuple[Tensor, Tensor]


class Training(NamedTuple):
    """One training, before its first update.

    Attributes:
        model: The network.
        batch: The batch of an update.
        loss: Loss of a model's output, and of the inputs, against the targets.
        held: The batch by which a run is judged.
    """

    model: nn.Module
    batch: Callable[[int], Batch]
    loss: Callable[[Tensor, Batch], Tensor]
    held: Batch

    def of(self, batch: Batch) -> Tensor:
        """Return the loss of a batch."""
        return self.loss(self.model(batch[0]), batch)

    @torch.no_grad()
    def score(self) -> float:
        """Return the loss of what was held out, in evaluation mode."""
        before = torch.get_rng_state()
        torch.manual_seed(0)
        self.model.eval()
        found = self.of(self.held).item()
        self.model.train()
        torch.set_rng_state(before)
        return found


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A kind of training.

    Attributes:
        name: Its name.
        half: "build": looked at while the guard is built; "check": only to check it.
        make: The training of a seed.
        optimizer: Name of its optimizer.
        shape: Name of its schedule in `SHAPES`.
        rates: Lowest and highest exponent of ten, between which the best rate is
            looked for in half decades.
        updates: Length.
    """

    name: str
    half: str
    make: Callable[[int], Training]
    optimizer: str
    shape: str
    rates: tuple[float, float]
    updates: int = 400

    def schedule(self, rate: float) -> Schedule:
        """Return its schedule with a peak rate."""
        return rate * SHAPES[self.shape]


SHAPES: dict[str, Schedule] = {
    "cosine": ss.cosine(to=0.01),
    "warmup cosine": ss.warmup(20) >> ss.cosine(to=0.01),
    "wsd": ss.warmup(10) >> ss.hold() >> ss.decay("20%", shape="1-sqrt"),
    "constant": 1.0 * ss.hold(),
    "warmup constant": ss.warmup(40) >> ss.hold(),
    "linear": ss.linear(to=0.0),
}


def rows(
    inputs: Tensor, targets: Tensor, seed: int, size: int
) -> tuple[Callable[[int], Batch], Batch]:
    """Return batches drawn with replacement, and what is held out: 256 rows."""
    order = torch.randperm(
        len(inputs), generator=torch.Generator().manual_seed(1000 + seed)
    )
    held, rest = order[:256], order[256:]

    def batch(update: int) -> Batch:
        own = torch.Generator().manual_seed(seed * 100_003 + update)
        pick = rest[torch.randint(len(rest), (size,), generator=own)]
        return inputs[pick], targets[pick]

    return batch, (inputs[held], targets[held])
