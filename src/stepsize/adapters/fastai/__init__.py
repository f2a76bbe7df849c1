"""Schedules in fastai: `SchedulerCallback`, and `fit` with any schedule."""

from stepsize.adapters.fastai.callback import SchedulerCallback
from stepsize.adapters.fastai.fitting import fit

__all__ = ["SchedulerCallback", "fit"]
