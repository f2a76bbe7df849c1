"""Schedules in the `Trainer` of Transformers: `SchedulerCallback`; `find_lr`.

A schedule without policies needs no callback: `Trainer(optimizers=(optimizer,
Scheduler(optimizer, ...)))` takes the Scheduler of `stepsize.adapters.torch`.
"""

from stepsize.adapters.missing import missing

try:
    import transformers as _transformers  # noqa: F401 - what the modules below need
except ImportError as error:
    raise missing("Transformers", "transformers") from error

from stepsize.adapters.transformers.callback import SchedulerCallback
from stepsize.adapters.transformers.finder import find_lr

__all__ = ["SchedulerCallback", "find_lr"]
