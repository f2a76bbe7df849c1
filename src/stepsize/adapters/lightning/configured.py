"""`configure`: a LightningModule brings its schedule along."""

from __future__ import annotations

from typing import Any, Unpack

from stepsize.adapters.hosted import Settings
from stepsize.adapters.lightning.callback import SchedulerCallback


class _Configured(SchedulerCallback):
    """What `configure` adds to the Trainer, for one fit."""

    over = False

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """The Scheduler is one of the Trainer's already."""

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End with the fit; the list of callbacks is being gone through now."""
        self.over = True

    def on_exception(self, trainer: Any, pl_module: Any, exception: Any) -> None:
        """End with the fit."""
        self.over = True


def configure(
    module: Any, optimizer: Any, **settings: Unpack[Settings]
) -> dict[str, Any]:
    """Return what `configure_optimizers` is to return as "lr_scheduler".

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.parameters())
            scheduler = configure(self, optimizer, lr=schedule)
            return {"optimizer": optimizer, "lr_scheduler": scheduler}

    Interval and frequency are in it, and what feeds policies is added to the Trainer
    for this fit: no monitor is to be named.

    Args:
        module: The LightningModule, in its `configure_optimizers`.
        optimizer: The optimizer.
        settings: As in `SchedulerCallback`.

    Raises:
        AdapterError, InvalidScheduleError, UnitError: See `SchedulerCallback` and
            `stepsize.adapters.torch.Scheduler`.
    """
    callbacks = module.trainer.callbacks
    callbacks[:] = [one for one in callbacks if not getattr(one, "over", False)]
    added = sum(isinstance(one, _Configured) for one in callbacks)
    callback = _Configured(added, **settings)
    callbacks.insert(0, callback)  # before those that write checkpoints
    scheduler = callback.build(module.trainer, optimizer)
    return {"scheduler": scheduler, "interval": "step", "frequency": 1}
