"""`SchedulerCallback`: an optimizer of a Lightning `Trainer` follows a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from stepsize.adapters.hosted import (
    Hosted,
    Losses,
    Settings,
    checked,
    hosted,
    measured,
)
from stepsize.adapters.missing import missing
from stepsize.errors import AdapterError, describe

try:
    from lightning.pytorch import Callback
    from lightning.pytorch.utilities.types import LRSchedulerConfig
except ImportError as error:
    raise missing("Lightning", "lightning") from error

from stepsize.adapters.lightning.lengths import (
    conversions,
    planned,
    resume_data,
)


class SchedulerCallback(Callback):  # type: ignore[misc]  # not read by mypy
    """Has an optimizer of a `Trainer` follow a schedule, with policies.

    When the fit begins, a Scheduler is built for the updates that the Trainer plans
    (`estimated_stepping_batches`; of a second fit of one Trainer, those that are left)
    and becomes one of the Trainer's: it is stepped, logged by `LearningRateMonitor`,
    saved in the Trainer's checkpoints and resumed from them. Updates are counted,
    whatever the Trainer calls a step.

    Policies see the training loss as "loss" (what `training_step` returned; of manual
    optimization too, if it returned one) and, after a validation and after a training
    epoch, what was logged there. Where epochs and validations end together, that is
    before a checkpoint of both is written.

    Args:
        optimizer: Which one, of those that `configure_optimizers` returns; an index.
            Give each optimizer a callback of its own.
        settings: What `stepsize.adapters.torch.Scheduler` takes, but for what the
            Trainer knows: the optimizer, the model, the scaler. Without `total_steps`
            and `horizon`, the Trainer's. A guard's clock must be "run".

    Raises:
        AdapterError: A setting is unknown or of no use here, or nothing is scheduled.

    Examples:
        >>> import stepsize as ss
        >>> schedule = 3e-4 * ss.warmup("5%") >> ss.cosine()
        >>> callback = SchedulerCallback(lr=schedule)
        >>> callback.scheduler is None  # until the fit begins
        True
    """

    def __init__(self, optimizer: int = 0, **settings: Unpack[Settings]) -> None:
        self._settings = checked("SchedulerCallback", settings)
        self._asked = bool(self._settings["policies"])
        self._index = optimizer
        self._losses = Losses(mean=True)
        self._made = 0
        self.scheduler: Hosted | None = None
        """The Scheduler of the fit, the last one; None before the first."""

    @property
    def state_key(self) -> str:
        """A name of its own for each optimizer's callback."""
        return f"stepsize.SchedulerCallback[{self._index}]"

    def build(self, trainer: Any, optimizer: Any) -> Hosted:
        """Build the Scheduler of an optimizer for the updates that are planned."""
        for one in trainer.callbacks:
            if type(one).__name__ == "StochasticWeightAveraging":
                rule = "have no callback that sets rates by itself"
                hint = "WeightAveraging averages at the rates of the schedule"
                raise AdapterError(
                    describe("Trainer.callbacks", rule, type(one).__name__, hint=hint)
                )
        self.scheduler = hosted(
            optimizer,
            self._settings,
            total_steps=planned(trainer),
            conversions=lambda: conversions(trainer),
            model=trainer.lightning_module,
            scaler=getattr(trainer.precision_plugin, "scaler", None),
        )
        return self.scheduler

    # --- what the Trainer calls ----------------------------------------------------

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Build the Scheduler, and make it one of the Trainer's."""
        optimizers, configs = trainer.optimizers, trainer.lr_scheduler_configs
        if not 0 <= self._index < len(optimizers):
            rule = f"be the index of one of {len(optimizers)} optimizers"
            raise AdapterError(
                describe("SchedulerCallback.optimizer", rule, self._index)
            )
        optimizer = optimizers[self._index]
        for config in configs:
            if config.scheduler.optimizer is optimizer:
                if isinstance(config.scheduler, Hosted):
                    rule = "be one that no other callback, and no configure, has"
                    field = "SchedulerCallback.optimizer"
                    raise AdapterError(describe(field, rule, self._index))
                rule = "return no scheduler for an optimizer that has a callback"
                raise AdapterError(
                    describe("configure_optimizers", rule, config.scheduler)
                )
        scheduler = self.build(trainer, optimizer)
        configs.append(LRSchedulerConfig(scheduler, interval="step"))

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to count, after a resume where it says."""
        resume_data(trainer)
        self._made = self._count(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Hand on the loss once its update was made."""
        automatic = pl_module.automatic_optimization
        if self._asked and isinstance(outputs, Mapping):
            loss = outputs.get("loss")
            if loss is not None:
                # in automatic optimization it was divided for the gradients
                parts = trainer.accumulate_grad_batches if automatic else 1
                self._losses.add(loss * parts)
        made = self._count(trainer, pl_module)
        if made != self._made and self.scheduler is not None:
            self._made = made
            if self._asked or not automatic:
                self.scheduler.decide(self._losses.take())
            if self.scheduler.asked("checkpoint"):
                name = f"asked-{self.scheduler.update}.ckpt"
                trainer.save_checkpoint(Path(trainer.default_root_dir) / name)
            if self.scheduler.asked("stop"):
                trainer.should_stop = True

    def _count(self, trainer: Any, pl_module: Any) -> int:
        """Return the attempts of updates so far; its own, where there are more."""
        if pl_module.automatic_optimization or self.scheduler is None:
            return int(trainer.global_step)
        return self.scheduler.update + self.scheduler.skipped

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Show what was logged in a validation to the policies."""
        if not trainer.sanity_checking:
            self._observe(trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Show what was logged in an epoch of training to the policies."""
        self._observe(trainer)

    def _observe(self, trainer: Any) -> None:
        scheduler = self.scheduler
        if scheduler is None or not self._asked:
            return
        # callback_metrics would show what earlier loops logged as if it were new
        logged = measured(trainer._results.metrics(on_step=False)["callback"])
        if logged:
            scheduler.observe(**logged)
