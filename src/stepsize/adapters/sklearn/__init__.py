"""Schedules in scikit-learn: estimators whose rate follows a schedule in `fit`."""

from stepsize.adapters.missing import missing

try:
    import sklearn as _sklearn  # noqa: F401 - what the modules below need
except ImportError as error:
    raise missing("scikit-learn", "sklearn") from error

from stepsize.adapters.sklearn.estimators import (
    ScheduledClassifier,
    ScheduledRegressor,
)

__all__ = ["ScheduledClassifier", "ScheduledRegressor"]
