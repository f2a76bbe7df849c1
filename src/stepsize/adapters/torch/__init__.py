"""Schedules in PyTorch: `Scheduler` drives an optimizer's hyperparameters."""

from stepsize.adapters.torch.counting import SchedulerWarning
from stepsize.adapters.torch.groups import Rule
from stepsize.adapters.torch.scheduler import Scheduler

__all__ = ["Rule", "Scheduler", "SchedulerWarning"]
