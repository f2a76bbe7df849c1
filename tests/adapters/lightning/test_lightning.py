"""The adapter in the real Trainer, on real data: rates, resume, losses, policies."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from tests.adapters.recording import Recording, Seeing, groups, printed_by, without

import stepsize as ss
from stepsize.control import Guard, Plateau
from stepsize.errors import AdapterError, UnitError
from stepsize.ledger import JsonlStore, Ledger
from stepsize.ledger.commands import make_command
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:The .* does not have many workers"),
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.`"),
]
BATCH = 8
FEATURES, LABELS = load_digits(return_X_y=True)


class Batches:
    """The first batches of scikit-learn's digits, resumed in mid-epoch."""

    def __init__(self, count: int) -> None:
        self.count, self.at = count, 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        self.at %= self.count  # what is complete begins anew
        while self.at < self.count:
            rows = slice(self.at * BATCH, (self.at + 1) * BATCH)
            self.at += 1
            features = torch.tensor(FEATURES[rows] / 16, dtype=torch.float32)
            yield features, torch.tensor(LABELS[rows])

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


def make_module(used: Any, *, base: Any = None, **options: Any) -> Any:
    """Return a LightningModule whose losses are multiplied at will."""
    from lightning.pytorch import LightningModule

    class Module(LightningModule):  # type: ignore[misc]  # not read by mypy
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layers = torch.nn.ModuleList(
                [torch.nn.Linear(64, 6), torch.nn.Linear(6, 10)]
            )
            self.factors = dict(options.get("factors", {}))  # batch -> factor
            self.metrics = options.get("metrics", [])
            self.passes = 0
            self.losses: list[float] = []

        def loss(self, batch: Any) -> Any:
            features, labels = batch
            for layer in self.layers:
                features = layer(features)
            return torch.nn.functional.cross_entropy(features, labels)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch) * self.factors.get(self.passes, 1.0)
            self.passes += 1
            self.losses.append(loss.item())
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            value = self.metrics.pop(0) if self.metrics else self.loss(batch)
            self.log("val_loss", value)

        def configure_optimizers(self) -> Any:
            bases = options.get("bases", ())
            optimizer = Recording(groups(self.layers, bases), momentum=0.5, used=used)
            configured = options.get("configured")
            if configured is None:
                return optimizer
            return {"optimizer": optimizer, "lr_scheduler": configured(self, optimizer)}

    if base is None:
        return Module()
    return type("Module", (base, Module), {})()


def make_trainer(folder: Path, **options: Any) -> Any:
    from lightning.pytorch import Trainer

    quiet: dict[str, Any] = {
        "default_root_dir": str(folder),
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "limit_val_batches": 0,
        "max_epochs": -1,
    }
    return Trainer(**{**quiet, **options})


class StopHereError(Exception):
    """The process ends here."""


def operator(scheduler: Any, case: Case, stop: int | None, path: Path) -> Any:
    """Return a callback that saves and stops, or calls for a cooldown."""
    from lightning.pytorch import Callback

    class Operator(Callback):  # type: ignore[misc]  # not read by mypy
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            made, before = scheduler().update, getattr(self, "made", None)
            self.made = made
            if case.cooldown is not None and made == case.cooldown[0] != before:
                scheduler().cooldown(case.cooldown[1])
            if not case.metrics or made % EPOCH:
                self.stop(trainer)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            self.stop(trainer)

        def stop(self, trainer: Any) -> None:
            if scheduler().update == stop:
                trainer.save_checkpoint(path)
                raise StopHereError

    return Operator()


class OnLightning(AdapterSuite):
    """The suite, for both ways to use the adapter."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def build(self, case: Case, **options: Any) -> tuple[Any, list[Any], Any]:
        """Return a module, its callbacks, and what returns its scheduler."""
        raise NotImplementedError

    def train(self, case: Case) -> Trained:
        used: list[list[float]] = []
        metrics = list(case.metrics)
        checkpoint: Path | None = None
        for stop in (*case.stops, None):
            module, callbacks, scheduler = self.build(
                case,
                used=used,
                metrics=metrics,
                bases=case.bases,
                factors=dict.fromkeys(case.overflows, math.inf),
            )
            saved = self.folder / f"{stop}.ckpt"
            trainer = make_trainer(
                self.folder,
                max_steps=case.updates + len(case.overflows),
                accumulate_grad_batches=case.micro_batches,
                limit_val_batches=1 if case.metrics else 0,
                callbacks=[*callbacks, operator(scheduler, case, stop, saved)],
                plugins=mixed_precision() if case.overflows else None,
            )
            train = Batches(EPOCH * case.micro_batches)
            loaders = {"train_dataloaders": train, "val_dataloaders": Batches(1)}
            if stop is None:
                trainer.fit(module, ckpt_path=checkpoint, **loaders)
            else:
                with pytest.raises(StopHereError):
                    trainer.fit(module, ckpt_path=checkpoint, **loaders)
            checkpoint = saved
        assert scheduler().last_lr == used[-1]
        return Trained(
            rates=used,
            weights=[weight.tolist() for weight in module.parameters()],
            update=scheduler().update,
            events=scheduler().events,
        )

    def settings(self, case: Case) -> dict[str, Any]:
        name = "lr_factor" if case.bases else "lr"
        return {
            name: case.schedule,
            "total_steps": case.total_steps,
            "policies": case.policies,
        }


def mixed_precision() -> Any:
    from lightning.pytorch.plugins import MixedPrecision

    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    return MixedPrecision("16-mixed", "cpu", scaler=scaler)


class TestCallback(OnLightning):
    def build(self, case: Case, **options: Any) -> tuple[Any, list[Any], Any]:
        from stepsize.adapters.lightning import SchedulerCallback

        callback = SchedulerCallback(**self.settings(case))
        return make_module(**options), [callback], lambda: callback.scheduler


class TestConfigure(OnLightning):
    def build(self, case: Case, **options: Any) -> tuple[Any, list[Any], Any]:
        from stepsize.adapters.lightning import configure

        def configured(module: Any, optimizer: Any) -> Any:
            return configure(module, optimizer, **self.settings(case))

        module = make_module(configured=configured, **options)
        return module, [], module.lr_schedulers


# --- what Lightning counts by itself --------------------------------------------------


def test_missing_framework_is_named() -> None:
    assert without("lightning", "stepsize.adapters.lightning") == (
        "stepsize.errors.FrameworkMissingError: Lightning cannot be imported. "
        "hint: pip install 'stepsize[lightning]'."
    )


def run(
    folder: Path, settings: Any = None, module: Any = None, **options: Any
) -> tuple[Any, Any, list[float]]:
    """Train, with our callback if there are settings for it."""
    from stepsize.adapters.lightning import SchedulerCallback

    used: list[list[float]] = []
    module = make_module(used, bases=(0.1,)) if module is None else module(used)
    callbacks = options.pop("callbacks", [])
    callback = None if settings is None else SchedulerCallback(**settings)
    batches, resume = options.pop("batches", EPOCH), options.pop("resume", None)
    trainer = make_trainer(
        folder,
        callbacks=[*([] if callback is None else [callback]), *callbacks],
        **options,
    )
    trainer.fit(module, Batches(batches), Batches(1), ckpt_path=resume)
    return trainer, callback, [rates[0] for rates in used]


def test_a_person_stops_the_trainer_and_has_a_checkpoint(tmp_path: Path) -> None:
    from lightning.pytorch import Callback

    class Person(Callback):  # type: ignore[misc]  # not read by mypy
        def on_train_batch_start(self, *args: Any) -> None:
            for update, verb in ((3, "checkpoint"), (5, "stop")):
                if args[0].global_step == update:
                    command = make_command(verb, reason="a test")
                    JsonlStore(tmp_path / "run").append(command)

    ledger = Ledger(tmp_path / "run", poll_seconds=1e-9)
    settings = {"lr": 0.1 * ss.cosine(), "ledger": ledger}
    trainer, _, used = run(tmp_path, settings, max_epochs=9, callbacks=[Person()])
    assert len(used) < 9
    assert trainer.global_step == len(used)
    assert list(tmp_path.glob("asked-*.ckpt"))


def cosine(module: Any, optimizer: Any) -> Any:
    """Return torch's scheduler as its users return it: with nothing said."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)


def test_a_scheduler_counts_updates_and_not_epochs(tmp_path: Path) -> None:
    _, _, theirs = run(
        tmp_path,
        module=lambda used: make_module(used, bases=(0.1,), configured=cosine),
        max_epochs=3,
    )
    assert len(set(theirs)) == 3  # one rate an epoch: it ends where 9/12 are left
    assert theirs[-1] > 0.09
    _, _, ours = run(tmp_path, {"lr": 0.1 * ss.cosine()}, max_epochs=3)
    assert ours == (0.1 * ss.cosine()).resolve(12).rates()


def test_an_update_that_was_skipped_does_not_move_the_schedule(tmp_path: Path) -> None:
    def module(configured: Any) -> Any:
        return lambda used: make_module(
            used, bases=(0.1,), configured=configured, factors={2: math.inf}
        )

    def by_step(module: Any, optimizer: Any) -> Any:
        return {"scheduler": cosine(module, optimizer), "interval": "step"}

    wanted = [0.1 * (1 + math.cos(math.pi * step / 12)) / 2 for step in range(12)]
    _, _, theirs = run(
        tmp_path, module=module(by_step), max_steps=6, plugins=mixed_precision()
    )
    assert theirs == pytest.approx([*wanted[:2], *wanted[3:6]])  # one rate is left out
    settings = {"lr": 0.1 * ss.cosine(), "total_steps": 12}
    _, _, ours = run(
        tmp_path, settings, module(None), max_steps=6, plugins=mixed_precision()
    )
    assert ours == pytest.approx(wanted[:5], rel=1e-12)


def test_accumulation_and_the_rest_of_an_epoch_are_counted(tmp_path: Path) -> None:
    # 5 batches by 2: 3 updates an epoch
    settings = {"lr": 0.1 * ss.warmup("1 epoch") >> ss.cosine()}
    _, callback, ours = run(
        tmp_path, settings, max_epochs=2, batches=5, accumulate_grad_batches=2
    )
    assert len(ours) == callback.scheduler.update == 6
    assert ours.index(0.1) == 3
    assert callback.scheduler.done


def two_optimizers(used: list[list[float]], every: int = 1, **kwargs: Any) -> Any:
    """Return a module whose second optimizer makes an update every few batches."""

    class Manual:
        layers: Any
        losses: list[float]
        loss: Any
        manual_backward: Any
        optimizers: Any

        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.second: list[list[float]] = []

        def configure_optimizers(self) -> Any:
            first, second = (list(one.parameters()) for one in self.layers)
            return [
                Recording(first, lr=0.1, used=used),
                Recording(second, lr=0.1, used=self.second),
            ]

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            first, second = self.optimizers()
            loss = self.loss(batch)
            self.manual_backward(loss)
            self.losses.append(loss.item())
            first.step()
            first.zero_grad()
            if batch_idx % every == every - 1:
                second.step()
                second.zero_grad()
            return loss

    return make_module(used, base=Manual, **kwargs)


def test_two_optimizers_have_a_schedule_each(tmp_path: Path) -> None:
    from stepsize.adapters.lightning import SchedulerCallback

    made: list[Any] = []

    def module(used: Any) -> Any:
        made.append(two_optimizers(used, every=2))
        return made[-1]

    rise, fall = 0.1 * ss.warmup(3) >> ss.hold(), 0.5 * ss.cosine()
    second: Any = SchedulerCallback(1, lr=fall, total_steps=4)
    trainer, first, ours = run(
        tmp_path, {"lr": rise}, module, max_epochs=2, callbacks=[second]
    )
    assert trainer.global_step == 12  # Lightning counts both
    assert ours == rise.resolve(8).rates()
    assert made[0].second == [[rate] for rate in fall.resolve(4).rates()]
    assert (first.scheduler.update, second.scheduler.update) == (8, 4)
    assert first.state_key != second.state_key
    trainer.save_checkpoint(tmp_path / "two.ckpt")

    again: list[Any] = [
        SchedulerCallback(lr=rise),
        SchedulerCallback(1, lr=fall, total_steps=4),
    ]
    resumed = make_trainer(tmp_path, max_epochs=3, callbacks=again)
    with pytest.raises(ss.HorizonChangedError, match="8"):
        resumed.fit(
            two_optimizers([], every=2),
            Batches(EPOCH),
            Batches(1),
            ckpt_path=tmp_path / "two.ckpt",
        )
    used: list[list[float]] = []
    again = [
        SchedulerCallback(lr=rise, on_horizon_change="adopt"),
        SchedulerCallback(1, lr=fall, total_steps=4),
    ]
    resumed = make_trainer(tmp_path, max_epochs=3, callbacks=again)
    resumed.fit(
        two_optimizers(used, every=2),
        Batches(EPOCH),
        Batches(1),
        ckpt_path=tmp_path / "two.ckpt",
    )
    assert used == [[0.1]] * 4
    assert (again[0].scheduler.update, again[1].scheduler.update) == (12, 6)


@pytest.mark.parametrize("manual", [False, True])
def test_a_policy_sees_each_updates_own_loss(tmp_path: Path, manual: bool) -> None:
    policy, made = Seeing(), []

    def module(used: Any) -> Any:
        made.append(two_optimizers(used) if manual else make_module(used))
        return made[-1]

    size = 1 if manual else 2
    options: dict[str, Any] = {} if manual else {"accumulate_grad_batches": 2}
    run(
        tmp_path,
        {"lr": 0.1 * ss.hold(), "policies": [policy]},
        module,
        max_epochs=2,
        limit_val_batches=1,
        num_sanity_val_steps=1,
        **options,
    )
    losses = {
        update: metrics["loss"] for update, metrics in policy.seen if "loss" in metrics
    }
    parts = made[0].losses
    means = [sum(parts[i : i + size]) / size for i in range(0, len(parts), size)]
    assert losses == pytest.approx(dict(enumerate(means, start=1)), rel=1e-6)
    evaluated = [update for update, metrics in policy.seen if "val_loss" in metrics]
    assert evaluated == [EPOCH // size, 2 * EPOCH // size]


def test_what_an_earlier_loop_logged_is_not_seen_again(tmp_path: Path) -> None:
    class Logging:
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)  # type: ignore[misc]
            self.log("train_loss", loss, on_step=False, on_epoch=True)  # type: ignore[attr-defined]
            return loss

    policy = Seeing()
    run(
        tmp_path,
        {"lr": 0.1 * ss.hold(), "policies": [policy]},
        lambda used: make_module(used, base=Logging),
        max_epochs=2,
        limit_val_batches=1,
    )
    seen = [
        (update, name)
        for update, metrics in policy.seen
        for name in metrics
        if name != "loss"
    ]
    assert seen == [
        (4, "val_loss"),
        (4, "train_loss"),
        (8, "val_loss"),
        (8, "train_loss"),
    ]


def test_a_guard_rescues_a_run_from_a_nan(tmp_path: Path) -> None:
    made: list[Any] = []

    def module(used: Any) -> Any:
        made.append(make_module(used, factors={5: math.nan}))
        return made[-1]

    settings = {"lr": 0.1 * ss.hold(), "policies": [Guard()]}
    _, callback, ours = run(tmp_path, settings, module, max_epochs=3)
    assert callback.scheduler.events[0].kind == "rewind"
    assert all(torch.isfinite(one).all() for one in made[0].parameters())
    assert len(ours) == 12


def test_the_logged_rate_is_the_one_that_was_used(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(tmp_path, name="log", version=0)
    _, _, ours = run(
        tmp_path,
        {"lr": 0.1 * ss.warmup(3) >> ss.cosine()},
        callbacks=[LearningRateMonitor("step")],
        max_steps=8,
        logger=logger,
        log_every_n_steps=1,
    )
    lines = (tmp_path / "log" / "version_0" / "metrics.csv").read_text().split()
    rows = [
        dict(zip(lines[0].split(","), line.split(","), strict=True))
        for line in lines[1:]
    ]
    logged = {int(row["step"]): float(row["lr-Recording"]) for row in rows}
    assert logged == dict(enumerate(ours))


def test_what_configure_adds_ends_with_the_fit(tmp_path: Path) -> None:
    from stepsize.adapters.lightning import configure

    def configured(module: Any, optimizer: Any) -> Any:
        return configure(module, optimizer, lr=0.1 * ss.cosine(), policies=[Guard()])

    used: list[list[float]] = []
    trainer = make_trainer(tmp_path, max_epochs=1)
    for _ in range(3):
        trainer.fit(
            make_module(used, configured=configured), Batches(EPOCH), Batches(1)
        )
        trainer.fit_loop.max_epochs += 1
    kinds = [type(one).__name__ for one in trainer.callbacks]
    assert kinds.count("_Configured") == 1


def test_a_trainer_of_the_other_package_takes_it(tmp_path: Path) -> None:
    import pytorch_lightning

    from stepsize.adapters.lightning import SchedulerCallback

    class Module(pytorch_lightning.LightningModule):  # type: ignore[misc]  # not read by mypy
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, 10)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return Recording(self.parameters(), lr=0.1, used=used)

    used: list[list[float]] = []
    callback = SchedulerCallback(lr=0.1 * ss.cosine(), policies=[Plateau("loss")])
    trainer = pytorch_lightning.Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=2,
        callbacks=[callback],
    )
    trainer.fit(Module(), Batches(EPOCH))
    assert used == [[rate] for rate in (0.1 * ss.cosine()).resolve(8).rates()]


def test_a_second_fit_is_scheduled_for_what_is_left(tmp_path: Path) -> None:
    schedule = 0.1 * ss.warmup(2) >> ss.cosine()
    used: list[list[float]] = []
    module = make_module(used, bases=(0.1,))
    from stepsize.adapters.lightning import SchedulerCallback

    callback = SchedulerCallback(lr=schedule)
    trainer = make_trainer(tmp_path, max_epochs=1, callbacks=[callback])
    for epochs in (1, 3, 3):  # the last one finds nothing left
        trainer.fit_loop.max_epochs = epochs
        trainer.fit(module, Batches(EPOCH), Batches(1))
    wanted = schedule.resolve(EPOCH).rates() + schedule.resolve(2 * EPOCH).rates()
    assert [rates[0] for rates in used] == wanted

    trainer.save_checkpoint(tmp_path / "three.ckpt")
    trainer.fit_loop.max_epochs = 4
    with pytest.raises(ss.HorizonChangedError, match="16"):  # a resume is the whole
        trainer.fit(
            module, Batches(EPOCH), Batches(1), ckpt_path=tmp_path / "three.ckpt"
        )


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists")
@pytest.mark.parametrize("at", [3, 6])
def test_a_resume_in_mid_epoch_goes_on_where_its_loader_does(
    tmp_path: Path, at: int
) -> None:
    """Also where the batches were counted before the checkpoint was read."""
    from lightning.pytorch.callbacks import ModelCheckpoint

    def counting(module: Any, optimizer: Any) -> Any:
        steps = module.trainer.estimated_stepping_batches
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=steps)
        return {"scheduler": scheduler, "interval": "step"}

    def trained(settings: Any, checkpoint: Path | None = None) -> tuple[Any, Any]:
        made: list[Any] = []

        def module(used: Any) -> Any:
            configured = None if settings else counting
            made.append(make_module(used, bases=(0.1,), configured=configured))
            return made[-1]

        saving = ModelCheckpoint(tmp_path, every_n_train_steps=3, save_top_k=-1)
        _, _, used = run(
            tmp_path,
            settings,
            module,
            callbacks=[saving],
            max_epochs=2,
            enable_checkpointing=True,
            resume=checkpoint,
        )
        return used, [weight.tolist() for weight in made[0].parameters()]

    _, whole = trained(None)
    [checkpoint] = tmp_path.glob(f"*step={at}.ckpt")
    assert trained(None, checkpoint)[1] != whole  # other batches
    checkpoint.unlink()
    settings = {"lr": 0.1 * ss.warmup("1 epoch") >> ss.cosine()}
    used, whole = trained(settings)
    [checkpoint] = tmp_path.glob(f"*step={at}.ckpt")
    assert trained(settings, checkpoint) == (used[at:], whole)


def test_lengths_are_known_in_samples_and_epochs(tmp_path: Path) -> None:
    from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

    from stepsize.adapters.lightning import SchedulerCallback

    rows: Any = [
        (torch.tensor(row / 16, dtype=torch.float32), torch.tensor(label))
        for row, label in zip(FEATURES[:48], LABELS[:48], strict=True)
    ]
    sampler = BatchSampler(SequentialSampler(rows), BATCH, drop_last=False)
    loaders: list[Any] = [
        DataLoader(rows, BATCH),
        DataLoader(rows, batch_sampler=sampler),
    ]
    for loader in loaders:
        for warmup, options in (
            ("32 samples", {"max_epochs": 2}),
            ("32 samples", {"max_steps": 6, "max_epochs": -1}),
            ("1 epoch", {"max_steps": 6, "max_epochs": -1}),
        ):
            used: list[list[float]] = []
            callback = SchedulerCallback(lr=0.1 * ss.warmup(warmup) >> ss.cosine())
            trainer = make_trainer(
                tmp_path, accumulate_grad_batches=2, callbacks=[callback], **options
            )
            trainer.fit(make_module(used, bases=(0.1,)), loader, Batches(1))
            assert len(used) == 6
            assert used.index([0.1]) == (2 if "samples" in warmup else 3)


# --- bad input -----------------------------------------------------------------------


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import StochasticWeightAveraging

    from stepsize.adapters.lightning import SchedulerCallback

    unknown: Any = {"lr": 0.1, "monitor": "val_loss"}
    with pytest.raises(AdapterError, match=r"must be one of lr, .*; got 'monitor'"):
        SchedulerCallback(**unknown)
    with pytest.raises(AdapterError, match=r"optimizer must be the index of one of 1"):
        run(tmp_path, {"lr": 0.1, "optimizer": 1}, max_steps=1)
    with pytest.raises(
        AdapterError, match=r"configure_optimizers must return no sched"
    ):
        run(
            tmp_path,
            {"lr": 0.1},
            lambda used: make_module(used, configured=cosine),
            max_steps=1,
        )
    both: list[Any] = [SchedulerCallback(lr=0.1)]
    with pytest.raises(AdapterError, match=r"optimizer must be one that no other"):
        run(tmp_path, {"lr": 0.1}, max_steps=1, callbacks=both)
    swapping: list[Any] = [StochasticWeightAveraging(0.05)]
    with pytest.raises(AdapterError, match=r"callbacks must have no callback that se"):
        run(tmp_path, {"lr": 0.1}, max_epochs=2, callbacks=swapping)
    with pytest.raises(UnitError, match="samples_per_step"):
        run(tmp_path, {"lr": 0.1 * ss.warmup("99 samples")}, max_steps=1)


@pytest.mark.filterwarnings("ignore:`max_epochs` was not set")
def test_a_run_without_an_end_asks_for_its_length(tmp_path: Path) -> None:
    with pytest.raises(ss.UnresolvedError, match="total_steps"):
        run(tmp_path, {"lr": 0.1 * ss.cosine()}, max_epochs=-1, max_steps=-1)


def test_the_example_ends_alike_with_and_without_an_interruption() -> None:
    first, again = printed_by("lightning_digits")[-2:]
    assert first.removeprefix("accuracy") == again.removeprefix("resumed ")
    assert float(again.split()[1].rstrip(",")) > 0.8
