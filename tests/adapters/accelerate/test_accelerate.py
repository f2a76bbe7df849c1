"""The adapter in real loops of Accelerate: rates, resume, accumulation, processes."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from tests.adapters.recording import (
    Recording,
    Seeing,
    groups,
    printed_by,
    processes,
    without,
)

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control import Guard
from stepsize.errors import AdapterError
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

pytestmark = pytest.mark.peers
BATCH = 8
FEATURES, LABELS = load_digits(return_X_y=True)


def make_loader(batches: int) -> Any:
    size = batches * BATCH
    features = torch.tensor(FEATURES[:size] / 16, dtype=torch.float32)
    data = torch.utils.data.TensorDataset(features, torch.tensor(LABELS[:size]))
    return torch.utils.data.DataLoader(data, batch_size=BATCH)


def make_accelerator(micro_batches: int = 1, *, scaled: bool = False) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=micro_batches)
    if scaled:  # its own needs a GPU
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    return accelerator


class Training:
    """A softmax regression in two layers, in the loop of Accelerate's documentation."""

    def __init__(self, case: Case, used: list[list[float]]) -> None:
        torch.manual_seed(0)
        self.accelerator = make_accelerator(
            case.micro_batches, scaled=bool(case.overflows)
        )
        layers = torch.nn.ModuleList([torch.nn.Linear(64, 6), torch.nn.Linear(6, 10)])
        self.layers = layers
        optimizer = Recording(groups(layers, case.bases), momentum=0.5, used=used)
        loader = make_loader(EPOCH * case.micro_batches)
        self.model, self.optimizer, self.loader = self.accelerator.prepare(
            torch.nn.Sequential(*layers), optimizer, loader
        )
        self.scheduler = self.make_scheduler(case)

    def make_scheduler(self, case: Case) -> Any:
        from stepsize.adapters.accelerate import prepare_scheduler

        name = "lr_factor" if case.bases else "lr"
        settings: dict[str, Any] = {name: case.schedule, "policies": case.policies}
        return prepare_scheduler(
            self.accelerator,
            self.optimizer,
            model=self.model,
            total_steps=case.total_steps,
            **settings,
        )

    def losses(self, case: Case) -> Iterator[None]:
        """Train batch by batch, endlessly."""
        for number in itertools.count():
            for batch, (features, labels) in enumerate(self.loader):
                with self.accelerator.accumulate(self.model):
                    loss = torch.nn.functional.cross_entropy(
                        self.model(features), labels
                    )
                    if number * len(self.loader) + batch in case.overflows:
                        loss = loss * math.inf
                    self.accelerator.backward(loss)
                    self.optimizer.step()
                    self.step(loss)
                    self.optimizer.zero_grad()
                yield

    def step(self, loss: Any) -> None:
        self.scheduler.step(loss=loss)


class TestPrepared(AdapterSuite):
    training = Training

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def train(self, case: Case) -> Trained:
        used: list[list[float]] = []
        metrics = iter(case.metrics)
        checkpoint: Path | None = None
        for stop in (*case.stops, case.updates):
            run = self.training(case, used)
            if checkpoint is not None:
                run.accelerator.load_state(str(checkpoint))
                done = len(used) % EPOCH * case.micro_batches
                first = run.accelerator.skip_first_batches(run.loader, done)
                run.loader = Once(first, run.loader)
            before = len(used)
            for _ in run.losses(case):
                if len(used) == before:
                    continue
                before = len(used)
                if case.cooldown is not None and before == case.cooldown[0]:
                    live(run.scheduler).cooldown(case.cooldown[1])
                if before % EPOCH == 0 and case.metrics:
                    live(run.scheduler).observe(val_loss=next(metrics))
                if before == stop:
                    break
            checkpoint = self.folder / str(stop)
            run.accelerator.save_state(str(checkpoint))
        scheduler = live(run.scheduler)
        assert scheduler.last_lr == used[-1]
        return Trained(
            rates=used,
            weights=[weight.tolist() for weight in run.layers.parameters()],
            update=scheduler.update,
            events=scheduler.events,
        )


class Once:
    """A loader whose first pass is another one."""

    def __init__(self, first: Any, then: Any) -> None:
        self.passes = [first]
        self.then = then

    def __len__(self) -> int:
        return len(self.then)

    def __iter__(self) -> Any:
        return iter(self.passes.pop() if self.passes else self.then)


def live(scheduler: Any) -> Any:
    """Return the Scheduler that Accelerate may have wrapped."""
    return getattr(scheduler, "scheduler", scheduler)


class Wrapped(Training):
    def make_scheduler(self, case: Case) -> Any:
        name = "lr_factor" if case.bases else "lr"
        settings: dict[str, Any] = {name: case.schedule, "policies": case.policies}
        return self.accelerator.prepare(
            Scheduler(self.optimizer, total_steps=case.total_steps, **settings)
        )

    def step(self, loss: Any) -> None:
        self.scheduler.step()


class TestPlainSchedulerPrepared(TestPrepared):
    training = Wrapped


# --- what Accelerate counts by itself -------------------------------------------------


def test_missing_framework_is_named() -> None:
    assert without("accelerate", "stepsize.adapters.accelerate") == (
        "stepsize.errors.FrameworkMissingError: Accelerate cannot be imported. "
        "hint: pip install 'stepsize[accelerate]'."
    )


def test_two_processes_make_one_step_an_update() -> None:
    first, second = processes("tests.adapters.accelerate.ranks", 2)
    assert first == second
    assert first["processes"] == 2
    # 96 samples in batches of 4, on 2 processes, 2 accumulated: 6 updates
    wanted = (0.1 * ss.linear()).resolve(6).rates()
    theirs = first["theirs"]["used"]
    assert theirs == pytest.approx([0.1, 0.2 / 3, 0.1 / 3, 0.0, 0.0, 0.0])
    for name in ("ours", "plain"):
        assert first[name]["used"] == wanted
        assert first[name]["update"] == 6
    # flat from the first on, so that the fourth observation is one too many
    cut = [rate > 0.1 * 0.1 for rate in first["their_plateau"]["used"]].index(False)
    assert cut == 2
    # the mean of what both measured is flat; the fourth observation is one too many
    assert first["deciding"]["events"] == [4]
    assert first["deciding"]["used"] == [0.1] * 4 + [0.1 * 0.1] * 2


def test_a_horizon_counts_processes_accumulation_and_what_is_left() -> None:
    from stepsize.adapters.accelerate import plan_horizon

    accelerator = make_accelerator(2)
    loader = accelerator.prepare(make_loader(5))
    horizon = plan_horizon(accelerator, loader, epochs=2)
    assert horizon == ss.Horizon(epochs=2, steps_per_epoch=3, samples_per_step=16)
    assert horizon.total_steps == 6
    with pytest.raises(AdapterError, match=r"loader must be what accelerator.prepare"):
        plan_horizon(accelerator, make_loader(5), epochs=2)
    none: Any = None
    with pytest.raises(AdapterError, match=r"plan_horizon\.epochs must be a number"):
        plan_horizon(accelerator, loader, epochs=none)

    class Endless(torch.utils.data.IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            return itertools.count()

    endless = accelerator.prepare(torch.utils.data.DataLoader(Endless()))
    with pytest.raises(AdapterError, match="loader must have a length"):
        plan_horizon(accelerator, endless, epochs=2)


def test_a_horizon_counts_what_goes_on_in_the_next_epoch() -> None:
    from accelerate import Accelerator
    from accelerate.utils import GradientAccumulationPlugin

    from stepsize.adapters.accelerate import plan_horizon, prepare_scheduler

    make_accelerator()  # forgets the one before
    going_on = GradientAccumulationPlugin(num_steps=4, sync_with_dataloader=False)
    accelerator = Accelerator(cpu=True, gradient_accumulation_plugin=going_on)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data: Any = torch.ones(6, 1)
    model, optimizer, loader = accelerator.prepare(
        model, optimizer, torch.utils.data.DataLoader(data, batch_size=1)
    )
    horizon = plan_horizon(accelerator, loader, epochs=3)
    scheduler = prepare_scheduler(
        accelerator, optimizer, lr=0.1 * ss.cosine(), horizon=horizon
    )
    for batch in itertools.chain(*itertools.repeat(loader, 3)):
        with accelerator.accumulate(model):
            accelerator.backward(model(batch).sum())
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    assert scheduler.update == horizon.total_steps == 4


def test_a_policy_sees_each_updates_own_loss() -> None:
    losses: list[float] = []

    class Keeping(Training):
        def step(self, loss: Any) -> None:
            losses.append(loss.item())
            super().step(loss)

    policy: Any = Seeing()
    case = Case(schedule=0.1 * ss.hold(), micro_batches=2, policies=(policy,))
    run = Keeping(case, [])
    for _ in itertools.islice(run.losses(case), 8):
        pass
    means = [sum(losses[i : i + 2]) / 2 for i in range(0, 8, 2)]
    seen = {update: metrics["loss"] for update, metrics in policy.seen}
    assert seen == pytest.approx(dict(enumerate(means, start=1)), rel=1e-6)


def test_a_guard_may_take_back_the_clock_of_ones_own_loop() -> None:
    from stepsize.adapters.accelerate import prepare_scheduler

    class Data:
        def state_dict(self) -> dict[str, int]:
            return {}

        def load_state_dict(self, state: dict[str, int]) -> None:
            assert state == {}

    accelerator = make_accelerator()
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model, optimizer = accelerator.prepare(model, optimizer)
    scheduler = prepare_scheduler(
        accelerator,
        optimizer,
        model=model,
        data=Data(),
        lr=0.1 * ss.hold(),
        total_steps=4,
        policies=[Guard(clock="rewind")],
    )
    losses = iter([1.0, math.nan, 1.0, 1.0, 1.0, 1.0])
    while not scheduler.done:
        loss = model(torch.ones(1, 1)).sum() * 0.0 + next(losses)
        accelerator.backward(loss)
        optimizer.step()
        scheduler.step(loss=loss)
        optimizer.zero_grad()
    assert scheduler.update == 6
    assert next(losses, None) is None


def test_what_makes_no_sense_is_refused() -> None:
    from stepsize.adapters.accelerate import prepare_scheduler

    accelerator = make_accelerator()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    unknown: Any = {"lr": 0.1, "num_warmup_steps": 3}
    with pytest.raises(AdapterError, match=r"must be one of lr, .*'num_warmup_steps'"):
        prepare_scheduler(accelerator, optimizer, **unknown)
    with pytest.raises(ss.UnresolvedError, match="total_steps"):
        prepare_scheduler(accelerator, optimizer, lr=0.1 * ss.cosine())
    scheduler = prepare_scheduler(accelerator, optimizer, lr=0.1)
    epoch: Any = 3
    with pytest.raises(AdapterError, match="without an epoch"):
        scheduler.step(epoch)


def test_the_example_ends_alike_with_and_without_an_interruption() -> None:
    first, again = printed_by("accelerate_digits")[-2:]
    assert first.removeprefix("accuracy") == again.removeprefix("resumed ")
    assert float(again.split()[1].rstrip(",")) > 0.8
