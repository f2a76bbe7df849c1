"""UCI's letters, 16 numbers each, and a perceptron under AdamW."""

from __future__ import annotations

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

__all__ = ["build", "read_letters"]

_FILE = "letter-recognition.data"
_HINT = (
    "run 'make data' in the project (it takes the file from Debian's opencv-doc), or "
    "get it from UCI's Letter Recognition"
)
_COLUMNS = 17


def build() -> Workload:
    """Return the workload. Eight epochs; here schedules helped most.

    Raises:
        DataMissingError: The file is not on this machine.
        ProofError: It is not the one.
    """
    path = find_file("letters", _FILE, hint=_HINT)
    rows, labels = read_letters(path)
    return Workload(
        name="letters",
        title="UCI letters, MLP, AdamW",
        data=(
            "20 000 letters of 20 fonts, 16 numbers each (D. J. Slate, UCI Letter "
            "Recognition, 1991), in Debian's opencv-doc; standardised over all rows, "
            "split 12 000/4 000/4 000 at random by seed"
        ),
        model="MLP 16-128-128-26, ReLU (22 042 parameters)",
        optimizer="adamw",
        metric="accuracy",
        unit="%",
        direction="max",
        total_steps=1500,
        peak_lrs=(3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        default_lr=1e-3,
        seeds=5,
        failed_margin=10.0,
        chance=100 / 26,
        batch_size=64,
        curve_size=1000,
        examples=LabelledRows(
            rows=rows, labels=labels, train_size=12_000, val_size=4_000, order="epochs"
        ),
        network=partial(Mlp, (16, 128, 128, 26)),
        weight_decay=0.01,
        fingerprint=hashlib.sha256(path.read_bytes()).hexdigest()[:16],
    )


def read_letters(path: Path) -> tuple[Tensor, Tensor]:
    """Return standardised rows, float32 (20000, 16), and classes, int64 (20000,).

    Raises:
        ProofError: The file does not hold lines of a letter and 16 integers.
    """
    lines = [line.split(",") for line in path.read_text("ascii").split()]
    if not lines or any(len(line) != _COLUMNS for line in lines):
        message = (
            f"letters: {path} must hold lines of a capital letter and 16 integers, "
            "separated by commas."
        )
        raise ProofError(message)
    labels = torch.tensor([ord(line[0]) - ord("A") for line in lines])
    values = np.array([line[1:] for line in lines], dtype=np.float64)
    values = (values - values.mean(0)) / values.std(0)
    return torch.from_numpy(values).float(), labels
