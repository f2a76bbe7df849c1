"""DeepSpeed's schedules, at the update that uses them.

DeepSpeed counts b = -1 when it is built and steps after each update, so update t has
the value of b = t - 1, and update 0 has what the constructor wrote.
"""

from stepsize.dialects.deepspeed.cycles import LRRangeTest, OneCycle, OneCycle_momentum
from stepsize.dialects.deepspeed.warmups import (
    WarmupCosineLR,
    WarmupDecayLR,
    WarmupLR,
)

__all__ = [
    "LRRangeTest",
    "OneCycle",
    "OneCycle_momentum",
    "WarmupCosineLR",
    "WarmupDecayLR",
    "WarmupLR",
]
