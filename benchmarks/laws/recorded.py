"""The recorded language-model runs, where their folder is at hand.

`STEPSIZE_LOSS_CURVES` names the folder, with `25M/` and `124M/` in it as their README
describes them.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from stepsize.planner.fitting.curve import Curve
from stepsize.planner.laws.law import Floats

VARIABLE = "STEPSIZE_LOSS_CURVES"
TRAINED_ON = ("cosine_24000", "constant_24000", "wsdcon_9")
"""Luo et al.'s training curves; the other six are the test."""
_NAME = re.compile(
    r"(constant|cosine_to_0|cosine_to_10pct|wsd_linear|wsd_sqrt)(?:_([\d.]+))?"
    r"_lr([\d.]+)_steps(\d+)"
)
_BRANCHED = 1000
"""Runs of the 124M model are scored from this step on: before, no law holds."""


@final
@dataclass(frozen=True, slots=True)
class Run:
    """A recorded run of the 124M model."""

    name: str
    kind: str
    fraction: float | None
    peak: float
    horizon: int
    curve: Curve


def folder() -> Path | None:
    """Return the folder of the recorded runs; None if it is not at hand."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    path = Path(named)
    if not (path / "25M").is_dir() or not (path / "124M").is_dir():
        message = f"{VARIABLE}={named}: there is no 25M/ and 124M/ in it"
        raise FileNotFoundError(message)
    return path


def small(path: Path) -> dict[str, Curve]:
    """Return the nine runs of the 25M model, by name."""
    curves = {}
    for file in sorted((path / "25M").glob("*.csv")):
        steps, losses = _columns(file)
        rates = rates_of_small(file.stem)
        kept = (steps != 24_000) & (steps <= len(rates))
        curves[file.stem] = Curve(rates, steps[kept], losses[kept], name=file.stem)
    return curves


def large(path: Path) -> dict[str, Run]:
    """Return the runs of the 124M model, by name."""
    runs = {}
    for file in sorted((path / "124M").glob("*.csv")):
        found = _NAME.fullmatch(file.stem)
        if found is None:
            continue
        kind, horizon = found[1], int(found[4])
        fraction = float(found[2]) if found[2] else None
        steps, losses = _columns(file)
        kept = steps > 0
        rates = _rates_124(kind, fraction, float(found[3]), horizon)
        curve = Curve(rates, steps[kept], losses[kept], name=file.stem)
        peak = float(found[3])
        runs[file.stem] = Run(file.stem, kind, fraction, peak, horizon, curve)
    return runs


def last_loss(run: Run) -> float:
    """Return the last loss of a run."""
    return float(run.curve.losses[-1])


def short(run: Run) -> str:
    """Return a run's description without its peak."""
    fraction = "" if run.fraction is None else f" {run.fraction:g}"
    return f"{run.kind.replace('_', ' ')}{fraction}, {run.horizon // 1000}k"


def three(runs: Sequence[Run]) -> list[Run]:
    """Return the constant runs, and linear cooldowns and cosines to 0 of 25k steps."""
    return [
        run
        for run in runs
        if run.kind == "constant"
        or (run.kind, run.fraction, run.horizon) == ("wsd_linear", 0.2, 25_000)
        or (run.kind, run.horizon) == ("cosine_to_0", 25_000)
    ]


def scored(curve: Curve) -> Curve:
    """Return the part of a run of the 124M model that is scored."""
    kept = curve.steps >= _BRANCHED
    return Curve(curve.rates, curve.steps[kept], curve.losses[kept], name=curve.name)


def _columns(file: Path) -> tuple[np.ndarray, Floats]:
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))[1:]
    steps = np.array([int(float(row[0])) for row in rows])
    return steps, np.array([float(row[2]) for row in rows])


def rates_of_small(name: str) -> Floats:
    """Return the rates of a run of the 25M model, from its description."""
    peak, end, warmup = 3e-4, 3e-5, 2160
    last = 16_000 if name.startswith("wsdcon") else int(name.rsplit("_", 1)[1])
    rates = np.full(last + 1, peak)
    rates[:warmup] = np.linspace(0, peak, warmup)
    t = np.arange(last + 1)
    if name.startswith("wsdcon"):
        rates[8000:] = float(name.rsplit("_", 1)[1]) * 1e-5
    elif name.startswith("cosine"):
        part = (t[warmup:] - warmup) / (last - warmup)
        rates[warmup:] = end + (peak - end) * (1 + np.cos(np.pi * part)) / 2
    elif name.startswith("wsd"):
        part = (t[20_000:] - 20_000) / (last - 20_000)
        linear = name.startswith("wsdld")
        rates[20_000:] = (
            peak + (end - peak) * part if linear else peak * (end / peak) ** part
        )
    return rates


def _rates_124(kind: str, fraction: float | None, peak: float, horizon: int) -> Floats:
    warmup = 300
    t = np.arange(horizon)
    rates = np.full(horizon, peak)
    rates[:warmup] = peak * (0.01 + 0.99 * t[:warmup] / warmup)
    if kind.startswith("cosine"):
        end = 0.0 if kind == "cosine_to_0" else peak / 10
        part = (t[warmup:] - warmup) / (horizon - warmup)
        rates[warmup:] = end + (peak - end) * (1 + np.cos(np.pi * part)) / 2
    elif fraction is not None:
        length = fraction * horizon
        part = np.clip((t - (horizon - length)) / length, 0, 1)
        shape = 1 - part if kind == "wsd_linear" else 1 - np.sqrt(part)
        rates = np.minimum(rates, peak * shape)
    return rates
