"""Fashion-MNIST and a convolutional network with batch norm and dropout, AdamW."""

from __future__ import annotations

from stepsize.proof.workloads.convolutions import ConvNet
from stepsize.proof.workloads.fashion import DATA_TEXT, fashion
from stepsize.proof.workloads.spec import Workload

__all__ = ["build"]


def build() -> Workload:
    """Return the workload: four epochs.

    Raises:
        DataMissingError: The data is not on this machine.
    """
    return Workload(
        name="fashion_cnn",
        title="Fashion-MNIST, CNN, AdamW",
        data=DATA_TEXT,
        model="CNN, 3 convolutions with batch norm, dropout 0.3 (10 366 parameters)",
        optimizer="adamw",
        metric="accuracy",
        unit="%",
        direction="max",
        total_steps=500,
        peak_lrs=(1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
        default_lr=1e-3,
        seeds=3,
        failed_margin=10.0,
        chance=10.0,
        batch_size=64,
        curve_size=500,
        examples=fashion("fashion_cnn"),
        network=ConvNet,
        weight_decay=0.01,
    )
