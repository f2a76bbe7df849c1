"""The noise scale under DistributedDataParallel; prints each rank's, as JSON.

    python -m tests.adapters.torch.rank_noise FOLDER SIZE

Sample gradients have a known mean and covariance: see `Quadratic`.
"""

import json
import sys
from pathlib import Path

import torch
from tests.adapters.torch.rank_group import together

from stepsize.adapters.torch.noise import NoiseWatch
from stepsize.adapters.torch.ranks import Ranks

SIZE, DEVIATION = 200, 2.0
SIGNAL, NOISE = SIZE * 0.1**2, SIZE * DEVIATION**2
MICRO, PASSES, UPDATES = 16, 2, 600


class Quadratic(torch.nn.Module):
    """The mean of |w - x|^2 / 2: a sample's gradient is w - x, here -0.1 on average."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(SIZE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.weight - x).square().sum(1).mean() / 2


def batch(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(count, SIZE, generator=generator) * DEVIATION + 0.1


def watched(rank: int) -> list[float]:
    drawn = torch.Generator().manual_seed(rank)
    model = torch.nn.parallel.DistributedDataParallel(Quadratic())
    with NoiseWatch(
        model.parameters(), micro_batch=MICRO, ranks=Ranks.here(), decay=0.999
    ) as watch:
        for _ in range(UPDATES):
            with model.no_sync():
                for _ in range(PASSES - 1):
                    model(batch(MICRO, drawn)).backward()
            model(batch(MICRO, drawn)).backward()
            watch.observe()
            model.zero_grad()
    return [watch.meter.signal, watch.meter.noise]


if __name__ == "__main__":
    print(json.dumps(together(int(sys.argv[2]), watched, Path(sys.argv[1]) / "group")))
