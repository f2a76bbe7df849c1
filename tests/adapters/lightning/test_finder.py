"""Lightning: a rate by its own training of batches; module, Trainer and data alone."""

import copy
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.adapters.digits_mlp import BATCH, HIDDEN, decades, digits
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import stepsize as ss
from stepsize.adapters.driving.finding import FinderWarning
from stepsize.control import Plateau
from stepsize.errors import AdapterError

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:The .* does not have many workers"),
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.`"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
]
LATE = 30  # an update in the middle of the search


def find_lr(*args: Any, **kwargs: Any) -> Any:
    from stepsize.adapters.lightning import find_lr

    return find_lr(*args, **kwargs)


def make_module(*, base: Any = None, noisy: bool = True, **options: Any) -> Any:
    """Return a LightningModule that keeps all kinds of states."""
    from lightning.pytorch import LightningModule
    from torchmetrics.classification import MulticlassAccuracy

    class Module(LightningModule):  # type: ignore[misc]  # not read by mypy
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            noise = [torch.nn.BatchNorm1d(HIDDEN), torch.nn.Dropout(0.2)]
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(64, HIDDEN),
                torch.nn.ReLU(),
                *(noise if noisy else []),
                torch.nn.Linear(HIDDEN, 10),
            )
            self.accuracy = MulticlassAccuracy(10)
            self.losses: list[float] = []
            self.calls = 0

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.calls += 1
            inputs, labels = batch
            logits = self.layers(inputs)
            loss = cross_entropy(logits, labels)
            self.accuracy(logits, labels)
            self.log("accuracy", self.accuracy)
            self.log("loss", loss, on_step=True, on_epoch=True)
            self.losses.append(float(loss.detach()))
            return {"loss": loss, "logits": logits.detach()}

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.layers.parameters(), lr=0.01)

    return type("Module", (*(() if base is None else (base,)), Module), options)()


def make_trainer(**options: Any) -> Any:
    from lightning.pytorch import Trainer

    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(**quiet | {"max_epochs": 2} | options)


def make_loader(rows: int = 96, **options: Any) -> Any:
    data = TensorDataset(*(torch.from_numpy(one[:rows]) for one in digits()))
    return DataLoader(data, **{"batch_size": 16, "shuffle": True} | options)


def everything(module: Any) -> Any:
    """Return all there is, down to the bits."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    metric = module.accuracy
    return {
        "tensors": {
            key: one.float().numpy(force=True).tobytes() for key, one in tensors.items()
        },
        "objects": {key: id(one) for key, one in tensors.items()},
        "gradients": [one.grad is None for one in module.parameters()],
        "modes": [one.training for one in module.modules()],
        "metric": {name: getattr(metric, name).tolist() for name in metric._defaults},
        "updates": metric._update_count,
        "losses": list(module.losses),
        "calls": module.calls,
        "trainer": module._trainer,
        "names": sorted(vars(module)),
        "torch": torch.get_rng_state().tolist(),
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
    }


def trained(module: Any, loader: Any, **options: Any) -> Any:
    torch.manual_seed(7)
    trainer = make_trainer(**options)
    trainer.fit(module, loader)
    rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
    tensors = everything(module)["tensors"]
    return module.losses, rates, tensors, torch.rand(1).item()


def random_labels() -> Any:
    inputs, labels = digits()
    labels = np.random.default_rng(0).permutation(labels)
    return torch.from_numpy(inputs), torch.from_numpy(labels)


def test_validation_sees_that_nothing_is_learned() -> None:
    inputs, labels = random_labels()
    data = TensorDataset(inputs[:96], labels[:96])
    kept = TensorDataset(inputs[96:192], labels[96:192])
    loader = DataLoader(data, batch_size=16, shuffle=True)
    modes = set()

    def forward_pre(self: Any, args: Any) -> None:
        modes.add((self.training, torch.is_grad_enabled()))

    module, trainer = make_module(), make_trainer()
    module.layers.register_forward_pre_hook(forward_pre)
    before = everything(module)
    blind = find_lr(trainer, module, loader)
    assert modes == {(True, True)}
    seeing = find_lr(trainer, module, loader, validation=DataLoader(kept, 48))
    assert modes == {(True, True), (False, False)}
    assert everything(module) == before
    assert blind.suggestion is not None
    assert seeing.suggestion is None or 3 * seeing.suggestion < blind.suggestion


def test_finds_what_torch_finds() -> None:
    loader = make_loader(1440, batch_size=BATCH)
    found = find_lr(make_trainer(), make_module(noisy=False), loader)
    assert found.status == "ok"
    assert decades(found.suggestion) < 0.5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5},
        {"precision": "bf16-mixed"},
        {"precision": "bf16-true"},
        {"max_steps": 4, "logger": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("before", [False, True])
def test_training_goes_on_as_without_it(
    options: dict[str, Any], before: bool, tmp_path: Path
) -> None:
    options = options | {"default_root_dir": str(tmp_path)}

    def run(*, found: bool) -> Any:
        module, loader = make_module(), make_loader()
        first = trained(module, loader, **options) if before else None
        if found:
            torch.manual_seed(11)
            trainer = make_trainer(**options)
            state = everything(module)
            trainers = sorted(vars(trainer))
            files = sorted(tmp_path.rglob("*"))
            assert find_lr(trainer, module, loader, fast=True).steps > 5
            assert everything(module) == state
            assert sorted(vars(trainer)) == trainers
            assert trainer.global_step == 0
            assert sorted(tmp_path.rglob("*")) == files
        return first, trained(module, loader, **options)

    assert run(found=True) == run(found=False)


def failed(place: int) -> None:
    if place == LATE:
        message = "out of memory"
        raise RuntimeError(message)


def interrupted(place: int) -> None:
    """Press Ctrl-C, in this very process."""
    if place == LATE:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass


@pytest.mark.parametrize("end", [failed, interrupted])
@pytest.mark.parametrize("place", ["tell", "step"])
def test_after_an_exception_and_after_ctrl_c(
    end: Callable[[int], None], place: str
) -> None:
    handler = signal.getsignal(signal.SIGINT)

    def run(*, found: bool) -> Any:
        ending = {"armed": False}

        class Ending:
            def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
                if ending["armed"]:
                    end(batch_idx)

        module, loader = make_module(base=Ending), make_loader()
        if found:
            state = everything(module)
            ending["armed"] = place == "step"

            def tell(progress: Any) -> None:
                if place == "tell":
                    end(progress.steps)

            with pytest.raises((RuntimeError, KeyboardInterrupt)):
                find_lr(make_trainer(), module, loader, tell=tell)
            ending["armed"] = False
            assert everything(module) == state
            assert signal.getsignal(signal.SIGINT) is handler
        return trained(module, loader)

    assert run(found=True) == run(found=False)


def test_ctrl_c_before_the_search_is_no_end_of_the_process() -> None:
    def setup(self: Any, stage: str) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    module = make_module(setup=setup)
    state = everything(module)
    with pytest.raises(KeyboardInterrupt):
        find_lr(make_trainer(), module, make_loader())
    assert everything(module) == state
    assert signal.getsignal(signal.SIGINT) is handler


def test_updates_are_counted_not_batches_and_losses_are_their_means() -> None:
    modules: list[Any] = []

    def on_train_start(self: Any) -> None:
        modules.append(self)

    module = make_module(noisy=False, on_train_start=on_train_start)
    trainer = make_trainer(accumulate_grad_batches=3)
    losses: list[float] = []
    found = find_lr(
        trainer,
        module,
        make_loader(),  # six batches: an epoch has two updates
        fast=True,
        tell=lambda one: losses.append(one.loss),
    )
    assert modules[0] is not module
    assert modules[0].calls == 3 * found.steps
    three = np.reshape(modules[0].losses, (-1, 3)).mean(1)
    np.testing.assert_allclose(losses, three, rtol=1e-5)


def test_the_search_sees_the_trainers_length_and_no_callbacks(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import Callback, ModelCheckpoint

    seen: list[Any] = []

    class Seeing(Callback):  # type: ignore[misc]  # not read by mypy
        def on_train_batch_end(self, *args: Any) -> None:
            seen.append("callback")

    def configure_callbacks(self: Any) -> Any:
        return [ModelCheckpoint(tmp_path, every_n_train_steps=1)]

    def configure_optimizers(self: Any) -> Any:
        seen.append(self.trainer.estimated_stepping_batches)
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        return [optimizer], [
            torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 0.0)
        ]

    module = make_module(
        configure_callbacks=configure_callbacks,
        configure_optimizers=configure_optimizers,
    )
    trainer = make_trainer(max_epochs=3, callbacks=[Seeing()])
    assert find_lr(trainer, module, make_loader(), fast=True).suggestion
    assert seen == [18]
    assert not list(tmp_path.iterdir())


def test_a_module_that_brings_its_schedule_along() -> None:
    from stepsize.adapters.lightning import configure

    rates: set[float] = set()
    events: list[Any] = []

    def configure_optimizers(self: Any) -> Any:
        optimizer = torch.optim.SGD(self.parameters())
        policies = [Plateau("loss", patience=1)]
        schedule = 0.5 * ss.warmup(4) >> ss.cosine()
        config = configure(self, optimizer, lr=schedule, policies=policies)
        events.append(config["scheduler"].events)
        return {"optimizer": optimizer, "lr_scheduler": config}

    def on_before_optimizer_step(self: Any, optimizer: Any) -> None:
        rates.add(optimizer.param_groups[0]["lr"])

    module = make_module(
        configure_optimizers=configure_optimizers,
        on_before_optimizer_step=on_before_optimizer_step,
    )
    found = find_lr(make_trainer(), module, make_loader(), fast=True)
    assert rates == set(found.curve.lrs)
    assert events == [()]


def test_data_of_the_module_and_of_a_datamodule() -> None:
    from lightning.pytorch import LightningDataModule

    class Data(LightningDataModule):  # type: ignore[misc]  # not read by mypy
        def __init__(self) -> None:
            super().__init__()
            self.rows = 0

        def setup(self, stage: str) -> None:
            self.rows += 96

        def train_dataloader(self) -> Any:
            return make_loader(self.rows)

    data = Data()
    before = copy.copy(vars(data))
    module = make_module()
    first = find_lr(make_trainer(), module, data, fast=True)
    assert vars(data) == before
    module = make_module(train_dataloader=lambda self: make_loader())
    assert find_lr(make_trainer(), module, fast=True).curve == first.curve
    assert (
        find_lr(make_trainer(), module, make_loader(), fast=True).curve == first.curve
    )
    assert "train_dataloader" not in vars(module)


def test_several_loaders_at_once() -> None:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        (left, labels), (right, _) = batch["a"], batch["b"]
        assert len(left) == 16
        assert len(right) == 8
        return cross_entropy(self.layers(left), labels) + 0 * self.layers(right).mean()

    module = make_module(training_step=training_step)
    loaders = {"a": make_loader(), "b": make_loader(batch_size=8)}
    assert find_lr(make_trainer(), module, loaders, fast=True).suggestion


def test_a_one_shot_iterator_gives_only_what_is_used() -> None:
    batches = iter([*make_loader(1440)] * 4)
    with pytest.warns(FinderWarning, match="used up") as caught:
        found = find_lr(make_trainer(), make_module(), batches, fast=True)
    assert __file__ in {one.filename for one in caught}
    assert len(list(batches)) == 360 - found.steps


def test_persistent_workers_stay_those_of_the_user() -> None:
    loader = make_loader(num_workers=1, persistent_workers=True)
    assert find_lr(make_trainer(), make_module(), loader, steps=60).suggestion
    assert loader._iterator is None


def test_the_second_search_is_free(tmp_path: Path) -> None:
    path = tmp_path / "found.json"

    def find(**options: Any) -> Any:
        return find_lr(
            make_trainer(**options), make_module(), make_loader(), fast=True, cache=path
        )

    first = find()
    assert find().suggestion == first.suggestion
    assert "cache" in find().reasons[0]
    with pytest.warns(FinderWarning, match="precision was 32-true, now bf16-mixed"):
        find(precision="bf16-mixed")
    with pytest.warns(FinderWarning, match="16 samples, now 32 samples") as caught:
        find(accumulate_grad_batches=2)
    assert __file__ in {one.filename for one in caught}


def test_a_module_that_cannot_be_copied() -> None:
    module = make_module()
    module.lock = __import__("threading").Lock()
    with pytest.raises(AdapterError, match="can copy"):
        find_lr(make_trainer(), module, make_loader())


def test_what_cannot_be_searched() -> None:
    module, loader = make_module(), make_loader()
    with pytest.raises(AdapterError, match=r"find_lr\.trainer must be"):
        find_lr(None, module, loader)
    with pytest.raises(AdapterError, match=r"find_lr\.module must be"):
        find_lr(make_trainer(), module.layers, loader)
    with pytest.raises(AdapterError, match="one device"):
        find_lr(make_trainer(devices=2, strategy="ddp_spawn"), module, loader)
    manual = make_module()
    manual.automatic_optimization = False
    with pytest.raises(AdapterError, match=r"automatic_optimization must be True"):
        find_lr(make_trainer(), manual, loader)

    def two(self: Any) -> Any:
        return [torch.optim.SGD(self.parameters(), lr=0.1) for _ in range(2)]

    with pytest.raises(Exception, match=r"optimizer"):
        find_lr(make_trainer(), make_module(configure_optimizers=two), loader)
    nothing = make_module(training_step=lambda self, batch, batch_idx: None)
    with (
        pytest.raises(AdapterError, match="return the loss of each batch"),
        pytest.warns(UserWarning, match="returned `None`"),
    ):
        find_lr(make_trainer(), nothing, loader)
    ended = make_module(on_train_batch_start=lambda self, batch, batch_idx: -1)
    with pytest.raises(AdapterError, match="not end the epoch"):
        find_lr(make_trainer(), ended, loader)
