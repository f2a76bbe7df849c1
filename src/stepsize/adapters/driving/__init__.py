"""What adapters are made of where the framework has no `torch.optim.Optimizer`.

Pure Python: nothing here names a framework, writes a rate or makes an update.
"""

from stepsize.adapters.driving.driver import Driver
from stepsize.adapters.driving.warning import SchedulerWarning

__all__ = ["Driver", "SchedulerWarning"]
