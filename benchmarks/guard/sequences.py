"""Tasks on text: the next character, by a recurrent network and by a transformer."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from sysconfig import get_path
from typing import final

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from benchmarks.guard.task import Batch, Task, Training
from stepsize.proof.workloads.charlm import encode, read_modules
from stepsize.proof.workloads.transformer import CharTransformer

ALPHABET = 96


@cache
def text() -> Tensor:
    return encode(read_modules(Path(get_path("stdlib")))).long()


def windows(seed: int, context: int, size: int) -> Training:
    """A training without its model."""
    codes = text()
    cut = len(codes) * 9 // 10

    def read(start: Tensor) -> Batch:
        found = codes[start.unsqueeze(1) + torch.arange(context + 1)]
        return found[:, :-1], found[:, 1:]

    def batch(update: int) -> Batch:
        own = Generator().manual_seed(seed * 100_003 + update)
        return read(torch.randint(cut - context, (size,), generator=own))

    spread = torch.linspace(cut, len(codes) - context - 1, 64).long()
    return Training(nn.Identity(), batch, entropy, read(spread))


def entropy(output: Tensor, batch: Batch) -> Tensor:
    return functional.cross_entropy(output.flatten(0, 1), batch[1].flatten())


@final
class Recurrent(nn.Module):
    """Embedding, one recurrent layer, logits."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(ALPHABET, 24)
        self.layer = nn.GRU(24, 48, batch_first=True)
        self.logits = nn.Linear(48, ALPHABET)

    def forward(self, codes: Tensor) -> Tensor:
        logits: Tensor = self.logits(self.layer(self.embed(codes))[0])
        return logits


def recurrent(seed: int) -> Training:
    torch.manual_seed(seed)
    return windows(seed, 16, 16)._replace(model=Recurrent())


def transformer(seed: int) -> Training:
    torch.manual_seed(seed)
    model = CharTransformer(alphabet=ALPHABET, context=16, width=32, heads=2, depth=2)
    model.reset(Generator().manual_seed(seed))
    return windows(seed, 16, 16)._replace(model=model)


TASKS = (
    Task(
        name="text GRU, RMSprop",
        half="build",
        make=recurrent,
        optimizer="rmsprop",
        shape="warmup constant",
        rates=(-3.5, -1),
        updates=300,
    ),
    Task(
        name="text transformer, AdamW",
        half="check",
        make=transformer,
        optimizer="adamw",
        shape="warmup cosine",
        rates=(-3.5, -1),
        updates=300,
    ),
)
