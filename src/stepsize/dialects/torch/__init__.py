"""The schedulers of torch.optim, by their names; no torch is imported.

The optimizer argument is left out; `base_lr` stands for the rate it would have. Left
out too: `last_epoch` and `verbose`, and lists with a value for each param group (make
a schedule for each). Momentum is a second schedule: `OneCycleLR_momentum(...)`.

Absolute rates of the peer (`eta_min`, `swa_lr`) are absolute here: a number times the
schedule is the peer with so many times the base rate.

Not here: `ReduceLROnPlateau`, which needs a metric and so is a policy of control.
"""

from stepsize.dialects.torch.composed import ChainedScheduler, SequentialLR
from stepsize.dialects.torch.cyclic import (
    CosineAnnealingWarmRestarts,
    CyclicLR,
    CyclicLR_momentum,
)
from stepsize.dialects.torch.functions import LambdaLR, MultiplicativeLR
from stepsize.dialects.torch.one_cycle import OneCycleLR, OneCycleLR_momentum
from stepsize.dialects.torch.simple import (
    SWALR,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "CyclicLR_momentum",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "OneCycleLR_momentum",
    "PolynomialLR",
    "SequentialLR",
    "StepLR",
]
