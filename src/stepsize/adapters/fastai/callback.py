"""`SchedulerCallback`: a fastai `Learner` follows a schedule."""

from __future__ import annotations

import json
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
    from fastai.callback.core import Callback, CancelFitException
    from fastai.optimizer import OptimWrapper
except ImportError as error:
    raise missing("fastai", "fastai") from error

from stepsize.adapters.fastai.front import Front, Saved, taken
from stepsize.adapters.fastai.lengths import conversions, planned


class SchedulerCallback(Callback):  # type: ignore[misc]  # ships no types
    """Has a `Learner` follow a schedule, with policies.

    When `fit` begins, a Scheduler is built for the updates of its epochs, accumulation
    counted in. Names of hyperparameters are fastai's ("lr", "mom", "wd"), or torch's
    with an `OptimWrapper`. The state is in what `learn.save` writes, and is resumed
    from after `learn.load` by `learn.fit(n, start_epoch=k)`; any other fit begins anew.

    Policies see the training loss as "loss", and after each epoch what the recorder
    shows: "train_loss", "valid_loss" and the metrics by name, before
    `SaveModelCallback` saves. The recorder's `plot_sched` shows the rates.

    Args:
        settings: What `stepsize.adapters.torch.Scheduler` takes, but for what the
            Learner knows: the optimizer, the model, the scaler. Without `total_steps`
            and `horizon`, the Learner's. A guard's clock must be "run".

    Raises:
        AdapterError: A setting is unknown or of no use here, or nothing is scheduled.

    Examples:
        >>> import stepsize as ss
        >>> schedule = 3e-3 * ss.warmup("5%") >> ss.cosine()
        >>> callback = SchedulerCallback(lr=schedule)
        >>> callback.scheduler is None  # until the fit begins
        True
    """

    order = 55  # after the recorder, before who saves
    run_valid = False
    name = "stepsize"

    def __init__(self, **settings: Unpack[Settings]) -> None:
        super().__init__()
        self._settings = checked("SchedulerCallback", settings)
        self._asked = bool(self._settings["policies"])
        self._losses = Losses(mean=True)
        self._optimizer: Any = None  # torch's, or the front of fastai's
        self._front: Front | None = None
        # of this batch, if it tried an update; fastai makes it slow to set attributes
        self._attempts: list[bool] = []
        self.scheduler: Hosted | None = None
        """The Scheduler of the fit, the last one; None before the first."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy has, as `learn.export` makes: a fit builds the rest."""
        built = ("scheduler", "_front", "_optimizer", "_advance")
        return {**self.__dict__, **dict.fromkeys(built)}

    # --- what the Learner calls ----------------------------------------------------

    def before_fit(self) -> None:
        """Build the Scheduler, and resume it if the fit does."""
        if self.scheduler is not None:
            self.scheduler.close()
        if hasattr(self.learn, "lr_finder"):
            self.run = False  # it has rates of its own
            return
        if hasattr(self.learn, "param_scheduler"):
            rule = "be fit: the other fit_* schedule rates themselves"
            raise AdapterError(describe("Learner.fit_*", rule, "ParamScheduler"))
        ours = sum(isinstance(one, SchedulerCallback) for one in self.learn.cbs)
        if ours > 1:
            rule = "have one SchedulerCallback: it can drive several hyperparameters"
            hint = "learn.remove_cb(SchedulerCallback) takes out the Learner's own"
            raise AdapterError(describe("Learner.cbs", rule, ours, hint=hint))
        opt, loaded = self.learn.opt, taken(self.learn.opt)
        self._front = None if isinstance(opt, OptimWrapper) else Front(opt)
        self._optimizer = opt.opt if self._front is None else self._front
        for group in self._optimizer.param_groups:
            group["initial_lr"] = group["lr"]  # `fit` has just set it
        self.scheduler = scheduler = hosted(
            self._optimizer,
            self._settings,
            total_steps=planned(self.learn),
            conversions=lambda: conversions(self.learn),
            model=self.learn.model,
            scaler=getattr(self.learn, "scaler", None),
            replace=True,
            update=0,
        )
        self._advance = super(Hosted, scheduler).step  # has no policies to ask for
        if loaded is not None and hasattr(self.learn, "skip_to_epoch"):
            scheduler.load_state_dict(json.loads(loaded))
        opt.state_dict = Saved(opt, scheduler)
        self._attempts.clear()
        self._losses.take()
        self._rates: list[float] = []
        self.hps = {"lr": self._rates}

    def after_loss(self) -> None:
        """Keep the loss of a batch, for policies."""
        if self._asked:
            self._losses.add(self.learn.loss)

    def before_step(self) -> None:
        """Write the rates; not called for batches that accumulate or are skipped."""
        if self._front is not None:
            self._front.step()

    def after_step(self) -> None:
        """Remember that this batch was the last one of an update."""
        self._attempts.append(True)

    def after_batch(self) -> None:
        """Hand on the loss of an update; the recorder has read its rate by now."""
        scheduler = self.scheduler
        if self._attempts and scheduler is not None:
            self._attempts.clear()
            self._rates.append(self._optimizer.param_groups[-1]["lr"])
            if self._asked:
                scheduler.decide(self._losses.take())
            else:
                self._advance()
            if scheduler.asked("checkpoint"):
                self.learn.save(f"asked-{scheduler.update}")
            if scheduler.asked("stop"):
                raise CancelFitException

    def after_epoch(self) -> None:
        """Show the epoch's record to the policies."""
        recorder = getattr(self.learn, "recorder", None)
        if recorder is None or self.scheduler is None:
            return
        record, names = list(self.learn.final_record), list(recorder.metric_names)[1:]
        if record and self._asked:  # empty of an epoch that is skipped
            self.scheduler.observe(**measured(dict(zip(names, record, strict=False))))

    def after_fit(self) -> None:
        """Let go of the optimizer."""
        if self.scheduler is not None:
            self.scheduler.close()
            if hasattr(self.learn, "recorder"):
                self.learn.recorder.hps = self.hps
