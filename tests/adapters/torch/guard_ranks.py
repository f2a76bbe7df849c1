"""Two ranks, one of which has an infinite loss once; prints what each of them did.

python -m tests.adapters.torch.guard_ranks FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from tests.adapters.torch.guard_training import Training
from tests.adapters.torch.rank_group import together
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from stepsize.adapters.torch.ranks import Ranks
from stepsize.testing.faults import InfLoss

FAULT = InfLoss(75, rank=1)
UPDATES = 120


def train(rank: int) -> Any:
    run = Training(
        "sgd", updates=UPDATES, ranks=Ranks(check_every=20, timeout_seconds=30.0)
    )
    model = DistributedDataParallel(run.model)
    for update in range(UPDATES):
        run.optimizer.zero_grad()
        batch = run.data.batch(2 * update + rank)
        loss = torch.nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        run.optimizer.step()
        run.applied.append([group["lr"] for group in run.optimizer.param_groups])
        back = run.scheduler.step(loss=FAULT.loss(update, loss.detach(), rank=rank))
        if back:
            run.backs.append(back)
    distributed.barrier()
    return {
        "told": run.told,
        "backs": run.backs,
        "rates": run.applied,
        "weights": [one.tolist() for one in run.model.parameters()],
    }


if __name__ == "__main__":
    print(json.dumps(together(2, train, Path(sys.argv[1]) / "group")))
