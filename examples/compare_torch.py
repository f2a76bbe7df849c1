"""Your own PyTorch training under several schedules and a constant rate.

Needs: pip install 'stepsize[torch,proof]'. From the command line, with all options:

    stepsize compare examples/compare_torch.py:train --total-steps 300 --seeds 5
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from stepsize.adapters.torch import Scheduler
from stepsize.control import Policy
from stepsize.proof import compare

EVERY = 25  # updates between two looks at validation


def train(
    schedule: Callable[[int], float],
    *,
    total_steps: int,
    seed: int,
    policies: Sequence[Policy] = (),
    report: Callable[..., None],
) -> dict[str, Any]:
    """Train once. The seed means the same weights, batches and split for every arm."""
    torch.manual_seed(seed)
    digits = load_digits()
    images, labels = torch.tensor(digits.data).float() / 16, torch.tensor(digits.target)
    rest, val, test = torch.randperm(len(labels)).split([997, 400, 400])

    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = Scheduler(
        optimizer, lr=schedule, total_steps=total_steps, policies=policies
    )

    @torch.no_grad()
    def accuracy(part: torch.Tensor) -> float:
        right = model(images[part]).argmax(1) == labels[part]
        return 100 * right.float().mean().item()

    for update in range(1, total_steps + 1):
        batch = rest[torch.randint(len(rest), (32,))]
        optimizer.zero_grad()
        loss = cross_entropy(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        scheduler.step()
        if update % EVERY == 0:
            now = accuracy(val)
            report(update, train_loss=loss.item(), val=now)
            if policies:
                scheduler.observe(val=100 - now)  # less is better
    return {
        "val": accuracy(val),
        "test": accuracy(test),
        "direction": "max",
        "updates": scheduler.update,
    }


if __name__ == "__main__":
    comparison = compare(
        f"{__file__}:train",
        schedules=["wsd", "warmup_cosine", "plateau"],
        total_steps=300,
        lrs=[0.03, 0.1, 0.3],
        select_seeds=2,
        seeds=4,
    )
    for arm in comparison.arms:
        print(arm.arm, arm.chosen_lr, arm.test and round(arm.test.mean, 2), arm.outcome)
    print(*comparison.verdict, sep="\n")
