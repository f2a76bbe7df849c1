"""Schedules in Keras 3, on the JAX, torch and TensorFlow backends.

`Scheduler` drives an optimizer, in `fit` or in a loop of your own; `Schedule` is a
`LearningRateSchedule` that is saved with the model; `find_lr` finds the rate.
"""

from stepsize.adapters.missing import missing

try:
    import keras as _keras  # noqa: F401 - what the modules below need
except ImportError as error:
    raise missing("Keras", "keras") from error

from stepsize.adapters.driving.finding import FinderWarning
from stepsize.adapters.keras.finder import find_lr
from stepsize.adapters.keras.schedule import Schedule
from stepsize.adapters.keras.scheduler import Scheduler

__all__ = ["FinderWarning", "Schedule", "Scheduler", "find_lr"]
