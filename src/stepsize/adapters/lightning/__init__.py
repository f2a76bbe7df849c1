"""Schedules in Lightning: `SchedulerCallback`, or `configure` in a LightningModule.

`find_lr` finds the rate.
"""

from stepsize.adapters.lightning.callback import SchedulerCallback
from stepsize.adapters.lightning.configured import configure
from stepsize.adapters.lightning.finder import find_lr

__all__ = ["SchedulerCallback", "configure", "find_lr"]
