"""Schedules of Hugging Face transformers 5: same names, arguments and defaults.

    from stepsize import dialects

    dialects.transformers.get_cosine_schedule_with_warmup(
        num_warmup_steps=10, num_training_steps=100, base_lr=1e-3
    )

The optimizer is left out: `base_lr` is the rate it was given, also where transformers
reads `optimizer.defaults["lr"]`. Absolute floors (`lr_end`, `min_lr`) are absolute here
for every param group; transformers turns them into a share of the optimizer's default
rate. Warmups begin at 0, so the first update changes nothing. A schedule has a value at
any step, so there is nothing to resume: `last_epoch` must stay -1.

Left out: `get_reduce_on_plateau_schedule`, `get_greedy_schedule` and `GreedyLR`, which
read a metric and so belong to `stepsize.control`; `get_adafactor_schedule` and
`AdafactorSchedule`, which report the rate that Adafactor makes from its parameters.
"""

from __future__ import annotations

from stepsize.dialects.transformers.cosines import (
    get_cosine_schedule_with_warmup,
    get_cosine_with_hard_restarts_schedule_with_warmup,
    get_cosine_with_min_lr_schedule_with_warmup,
    get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
)
from stepsize.dialects.transformers.factory import get_scheduler
from stepsize.dialects.transformers.plain import (
    get_constant_schedule,
    get_constant_schedule_with_warmup,
    get_inverse_sqrt_schedule,
    get_linear_schedule_with_warmup,
    get_polynomial_decay_schedule_with_warmup,
)
from stepsize.dialects.transformers.wsd import get_wsd_schedule

__all__ = [
    "get_constant_schedule",
    "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "get_inverse_sqrt_schedule",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
    "get_scheduler",
    "get_wsd_schedule",
]
