"""Looks that train nothing: validation losses in a search, and a recipe's check."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import stepsize as ss
from stepsize.adapters.torch import find_lr, finding, validate
from stepsize.errors import AdapterError, InvalidScheduleError

RECIPE = ss.Recipe(lr=0.1 * ss.cosine(), horizon=ss.Horizon(steps=1000))
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(96, 20, generator=GENERATOR)
NOISE = torch.randn(96, 1, generator=GENERATOR)  # nothing that can be learned
HORIZON = ss.Horizon(steps=1000)


def network(
    targets: Tensor = NOISE,
) -> tuple[nn.Sequential, Any, DataLoader[Any]]:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(64, 1),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters())
    data = TensorDataset(INPUTS[:64], targets[:64])
    return model, optimizer, DataLoader(data, 16, shuffle=True)


def everything(model: nn.Module, optimizer: Any) -> Any:
    state = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    return *state, torch.get_rng_state(), [m.training for m in model.modules()]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def test_validation_sees_that_nothing_is_learned() -> None:
    model, optimizer, loader = network()
    model[1].eval()  # stays so
    before = everything(model, optimizer)
    blind = find_lr(model, optimizer, mse_loss, loader)
    assert blind.status == "ok"
    kept = [(INPUTS[64:80], NOISE[64:80]), (INPUTS[80:], NOISE[80:])]
    modes = []

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        modes.append((model.training, outputs.requires_grad, model[1].training))
        return mse_loss(outputs, targets)

    seeing = find_lr(model, optimizer, loss_fn, loader, validation=kept)
    assert set(modes) == {(True, True, False), (False, False, False)}
    assert blind.suggestion is not None
    assert seeing.suggestion is None or 3 * seeing.suggestion < blind.suggestion
    assert same(everything(model, optimizer), before)


def test_validation_must_be_there_for_every_probe() -> None:
    model, optimizer, loader = network()
    with pytest.raises(AdapterError, match=r"find_lr\.validation .* begun anew"):
        find_lr(model, optimizer, mse_loss, loader, validation=iter(loader))


class Stream(IterableDataset[Any]):
    """Pairs without a length."""

    def __iter__(self) -> Iterator[Any]:
        return iter([(INPUTS[64:80], NOISE[64:80]), (INPUTS[80:], NOISE[80:])])


def test_validation_may_be_a_loader_without_a_length() -> None:
    model, optimizer, loader = network()
    before = everything(model, optimizer)
    kept = DataLoader(Stream(), batch_size=None)
    streamed = find_lr(model, optimizer, mse_loss, loader, validation=kept)
    assert same(everything(model, optimizer), before)
    listed = find_lr(model, optimizer, mse_loss, loader, validation=list(Stream()))
    assert streamed.to_dict() == listed.to_dict()


def test_a_step_of_your_own_has_its_own_validation() -> None:
    model, optimizer, loader = network(INPUTS.sum(1, keepdim=True))

    def step() -> Tensor:
        inputs, targets = next(finder.batches)
        optimizer.zero_grad()
        loss = mse_loss(model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss

    looks = []

    def look() -> list[Tensor]:
        looks.append(True)
        with torch.no_grad():
            return [mse_loss(model(INPUTS[64:]), INPUTS[64:].sum(1, keepdim=True))]

    with finding(model, optimizer, batches=loader) as finder:
        found = finder.run(step, validate=look)
    assert found.suggestion is not None
    assert len(looks) == 1 + sum(probe.score is not None for probe in found.probes)
    assert found.steps <= 500


def test_a_recipe_that_holds_passes_and_leaves_no_trace() -> None:
    model, optimizer, loader = network(INPUTS.sum(1, keepdim=True))
    before = everything(model, optimizer)
    schedule = 1e-3 * ss.warmup(50) >> ss.cosine()
    recipe = ss.Recipe(lr=schedule, horizon=HORIZON)
    found = validate(recipe, model, optimizer, mse_loss, loader)
    assert found.passed
    assert found.updates == 100
    assert found.trials[0].rates[0] == schedule.resolve(1000)(0)
    assert same(everything(model, optimizer), before)


def test_a_recipe_that_breaks_is_told_the_rate_that_holds() -> None:
    torch.manual_seed(0)
    model = nn.Linear(20, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    batches = [(INPUTS, INPUTS.sum(1, keepdim=True))]
    recipe = ss.Recipe(lr=2.0 * ss.hold(), horizon=HORIZON)
    found = validate(recipe, model, optimizer, mse_loss, batches)
    assert not found.passed
    assert found.lr_factor is not None
    held = found.lr_factor * 2.0
    gram = torch.linalg.eigvalsh(2.0 * INPUTS.T @ INPUTS / len(INPUTS))
    assert held < 2.0 / float(gram[-1]) < 2.0 * found.trials[-2].lr_factor
    assert any(str(held)[:4] in text for text in found.changes)


def test_updates_as_large_as_the_weights_are_remarked() -> None:
    model = nn.Linear(1, 1, bias=False)  # to and fro: w, -0.98 w, ...
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    batches = [(torch.ones(1, 1), torch.zeros(1, 1))]
    recipe = ss.Recipe(lr=0.99 * ss.hold(), horizon=HORIZON)
    found = validate(recipe, model, optimizer, mse_loss, batches)
    assert found.passed
    assert any("1.98 of the weights' norm" in remark for remark in found.remarks)


def test_a_recipe_without_rates_is_refused_and_nothing_is_lost() -> None:
    model, optimizer, loader = network()
    before = everything(model, optimizer)
    recipe = ss.Recipe(lr_factor=ss.cosine(), horizon=HORIZON)
    with pytest.raises(InvalidScheduleError, match=r"validate\.recipe"):
        validate(recipe, model, optimizer, mse_loss, loader)
    assert same(everything(model, optimizer), before)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"batches": [INPUTS]}, r"validate\.batches must give pairs"),
        ({"batches": []}, r"validate\.batches must give at least one"),
        ({"loss_fn": lambda *_: None}, r"validate\.loss_fn must return the mean"),
        ({"optimizer": None}, r"validate\.optimizer must be an optimizer"),
        ({"ranks": "x"}, r"validate\.ranks must be"),
        ({"seed": "x"}, r"validate\.seed must be an int"),
    ],
)
def test_errors_of_a_check_name_it(change: dict[str, Any], match: str) -> None:
    model, optimizer, loader = network()
    given: dict[str, Any] = {
        "optimizer": optimizer,
        "loss_fn": mse_loss,
        "batches": loader,
    }
    with pytest.raises(AdapterError, match=match):
        validate(RECIPE, model, **(given | change))
    with pytest.raises(AdapterError, match=r"finding\.ranks must be"):
        finding(model, optimizer, ranks="x").__enter__()
