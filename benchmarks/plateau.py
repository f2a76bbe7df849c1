"""False and late cuts of `Plateau` and of torch's rule: `python -m benchmarks.plateau`.

On synthetic curves, whose trend is known, and in trainings on real data, in which each
rule steers the rate.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from statistics import fmean, median, stdev

import torch
from rich.table import Table

from benchmarks.show import console
from stepsize.control.policies import Observation, Plateau
from stepsize.proof import workloads
from stepsize.proof.population.chunk import first_parameters
from stepsize.proof.workloads.spec import Workload

RULES = ("none", "torch", "own")
CURVES, LENGTH, KNEE = 200, 100, 40
FACTOR, PATIENCE = 0.5, 10
FALSE = 0.05
"""A first cut is false if the validation loss of the run without cuts, averaged over a
patience, falls by this share below what it was at the cut."""


def rule(name: str, *, margin: float = 1e-4) -> Plateau:
    """Make a rule; `none` never cuts."""
    if name == "none":
        return Plateau(min_lr=1e9)
    convention = None if name == "own" else name
    return Plateau(
        factor=FACTOR, patience=PATIENCE, margin=margin, convention=convention
    )


def first_cut(policy: Plateau, values: Sequence[float]) -> int | None:
    """Give the observation at which a rule first cuts."""
    state = policy.start()
    for index, value in enumerate(values):
        seen = Observation(
            update=index, step=index, rate=0.1, peak=0.1, metrics={"val_loss": value}
        )
        state, changes = policy.observe(state, seen)
        if changes:
            return index
    return None


def synthetic() -> Table:
    """Compare first cuts on lines with a knee and normal noise of 1."""
    table = Table(title=f"Synthetic: first cuts, {CURVES} curves a cell")
    table.add_column("rule")
    gains = (0.5, 1.0, 2.0, 4.0)
    for gain in gains:
        table.add_column(f"false, {gain:g} noises a patience", justify="right")
    table.add_column("delay after a knee", justify="right")
    table.add_column("delay on a flat metric", justify="right")
    for name in RULES[1:]:
        draw = random.Random(0)

        def cuts(
            slope: float, knee: int, policy: Plateau, draw: random.Random = draw
        ) -> list[int | None]:
            return [
                first_cut(
                    policy,
                    [
                        1000 - slope * min(i, knee) + draw.gauss(0, 1)
                        for i in range(LENGTH + knee)
                    ],
                )
                for _ in range(CURVES)
            ]

        policy = rule(name, margin=0.0)
        false = [
            fmean(
                at is not None and at < LENGTH
                for at in cuts(gain / PATIENCE, LENGTH, policy)
            )
            for gain in gains
        ]
        knee = [at - KNEE for at in cuts(0.4, KNEE, policy) if at is not None]
        flat = [at for at in cuts(0.0, 0, policy) if at is not None]
        table.add_row(
            name,
            *(f"{100 * share:.1f} %" for share in false),
            f"{median(knee):g}",
            f"{median(flat):g}",
        )
    return table


def train(
    work: Workload, policy: Plateau, seed: int, *, rate: float, updates: int, every: int
) -> tuple[float, list[float], list[int]]:
    """Train once; give the test accuracy, the validation losses and the cuts."""
    model = work.network()
    first_parameters(model, seed, torch.float32)
    make: Callable[..., torch.optim.Optimizer] = (
        torch.optim.SGD if work.optimizer == "sgd" else torch.optim.AdamW
    )
    words = {"momentum": work.momentum} if work.optimizer == "sgd" else {}
    optimizer = make(
        model.parameters(), lr=rate, weight_decay=work.weight_decay, **words
    )
    examples = work.examples
    batches = examples.training(seed, updates, work.batch_size)
    held_out = examples.read(examples.validation(seed), torch.float32)
    final = examples.read(examples.test(seed), torch.float32)
    state, peak, cuts, losses = policy.start(), rate, list[int](), list[float]()
    for update in range(updates):
        optimizer.zero_grad()
        inputs, targets = examples.read(batches[update], torch.float32)
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if (update + 1) % every:
            continue
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(
                model(held_out[0]), held_out[1]
            ).item()
        losses.append(loss)
        seen = Observation(
            update=update + 1,
            step=update + 1,
            rate=rate,
            peak=peak,
            metrics={"val_loss": loss},
        )
        state, changes = policy.observe(state, seen)
        for change in changes:
            rate *= float(change.values["factor"] or 1.0)
            cuts.append(len(losses) - 1)
        for group in optimizer.param_groups:
            group["lr"] = rate
    with torch.no_grad():
        right = (model(final[0]).argmax(1) == final[1]).float().mean().item()
    return 100 * right, losses, cuts


def real(seeds: int = 5) -> Table:
    """Compare whole trainings on the workloads, steered by the validation loss."""
    table = Table(title=f"Real data: {seeds} seeds, mean (standard error)")
    for column in (
        "workload",
        "rate",
        "rule",
        "test %",
        "val loss",
        "cuts",
        "first false",
    ):
        table.add_column(column, justify="right" if column != "workload" else "left")
    for name, rates, updates, every in (
        ("digits", (0.01, 0.1), 1680, 14),
        ("mnist5k", (1e-3, 1e-2), 1200, 10),
    ):
        work = workloads.load(name)
        for rate in rates:
            uncut: list[list[float]] = []
            for kind in RULES:
                runs = []
                for seed in range(seeds):
                    run = train(
                        work,
                        rule(kind),
                        seed,
                        rate=rate,
                        updates=updates,
                        every=every,
                    )
                    runs.append(run)
                if kind == "none":
                    uncut = [run[1] for run in runs]
                first = [
                    (losses, run[2][0])
                    for run, losses in zip(runs, uncut, strict=True)
                    if run[2]
                ]
                false = sum(is_false(losses, at) for losses, at in first)
                table.add_row(
                    name,
                    f"{rate:g}",
                    kind,
                    _spread([run[0] for run in runs], 2),
                    _spread([run[1][-1] for run in runs], 4),
                    f"{fmean(len(run[2]) for run in runs):.1f}",
                    f"{false} of {len(first)}",
                )
    return table


def is_false(losses: Sequence[float], at: int) -> bool:
    """Tell whether the run went on to improve without the cut; see `FALSE`."""
    means = [
        fmean(losses[end - PATIENCE : end]) for end in range(at + 1, len(losses) + 1)
    ]
    return min(means) < (1 - FALSE) * means[0]


def _spread(values: Sequence[float], digits: int) -> str:
    error = stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.{digits}f} ({error:.{digits}f})"


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    begin, out = time.perf_counter(), console()
    out.print(synthetic())
    out.print(real())
    out.print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
