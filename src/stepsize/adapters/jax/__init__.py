"""Schedules in JAX, and a rate found for any jitted step.

A schedule without policies needs nothing from here: `resolve` it and give it to optax.
"""

from stepsize.adapters.missing import missing

try:
    import jax as _jax  # noqa: F401 - what the modules below need
except ImportError as error:
    raise missing("JAX", "jax") from error

from stepsize.adapters.driving.finding import FinderWarning
from stepsize.adapters.jax.finder import find_lr
from stepsize.adapters.jax.rates import set_rate
from stepsize.adapters.jax.scheduler import Rates, Scheduler, Table

__all__ = ["FinderWarning", "Rates", "Scheduler", "Table", "find_lr", "set_rate"]
