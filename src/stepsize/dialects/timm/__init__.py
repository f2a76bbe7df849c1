"""timm's schedulers (timm 1.0): same names, arguments and defaults.

    from stepsize import dialects

    dialects.timm.CosineLRScheduler(t_initial=300, warmup_t=5, base_lr=0.1)
    dialects.timm.create_scheduler_v2("wsd", num_epochs=90, base_lr=1e-3)

The optimizer is left out: `base_lr` is the rate it was given (and `lr_scale` of a param
group is a rule of the adapter). The step of the schedule is timm's `t`: an epoch for
`step(epoch)`, an update for `step_update(num_updates)`, so `t_in_epochs` changes
nothing here; nor does `initialize`, which is about the optimizer.

Left out: `PlateauLRScheduler` and `sched="plateau"`, which read a metric and so belong
to `stepsize.control`, and `scheduler_kwargs`, which makes no schedule.
"""

from __future__ import annotations

from stepsize.dialects.timm.cycles import (
    CosineLRScheduler,
    PolyLRScheduler,
    TanhLRScheduler,
)
from stepsize.dialects.timm.factory import create_scheduler, create_scheduler_v2
from stepsize.dialects.timm.steps import MultiStepLRScheduler, StepLRScheduler
from stepsize.dialects.timm.wsd import WSDLRScheduler

__all__ = [
    "CosineLRScheduler",
    "MultiStepLRScheduler",
    "PolyLRScheduler",
    "StepLRScheduler",
    "TanhLRScheduler",
    "WSDLRScheduler",
    "create_scheduler",
    "create_scheduler_v2",
]
