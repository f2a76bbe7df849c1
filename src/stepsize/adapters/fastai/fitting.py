"""`fit`: `learn.fit` with a schedule."""

from __future__ import annotations

from typing import Any, Unpack

from stepsize.adapters.fastai.callback import SchedulerCallback
from stepsize.adapters.hosted import Hosted, Settings


def fit(
    learn: Any,
    n_epoch: int,
    *,
    wd: float | None = None,
    cbs: Any = (),
    reset_opt: bool = False,
    start_epoch: int = 0,
    **settings: Unpack[Settings],
) -> Hosted:
    """Call `learn.fit` with a schedule; return the Scheduler that it followed.

    Args:
        learn: The `Learner`.
        n_epoch: As in `learn.fit`, like `wd`, `cbs`, `reset_opt` and `start_epoch`.
        wd: Weight decay.
        cbs: Other callbacks.
        reset_opt: Whether to begin with a new optimizer.
        start_epoch: Where a loaded checkpoint goes on.
        settings: As in `SchedulerCallback`.

    Raises:
        AdapterError, InvalidScheduleError, UnitError: See `SchedulerCallback` and
            `stepsize.adapters.torch.Scheduler`.
    """
    callback = SchedulerCallback(**settings)
    others = list(cbs) if isinstance(cbs, (list, tuple)) else [cbs]
    learn.fit(
        n_epoch,
        wd=wd,
        cbs=[callback, *others],
        reset_opt=reset_opt,
        start_epoch=start_epoch,
    )
    scheduler: Hosted = callback.scheduler  # type: ignore[assignment]  # built by fit
    return scheduler
