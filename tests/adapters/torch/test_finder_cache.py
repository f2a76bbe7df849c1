"""Run once per architecture: what makes a training another one, and what it says."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, smooth_l1_loss

from stepsize.adapters.torch import FinderWarning
from stepsize.adapters.torch.finder import find_lr
from stepsize.adapters.torch.finder_key import key_of, samples_of
from stepsize.errors import AdapterError
from stepsize.finder.cache import Cache

INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
BATCHES = [(one, one.sum(1, keepdim=True)) for one in torch.split(INPUTS, 8)]


def model(*, hidden: int = 4, drop: float = 0.1) -> nn.Module:
    return nn.Sequential(nn.Linear(4, hidden), nn.Dropout(drop), nn.Linear(hidden, 1))


def adam(of: nn.Module, **settings: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(of.parameters(), **({"lr": 1e-3} | settings))


class Counted:
    """A loss that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.calls += 1
        return mse_loss(outputs, targets)


def test_the_second_search_is_free(tmp_path: Path) -> None:
    loss_fn = Counted()

    def find(seed: int, path: Any = tmp_path / "found.json") -> Any:
        torch.manual_seed(seed)
        made = model()
        optimizer = adam(made, lr=10.0 ** -(seed + 1))
        return find_lr(
            made, optimizer, loss_fn, BATCHES, seed=seed, fast=True, cache=path
        )

    first = find(0)
    calls = loss_fn.calls
    assert calls == first.steps
    second = find(1)
    assert loss_fn.calls == calls
    assert second.suggestion == first.suggestion
    assert second.curve == first.curve
    assert second.reasons[0].startswith("Found today and kept in the cache")
    assert second.reasons[1:] == first.reasons
    assert find(2, Cache(tmp_path / "found.json")).suggestion == first.suggestion
    assert loss_fn.calls == calls
    assert find(1, None).curve != first.curve
    assert loss_fn.calls > calls


def test_another_batch_is_a_warning(tmp_path: Path) -> None:
    def find(batches: Any, **options: Any) -> Any:
        made = model()
        return find_lr(
            made,
            adam(made),
            mse_loss,
            batches,
            fast=True,
            cache=tmp_path / "found.json",
            **options,
        )

    first = find(BATCHES)
    with pytest.warns(FinderWarning, match="stale: batch was 8 samples, now 24") as out:
        second = find(BATCHES, accumulate=3)
    assert out[0].filename == __file__
    assert second.suggestion == first.suggestion
    assert "batch was 8 samples, now 24 samples." in second.reasons[0]
    with pytest.warns(FinderWarning, match="stale: batch was 8 samples, now 64"):
        find([(INPUTS, INPUTS.sum(1, keepdim=True))])
    with pytest.warns(FinderWarning, match="autocast bfloat16; horizon was unknown"):
        find(BATCHES, autocast=torch.bfloat16, horizon=1000)
    third = find(BATCHES, pretrained=True)  # another question: measured
    assert "cache" not in " ".join(third.reasons)


def test_what_the_cache_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = model()
    find: Any = functools.partial(
        find_lr, made, adam(made), mse_loss, BATCHES, fast=True
    )
    find(cache=True)
    assert Cache().path.is_file()
    with pytest.raises(AdapterError, match=r"find_lr\.cache must be a Cache"):
        find(cache=3)


# --- the key ----------------------------------------------------------------------


def key(
    made: nn.Module | None = None,
    make: Callable[..., torch.optim.Optimizer] = adam,
    loss_fn: Any = mse_loss,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    made = model() if made is None else made
    optimizer = make(made, **(settings or {}))
    return key_of(made, optimizer, loss_fn, **({"samples": 8} | options))


def test_the_same_training_has_the_same_key() -> None:
    torch.manual_seed(1)
    assert key() == key()
    assert key(settings={"lr": 5.0}) == key()
    assert key(settings={"foreach": True}) == key()
    compiled = torch.compile(model())
    assert key(compiled) == key()  # type: ignore[arg-type]  # a module
    assert key(nn.DataParallel(model())) == key()


def sgd(of: nn.Module, **settings: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(of.parameters(), **({"lr": 1e-3} | settings))


def groups(of: Any) -> torch.optim.Optimizer:
    first, last = {"params": of[0].parameters()}, {"params": of[2].parameters()}
    return torch.optim.Adam([first, last | {"lr": 0.1}], lr=1e-3)


def trained(of: nn.Module) -> torch.optim.Optimizer:
    optimizer = adam(of)
    of(INPUTS).sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("architecture", key(model(hidden=5))),
        ("architecture", key(model(drop=0.2))),
        ("optimizer", key(make=sgd)),
        ("settings", key(settings={"betas": (0.8, 0.99)})),
        ("settings", key(settings={"weight_decay": 0.1})),
        ("settings", key(make=groups)),
        ("batch", key(samples=16)),
        ("batch", key(samples=None)),
        ("precision", key(autocast=torch.bfloat16)),
        ("pretrained", key(pretrained=True)),
        ("pretrained", key(make=trained)),
        ("loss", key(loss_fn=smooth_l1_loss)),
        ("loss", key(loss_fn=functools.partial(mse_loss, reduction="sum"))),
        ("horizon", key(horizon=100)),
        ("search", key(search="fast")),
    ],
)
def test_what_makes_another_key(part: str, other: Any) -> None:
    differences = key().differences(other)
    if part == "optimizer":
        assert set(differences) == {"optimizer", "settings"}
    else:
        assert differences == (part,)


def test_types_are_part_of_the_key() -> None:
    assert key().differences(key(model().double())) == ("architecture", "precision")


def test_losses_are_told_apart() -> None:
    losses = [
        cross_entropy,
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        lambda a, b: mse_loss(a, b) * 2,
        lambda a, b: mse_loss(a, b) + 1,
        lambda a, b: mse_loss(a, b) + 2,
        lambda a, b: [smooth_l1_loss(one, two) for one, two in zip(a, b, strict=True)],
        Counted(),
        Counted().__call__,
    ]
    names = [key(loss_fn=one).loss for one in losses]
    assert len(set(names)) == len(names)
    assert names == [key(loss_fn=one).loss for one in losses]
    assert key(loss_fn=Counted()).loss == key(loss_fn=Counted()).loss


@pytest.mark.parametrize(
    ("batch", "samples"),
    [
        (INPUTS, 64),
        ((INPUTS, 3), 64),
        ({"labels": [INPUTS[:5]]}, 5),
        (INPUTS.numpy(), 64),
        ((3, INPUTS), 64),
        (torch.tensor(1.0), 1),
        (3, None),
        ([], None),
    ],
)
def test_samples_of_a_batch(batch: Any, samples: int | None) -> None:
    assert samples_of(batch) == samples
