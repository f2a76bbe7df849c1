"""`python -m benchmarks.laws.training`: the optimised schedule, trained for real.

Three workloads: linear regression with a power-law spectrum under SGD, with its
exact risk; a small network on scikit-learn's digits under AdamW, with noise on its
inputs; and the character model of `stepsize.proof`. For each: the rate of every
arm is tuned on two seeds, that of the optimum among its own; a law is fitted on the
tuned constant and warmup-stable-decay runs of these seeds; and all arms are trained on
eight fresh ones.
Writes the file that is checked in.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

import stepsize as ss
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.fit import fit
from stepsize.planner.laws.law import Floats
from stepsize.schedules.schedule import Schedule

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from stepsize.proof.workloads.spec import Workload

FILE = Path(__file__).parent / "data" / "training.json"
TUNED_ON, TOLD = (100, 101), tuple(range(8))
Train = Callable[[Floats, Sequence[int], list[Floats] | None], tuple[Floats, Floats]]
"""Maps rates, shape (members, updates), and a seed each to the updates read, shape
(k,), and the validation losses there, shape (members, k). The norms of each update's
gradients, shape (members,), are appended to the list, if one is given: 2-norms for SGD,
1-norms for Adam, as the optimizer gets them."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A workload: how it is trained, and which rates are tried."""

    name: str
    updates: int
    warmup: int
    weight_decay: float | None
    grid: Mapping[str, Sequence[float]]
    train: Train


def arms(task: Task) -> dict[str, Schedule]:
    """Return the schedules that the optimum is compared with, of peak 1."""
    rise = ss.warmup(task.warmup)
    return {
        "constant": rise >> ss.hold(),
        "cosine": rise >> ss.cosine(),
        "wsd 20 %": rise >> ss.hold() >> ss.decay("20%", shape="linear"),
    }


def measure(task: Task) -> dict[str, Any]:
    """Tune, fit, optimise and train; JSON-plain."""
    shapes = {
        name: np.array(one.resolve(total_steps=task.updates).block(0, task.updates))
        for name, one in arms(task).items()
    }
    tuned, curves = {}, []
    for name, shape in shapes.items():
        cells = [(lr, seed) for lr in task.grid[name] for seed in TUNED_ON]
        steps, losses = task.train(
            np.stack([lr * shape for lr, _ in cells]),
            [seed for _, seed in cells],
            None,
        )
        means = losses.reshape(len(task.grid[name]), len(TUNED_ON), -1).mean(axis=1)
        best = int(np.nanargmin(means[:, -1]))
        tuned[name] = task.grid[name][best]
        if name != "cosine":
            own = tuned[name] * shape
            curves.append(Curve(own, steps, means[best], name=name))
    # one law for both peaks: it is the only one that knows of the constant's
    law = fit(curves, weight_decay=task.weight_decay)
    tries = [
        law.optimum(steps=task.updates, warmup=task.warmup, peak_lr=lr)
        for lr in task.grid["wsd 20 %"]
    ]
    ours = [
        np.array(one.schedule.resolve(total_steps=task.updates).block(0, task.updates))
        for one in tries
    ]
    _, losses = task.train(
        np.stack([one for one in ours for _ in TUNED_ON]),
        [seed for _ in ours for seed in TUNED_ON],
        None,
    )
    best = int(np.nanargmin(losses[:, -1].reshape(len(ours), -1).mean(axis=1)))
    tuned["optimum"], found = task.grid["wsd 20 %"][best], tries[best]
    rates = {name: tuned[name] * shape for name, shape in shapes.items()}
    rates["optimum"] = ours[best]
    told = {}
    for name, one in rates.items():
        _, losses = task.train(np.stack([one] * len(TOLD)), TOLD, None)
        told[name] = [float(x) for x in losses[:, -1]]
    predicted = {
        name: float(law.loss(one, [task.updates])[0]) for name, one in rates.items()
    }
    return {
        "name": task.name,
        "updates": task.updates,
        "grid": {name: list(tried) for name, tried in task.grid.items()},
        "tuned": tuned,
        "optimum": str(found.schedule),
        "diagnosis": list(law.diagnosis),
        "predicted": predicted,
        "losses": told,
        "against": {
            name: difference(told["optimum"], told[name])
            for name in told
            if name != "optimum"
        },
    }


def difference(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return the mean difference over seeds, with its 95 % t interval."""
    from scipy.stats import t

    off = np.array(ours) - np.array(theirs)
    half = float(t.ppf(0.975, len(off) - 1) * off.std(ddof=1) / np.sqrt(len(off)))
    mean = float(off.mean())
    return {
        "mean": mean,
        "low": mean - half,
        "high": mean + half,
        "relative": mean / float(np.mean(theirs)),
    }


def regression(
    rates: Floats, seeds: Sequence[int], norms: list[Floats] | None
) -> tuple[Floats, Floats]:
    """Train linear regression: spectrum k**-1.5, target k**-0.25, batch 4."""
    size, batch, noise = 256, 4, 0.3
    spectrum = np.arange(1, size + 1) ** -1.5
    target = np.arange(1, size + 1) ** -0.25
    weights = np.zeros((len(seeds), size))
    sources = [np.random.default_rng(seed) for seed in seeds]
    updates, read = rates.shape[1], []
    at = _reading(updates)
    for update in range(updates):
        x = np.stack([r.standard_normal((batch, size)) for r in sources])
        x *= np.sqrt(spectrum)
        e = noise * np.stack([r.standard_normal(batch) for r in sources])
        off = np.einsum("mbs,ms->mb", x, weights - target) - e
        gradient = np.einsum("mbs,mb->ms", x, off) / batch
        weights = weights - rates[:, update, None] * gradient
        if norms is not None:
            norms.append(np.sqrt((gradient**2).sum(axis=1)))
        if update + 1 in at:
            with np.errstate(over="ignore"):  # of those that have diverged
                risk = ((weights - target) ** 2 * spectrum).sum(axis=1)
            read.append(np.minimum((risk + noise**2) / 2, 1e3))
    return np.array(sorted(at), dtype=float), np.stack(read, axis=1)


def digits(
    rates: Floats, seeds: Sequence[int], norms: list[Floats] | None
) -> tuple[Floats, Floats]:
    """Train a 64-128-10 network on digits, inputs with noise of deviation 0.6."""
    import torch
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)
    data = load_digits()
    inputs = torch.tensor(data.data / 16.0 - 0.3, dtype=torch.float32)
    labels = torch.tensor(data.target)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(7))
    train, valid = order[:1000], order[1000:]
    members, width, deviation = len(seeds), 128, 0.6
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw(*shape: int, scale: float) -> torch.Tensor:
        made = torch.stack([torch.randn(*shape, generator=g) for g in sources])
        return (made * scale).requires_grad_()

    one, two = draw(64, width, scale=0.125), draw(width, 10, scale=width**-0.5)
    noisy = inputs[valid] + deviation * torch.randn(
        len(valid), 64, generator=torch.Generator().manual_seed(8)
    )
    at, read = _reading(rates.shape[1]), []
    moments = [[torch.zeros_like(w), torch.zeros_like(w)] for w in (one, two)]
    for update in range(rates.shape[1]):
        pick = torch.stack(
            [train[torch.randint(1000, (16,), generator=g)] for g in sources]
        )
        noise = torch.stack([torch.randn(16, 64, generator=g) for g in sources])
        x = inputs[pick] + deviation * noise
        logits = (x @ one).relu() @ two
        loss = (
            torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), labels[pick].flatten(), reduction="sum"
            )
            / 16
        )
        gradients = torch.autograd.grad(loss, (one, two))
        if norms is not None:
            total = sum(g.abs().flatten(1).sum(dim=1) for g in gradients)
            norms.append(np.asarray(total, dtype=np.float64))
        lr = torch.tensor(rates[:, update], dtype=torch.float32)[:, None, None]
        with torch.no_grad():
            for w, g, (m, v) in zip((one, two), gradients, moments, strict=True):
                m.lerp_(g, 0.1)
                v.lerp_(g * g, 0.05)
                first = m / (1 - 0.9 ** (update + 1))
                second = v / (1 - 0.95 ** (update + 1))
                w.sub_(lr * (first / (second.sqrt() + 1e-8) + 0.1 * w))
            if update + 1 in at:
                logits = (noisy @ one).relu() @ two
                losses = torch.nn.functional.cross_entropy(
                    logits.transpose(1, 2),
                    labels[valid].expand(members, -1),
                    reduction="none",
                )
                read.append(losses.mean(dim=1).double().numpy())
    return np.array(sorted(at), dtype=float), np.stack(read, axis=1)


def characters(
    rates: Floats, seeds: Sequence[int], norms: list[Floats] | None
) -> tuple[Floats, Floats]:
    """Train the character model of `stepsize.proof`."""
    from stepsize.proof.population.engine import train_population
    from stepsize.proof.workloads.charlm import build

    workload = replace(build(), curve_size=512)
    if norms is not None:
        of_members = [
            _norms(workload, row, seed) for row, seed in zip(rates, seeds, strict=True)
        ]
        norms += list(np.stack(of_members, axis=1))
    found = train_population(workload, rates, seeds, evaluations=40, threads=1)
    return found.updates.astype(np.float64), found.val_curve


def _norms(workload: Workload, rates: Floats, seed: int) -> Floats:
    """Return the 1-norm of each update's gradient, shape (updates,)."""
    from stepsize.proof.population.single import torch_optimizer, train_one

    seen: list[float] = []

    def watched(workload: Workload, model: nn.Module, updates: int) -> Optimizer:
        del updates
        optimizer = torch_optimizer(workload, model, "fused")

        def read(*_: object) -> None:
            slopes = [p.grad for p in model.parameters() if p.grad is not None]
            seen.append(sum(float(one.abs().sum()) for one in slopes))

        optimizer.register_step_pre_hook(read)
        return optimizer

    train_one(workload, rates, seed, evaluations=1, make_optimizer=watched)
    return np.array(seen)


TASKS = {
    task.name: task
    for task in (
        Task(
            name="regression",
            updates=4000,
            warmup=40,
            weight_decay=0.0,
            grid=dict.fromkeys(
                ("constant", "cosine", "wsd 20 %"),
                (0.03, 0.06, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.3, 1.7, 2.2),
            ),
            train=regression,
        ),
        Task(
            name="digits",
            updates=4000,
            warmup=40,
            weight_decay=0.1,
            grid=dict.fromkeys(
                ("constant", "cosine", "wsd 20 %"),
                (3e-4, 1e-3, 2e-3, 3e-3, 6e-3, 1e-2, 2e-2, 3e-2),
            ),
            train=digits,
        ),
        Task(
            name="characters",
            updates=2000,
            warmup=100,
            weight_decay=0.1,
            grid=dict.fromkeys(
                ("constant", "cosine", "wsd 20 %"),
                (5e-4, 1e-3, 1.7e-3, 3e-3, 5e-3, 8e-3),
            ),
            train=characters,
        ),
    )
}


def _reading(updates: int) -> set[int]:
    return {round(x) for x in np.linspace(0, updates, 41)[1:]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the tasks named, or all, and write the file after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws.training")
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(TASKS))
    parser.add_argument("--output", type=Path, default=FILE)
    given = parser.parse_args(arguments)
    known: dict[str, Any] = {}
    if given.output.exists():
        known = json.loads(given.output.read_text(encoding="utf-8"))
    for name in given.tasks or TASKS:
        begin = time.perf_counter()
        known[name] = measure(TASKS[name])
        given.output.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {time.perf_counter() - begin:.0f} s", known[name]["against"])


if __name__ == "__main__":
    main()
