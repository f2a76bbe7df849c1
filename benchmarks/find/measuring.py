"""Suggestions of every finder on every cell, and their regrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from benchmarks.find.grid import Truth
from benchmarks.find.member import Member
from benchmarks.find.optimizers import DEFAULT_LR
from benchmarks.find.peers import LIGHTNING_RAMP, PEERS, RAMP
from benchmarks.find.stack import Floats, train
from benchmarks.find.task import Task
from stepsize.finder import Curve, find

SEEDS = range(5)
OURS, FAST, VALIDATED, BLOWUP, BLOWUP_OR_END, RANDOM, DEFAULT = (
    "stepsize",
    "stepsize fast",
    "stepsize with validation",
    "blow-up / 10",
    "blow-up or end / 10",
    "random search",
    "library default",
)
_RANDOM_RATES, _RANDOM_STEPS = 12, 40


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a finder said once.

    Attributes:
        finder: Name.
        task: Name.
        optimizer: Name.
        seed: Of first parameters and batches.
        lr: The rate; None if it gave none.
        steps: Updates used.
        regret: Of the rate; 1 if there is none.
        status: Ours only.
    """

    finder: str
    task: str
    optimizer: str
    seed: int
    lr: float | None
    steps: int
    regret: float
    status: str = ""


def measure(
    task: Task,
    optimizer: str,
    truth: Truth,
    *,
    ours: Sequence[str] = (OURS, FAST, VALIDATED),
) -> Iterator[Suggestion]:
    """Run these of our finders on one cell, on each seed."""

    for seed in SEEDS:
        for name in ours:
            member = Member(task, optimizer, seed)
            found = find(
                member.step,
                member.again,
                fast=name == FAST,
                validate=member.validate if name == VALIDATED else None,
            )
            yield Suggestion(
                finder=name,
                task=task.name,
                optimizer=optimizer,
                seed=seed,
                lr=found.suggestion,
                steps=member.used,
                regret=truth.regret(found.suggestion),
                status=found.status,
            )


def measure_others(task: Task, optimizer: str, truth: Truth) -> Iterator[Suggestion]:
    """Run the other finders on one cell, on each seed."""

    def said(finder: str, seed: int, lr: float | None, steps: int) -> Suggestion:
        return Suggestion(
            finder=finder,
            task=task.name,
            optimizer=optimizer,
            seed=seed,
            lr=lr,
            steps=steps,
            regret=truth.regret(lr),
        )

    for seed in SEEDS:
        yield said(DEFAULT, seed, DEFAULT_LR[optimizer], 0)
    ramps = {id(lrs): _ramps(task, optimizer, lrs) for lrs in (RAMP, LIGHTNING_RAMP)}
    for seed in SEEDS:
        for name, (rule, lrs) in PEERS.items():
            losses = ramps[id(lrs)][seed]
            used = int(np.isfinite(losses).sum())
            yield said(name, seed, rule(lrs, losses), used)
        shape = Curve.of(RAMP.tolist(), ramps[id(RAMP)][seed].tolist()).shape()
        blowup = None if shape is None else shape.blowup
        lr = None if blowup is None else blowup / 10.0
        yield said(BLOWUP, seed, lr, len(RAMP))
        # the same where a ramp that breaks nothing is read as breaking at its end
        yield said(BLOWUP_OR_END, seed, lr or float(RAMP[-1]) / 10.0, len(RAMP))
        lr, used = _random(task, optimizer, seed)
        yield said(RANDOM, seed, lr, used)


def _ramps(task: Task, optimizer: str, lrs: Floats) -> Floats:
    seeds = list(SEEDS)
    _, curves = train(task, optimizer, np.tile(lrs, (len(seeds), 1)), seeds, seeds)
    return curves


def _random(task: Task, optimizer: str, seed: int) -> tuple[float | None, int]:
    """Search 12 random rates by constant-rate probes of 40 updates."""
    lrs = 10.0 ** np.random.default_rng(seed).uniform(-7.0, 1.0, _RANDOM_RATES)
    rates = np.tile(lrs[:, None], (1, _RANDOM_STEPS))
    same = [seed] * len(lrs)
    _, curves = train(task, optimizer, rates, same, same)
    scores = curves[:, -_RANDOM_STEPS // 4 :].mean(1)
    used = int(np.isfinite(curves).sum())
    if not np.isfinite(scores).any():
        return None, used
    return float(lrs[int(np.nanargmin(scores))]), used


def of(said: Sequence[Suggestion], finder: str) -> dict[tuple[str, str], Floats]:
    """Return a finder's regrets by cell."""
    cells: dict[tuple[str, str], list[float]] = {}
    for each in said:
        if each.finder == finder:
            cells.setdefault((each.task, each.optimizer), []).append(each.regret)
    return {cell: np.array(regrets) for cell, regrets in cells.items()}
