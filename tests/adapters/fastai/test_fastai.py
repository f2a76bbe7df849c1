"""The adapter in a real Learner, on real data: rates, resume, losses, policies."""

import copy
import math
import pickle
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from sklearn.datasets import load_digits
from tests.adapters.recording import Seeing, printed_by, without

import stepsize as ss
from stepsize.control import Guard
from stepsize.errors import AdapterError
from stepsize.ledger import JsonlStore, Ledger
from stepsize.ledger.commands import make_command
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:numpy.core is deprecated"),  # in learn.load
]
BATCH = 8
FEATURES, LABELS = load_digits(return_X_y=True)


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    with warnings.catch_warnings():  # it uses what torch and pandas have given up
        warnings.simplefilter("ignore")
        import fastai.callback.schedule  # adds lr_find and fit_one_cycle
        import fastai.callback.training  # noqa: F401


def make_layers() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 6), torch.nn.Linear(6, 10))


def _silent(*args: Any) -> None:
    """Print no record of an epoch."""


def make_learner(
    folder: Path,
    opt_func: Any,
    batches: int = EPOCH,
    extra: int = 0,
    **options: Any,
) -> Any:
    from fastai.basics import DataLoaders, Learner

    rows = [
        (torch.tensor(image / 16, dtype=torch.float32), torch.tensor(label))
        for image, label in zip(FEATURES, LABELS, strict=True)
    ]
    loaders = DataLoaders.from_dsets(
        rows[: batches * BATCH + extra],
        rows[:BATCH],
        bs=BATCH,
        shuffle=False,
        drop_last=False,
        num_workers=0,
        device="cpu",
    )
    learner = Learner(
        loaders,
        make_layers(),
        torch.nn.functional.cross_entropy,
        opt_func=opt_func,
        path=folder,
        **options,
    )
    from fastai.callback.progress import ProgressCallback

    learner.remove_cbs(learner.cbs.filter(lambda cb: type(cb) is ProgressCallback))
    learner.logger = _silent
    return learner


def recording(used: list[list[float]], bases: Any, wrapped: bool) -> Any:
    """Return what makes an optimizer that lists the rates of its updates."""
    from fastai.optimizer import Optimizer, OptimWrapper, average_grad, momentum_step

    class Recording(Optimizer):  # type: ignore[misc]  # ships no types
        def step(self, closure: Any = None) -> None:
            used.append([hyper["lr"] for hyper in self.hypers])
            super().step(closure)

    class RecordingTorch(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            used.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    def make(params: Any, lr: Any, **kwargs: Any) -> Any:
        if wrapped:
            return OptimWrapper(params, RecordingTorch, lr=0.1, momentum=0.5)
        return Recording(params, [average_grad, momentum_step], lr=lr, mom=0.5)

    return make


def by_layer(model: Any) -> list[Any]:
    return [list(layer.parameters()) for layer in model]


def scaling() -> Any:
    """Return fastai's mixed precision with a scaler for the CPU."""
    from fastai.basics import L
    from fastai.callback.fp16 import MixedPrecision

    class Scaling(MixedPrecision):  # type: ignore[misc]  # ships no types
        name = "mixed_precision"

        def before_fit(self) -> None:
            self.autocast, self.scales = nullcontext(), L()
            self.learn.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)

    return Scaling()


class StopHereError(Exception):
    """The process ends here."""


def operator(callback: Any, case: Case, stop: int | None, metrics: list[float]) -> Any:
    """Return a callback that saves and stops, or calls for a cooldown."""
    from fastai.callback.core import Callback, CancelFitException
    from fastai.learner import Metric

    class Operator(Callback):  # type: ignore[misc]  # ships no types
        order = 70

        def __init__(self) -> None:
            super().__init__()
            self.attempts, self.made = 0, -1

        def after_loss(self) -> None:
            if self.training:
                if self.attempts in case.overflows:
                    self.learn.loss_grad = self.loss_grad * math.inf
                self.attempts += 1

        def after_batch(self) -> None:
            made, before = callback.scheduler.update, self.made
            self.made = made
            if case.cooldown is not None and made == case.cooldown[0] != before:
                callback.scheduler.cooldown(case.cooldown[1])
            if made == case.updates and case.overflows:  # in the middle of an epoch
                raise CancelFitException

        def after_epoch(self) -> None:
            if callback.scheduler.update == stop:
                self.learn.save("checkpoint")
                raise StopHereError("here")

    class Measured(Metric):  # type: ignore[misc]  # ships no types
        """A metric with the values of the case."""

        name = "val_loss"

        def reset(self) -> None:
            pass

        def accumulate(self, learn: Any) -> None:
            pass

        @property
        def value(self) -> float:
            return metrics.pop(0)

    return Operator(), Measured()


class TestFastai(AdapterSuite):
    stops: ClassVar = (4, 8)  # learn.fit goes on at an epoch
    wrapped: ClassVar = False

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def train(self, case: Case) -> Trained:
        from fastai.callback.training import GradientAccumulation

        from stepsize.adapters.fastai import SchedulerCallback

        used: list[list[float]] = []
        metrics = list(case.metrics)
        epochs = -(-(case.updates + len(case.overflows)) // EPOCH)
        for stop in (*case.stops, None):
            name = "lr_factor" if case.bases else "lr"
            settings: dict[str, Any] = {name: case.schedule, "policies": case.policies}
            callback: Any = SchedulerCallback(total_steps=case.total_steps, **settings)
            other, measured = operator(callback, case, stop, metrics)
            callbacks = [callback, other]
            if case.micro_batches > 1:
                callbacks.append(GradientAccumulation(case.micro_batches * BATCH))
            if case.overflows:
                callbacks.append(scaling())
            learner = make_learner(
                self.folder,
                recording(used, case.bases, self.wrapped),
                EPOCH * case.micro_batches,
                splitter=by_layer if case.bases else trainable,
                metrics=[measured] if metrics else [],
            )
            if used:
                learner.load("checkpoint")
            first = len(used) // EPOCH
            try:
                learner.fit(
                    epochs, list(case.bases) or 0.1, cbs=callbacks, start_epoch=first
                )
            except StopHereError:
                continue
        return Trained(
            rates=used,
            weights=[weight.tolist() for weight in learner.model.parameters()],
            update=callback.scheduler.update,
            events=callback.scheduler.events,
        )


def trainable(model: Any) -> list[Any]:
    return list(model.parameters())


class TestWrappedTorchOptimizer(TestFastai):
    wrapped: ClassVar = True


# --- what fastai counts by itself -----------------------------------------------------


def test_missing_framework_is_named() -> None:
    assert without("fastai", "stepsize.adapters.fastai") == (
        "stepsize.errors.FrameworkMissingError: fastai cannot be imported. "
        "hint: pip install 'stepsize[fastai]'."
    )


def trained(
    folder: Path, epochs: int, settings: Any, **options: Any
) -> tuple[Any, Any, list[float]]:
    """Fit with a schedule; return the learner, the Scheduler and the rates."""
    from stepsize.adapters.fastai import fit

    used: list[list[float]] = []
    cbs = options.pop("cbs", [])
    learner = make_learner(folder, recording(used, (), False), **options)
    scheduler = fit(learner, epochs, cbs=cbs, **settings)
    return learner, scheduler, [rates[-1] for rates in used]


def test_a_person_stops_the_fit_and_has_a_checkpoint(tmp_path: Path) -> None:
    from fastai.callback.core import Callback

    class Person(Callback):  # type: ignore[misc]  # not read by mypy
        def before_batch(self) -> None:
            for batch, verb in ((3, "checkpoint"), (5, "stop")):
                if self.train_iter == batch:
                    command = make_command(verb, reason="a test")
                    JsonlStore(tmp_path / "run").append(command)

    ledger = Ledger(tmp_path / "run", poll_seconds=1e-9)
    settings = {"lr": 0.1 * ss.cosine(), "ledger": ledger}
    learner, _, used = trained(tmp_path, 5, settings, cbs=Person())
    assert 5 <= len(used) < 9
    assert list((learner.path / learner.model_dir).glob("asked-*.pth"))


def test_accumulation_takes_the_whole_schedule(tmp_path: Path) -> None:
    from fastai.callback.schedule import ParamScheduler, SchedLin
    from fastai.callback.training import GradientAccumulation

    def accumulation() -> Any:
        return GradientAccumulation(3 * BATCH)

    # fastai goes by the share of batches: 5 epochs of 4 batches, 6 updates in 20
    used: list[list[float]] = []
    learner = make_learner(tmp_path, recording(used, (), False))
    learner.fit(5, cbs=[ParamScheduler({"lr": SchedLin(0.1, 0.0)}), accumulation()])
    theirs = [rates[0] for rates in used]
    assert theirs == pytest.approx(
        [0.1 * (1 - at / 20) for at in (2, 5, 8, 11, 14, 17)]
    )
    settings = {"lr": 0.1 * ss.linear()}
    _, scheduler, ours = trained(tmp_path, 5, settings, cbs=accumulation())
    assert ours == settings["lr"].resolve(6).rates()
    assert scheduler.done
    settings = {"lr": 0.1 * ss.linear()}
    _, scheduler, ours = trained(  # fastai counts samples, of the small batch too
        tmp_path, 3, settings, cbs=GradientAccumulation(2 * BATCH), extra=3
    )
    assert len(ours) == 6
    assert scheduler.done
    settings = {"lr": 0.1 * ss.warmup("1 epoch") >> ss.hold()}
    _, _, ours = trained(tmp_path, 5, settings, cbs=GradientAccumulation(2 * BATCH))
    assert ours.index(0.1) == 2


def test_what_the_recorder_and_plot_sched_have_is_what_was_used(tmp_path: Path) -> None:
    from fastai.callback.schedule import ParamScheduler, SchedCos

    settings = {"lr": 0.1 * ss.warmup(3) >> ss.cosine()}
    learner, _, ours = trained(tmp_path, 2, settings)
    assert list(learner.recorder.lrs) == ours
    assert learner.recorder.hps == {"lr": ours}
    assert len(ours) == 8
    assert learner.opt.hypers[0]["lr"] in ours or learner.opt.hypers[0]["lr"] == 0.0
    # fastai's own positions are sums of floats: the end of a curve is never reached
    used: list[list[float]] = []
    again = make_learner(tmp_path, recording(used, (), False))
    again.fit(2, cbs=ParamScheduler({"lr": SchedCos(0.1, 0.0)}))
    assert again.recorder.lrs[-1] > 0


def test_a_policy_sees_each_updates_own_loss(tmp_path: Path) -> None:
    from fastai.callback.core import Callback
    from fastai.callback.training import GradientAccumulation

    losses: list[float] = []

    class Keeping(Callback):  # type: ignore[misc]  # ships no types
        order = -99  # before anybody scales them

        def after_loss(self) -> None:
            if self.training:
                losses.append(self.loss.item())

    policy: Any = Seeing()
    settings = {"lr": 0.1 * ss.hold(), "policies": [policy]}
    learner, _, _ = trained(
        tmp_path, 2, settings, cbs=[Keeping(), GradientAccumulation(2 * BATCH)]
    )
    means = [sum(losses[i : i + 2]) / 2 for i in range(0, 8, 2)]
    seen = {update: one["loss"] for update, one in policy.seen if "loss" in one}
    assert seen == pytest.approx(dict(enumerate(means, start=1)), rel=1e-6)
    shown = [(at, one["valid_loss"]) for at, one in policy.seen if "valid_loss" in one]
    assert shown == [
        (2, learner.recorder.values[0][1]),
        (4, learner.recorder.values[1][1]),
    ]


def test_epochs_that_a_resume_skips_are_no_observations(tmp_path: Path) -> None:
    from stepsize.adapters.fastai import fit

    settings: dict[str, Any] = {"lr": 0.1 * ss.hold(), "policies": [Seeing()]}
    learner, _, _ = trained(tmp_path, 3, settings)
    learner.save("all")
    policy: Any = Seeing()
    again = make_learner(tmp_path, recording([], (), False)).load("all")
    scheduler = fit(
        again,
        4,
        start_epoch=3,
        **{**settings, "policies": [policy]},
        on_horizon_change="adopt",
    )
    assert scheduler.update == 16
    assert [at for at, one in policy.seen if "valid_loss" in one] == [16]


def test_a_fit_that_does_not_go_on_begins_anew(tmp_path: Path) -> None:
    from stepsize.adapters.fastai import fit

    settings: dict[str, Any] = {"lr": 0.1 * ss.cosine()}
    learner, first, _ = trained(tmp_path, 2, settings)
    learner.save("two")
    learner.load("two")
    second = fit(learner, 1, **settings)
    assert (first.update, second.update) == (8, 4)
    assert "stepsize" not in learner.opt.hypers[0]


@pytest.mark.parametrize("persistent", [False, True])
def test_a_copied_learner_goes_on_from_the_state(
    tmp_path: Path, persistent: bool
) -> None:
    from fastai.optimizer import SGD

    from stepsize.adapters.fastai import SchedulerCallback

    callback: Any = SchedulerCallback(lr=0.1 * ss.cosine(), total_steps=12)
    learner = make_learner(tmp_path, SGD)
    if persistent:
        learner.add_cb(callback)
    learner.fit(1, cbs=[] if persistent else callback)
    for copied in (copy.deepcopy(learner), pickle.loads(pickle.dumps(learner))):
        copied.save("copied")
        copied.load("copied")
        again: Any = SchedulerCallback(lr=0.1 * ss.cosine(), total_steps=12)
        if persistent:
            again = copied.stepsize
            assert again.scheduler is None
        copied.fit(3, cbs=[] if persistent else again, start_epoch=1)
        assert again.scheduler.update == 12
    assert callback.scheduler.update == 4


def test_the_finder_keeps_its_own_rates(tmp_path: Path) -> None:
    from stepsize.adapters.fastai import SchedulerCallback

    for wrapped in (False, True):
        used: list[list[float]] = []
        callback = SchedulerCallback(lr=0.1 * ss.hold())
        learner = make_learner(tmp_path, recording(used, (), wrapped), cbs=callback)
        learner.fit(1)
        assert used == [[0.1]] * 4
        used.clear()
        learner.lr_find(num_it=4, show_plot=False, suggest_funcs=())
        assert used[0][0] == pytest.approx(1e-7)
        assert used[-1][0] > 1e-3
        used.clear()
        learner.fit(1)
        assert used == [[0.1]] * 4


def test_a_guard_rescues_a_run_from_a_nan(tmp_path: Path) -> None:
    from fastai.callback.core import Callback

    class Breaking(Callback):  # type: ignore[misc]  # ships no types
        order = -99

        def after_loss(self) -> None:
            if self.training and self.train_iter == 5:
                self.learn.loss_grad = self.loss_grad * math.nan
                self.learn.loss = self.loss * math.nan

    settings = {"lr": 0.1 * ss.hold(), "policies": [Guard()]}
    learner, scheduler, ours = trained(tmp_path, 3, settings, cbs=Breaking())
    assert scheduler.events[0].kind == "rewind"
    assert len(ours) == 12
    assert all(torch.isfinite(one).all() for one in learner.model.parameters())
    averages = [state["grad_avg"] for state in learner.opt.state.values()]
    assert all(torch.isfinite(one).all() for one in averages)


def test_fastais_own_names_are_scheduled(tmp_path: Path) -> None:
    settings = {
        "lr": 0.1 * ss.hold(),
        "hyperparameters": {"mom": 0.9 * ss.linear(to=0.5)},
    }
    learner, scheduler, _ = trained(tmp_path, 1, settings)
    assert scheduler.value_at(3, "mom") == 0.9 * 0.625
    assert learner.opt.hypers[0]["mom"] == scheduler.value_at(4, "mom") == 0.45


# --- bad input -----------------------------------------------------------------------


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    from stepsize.adapters.fastai import SchedulerCallback

    unknown: Any = {"lr": 0.1, "lr_max": 1.0}
    with pytest.raises(AdapterError, match=r"must be one of lr, .*; got 'lr_max'"):
        SchedulerCallback(**unknown)
    learner = make_learner(tmp_path, recording([], (), False))
    with pytest.raises(AdapterError, match=r"Learner.fit_\* must be fit"):
        learner.fit_one_cycle(1, cbs=SchedulerCallback(lr=0.1))
    learner.add_cb(SchedulerCallback(lr=0.1))
    with pytest.raises(AdapterError, match=r"must have one SchedulerCallback.*got 2"):
        learner.fit(1, cbs=SchedulerCallback(hyperparameters={"mom": 0.9}))
    learner.fit(1)


def test_the_example_ends_alike_with_and_without_an_interruption() -> None:
    first, again = printed_by("fastai_digits")[-2:]
    assert first.removeprefix("accuracy") == again.removeprefix("resumed ")
    assert float(again.split()[1].rstrip(",")) > 0.8
