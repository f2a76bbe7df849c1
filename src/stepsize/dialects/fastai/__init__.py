"""fastai's schedules: same names, arguments and defaults, at exact positions.

    from stepsize import dialects

    dialects.fastai.fit_one_cycle(5, lr_max=1e-2, n_iter=100)
    dialects.fastai.SchedCos(1e-2, 0.0).resolve(total_steps=500)

fastai schedules over the fraction of training that is done, so these schedules span the
horizon given to `resolve`. With `n_iter` (batches of an epoch, in `fit_*`) or
`total_steps` they have that length themselves and can be called at once. Learner,
callbacks, `wd` and `reset_opt` are left out; `base_lr` stands for the learner's rate.
`fit_one_cycle_momentum` and `fine_tune_momentum` give the momentum that goes along.

One difference: fastai computes positions in float32, so that its rates differ by some
1e-6 of the peak from the formulas, and a boundary may come one batch late. Here they
are exact.

Left out: `ParamScheduler` and `annealer`, which apply and make schedules;
`ReduceLROnPlateau`, which reads a metric and so belongs to `stepsize.control`;
`valley`, `slide`, `minimum` and `steep`, which read a range test (`stepsize.finder`).
"""

from __future__ import annotations

from stepsize.dialects.fastai.fits import (
    fine_tune,
    fine_tune_momentum,
    fit_flat_cos,
    fit_one_cycle,
    fit_one_cycle_momentum,
    fit_sgdr,
)
from stepsize.dialects.fastai.pieces import (
    LRFinder,
    SchedCos,
    SchedExp,
    SchedLin,
    SchedNo,
    SchedPoly,
    combine_scheds,
    combined_cos,
    lr_find,
    sched_cos,
    sched_exp,
    sched_lin,
    sched_no,
)

__all__ = [
    "LRFinder",
    "SchedCos",
    "SchedExp",
    "SchedLin",
    "SchedNo",
    "SchedPoly",
    "combine_scheds",
    "combined_cos",
    "fine_tune",
    "fine_tune_momentum",
    "fit_flat_cos",
    "fit_one_cycle",
    "fit_one_cycle_momentum",
    "fit_sgdr",
    "lr_find",
    "sched_cos",
    "sched_exp",
    "sched_lin",
    "sched_no",
]
