"""Transformers: a rate by the Trainer's own step; it is as before."""

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

import stepsize as ss
from stepsize.adapters.driving.finding import FinderWarning
from stepsize.control import Plateau
from stepsize.errors import AdapterError

pytestmark = pytest.mark.peers
LATE = 30  # an update in the middle of the search


def find_lr(*args: Any, **kwargs: Any) -> Any:
    from stepsize.adapters.transformers import find_lr

    return find_lr(*args, **kwargs)


class Digits(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Images whose augmentation draws from several generators."""

    def __init__(self, size: int, *, noise: float = 0.1) -> None:
        self.features, self.labels = (torch.from_numpy(one[:size]) for one in digits())
        self.noise = noise
        self.own = random.Random(1)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        drawn = torch.randn(1) + float(np.random.rand()) + self.own.random()
        features = self.features[index] + self.noise * drawn
        return {"features": features, "labels": self.labels[index]}


class Model(torch.nn.Module):
    """A perceptron with dropout, batch normalisation, and a state of its own."""

    def __init__(self, *, noisy: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        noise = [torch.nn.BatchNorm1d(HIDDEN), torch.nn.Dropout(0.2)]
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, HIDDEN),
            torch.nn.ReLU(),
            *(noise if noisy else []),
            torch.nn.Linear(HIDDEN, 10),
        )
        self.losses: list[float] = []

    def forward(self, features: Any, labels: Any) -> dict[str, Any]:
        loss = cross_entropy(self.layers(features), labels)
        self.losses.append(loss.item())
        return {"loss": loss}


def make_trainer(
    folder: Path,
    *,
    model: Any = None,
    data: Any = None,
    optimizers: Any = (None, None),
    base: Any = None,
    **arguments: Any,
) -> Any:
    from transformers import Trainer, TrainingArguments

    options: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 16,
        "num_train_epochs": 2,
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_strategy": "no",
        "learning_rate": 0.01,
        "seed": 3,
    }
    model = model or Model()
    return (base or Trainer)(
        model=model,
        args=TrainingArguments(**{**options, **arguments}),
        train_dataset=data or Digits(96),
        optimizers=optimizers,
    )


def bits(model: Any) -> Any:
    return {key: one.numpy().tobytes() for key, one in model.state_dict().items()}


def everything(trainer: Any) -> Any:
    """Return all there is, down to the bits."""
    from accelerate.state import AcceleratorState, GradientState

    model, optimizer, accelerator = (
        trainer.model,
        trainer.optimizer,
        trainer.accelerator,
    )
    return {
        "model": bits(model),
        "objects": [id(one) for one in model.parameters()],
        "gradients": [
            None if p.grad is None else p.grad.sum() for p in model.parameters()
        ],
        "modes": [one.training for one in model.modules()],
        "losses": list(model.losses),
        "names": sorted(vars(model)),
        "optimizer": None if optimizer is None else repr(optimizer.state_dict()),
        "trainer": {key: id(one) for key, one in vars(trainer).items()},
        "state": repr(trainer.state),
        "callbacks": list(trainer.callback_handler.callbacks),
        "handled": [
            getattr(trainer.callback_handler, name)
            for name in ("model", "optimizer", "lr_scheduler", "train_dataloader")
        ],
        "accelerator": [
            len(getattr(accelerator, name))
            for name in ("_models", "_optimizers", "_schedulers", "_dataloaders")
        ],
        "shared": [
            repr(one._shared_state) for one in (AcceleratorState, GradientState)
        ],
        "own": trainer.train_dataset.own.getstate(),
        "torch": torch.get_rng_state().tolist(),
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
    }


class Noise(Digits):
    """Images with the labels of others: nothing that can be learned."""

    def __init__(self, rows: slice) -> None:
        super().__init__(192, noise=0.0)
        order = torch.from_numpy(np.random.default_rng(0).permutation(192))
        self.features, self.labels = self.features[rows], self.labels[order][rows]


def test_validation_sees_that_nothing_is_learned(tmp_path: Path) -> None:
    kept = Noise(slice(96, 192))
    trainer = make_trainer(tmp_path, data=Noise(slice(96)))
    with pytest.raises(AdapterError, match=r"eval_dataset must be one dataset"):
        find_lr(trainer, validation=True)
    trainer.eval_dataset = {"kept": kept}
    modes = set()

    def forward_pre(self: Any, args: Any) -> None:
        modes.add((self.training, torch.is_grad_enabled()))

    trainer.model.layers.register_forward_pre_hook(forward_pre)
    blind = find_lr(trainer)
    assert modes == {(True, True)}
    before = everything(trainer)
    seeing = find_lr(trainer, validation="kept")
    assert modes == {(True, True), (False, False)}
    assert everything(trainer) == before
    assert blind.suggestion is not None
    assert seeing.suggestion is None or 3 * seeing.suggestion < blind.suggestion
    given = find_lr(trainer, validation=kept)
    assert given.to_dict() == seeing.to_dict()
    with pytest.raises(AdapterError, match=r"find_lr\.validation must be a dataset"):
        find_lr(trainer, validation="other")


def test_finds_what_torch_finds(tmp_path: Path) -> None:
    trainer = make_trainer(
        tmp_path,
        model=Model(noisy=False),
        data=Digits(1440, noise=0.0),
        per_device_train_batch_size=BATCH,
        max_grad_norm=0.0,
    )
    found = find_lr(trainer)
    assert found.status == "ok"
    assert decades(found.suggestion) < 0.5


def sgd(model: Any) -> Any:
    return torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), None


@pytest.mark.parametrize(
    "options",
    [{}, {"gradient_accumulation_steps": 2}, {"bf16": True}, {"given": True}],
    ids=str,
)
@pytest.mark.parametrize("before", [False, True])
def test_training_goes_on_as_without_it(
    options: dict[str, Any], before: bool, tmp_path: Path
) -> None:
    given = options.get("given", False)
    arguments = {key: one for key, one in options.items() if key != "given"}

    def run(*, found: bool) -> Any:
        model = Model()
        optimizers = sgd(model) if given else (None, None)
        trainer = make_trainer(
            tmp_path, model=model, optimizers=optimizers, **arguments
        )
        if before:
            trainer.train()
        if found:
            state = everything(trainer)
            assert find_lr(trainer, fast=True).steps > 5
            assert everything(trainer) == state
        trainer.train()
        rates = [group["lr"] for group in trainer.optimizer.param_groups]
        return model.losses, bits(model), rates, torch.rand(1).item()

    assert run(found=True) == run(found=False)
    assert not list(tmp_path.iterdir())


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
def test_after_an_exception_and_after_ctrl_c(
    end: Callable[[int], None], tmp_path: Path
) -> None:
    def run(*, found: bool) -> Any:
        trainer = make_trainer(tmp_path)
        if found:
            state = everything(trainer)
            with pytest.raises((RuntimeError, KeyboardInterrupt)):
                find_lr(trainer, tell=lambda one: end(one.steps))
            assert everything(trainer) == state
        trainer.train()
        return trainer.model.losses, bits(trainer.model)

    assert run(found=True) == run(found=False)


def test_losses_are_those_of_updates_and_clipping_is_the_trainers(
    tmp_path: Path,
) -> None:
    from transformers import Trainer

    norms: list[float] = []
    micro: list[float] = []

    class Own(Trainer):  # type: ignore[misc]  # not read by mypy
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.metrics: dict[str, list[float]] = {"train": []}

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().compute_loss(*args, **kwargs)
            self.metrics["train"].append(float(loss.detach()))
            micro.append(float(loss.detach()))
            return 10 * loss

        def _clip_grad_norm(self, model: Any) -> Any:
            super()._clip_grad_norm(model)
            both = [one.grad.norm() for one in model.parameters()]
            norms.append(float(torch.stack(both).norm()))

    trainer = make_trainer(
        tmp_path, base=Own, gradient_accumulation_steps=3, max_grad_norm=0.25
    )
    losses: list[float] = []
    find_lr(trainer, fast=True, tell=lambda one: losses.append(one.loss))
    three = 10 * np.reshape(micro, (-1, 3)).mean(1)
    np.testing.assert_allclose(losses, three, rtol=1e-5)
    assert max(norms) <= 0.25 * (1 + 1e-5)
    assert trainer.metrics == {"train": []}


def test_beside_a_callback_that_steers(tmp_path: Path) -> None:
    from stepsize.adapters.transformers import SchedulerCallback

    def run(*, found: bool) -> Any:
        trainer = make_trainer(tmp_path)
        schedule = 0.01 * ss.warmup(3) >> ss.cosine()
        callback = SchedulerCallback(
            lr=schedule, policies=[Plateau("loss", patience=4)]
        )
        callback.attach(trainer)
        if found:
            find_lr(trainer, fast=True)
            assert callback.scheduler is None
        trainer.train()
        assert callback.scheduler is not None
        return trainer.model.losses, bits(trainer.model), callback.scheduler.events

    assert run(found=True) == run(found=False)


def test_the_same_seed_the_same_result(tmp_path: Path) -> None:
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(random.randrange(2**31))
        trainer = make_trainer(tmp_path)
        found.append(find_lr(trainer, seed=seed, steps=80).to_dict())
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_the_second_search_is_free(tmp_path: Path) -> None:
    path = tmp_path / "found.json"

    def find(**arguments: Any) -> Any:
        trainer = make_trainer(tmp_path, **arguments)
        return find_lr(trainer, fast=True, cache=path)

    first = find()
    assert find(learning_rate=0.5).suggestion == first.suggestion
    assert "cache" in find().reasons[0]
    with pytest.warns(FinderWarning, match="float32, no, now float32, bf16"):
        find(bf16=True)
    with pytest.warns(FinderWarning, match="16 samples, now 32 samples") as caught:
        find(gradient_accumulation_steps=2)
    assert caught[0].filename == __file__
    assert "cache" not in find(optim="adafactor").reasons[0]


def test_what_cannot_be_searched(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"find_lr\.trainer must be"):
        find_lr(Model())
    trainer = make_trainer(tmp_path)
    trainer.train_dataset = None
    with pytest.raises(AdapterError, match=r"Trainer\.train_dataset must be given"):
        find_lr(trainer)
    trainer = make_trainer(tmp_path)
    trainer.is_fsdp_enabled = True
    with pytest.raises(AdapterError, match="one device"):
        find_lr(trainer)
    trainer.is_fsdp_enabled = False
    trainer.model.lock = __import__("threading").Lock()
    with pytest.raises(AdapterError, match="can copy"):
        find_lr(trainer)
