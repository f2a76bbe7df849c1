"""The schedules of optax, by their names; no optax and no jax is imported.

An optax schedule is a function of the count, and so is what these return: it can be
handed to optax as it is, also under `jax.jit`.

Not here: `inject_hyperparams` and its states, which take schedules, and
`contrib.reduce_on_plateau`, which needs a metric and so is a policy of control.
"""

from stepsize.dialects.optax.basic import (
    constant_schedule,
    cosine_decay_schedule,
    exponential_decay,
    linear_schedule,
    piecewise_constant_schedule,
    polynomial_schedule,
)
from stepsize.dialects.optax.composed import (
    join_schedules,
    sgdr_schedule,
    warmup_constant_schedule,
    warmup_cosine_decay_schedule,
    warmup_exponential_decay_schedule,
)
from stepsize.dialects.optax.knots import (
    cosine_onecycle_schedule,
    linear_onecycle_schedule,
    piecewise_interpolate_schedule,
)

__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]
