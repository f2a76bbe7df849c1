"""Fashion-MNIST and a small residual network, SGD with momentum."""

from __future__ import annotations

from stepsize.proof.workloads.convolutions import ResNet
from stepsize.proof.workloads.fashion import DATA_TEXT, fashion
from stepsize.proof.workloads.spec import Workload

__all__ = ["build"]


def build() -> Workload:
    """Return the workload: three epochs.

    Raises:
        DataMissingError: The data is not on this machine.
    """
    return Workload(
        name="fashion_resnet",
        title="Fashion-MNIST, ResNet, SGD with momentum",
        data=DATA_TEXT,
        model="ResNet, 3 basic blocks of 8, 16, 32 channels (19 810 parameters)",
        optimizer="sgd",
        metric="accuracy",
        unit="%",
        direction="max",
        total_steps=375,
        peak_lrs=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
        default_lr=0.1,
        seeds=3,
        failed_margin=10.0,
        chance=10.0,
        batch_size=64,
        curve_size=500,
        examples=fashion("fashion_resnet"),
        network=ResNet,
        momentum=0.9,
        weight_decay=5e-4,
    )
