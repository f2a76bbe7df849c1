"""The adapter in real engines of Ignite: rates, resume, losses, policies."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from tests.adapters.recording import Recording, Seeing, groups, printed_by, without

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control import Guard
from stepsize.errors import AdapterError, InvalidScheduleError
from stepsize.ledger import JsonlStore, Ledger
from stepsize.ledger.commands import make_command
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:.torch.jit"),
]
BATCH = 8
FEATURES, LABELS = load_digits(return_X_y=True)


def make_loader(batches: int) -> Any:
    size = batches * BATCH
    features = torch.tensor(FEATURES[:size] / 16, dtype=torch.float32)
    data = torch.utils.data.TensorDataset(features, torch.tensor(LABELS[:size]))
    return torch.utils.data.DataLoader(data, batch_size=BATCH)


class Training:
    """A softmax regression in two layers, its engines and their handlers."""

    def __init__(self, case: Case, used: list[list[float]]) -> None:
        from ignite.engine import Engine, create_supervised_trainer
        from ignite.metrics import Average

        from stepsize.adapters.ignite import SchedulerHandler

        torch.manual_seed(0)
        layers = torch.nn.ModuleList([torch.nn.Linear(64, 6), torch.nn.Linear(6, 10)])
        self.model = torch.nn.Sequential(*layers)
        self.optimizer = Recording(groups(layers, case.bases), momentum=0.5, used=used)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        self.overflows = case.overflows
        name = "lr_factor" if case.bases else "lr"
        settings: dict[str, Any] = {name: case.schedule, "policies": case.policies}
        self.scheduler = Scheduler(
            self.optimizer,
            model=self.model,
            total_steps=case.total_steps,
            scaler=self.scaler if case.overflows else None,
            **settings,
        )
        if case.overflows:
            self.trainer = Engine(self.scaled)
        else:
            self.trainer = create_supervised_trainer(
                self.model,
                self.optimizer,
                torch.nn.functional.cross_entropy,
                gradient_accumulation_steps=case.micro_batches,
                deterministic=True,  # a resume in mid-epoch goes on there
            )
        self.evaluator = Engine(lambda engine, value: value)
        Average().attach(self.evaluator, "val_loss")
        evaluator = self.evaluator if case.metrics else None
        SchedulerHandler(self.scheduler).attach(self.trainer, evaluator)
        self.objects = {
            "trainer": self.trainer,
            "model": self.model,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
        }

    def scaled(self, engine: Any, batch: Any) -> float:
        """Make an update in mixed precision, as Ignite's own one needs a GPU."""
        self.optimizer.zero_grad()
        loss: Any = torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        if engine.state.iteration - 1 in self.overflows:
            loss = loss * math.inf
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return float(loss.detach())


class TestIgnite(AdapterSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def train(self, case: Case) -> Trained:
        from ignite.engine import Events
        from ignite.handlers import Checkpoint, DiskSaver

        used: list[list[float]] = []
        metrics = iter(case.metrics)
        loader = make_loader(EPOCH * case.micro_batches)
        for stop in (*case.stops, case.updates):
            run = Training(case, used)
            saver = DiskSaver(str(self.folder), create_dir=True, require_empty=False)
            checkpoint = Checkpoint(run.objects, saver, filename_pattern="all.pt")
            if used:
                Checkpoint.load_objects(
                    run.objects, torch.load(self.folder / "all.pt", weights_only=False)
                )

            def after(engine: Any, run: Any = run, stop: int = stop) -> None:
                made = len(used)
                if engine.state.iteration % case.micro_batches:
                    return
                if case.cooldown is not None and made == case.cooldown[0]:
                    run.scheduler.cooldown(case.cooldown[1])
                if made % EPOCH == 0 and case.metrics:
                    run.evaluator.run([next(metrics)])
                if made == stop:
                    engine.terminate()

            run.trainer.add_event_handler(Events.ITERATION_COMPLETED, after)
            run.trainer.run(loader, max_epochs=9)
            checkpoint(run.trainer)
        assert run.scheduler.last_lr == used[-1]
        return Trained(
            rates=used,
            weights=[weight.tolist() for weight in run.model.parameters()],
            update=run.scheduler.update,
            events=run.scheduler.events,
        )


# --- what Ignite counts by itself -----------------------------------------------------


def test_missing_framework_is_named() -> None:
    assert without("ignite", "stepsize.adapters.ignite") == (
        "stepsize.errors.FrameworkMissingError: Ignite cannot be imported. "
        "hint: pip install 'stepsize[ignite]'."
    )


def make_engine(optimizer: Any, model: Any, accumulation: int = 1) -> Any:
    from ignite.engine import create_supervised_trainer

    return create_supervised_trainer(
        model,
        optimizer,
        torch.nn.functional.cross_entropy,
        gradient_accumulation_steps=accumulation,
    )


def make(used: list[list[float]]) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = torch.nn.Linear(64, 10)
    return model, Recording(model.parameters(), lr=0.1, used=used)


def test_micro_batches_and_the_end_of_a_run_do_not_move_the_schedule() -> None:
    from ignite.engine import Events
    from ignite.handlers import CosineAnnealingScheduler

    from stepsize.adapters.ignite import SchedulerHandler

    used: list[list[float]] = []
    model, optimizer = make(used)
    theirs = CosineAnnealingScheduler(optimizer, "lr", 0.1, 0.0, cycle_size=8)
    trainer = make_engine(optimizer, model, accumulation=2)
    trainer.add_event_handler(Events.ITERATION_STARTED, theirs)
    trainer.run(make_loader(4), max_epochs=4)
    # 8 updates of 16 micro-batches: the end after 4, and then the peak again
    rates = [rates[0] for rates in used]
    assert rates[:4] == pytest.approx(
        [0.05 * (1 + math.cos(math.pi * step / 8)) for step in (1, 3, 5, 7)]
    )
    assert rates[4:] == rates[:4]

    used = []
    model, optimizer = make(used)
    scheduler = Scheduler(optimizer, lr=0.1 * ss.cosine(), total_steps=4)
    trainer = make_engine(optimizer, model, accumulation=2)
    SchedulerHandler(scheduler).attach(trainer)
    trainer.run(make_loader(4), max_epochs=4)
    wanted = [*(0.1 * ss.cosine()).resolve(4).rates(), 0.0, 0.0, 0.0, 0.0]
    assert used == [[rate] for rate in wanted]


def test_a_person_stops_the_engine(tmp_path: Path) -> None:
    from ignite.engine import Events

    from stepsize.adapters.ignite import SchedulerHandler

    def person(engine: Any) -> None:
        if engine.state.iteration == 5:
            JsonlStore(tmp_path).append(make_command("stop", reason="a test"))

    used: list[list[float]] = []
    model, optimizer = make(used)
    ledger = Ledger(tmp_path, poll_seconds=1e-9)
    scheduler = Scheduler(
        optimizer, lr=0.1 * ss.cosine(), total_steps=16, ledger=ledger
    )
    trainer = make_engine(optimizer, model)
    trainer.add_event_handler(Events.ITERATION_STARTED, person)
    SchedulerHandler(scheduler).attach(trainer)
    trainer.run(make_loader(4), max_epochs=4)
    assert 5 <= len(used) < 9
    assert scheduler.done


def test_a_policy_sees_each_updates_own_loss() -> None:
    from ignite.engine import Engine, Events
    from ignite.metrics import Average

    from stepsize.adapters.ignite import SchedulerHandler

    model, optimizer = make([])
    policy: Any = Seeing()
    scheduler = Scheduler(optimizer, lr=0.1 * ss.hold(), policies=[policy])
    trainer = make_engine(optimizer, model, accumulation=2)
    evaluator = Engine(lambda engine, value: value)
    Average().attach(evaluator, "val_loss")
    SchedulerHandler(scheduler).attach(trainer, evaluator)
    losses: list[float] = []

    def keep(engine: Any) -> None:
        losses.append(engine.state.output)

    def evaluate(engine: Any) -> None:
        evaluator.run([0.5, 1.5])

    trainer.add_event_handler(Events.ITERATION_COMPLETED, keep)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, evaluate)
    trainer.run(make_loader(4), max_epochs=2)
    means = [sum(losses[i : i + 2]) / 2 for i in range(0, 8, 2)]
    seen = {update: one["loss"] for update, one in policy.seen if "loss" in one}
    assert seen == pytest.approx(dict(enumerate(means, start=1)), rel=1e-6)
    evaluated = [(at, one["val_loss"]) for at, one in policy.seen if "val_loss" in one]
    assert evaluated == [(2, 1.0), (4, 1.0)]


def test_the_loss_is_found_in_any_output() -> None:
    from ignite.engine import Engine

    from stepsize.adapters.ignite import SchedulerHandler

    _, optimizer = make([])
    policy: Any = Seeing()
    scheduler = Scheduler(optimizer, lr=0.1, policies=[policy])

    def update(engine: Any, batch: float) -> dict[str, float]:
        optimizer.step()
        return {"loss": batch, "accuracy": 0.5}

    trainer = Engine(update)
    handler = SchedulerHandler(
        scheduler, output_transform=lambda output: output["loss"]
    )
    handler.attach(trainer)
    trainer.run([1.0, 2.0])
    assert policy.seen == [(1, {"loss": 1.0}), (2, {"loss": 2.0})]
    assert handler.state_dict()["update"] == scheduler.update == 2

    silent = Engine(update)
    SchedulerHandler(scheduler, output_transform=None).attach(silent)
    silent.run([3.0])
    assert policy.seen[2:] == [(3, {})]


def test_a_guard_goes_back_to_good_weights() -> None:
    from ignite.engine import Engine

    from stepsize.adapters.ignite import SchedulerHandler

    used: list[list[float]] = []
    model, optimizer = make(used)
    scheduler = Scheduler(optimizer, lr=0.1, model=model, policies=[Guard()])

    def update(engine: Any, batch: Any) -> float:
        optimizer.zero_grad()
        loss: Any = torch.nn.functional.cross_entropy(model(batch[0]), batch[1])
        if engine.state.iteration == 6:
            loss = loss * math.nan
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    trainer = Engine(update)
    SchedulerHandler(scheduler).attach(trainer)
    trainer.run(make_loader(EPOCH), max_epochs=3)
    assert scheduler.events[0].kind == "rewind"
    assert len(used) == scheduler.update == 12
    assert all(torch.isfinite(one).all() for one in model.parameters())


def test_a_horizon_carries_micro_batches_over_the_epochs() -> None:
    from stepsize.adapters.ignite import plan_horizon

    horizon = plan_horizon(make_loader(5), epochs=2, accumulation=2)
    assert horizon == ss.Horizon(steps=5, steps_per_epoch=2.5, samples_per_step=16)
    used: list[list[float]] = []
    model, optimizer = make(used)
    make_engine(optimizer, model, accumulation=2).run(make_loader(5), max_epochs=2)
    assert len(used) == horizon.total_steps
    with pytest.raises(AdapterError, match="loader must have a length"):
        plan_horizon(iter([1]), epochs=1)
    with pytest.raises(AdapterError, match=r"accumulation must be an int >= 1; got 0"):
        plan_horizon([1], epochs=1, accumulation=0)
    with pytest.raises(InvalidScheduleError, match=r"Horizon\.steps"):
        plan_horizon([1], epochs=1, accumulation=2)


def test_what_makes_no_sense_is_refused() -> None:
    from ignite.engine import Engine
    from ignite.handlers import LRScheduler

    from stepsize.adapters.ignite import SchedulerHandler

    _, optimizer = make([])
    with pytest.raises(AdapterError, match="must be a Scheduler of stepsize"):
        SchedulerHandler(optimizer)
    scheduler = Scheduler(optimizer, lr=0.1)
    evaluator = Engine(lambda engine, value: value)
    SchedulerHandler(scheduler).attach(Engine(lambda engine, value: value), evaluator)
    with pytest.raises(AdapterError, match=r"policies must be given for observe"):
        evaluator.run([1.0])
    # Ignite's own handler for torch's schedulers counts on it to be none
    with pytest.raises(AdapterError, match="last_epoch must not be set"):
        LRScheduler(scheduler)(None)


def test_the_example_ends_alike_with_and_without_an_interruption() -> None:
    first, again = printed_by("ignite_digits")[-2:]
    assert first.removeprefix("accuracy") == again.removeprefix("resumed ")
    assert float(again.split()[1].rstrip(",")) > 0.8
