"""A small training under a guard: what a loop of three lines leaves behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.adapters.torch.snapshot_world import bits
from torch import Tensor, nn

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control import Guard, Trajectory
from stepsize.schedules.schedule import Schedule
from stepsize.testing.faults import Faults

UPDATES = 300
RATES = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01, "rmsprop": 0.003, "lion": 0.001}
"""Rates at which each of them trains well."""


class Lion(torch.optim.Optimizer):
    """The sign of a momentum; that of NaN is 0. Chen et al. 2023, arXiv:2302.06675."""

    def __init__(self, params: Any, lr: float = 1.0) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for one in group["params"]:
                state = self.state[one]
                if not state:
                    state["momentum"] = torch.zeros_like(one)
                momentum = state["momentum"]
                sign = torch.sign(momentum.lerp(one.grad, 0.1))
                one.sub_(sign, alpha=group["lr"])
                momentum.lerp_(one.grad, 0.01)


FACTORS = {"weight": 1.0, "bias": 0.5}
"""Param groups, with what multiplies their rate."""

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda params: torch.optim.SGD(params, lr=1.0, momentum=0.9),
    "adam": lambda params: torch.optim.Adam(params, lr=1.0),
    "adamw": lambda params: torch.optim.AdamW(params, lr=1.0),
    "rmsprop": lambda params: torch.optim.RMSprop(params, lr=1.0),
    "lion": Lion,
}


def task(seed: int) -> tuple[Tensor, Tensor]:
    """Ten clusters in 16 dimensions that overlap a little."""
    own = torch.Generator().manual_seed(seed)
    centres = torch.randn(10, 16, generator=own)
    targets = torch.randint(10, (2000,), generator=own)
    return centres[targets] + 0.7 * torch.randn(2000, 16, generator=own), targets


class Stream:
    """Batches with a position; drawn from it alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.at = 0
        self.inputs, self.targets = task(seed)

    def batch(self, place: int) -> tuple[Tensor, Tensor]:
        own = torch.Generator().manual_seed(self.seed * 100_003 + place)
        pick = torch.randint(len(self.inputs), (32,), generator=own)
        return self.inputs[pick], self.targets[pick]

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.at = state_dict["at"]


class Training:
    """A network on that task, its optimizer, and a Scheduler with policies."""

    def __init__(
        self,
        optimizer: str = "sgd",
        policies: Any = None,
        *,
        faults: Faults | None = None,
        seed: int = 0,
        noisy: bool = False,
        schedule: Schedule | None = None,
        updates: int = UPDATES,
        **options: Any,
    ) -> None:
        torch.manual_seed(seed)
        between: list[nn.Module] = [nn.ReLU()]
        if noisy:
            between = [nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1)]
        self.model = nn.Sequential(nn.Linear(16, 32), *between, nn.Linear(32, 10))
        named = list(self.model.named_parameters())
        self.optimizer = OPTIMIZERS[optimizer](
            [
                {"params": [p for n, p in named if n.endswith(name)], "name": name}
                for name in FACTORS
            ]
        )
        self.faults = Faults() if faults is None else faults
        self.data = Stream(seed)
        self.scaler: Any = options.get("scaler")
        if options.pop("rewinds_data", False):
            options["data"] = self.data
        shape = ss.warmup(20) >> ss.cosine(to=0.05) if schedule is None else schedule
        self.schedule = self.faults.schedule(RATES[optimizer] * shape)
        self.updates = updates
        self.horizon = ss.Horizon(steps=updates)
        self.scheduler = Scheduler(
            self.optimizer,
            lr=self.schedule,
            horizon=self.horizon,
            policies=[Guard()] if policies is None else policies,
            model=self.model,
            rules=FACTORS,
            **options,
        )
        self.attempts = 0
        self.losses: list[float] = []
        self.applied: list[list[float]] = []
        self.backs: list[Any] = []
        self.first = self.score()

    def score(self) -> float:
        """Loss of everything, in evaluation mode."""
        self.model.eval()
        with torch.no_grad():
            found = nn.functional.cross_entropy(
                self.model(self.data.inputs), self.data.targets
            )
        self.model.train()
        return found.item()

    def loss(self) -> Tensor:
        attempt, place = self.attempts, self.faults.data(self.data.at)
        batch = self.faults.batch(attempt, *self.data.batch(place))
        self.data.at += 1
        loss = nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        return self.faults.loss(attempt, loss)

    def attempt(self) -> Any:
        """The loop of three lines, with what it takes to see and to break it."""
        self.optimizer.zero_grad()
        loss = self.loss()
        self.scale(loss).backward()
        self.faults.gradients(self.attempts, self.model.parameters())
        made = self.scheduler.update
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if self.scheduler.update > made:
            self.applied.append([group["lr"] for group in self.optimizer.param_groups])
        back = self.scheduler.step(loss=loss)
        self.attempts += 1
        self.losses.append(loss.item())
        if back:
            self.backs.append(back)
        return back

    def scale(self, loss: Tensor) -> Any:
        return loss if self.scaler is None else self.scaler.scale(loss)

    def to_the_end(self) -> "Training":
        for _ in range(self.updates - len(self.losses)):
            self.attempt()
        return self

    def to(self, update: int) -> "Training":
        while self.scheduler.update < update:
            self.attempt()
        return self

    @property
    def told(self) -> list[tuple[int, str, Any]]:
        matter = {"rewind": "snapshot", "scale": "factor", "note": "withdraws"}
        return [
            (event.update, event.kind, event.values[matter[event.kind]])
            for event in self.scheduler.events
        ]

    @property
    def rewinds(self) -> list[Any]:
        return [what for _, kind, what in self.told if kind == "rewind"]

    def regret(self, healthy: "Training") -> float:
        """Share of a healthy run's improvement that is missing in the end."""
        return (self.score() - healthy.score()) / (healthy.first - healthy.score())

    def print(self) -> Any:
        """Everything that was trained, down to the bits."""
        return {
            "model": bits(self.model.state_dict()),
            "optimizer": bits(self.optimizer.state_dict()["state"]),
            "losses": self.losses,
            "applied": self.applied,
        }

    def check_replay(self) -> None:
        """Schedule, horizon and events alone give each rate that was applied."""
        for place, (name, factor) in enumerate(FACTORS.items()):
            lr = Trajectory(
                self.schedule, self.horizon, self.scheduler.events, group=name
            )
            for update, rates in enumerate(self.applied):
                assert rates[place] == lr(update) * factor


def save(training: Training, path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    parts = {
        "model": training.model.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "scheduler": training.scheduler.state_dict(),
        "data": training.data.state_dict(),
        "random": torch.get_rng_state(),
        "attempts": training.attempts,
    }
    torch.save(parts, path.with_name("half"))
    path.with_name("half").replace(path)


def load(training: Training, path: Path) -> None:
    state = torch.load(path, weights_only=True)
    training.model.load_state_dict(state["model"])
    training.optimizer.load_state_dict(state["optimizer"])
    training.scheduler.load_state_dict(state["scheduler"])
    training.data.load_state_dict(state["data"])
    torch.set_rng_state(state["random"])
    training.attempts = state["attempts"]
