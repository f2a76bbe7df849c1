"""The adapter in the real Trainer, on real data: rates, resume, losses, policies."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from tests.adapters.recording import Recording, Seeing, groups, printed_by, without

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control import Guard, Plateau
from stepsize.errors import AdapterError, InvalidScheduleError, UnitError
from stepsize.ledger import JsonlStore, Ledger
from stepsize.ledger.commands import make_command
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

pytestmark = pytest.mark.peers

BATCH = 8
TRAINER = ("callbacks", "compute_metrics", "model_init", "optimizers")


class Digits(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """The first images of scikit-learn's digits."""

    def __init__(self, size: int) -> None:
        features, labels = load_digits(return_X_y=True)
        self.features = torch.tensor(features[:size] / 16, dtype=torch.float32)
        self.labels = torch.tensor(labels[:size])

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"features": self.features[index], "labels": self.labels[index]}


class Model(torch.nn.Module):
    """Softmax regression in two layers, whose loss is multiplied at will."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.ModuleList(
            [torch.nn.Linear(64, 6), torch.nn.Linear(6, 10)]
        )
        self.factors: dict[int, float] = {}  # forward pass in training -> factor
        self.passes = 0
        self.losses: list[float] = []

    def forward(self, features: Any, labels: Any) -> dict[str, Any]:
        for layer in self.layers:
            features = layer(features)
        loss = torch.nn.functional.cross_entropy(features, labels)
        if self.training:
            loss = loss * self.factors.get(self.passes, 1.0)
            self.passes += 1
            self.losses.append(loss.item())
        return {"loss": loss, "logits": features}


def make_trainer(folder: Path, model: Any, used: Any = None, **arguments: Any) -> Any:
    from transformers import Trainer, TrainingArguments

    options: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": BATCH,
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_strategy": "no",
        "seed": 3,
        "lr_scheduler_type": "linear",
    }
    given = {key: arguments.pop(key) for key in list(arguments) if key in TRAINER}
    optimizer = None
    if used is not None:
        bases = arguments.pop("bases", ())
        optimizer = Recording(groups(model.layers, bases), momentum=0.5, used=used)
    size = arguments.pop("size", BATCH * EPOCH)
    return Trainer(
        model=model,
        args=TrainingArguments(**{**options, **arguments}),
        train_dataset=Digits(size),
        eval_dataset=Digits(16),
        **{"optimizers": (optimizer, None), **given},
    )


def make_callback(trainer: Any, **settings: Any) -> Any:
    from stepsize.adapters.transformers import SchedulerCallback

    return SchedulerCallback(**settings).attach(trainer)


def operator(callback: Any, stop: int | None, cooldown: Any) -> Any:
    """Return a callback that saves and stops, or calls for a cooldown."""
    from transformers import TrainerCallback

    class Operator(TrainerCallback):  # type: ignore[misc]  # not read by mypy
        def on_step_end(
            self, args: Any, state: Any, control: Any, **kwargs: Any
        ) -> None:
            scheduler = callback.scheduler
            made = scheduler.update
            if cooldown is not None and made == cooldown[0]:
                scheduler.cooldown(cooldown[1])
            if made == stop:
                control.should_save = control.should_training_stop = True

    return Operator()


class TestTransformers(AdapterSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def train(self, case: Case) -> Trained:
        used: list[list[float]] = []
        metrics: list[float] = list(case.metrics)
        name = "lr_factor" if case.bases else "lr"
        checkpoint = None
        for stop in (*case.stops, None):
            model = Model()
            model.factors = dict.fromkeys(case.overflows, math.inf)
            trainer = make_trainer(
                self.folder,
                model,
                used,
                bases=case.bases,
                size=BATCH * EPOCH * case.micro_batches,
                gradient_accumulation_steps=case.micro_batches,
                max_steps=case.updates + len(case.overflows),
                # not "epoch": the Trainer saves an epoch's last update before it
                eval_strategy="steps" if case.metrics else "no",
                eval_steps=EPOCH,
                max_grad_norm=0.0,
            )
            if case.overflows:
                scale(trainer)
            evaluate = trainer.evaluation_loop

            def measured(*args: Any, loop: Any = evaluate, **kwargs: Any) -> Any:
                output = loop(*args, **kwargs)
                output.metrics["eval_loss"] = metrics.pop(0)
                return output

            trainer.evaluation_loop = measured
            callback = make_callback(
                trainer,
                total_steps=case.total_steps,
                policies=renamed(case.policies),
                **{name: case.schedule},
            )
            trainer.add_callback(operator(callback, stop, case.cooldown))
            trainer.train(resume_from_checkpoint=checkpoint)
            if stop is not None:
                checkpoint = str(self.folder / f"checkpoint-{stop}")
        scheduler = callback.scheduler
        assert scheduler.last_lr == used[-1]
        return Trained(
            rates=used,
            weights=[weight.tolist() for weight in model.parameters()],
            update=scheduler.update,
            events=scheduler.events,
        )


def renamed(policies: Any) -> list[Any]:
    """Return policies that watch the Trainer's name of a validation loss."""
    return [
        type(one).from_dict({**one.to_dict(), "metric": "eval_loss"})
        for one in policies
    ]


def scale(trainer: Any) -> None:
    """Give a Trainer a GradScaler: its own needs a GPU."""
    trainer.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)


# --- what the Trainer gets wrong by itself, or hides ---------------------------------


def test_missing_framework_is_named() -> None:
    assert without("transformers", "stepsize.adapters.transformers") == (
        "stepsize.errors.FrameworkMissingError: Transformers cannot be imported. "
        "hint: pip install 'stepsize[transformers]'."
    )


def run(
    folder: Path, settings: Any = None, model: Any = None, **arguments: Any
) -> tuple[Any, Any, list[float]]:
    """Train, with the Trainer's own scheduler if there are no settings for ours."""
    used: list[list[float]] = []
    model = Model() if model is None else model
    trainer = make_trainer(folder, model, used, bases=(0.1,), **arguments)
    callback = None if settings is None else make_callback(trainer, **settings)
    trainer.train()
    return trainer, callback, [rates[0] for rates in used]


def test_a_person_stops_the_trainer_and_has_a_checkpoint(tmp_path: Path) -> None:
    from transformers import TrainerCallback

    class Person(TrainerCallback):  # type: ignore[misc]  # not read by mypy
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            for update, verb in ((3, "checkpoint"), (5, "stop")):
                if state.global_step == update:
                    command = make_command(verb, reason="a test")
                    JsonlStore(tmp_path / "run").append(command)

    used: list[list[float]] = []
    trainer = make_trainer(tmp_path, Model(), used, bases=(0.1,), max_steps=20)
    ledger = Ledger(tmp_path / "run", poll_seconds=1e-9)
    make_callback(trainer, lr=0.1 * ss.cosine(), ledger=ledger)
    trainer.add_callback(Person())
    trainer.train()
    assert 5 <= len(used) < 9
    assert list(tmp_path.glob("**/checkpoint-*"))


def test_the_first_update_of_a_warmup_is_not_wasted(tmp_path: Path) -> None:
    arguments = {"max_steps": 8, "warmup_steps": 4, "lr_scheduler_type": "cosine"}
    _, _, theirs = run(tmp_path, **arguments)
    assert theirs[0] == 0.0
    settings = {"lr": 0.1 * ss.warmup(4) >> ss.cosine()}
    _, _, ours = run(tmp_path, settings, **arguments)
    assert (ours[0], ours[4]) == (0.1 / 5, 0.1)


def test_the_rate_does_not_rise_again_after_the_end(tmp_path: Path) -> None:
    # a horizon that is shorter than the run: theirs from the same cosine
    optimizer: Any = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    from transformers import get_cosine_schedule_with_warmup

    theirs = get_cosine_schedule_with_warmup(optimizer, 0, 4)
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert rates[4] == 0.0 < rates[7]
    _, _, ours = run(tmp_path, {"lr": 0.1 * ss.cosine(), "total_steps": 4}, max_steps=8)
    assert ours[4:] == [0.0] * 4


def test_a_share_of_the_run_counts_updates_and_not_batches(tmp_path: Path) -> None:
    # 4 updates an epoch of 2 batches each: 25 % of 12 updates
    settings = {"lr": 0.1 * ss.warmup("25%") >> ss.hold()}
    arguments: dict[str, Any] = {
        "num_train_epochs": 3,
        "gradient_accumulation_steps": 2,
        "size": BATCH * 8,
    }
    trainer, _, ours = run(tmp_path, settings, **arguments)
    assert len(ours) == trainer.state.max_steps == 12
    assert ours == settings["lr"].resolve(12).rates()
    assert ours.index(0.1) == 3


def test_a_share_is_exact(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"max_steps": 25, "warmup_steps": 0.28}
    trainer, _, theirs = run(
        tmp_path, lr_scheduler_type="constant_with_warmup", **arguments
    )
    # 0.28 * 25 is 7.000000000000001 in floats, and the Trainer rounds it up
    assert trainer.args.get_warmup_steps(25) == theirs.index(0.1) == 8
    _, _, ours = run(tmp_path, {"lr": 0.1 * ss.warmup("28%") >> ss.hold()}, **arguments)
    assert ours.index(0.1) == 7


def test_a_horizon_in_epochs_and_samples_is_the_trainers(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "num_train_epochs": 2,
        "gradient_accumulation_steps": 2,
        "size": BATCH * 7,  # the last update of an epoch has one batch
    }
    settings = {"lr": 0.1 * ss.warmup("1 epoch") >> ss.hold()}
    trainer, _, ours = run(tmp_path, settings, **arguments)
    assert trainer.state.max_steps == 8
    assert ours.index(0.1) == 4
    settings = {"lr": 0.1 * ss.warmup(f"{BATCH * 4} samples") >> ss.hold()}
    _, _, ours = run(tmp_path, settings, **arguments)
    assert ours.index(0.1) == 2
    with pytest.raises(UnitError, match="tokens_per_step"):
        run(tmp_path, {"lr": 0.1 * ss.warmup("9 tokens") >> ss.hold()}, **arguments)


def test_the_logged_rate_is_the_one_that_was_used(tmp_path: Path) -> None:
    settings = {"lr": 0.1 * ss.warmup(3) >> ss.cosine()}
    trainer, _, ours = run(
        tmp_path, settings, max_steps=8, logging_strategy="steps", logging_steps=1
    )
    logged = [
        (row["step"], row["learning_rate"])
        for row in trainer.state.log_history
        if "learning_rate" in row
    ]
    # row k is of the k-th update, whose index is k - 1
    assert logged == [(index + 1, rate) for index, rate in enumerate(ours)]


def test_a_policy_sees_the_nan_that_the_log_hides(tmp_path: Path) -> None:
    model = Model()
    model.factors = {5: math.nan}
    settings = {
        "lr": 0.1 * ss.hold(),
        "policies": [Guard()],
        "total_steps": 12,
    }
    trainer, callback, _ = run(
        tmp_path,
        settings,
        model,
        max_steps=12,
        logging_strategy="steps",
        logging_steps=1,
    )
    logged = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert all(map(math.isfinite, logged))
    assert callback.scheduler.events[0].kind == "rewind"
    assert callback.scheduler.events[0].update == 6
    assert all(torch.isfinite(one).all() for one in model.parameters())


def test_a_policy_sees_each_updates_own_loss(tmp_path: Path) -> None:
    model, policy = Model(), Seeing()
    settings = {"lr": 0.1 * ss.hold(), "policies": [policy]}
    run(
        tmp_path,
        settings,
        model,
        max_steps=4,
        gradient_accumulation_steps=2,
        eval_strategy="steps",
        eval_steps=2,
    )
    losses = {
        update: metrics["loss"] for update, metrics in policy.seen if "loss" in metrics
    }
    means = [sum(model.losses[i : i + 2]) / 2 for i in range(0, 8, 2)]
    assert losses == pytest.approx(dict(enumerate(means, start=1)), rel=1e-6)
    evaluated = [update for update, metrics in policy.seen if "eval_loss" in metrics]
    assert evaluated == [2, 4]


def test_an_evaluation_outside_the_training_is_no_observation(tmp_path: Path) -> None:
    policy = Seeing()
    settings = {"lr": 0.1 * ss.hold(), "policies": [policy]}
    trainer, _, _ = run(tmp_path, settings, max_steps=2, eval_on_start=True)
    assert [update for update, _ in policy.seen] == [1, 2]
    trainer.evaluate()
    assert [update for update, _ in policy.seen] == [1, 2]


def test_every_training_of_a_trainer_begins_anew(tmp_path: Path) -> None:
    trainer, callback, ours = run(
        tmp_path, {"lr": 0.1 * ss.cosine(), "policies": [Guard()]}, max_steps=4
    )
    first = callback.scheduler
    trainer.args.max_steps = 6
    trainer.train()
    assert callback.scheduler is not first
    assert trainer.optimizer.optimizer.used[4:] == [
        [rate] for rate in (0.1 * ss.cosine()).resolve(6).rates()
    ]
    assert len(ours) == 4


def test_the_trainer_may_make_the_optimizer(tmp_path: Path) -> None:
    trainer = make_trainer(
        tmp_path, None, model_init=Model, max_steps=5, learning_rate=0.5
    )
    callback = make_callback(trainer, lr_factor=ss.warmup(4, start=0.5) >> ss.hold())
    trainer.train()
    assert callback.scheduler.update == 5
    assert callback.scheduler.last_lr == [0.5, 0.5]  # with decay, and without


def test_another_length_on_resume_is_an_error_or_what_was_chosen(
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {"lr": 0.1 * ss.cosine()}
    run(tmp_path, settings, max_steps=4, save_strategy="steps", save_steps=4)
    checkpoint = str(tmp_path / "checkpoint-4")
    trainer = make_trainer(tmp_path, Model(), [], bases=(0.1,), max_steps=8)
    make_callback(trainer, **settings)
    with pytest.raises(ss.HorizonChangedError, match=r"lr of update 4: 0 saved, 0\.05"):
        trainer.train(resume_from_checkpoint=checkpoint)
    used: list[list[float]] = []
    trainer = make_trainer(tmp_path, Model(), used, bases=(0.1,), max_steps=8)
    make_callback(trainer, on_horizon_change="adopt", **settings)
    trainer.train(resume_from_checkpoint=checkpoint)
    assert used == [[rate] for rate in settings["lr"].resolve(8).rates()[4:]]


def test_a_scheduler_goes_in_as_the_trainers_pair(tmp_path: Path) -> None:
    wanted = (0.1 * ss.warmup(2) >> ss.cosine()).resolve(8)
    used: list[list[float]] = []
    checkpoint = None
    for stop in (3, 8):
        model = Model()
        optimizer = Recording(model.parameters(), lr=0.1, momentum=0.5, used=used)
        scheduler = Scheduler(optimizer, lr=wanted)
        trainer = make_trainer(
            tmp_path,
            model,
            optimizers=(optimizer, scheduler),
            max_steps=8,
            save_strategy="steps",
            save_steps=3,
            callbacks=[operator(SimpleNamespace(scheduler=scheduler), stop, None)],
        )
        trainer.train(resume_from_checkpoint=checkpoint)
        checkpoint = str(tmp_path / "checkpoint-3")
    assert used == [[rate] for rate in wanted.rates()]


# --- bad input -----------------------------------------------------------------------


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    from stepsize.adapters.transformers import SchedulerCallback

    unknown: Any = {"lr": 0.1, "max_lr": 1.0}
    with pytest.raises(AdapterError, match=r"must be one of lr, .*; got 'max_lr'"):
        SchedulerCallback(**unknown)
    with pytest.raises(AdapterError, match=r"SchedulerCallback.lr must be given"):
        SchedulerCallback(total_steps=3)
    with pytest.raises(AdapterError, match=r'policies must have clock="run"'):
        SchedulerCallback(lr=0.1, policies=[Guard(clock="rewind")])
    with pytest.raises(InvalidScheduleError, match="a name of its own"):
        run(tmp_path, {"lr": 0.1, "policies": [Plateau(), Plateau()]}, max_steps=2)


def test_a_callback_is_attached_to_one_trainer(tmp_path: Path) -> None:
    from stepsize.adapters.transformers import SchedulerCallback

    callback = SchedulerCallback(lr=0.1)
    trainer = make_trainer(tmp_path, Model(), callbacks=[callback], max_steps=1)
    with pytest.raises(AdapterError, match=r"be attached; .*attach\(trainer\)"):
        trainer.train()
    callback.attach(trainer)
    trainer.train()
    with pytest.raises(AdapterError, match="be attached to one Trainer"):
        callback.attach(trainer)
    with pytest.raises(AdapterError, match="must have one SchedulerCallback"):
        SchedulerCallback(hyperparameters={"momentum": 0.9}).attach(trainer)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pair = (optimizer, Scheduler(optimizer, lr=0.1))
    trainer = make_trainer(tmp_path, model, optimizers=pair)
    with pytest.raises(AdapterError, match="without a scheduler of its own"):
        SchedulerCallback(lr=0.1).attach(trainer)


def test_the_example_ends_alike_with_and_without_an_interruption() -> None:
    first, again = printed_by("transformers_digits")[-2:]
    assert first.removeprefix("accuracy") == again.removeprefix("resumed ")
    assert float(again.split()[1].rstrip(",")) > 0.8
