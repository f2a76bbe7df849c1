"""Schedules in PyTorch: `Scheduler` drives an optimizer's hyperparameters."""

from stepsize.adapters.missing import missing

try:
    import torch as _torch  # noqa: F401 - what the modules below need
except ImportError as error:
    raise missing("PyTorch", "torch") from error

from stepsize.adapters.driving.finding import FinderWarning
from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.adapters.torch.deciding import Rewound
from stepsize.adapters.torch.finder import find_lr
from stepsize.adapters.torch.finder_block import Finder, finding
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
from stepsize.adapters.torch.validating import validate

__all__ = [
    "DiskSnapshots",
    "Draws",
    "Finder",
    "FinderWarning",
    "MemorySnapshots",
    "Ranks",
    "Rewound",
    "Rule",
    "Scheduler",
    "SchedulerWarning",
    "Subject",
    "find_lr",
    "finding",
    "restoring",
    "validate",
]
