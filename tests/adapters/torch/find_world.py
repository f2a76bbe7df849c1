"""A training to be found a rate for: everything in it that a finder may disturb."""

import random
from typing import Any

import numpy as np
import torch
from tests.adapters.torch.snapshot_world import bits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset


class Rows(Dataset[tuple[Tensor, Tensor]]):
    """Images whose augmentation draws from every generator, private ones too."""

    def __init__(self, count: int = 48) -> None:
        draw = torch.Generator().manual_seed(5)
        self.inputs = torch.randn(count, 1, 6, 6, generator=draw)
        self.targets = torch.randint(3, (count,), generator=draw)
        self.own = random.Random(1)
        self.numpy = np.random.default_rng(2)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(1) + random.random() + self.own.random()
        shift = float(self.numpy.random()) + float(np.random.rand())
        return self.inputs[index] + 0.1 * (noise + shift), self.targets[index]


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(64, 3),
    )


class Training:
    """A plain loop over a shuffled loader, with all that loops have."""

    def __init__(
        self,
        *,
        optimizer: type[torch.optim.Optimizer] = torch.optim.AdamW,
        autocast: torch.dtype | None = None,
        scaled: bool = False,
        **loader: Any,
    ) -> None:
        torch.manual_seed(3)
        random.seed(4)
        np.random.seed(5)
        self.model = network()
        self.optimizer = optimizer(self.model.parameters(), lr=0.01)  # type: ignore[call-arg]  # all have it
        self.loader: DataLoader[Any] = DataLoader(
            Rows(), batch_size=8, shuffle=True, **loader
        )
        self.autocast = autocast
        self.scaler = torch.amp.GradScaler("cpu") if scaled else None
        self.losses: list[float] = []

    def step(self, batch: Any) -> Tensor:
        inputs, targets = batch
        self.optimizer.zero_grad()
        with torch.autocast(
            "cpu", self.autocast or torch.bfloat16, enabled=self.autocast is not None
        ):
            loss = cross_entropy(self.model(inputs), targets)
        if self.scaler is None:
            loss.backward()  # type: ignore[no-untyped-call]  # torch's
            self.optimizer.step()
        else:
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return loss.detach()

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.losses += [float(self.step(batch)) for batch in self.loader]

    def print(self) -> Any:
        """Return everything there is, down to the bits."""
        rows: Any = self.loader.dataset
        return {
            "losses": bits(self.losses),
            "model": bits(dict(self.model.state_dict())),
            "gradients": [bits(one.grad) for one in self.model.parameters()],
            "modes": [module.training for module in self.model.modules()],
            "optimizer": bits(self.optimizer.state_dict()),
            "states": len(self.optimizer.state),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "random": bits(
                [torch.get_rng_state(), random.getstate(), np.random.get_state()]
            ),
            "own": rows.own.getstate(),
            "numpy": repr(rows.numpy.bit_generator.state),
        }
