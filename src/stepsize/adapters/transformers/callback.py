"""`SchedulerCallback`: a `Trainer` follows a schedule, with policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, Unpack

from transformers import TrainerCallback

from stepsize.adapters.hosted import (
    Hosted,
    Losses,
    Settings,
    checked,
    hosted,
    measured,
)
from stepsize.errors import AdapterError, describe


class SchedulerCallback(TrainerCallback):  # type: ignore[misc]  # not read by mypy
    """Has a `Trainer` follow a schedule, and its policies see what it measures.

    `attach` puts it in the place of the Trainer's own scheduler: it is built when the
    training begins, for the updates that the Trainer plans (`max_steps`, or epochs and
    accumulation), is saved in the Trainer's checkpoints and resumed from them, and what
    the Trainer logs as `learning_rate` is the rate that the update used.

    Policies see the true training loss, NaN included, as "loss", and what an
    evaluation measures under the Trainer's names ("eval_loss", ...).

    Args:
        settings: What `stepsize.adapters.torch.Scheduler` takes, but for what the
            Trainer knows: the optimizer, the model, the scaler. Without `total_steps`
            and `horizon`, the Trainer's. A guard's clock must be "run".

    Raises:
        AdapterError: A setting is unknown or of no use here, or nothing is scheduled.

    Examples:
        >>> import stepsize as ss
        >>> schedule = 3e-4 * ss.warmup("5%") >> ss.cosine()
        >>> callback = SchedulerCallback(lr=schedule)
        >>> callback.scheduler is None  # until the training begins
        True
    """

    def __init__(self, **settings: Unpack[Settings]) -> None:
        self._settings = checked("SchedulerCallback", settings)
        self._trainer: Any = None
        self._training = False
        self._losses: Losses | None = None
        if self._settings["policies"]:
            # the Trainer has divided the losses of micro-batches already
            self._losses = Losses(mean=False)
        self.scheduler: Hosted | None = None
        """The Scheduler of the training, the last one; None before the first."""

    def attach(self, trainer: Any) -> Self:
        """Take the place of a Trainer's scheduler, and return this callback.

        Args:
            trainer: The `Trainer`, before `train`.

        Raises:
            AdapterError: It was given a scheduler, or this callback has a Trainer.
        """
        if self._trainer is not None:
            rule = "be attached to one Trainer"
            raise AdapterError(describe("SchedulerCallback", rule, trainer))
        if trainer.lr_scheduler is not None and not trainer._created_lr_scheduler:
            rule = "be left without a scheduler of its own"
            hint = "optimizers=(optimizer, None)"
            raise AdapterError(
                describe("Trainer.optimizers", rule, trainer.lr_scheduler, hint=hint)
            )
        for one in trainer.callback_handler.callbacks:
            if isinstance(one, SchedulerCallback) and one is not self:
                rule = "have one SchedulerCallback: it can drive several"
                rule += " hyperparameters"
                raise AdapterError(describe("Trainer.callbacks", rule, "another"))
        self._trainer = trainer
        trainer.create_scheduler = self._create
        if self._losses is not None:
            train = trainer.training_step

            def training_step(*args: Any, **kwargs: Any) -> Any:
                loss = train(*args, **kwargs)
                self._losses.add(loss)  # type: ignore[union-attr]  # not None here
                return loss

            trainer.training_step = training_step
        if not any(one is self for one in trainer.callback_handler.callbacks):
            trainer.add_callback(self)
        return self

    def _create(self, num_training_steps: int, optimizer: Any = None) -> Hosted:
        """Stand in for `Trainer.create_scheduler`."""
        trainer = self._trainer
        if trainer.lr_scheduler is None:
            self.scheduler = hosted(
                trainer.optimizer if optimizer is None else optimizer,
                self._settings,
                total_steps=num_training_steps,
                conversions=lambda: _conversions(trainer, num_training_steps),
                model=trainer.model,
                scaler=getattr(trainer.accelerator, "scaler", None),
                update=0,
                replace=True,
            )
            trainer.lr_scheduler = self.scheduler
            trainer._created_lr_scheduler = True  # so that train() asks again
        created: Hosted = trainer.lr_scheduler
        return created

    # --- what the Trainer calls ----------------------------------------------------

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Check that the callback was attached."""
        if self._trainer is None:
            hint = "SchedulerCallback(...).attach(trainer) adds it by itself"
            raise AdapterError(
                describe("SchedulerCallback", "be attached", None, hint=hint)
            )
        self._training = True

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        """Stop looking at evaluations."""
        self._training = False

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the loss of an update, also of a skipped one; do what people asked."""
        if self.scheduler is None:
            return
        if self._losses is not None:
            self.scheduler.decide(self._losses.take())
        if self.scheduler.asked("checkpoint"):
            control.should_save = True
        if self.scheduler.asked("stop"):
            control.should_training_stop = True

    def on_evaluate(
        self, args: Any, state: Any, control: Any, *, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Show an evaluation during the training to the policies."""
        made = self._training and state.global_step > 0
        if made and self._losses is not None and self.scheduler is not None:
            self.scheduler.observe(**measured(metrics or {}))


def _conversions(trainer: Any, total_steps: int) -> Mapping[str, float | None]:
    """Return what an update of a Trainer is made of, as far as it is known."""
    args = trainer.args
    samples = trainer.get_total_train_batch_size(args)
    try:
        batches = len(trainer.get_train_dataloader())
    except TypeError:  # data without a length
        return {"samples_per_step": samples}
    per_epoch = max(-(-batches // args.gradient_accumulation_steps), 1)
    return {"samples_per_step": samples, "steps_per_epoch": per_epoch}
