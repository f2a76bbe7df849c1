"""Schedules in Lightning: `SchedulerCallback`, or `configure` in a LightningModule."""

from stepsize.adapters.lightning.callback import SchedulerCallback
from stepsize.adapters.lightning.configured import configure

__all__ = ["SchedulerCallback", "configure"]
