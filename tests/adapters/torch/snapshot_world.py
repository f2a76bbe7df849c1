"""A training with everything a snapshot must bring back, and its fingerprint."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stepsize.adapters.torch.snapshots import Subject


class Net(nn.Module):
    """BatchNorm, dropout, a tied weight, buffers of all kinds."""

    calls: Tensor
    lazily: Tensor | None

    def __init__(self, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 6, dtype=dtype)
        self.conv = nn.Conv1d(6, 6, 3, padding=1, dtype=dtype)
        self.norm = nn.BatchNorm1d(6, dtype=dtype)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(6, 7, bias=False, dtype=dtype)
        self.head.weight = self.embed.weight
        self.wide = nn.Parameter(torch.randn(4, 6, dtype=dtype).t())
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("lazily", None, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        self.calls += 1
        self.lazily = torch.full((int(self.calls),), float(self.calls))
        mixed = self.conv(self.embed(tokens).transpose(1, 2))
        hidden = self.drop(torch.relu(self.norm(mixed))).transpose(1, 2)
        out: Tensor = self.head(hidden + hidden @ self.wide @ self.wide.t())
        return out


class Stream:
    """Data with a position."""

    def __init__(self) -> None:
        self.at = 0

    def __next__(self) -> Tensor:
        self.at += 1
        draw = torch.Generator().manual_seed(self.at)
        return torch.randint(7, (5, 4), generator=draw)

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.at = state_dict["at"]


class Lion(torch.optim.Optimizer):
    """Its momentum appears with the first gradient; it has state of the whole too."""

    def __init__(self, params: Any, lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "betas": (0.9, 0.99), "rule": torch.sign})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        whole: Any = self.state
        whole["count"] = whole.get("count", 0) + 1
        for group in self.param_groups:
            first, second = group["betas"]
            for one in group["params"]:
                if one.grad is None:
                    continue
                state = self.state[one]
                if not state:
                    state["momentum"] = torch.zeros_like(one)
                momentum = state["momentum"]
                mixed = momentum.lerp(one.grad, 1 - first)
                one.sub_(group["rule"](mixed), alpha=float(group["lr"]))
                momentum.lerp_(one.grad, 1 - second)
        return None


Make = Callable[[Any], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "sgd fused": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, fused=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "adam foreach": lambda p: torch.optim.Adam(p, lr=0.01, foreach=True),
    "adamw fused": lambda p: torch.optim.AdamW(p, lr=torch.tensor(0.01), fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
    "asgd": lambda p: torch.optim.ASGD(p, lr=0.01, t0=2),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.01),
    "rprop": lambda p: torch.optim.Rprop(p, lr=0.01),
    "lion": Lion,
}


class World:
    """A run that draws from every generator there is."""

    def __init__(
        self,
        make: Make,
        *,
        seed: int = 0,
        scaled: bool = True,
        data: Stream | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.net = Net()
        late = [self.net.wide]
        early = [p for p in self.net.parameters() if p is not self.net.wide]
        self.optimizer = make([{"params": early, "name": "early"}, {"params": late}])
        self.scaler = torch.amp.GradScaler(
            "cpu", init_scale=256.0, growth_interval=3, enabled=scaled
        )
        self.data = data or Stream()
        self.subject = Subject(self.net, self.optimizer, self.scaler, self.data)
        self.losses: list[float] = []

    def train(self, updates: int) -> list[float]:
        """Make updates; return their losses."""
        made = []
        for _ in range(updates):
            tokens = next(self.data)
            weight = 1 + 0.1 * random.random() + 0.1 * float(np.random.rand())
            self.optimizer.zero_grad()
            output = self.net(tokens)
            loss = weight * cross_entropy(output.flatten(0, 1), tokens.flatten())
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self.scaler.step(self.optimizer)
            self.scaler.update()
            made.append(loss.item())
        return made

    def seed(self, seed: int) -> None:
        """Set every generator."""
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)

    def print(self, *, everything: bool = True) -> Any:
        """Return everything there is, down to the bits."""
        net, optimizer = self.net, self.optimizer
        found = {
            "parameters": {n: bits(p) for n, p in net.named_parameters()},
            "buffers": {n: bits(b) for n, b in net.named_buffers()},
            "lazily": bits(net.lazily),
            "groups": [
                {key: bits(one) for key, one in group.items() if key != "params"}
                for group in optimizer.param_groups
            ],
            "state": [
                bits(optimizer.state.get(one))
                for group in optimizer.param_groups
                for one in group["params"]
            ],
            "others": {
                key: bits(one)
                for key, one in optimizer.state.items()
                if not isinstance(key, Tensor)
            },
            "states": len(optimizer.state),
            "scaler": self.scaler.state_dict(),
        }
        if everything:
            found["random"] = bits(
                [torch.get_rng_state(), random.getstate(), np.random.get_state()]
            )
            found["data"] = self.data.at
        return found

    def print_modes(self) -> Any:
        """Return training modes, what is trained, and gradients."""
        return (
            [(name, module.training) for name, module in self.net.named_modules()],
            [
                (name, one.requires_grad, bits(one.grad))
                for name, one in self.net.named_parameters()
            ],
        )


def bits(value: Any) -> Any:
    """Return a value in which tensors are told apart by their last bit."""
    if isinstance(value, Tensor):
        plain = value.detach().resolve_conj().contiguous().reshape(-1)
        raw = plain.view(torch.uint8) if plain.numel() else plain
        return (
            value.dtype,
            tuple(value.shape),
            bytes(raw.tolist()) if len(raw) else b"",
        )
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return {key: bits(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(one) for one in value]
    return value
