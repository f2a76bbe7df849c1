"""Schedules in PyTorch: `Scheduler` drives an optimizer's hyperparameters."""

from stepsize.adapters.torch.counting import SchedulerWarning
from stepsize.adapters.torch.deciding import Rewound
from stepsize.adapters.torch.groups import Rule
from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.scheduler import Scheduler
from stepsize.adapters.torch.snapshots import (
    DiskSnapshots,
    Draws,
    MemorySnapshots,
    Subject,
    restoring,
)

__all__ = [
    "DiskSnapshots",
    "Draws",
    "MemorySnapshots",
    "Ranks",
    "Rewound",
    "Rule",
    "Scheduler",
    "SchedulerWarning",
    "Subject",
    "restoring",
]
