"""Several real processes find a rate together; prints what each came to, as JSON.

    python -m tests.adapters.torch.find_ranks FOLDER SIZE

The last rank's loss is NaN before that of any other.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from tests.adapters.torch.rank_group import together, tried
from tests.adapters.torch.snapshot_world import bits
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from stepsize.adapters.torch.finder import find_lr
from stepsize.adapters.torch.finder_block import finding

BREAKS = 0.1  # rate above which the last rank's loss is NaN


def data() -> TensorDataset:
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 4, generator=draw)
    return TensorDataset(inputs, inputs.sum(1, keepdim=True))


def work(rank: int, size: int) -> dict[str, Any]:
    torch.manual_seed(rank)  # each has random numbers of its own
    inner = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.ReLU())
    inner.append(nn.Linear(8, 1))
    model = DistributedDataParallel(inner)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    sampler: DistributedSampler[Any] = DistributedSampler(data(), seed=1)
    loader = DataLoader(data(), 8, sampler=sampler)
    own: list[float] = []

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        loss = (outputs - targets).square().mean()
        if rank == size - 1 and optimizer.param_groups[0]["lr"] > BREAKS:
            loss = loss * math.nan
        own.append(loss.item())
        return loss

    def state() -> Any:
        return bits([model.state_dict(), optimizer.state_dict(), torch.get_rng_state()])

    before = state()
    found = find_lr(model, optimizer, loss_fn, loader, steps=120)
    made = len(own)
    accumulated = find_lr(model, optimizer, loss_fn, loader, steps=60, accumulate=2)
    alone = 0

    def step() -> Tensor:
        nonlocal alone
        alone += 1
        optimizer.zero_grad()
        inputs, targets = next(finder.batches)
        loss: Tensor = (model(inputs) - targets).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
        return loss

    with finding(model, optimizer, batches=loader) as finder:
        custom = finder.run(step, steps=60)
    return {
        "found": found.to_dict(),
        "made": made,
        "first": own[0],
        "broken": [math.isnan(loss) for loss in own[:made]],
        "accumulated": accumulated.to_dict(),
        "custom": [custom.suggestion, custom.steps, alone],
        "restored": state() == before,
        "epoch": sampler.epoch,
        "error": tried(lambda: find_lr(model, optimizer, loss_fn, [])),
    }


if __name__ == "__main__":
    many = int(sys.argv[2])
    outcomes = together(
        many, lambda rank: work(rank, many), Path(sys.argv[1]) / "group"
    )
    print(json.dumps(outcomes))
