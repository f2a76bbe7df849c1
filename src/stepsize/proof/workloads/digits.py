"""The smallest workload: 8x8 digits and a perceptron under SGD with momentum."""

from __future__ import annotations

from functools import partial

import torch
from sklearn.datasets import load_digits

from stepsize.proof.workloads.images import LabelledRows
from stepsize.proof.workloads.mlp import Mlp
from stepsize.proof.workloads.spec import Workload

__all__ = ["build"]


def build() -> Workload:
    """Return the workload. Twenty epochs; no schedule is known to help here."""
    pixels, labels = load_digits(return_X_y=True)
    examples = LabelledRows(
        rows=torch.from_numpy(pixels).float().div_(16.0).sub_(0.5),
        labels=torch.from_numpy(labels).long(),
        train_size=900,
        val_size=400,
        order="epochs",
    )
    return Workload(
        name="digits",
        title="8x8 digits, MLP, SGD with momentum",
        data=(
            "1797 grey 8x8 digits of UCI optdigits, packaged in scikit-learn "
            "(BSD-3-Clause; upstream CC BY 4.0), split 900/400/497 at random by seed"
        ),
        model="MLP 64-64-64-10, ReLU (8 970 parameters)",
        optimizer="sgd",
        metric="accuracy",
        unit="%",
        direction="max",
        total_steps=560,
        peak_lrs=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
        default_lr=0.01,
        seeds=5,
        failed_margin=10.0,
        chance=10.0,
        batch_size=32,
        curve_size=400,
        examples=examples,
        network=partial(Mlp, (64, 64, 64, 10)),
        momentum=0.9,
        weight_decay=1e-4,
    )
