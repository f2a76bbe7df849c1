"""What the finder runs is the training's own update, at the rates it chooses."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from stepsize.adapters.torch import FinderWarning
from stepsize.adapters.torch.finder import find_lr
from stepsize.adapters.torch.finder_block import finding
from stepsize.adapters.torch.finder_loop import Update
from stepsize.adapters.torch.finder_rates import Rates
from stepsize.errors import AdapterError

INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
TARGETS = INPUTS @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
BATCHES = list(zip(torch.split(INPUTS, 8), torch.split(TARGETS, 8), strict=True))


def linear() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def test_a_rate_is_found() -> None:
    model, optimizer = linear()
    found = find_lr(model, optimizer, mse_loss, BATCHES)
    assert found.suggestion is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.suggestion <= found.high
    assert 1e-4 < found.suggestion < 1
    assert 0 < found.steps <= 500
    assert find_lr(model, optimizer, mse_loss, BATCHES, fast=True).steps <= 100


def test_the_seed_decides() -> None:
    model, optimizer = linear()
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), 8, shuffle=True)

    def found(seed: int) -> Any:
        torch.rand(1)  # what was drawn before does not matter
        return find_lr(model, optimizer, mse_loss, loader, seed=seed, fast=True)

    assert found(1).to_dict() == found(1).to_dict()
    assert found(1).curve.losses != found(2).curve.losses


def test_it_works_in_the_middle_of_a_training() -> None:
    model, optimizer = linear()
    optimizer.param_groups[0]["lr"] = 0.01
    for inputs, targets in 5 * BATCHES:
        optimizer.zero_grad()
        mse_loss(model(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = find_lr(model, optimizer, mse_loss, BATCHES, fast=True)
    assert found.curve is not None
    fresh, _ = linear()
    assert found.curve.losses[0] < 0.1 * mse_loss(fresh(INPUTS), TARGETS).item()
    assert len(optimizer.state) == 2


def test_losses_that_tell_nothing_have_a_status() -> None:
    def status(loss_fn: Any) -> Any:
        model, optimizer = linear()
        found = find_lr(model, optimizer, loss_fn, BATCHES)
        assert found.suggestion is None or found.status == "ok"
        assert found.reasons or found.status == "ok"
        return found.status

    assert status(lambda out, _: 0 * out.sum() + 2.0) == "no_descent"
    assert status(lambda out, _: out.sum() * float("nan")) == "nonfinite_at_start"
    assert status(lambda out, y: mse_loss(out, y) - 1e4) == "ok"  # a negative loss


def test_the_critical_rate_is_below_the_blow_up() -> None:
    model, optimizer = linear()
    update = Update(
        model=model, optimizer=optimizer, loss_fn=mse_loss, batches=iter(BATCHES)
    )
    with finding(model, optimizer, batches=BATCHES) as finder:
        step = replace(update, batches=finder.batches)
        critical = finder.critical_rate(step)
        blowup = finder.run(step).blowup
    assert critical is not None
    assert blowup is not None
    assert 1e-3 < critical < 10 * blowup
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_an_optimizer_with_a_closure() -> None:
    model, _ = linear()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)
    with finding(model, optimizer, batches=BATCHES) as finder:

        def step() -> float:
            inputs, targets = next(finder.batches)

            def closure() -> float:
                optimizer.zero_grad()
                loss = mse_loss(model(inputs), targets)
                loss.backward()  # type: ignore[no-untyped-call]
                return loss.item()

            return float(optimizer.step(closure))  # type: ignore[no-untyped-call]

        found = finder.run(step, fast=True)
    assert found.steps > 20
    assert not optimizer.state


# --- the update -------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 2, 4])
@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("scaled", [False, True])
def test_an_update_is_that_of_a_loop_by_hand(
    accumulate: int, clip: float | None, scaled: bool
) -> None:
    model, optimizer = linear()
    other = copy.deepcopy(model)
    whole = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0) if scaled else None
    update = Update(
        model=model,
        optimizer=optimizer,
        loss_fn=mse_loss,
        batches=iter(BATCHES),
        accumulate=accumulate,
        clip=clip,
        scaler=scaler,
    )
    rows = 8 * accumulate
    whole_batches = torch.split(INPUTS, rows), torch.split(TARGETS, rows)
    for inputs, targets in zip(*whole_batches, strict=True):
        whole.zero_grad()
        loss = mse_loss(other(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            nn.utils.clip_grad_norm_(other.parameters(), clip)
        whole.step()
        assert float(update()) == pytest.approx(float(loss.detach()), rel=1e-5)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_autocast_is_used() -> None:
    model, optimizer = linear()
    seen = set()

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.add(outputs.dtype)
        return mse_loss(outputs.float(), targets)

    find_lr(model, optimizer, loss_fn, BATCHES, fast=True, autocast=torch.bfloat16)
    assert seen == {torch.bfloat16}


def test_batches_that_are_mappings() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 1)

        def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            outputs = self.inner(inputs)
            return {"loss": mse_loss(outputs, labels), "outputs": outputs}

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [{"inputs": one, "labels": two} for one, two in BATCHES]

    def own(outputs: Any, batch: Any) -> Tensor:
        assert set(batch) == {"inputs", "labels"}
        loss: Tensor = outputs["loss"]
        return loss

    found = find_lr(model, optimizer, own, batches, fast=True)
    assert found.suggestion is not None


def test_batches_are_moved_to_the_model() -> None:
    class Moving:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor

        def to(self, device: torch.device) -> Tensor:
            moved.append(device.type)
            return self.tensor

    moved: list[str] = []
    model, optimizer = linear()
    batches = [(Moving(one), [two]) for one, two in BATCHES]

    def first(outputs: Tensor, targets: list[Tensor]) -> Tensor:
        return mse_loss(outputs, targets[0])

    find_lr(model, optimizer, first, batches, fast=True)
    assert set(moved) == {"cpu"}


# --- rates ------------------------------------------------------------------------


def test_groups_keep_their_ratios() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(
        [
            {"params": model[0].parameters(), "lr": 1e-4},
            {"params": model[1].parameters(), "lr": torch.tensor(1e-3)},
        ],
        foreach=False,
    )
    kept = optimizer.param_groups[1]["lr"]
    rates = set()
    with finding(model, optimizer, batches=BATCHES) as finder:

        def step() -> Tensor:
            first, second = (float(group["lr"]) for group in optimizer.param_groups)
            rates.add(second)
            assert first == pytest.approx(0.1 * second)
            inputs, targets = next(finder.batches)
            optimizer.zero_grad()
            loss = mse_loss(model(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss

        found = finder.run(step, fast=True)
    assert len(rates) > 20
    assert any("keep their ratio" in one for one in found.reasons)
    assert optimizer.param_groups[0]["lr"] == 1e-4
    assert optimizer.param_groups[1]["lr"] is kept
    assert float(kept) == pytest.approx(1e-3)


def groups(*rates: float, **more: Any) -> Any:
    parameters = [nn.Parameter(torch.ones(1)) for _ in rates]
    made = torch.optim.SGD(
        [
            {"params": [one], "lr": rate, **more}
            for one, rate in zip(parameters, rates, strict=True)
        ],
        lr=1.0,
    )
    return made


@given(st.lists(st.floats(1e-8, 10), min_size=1, max_size=4), st.floats(1e-9, 100))
def test_the_largest_rate_is_the_one_that_is_set(rates: list[float], lr: float) -> None:
    optimizer = groups(*rates)
    Rates(optimizer).set(lr)
    now = [group["lr"] for group in optimizer.param_groups]
    assert max(now) == lr
    assert now == pytest.approx([lr * rate / max(rates) for rate in rates])


def test_ratios_at_the_start_of_a_warmup() -> None:
    assert Rates(groups(0.0, 0.0)).ratios == [1.0, 1.0]
    assert Rates(groups(0.0, 0.2)).ratios == [0.0, 1.0]
    optimizer = groups(0.0, 0.0)
    for group, rate in zip(optimizer.param_groups, (1.0, 4.0), strict=True):
        group["initial_lr"] = rate
    assert Rates(optimizer).ratios == [0.25, 1.0]


# --- what is refused --------------------------------------------------------------


def test_a_one_shot_iterator_is_used_up_and_says_so() -> None:
    model, optimizer = linear()
    with pytest.warns(FinderWarning, match="used up") as caught:
        found = find_lr(model, optimizer, mse_loss, iter(BATCHES), fast=True)
    assert caught[0].filename == __file__
    assert any("one-shot iterator: 8 of them" in one for one in found.reasons)
    with (
        pytest.warns(FinderWarning, match="used up") as caught,
        finding(model, optimizer, batches=iter(BATCHES)),
    ):
        pass
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": []}, r"find_lr\.batches must give at least one batch"),
        ({"batches": 3}, r"find_lr\.batches must be an iterable"),
        ({"batches": [INPUTS]}, r"find_lr\.batches must give pairs.*got 'Tensor'"),
        ({"batches": [(INPUTS,)]}, r"got 'tuple of 1'.*finding"),
        (
            {"batches": [(INPUTS.numpy(), TARGETS.numpy())]},
            r"find_lr\.batches must hold tensors.*NumPy arrays.*from_numpy",
        ),
        ({"accumulate": 0}, r"find_lr\.accumulate must be an int >= 1 \(unit: batches"),
        ({"clip": True}, r"find_lr\.clip must be > 0"),
        ({"autocast": "bf16"}, r"find_lr\.autocast must be torch\.bfloat16"),
        ({"autocast": torch.int64}, r"find_lr\.autocast must be torch\.bfloat16"),
        ({"device": "nowhere"}, r"find_lr\.device must be a device.*got 'nowhere'"),
        ({"device": 3.5}, r"find_lr\.device must be a device that is there"),
        ({"scaler": 3}, r"find_lr\.scaler must be the GradScaler"),
        ({"seed": 1.5}, r"find_lr\.seed must be an int; got 1\.5"),
        ({"ranks": "x"}, r"find_lr\.ranks must be \"auto\", None or Ranks"),
        ({"validation": 3}, r"find_lr\.validation must be an iterable of batches"),
        (
            {"optimizer": torch.optim.SGD},
            r"find_lr\.optimizer must be an optimizer.*not its class",
        ),
        ({"optimizer": None}, r"find_lr\.optimizer must be an optimizer"),
        (
            {"optimizer": groups(0.1)},
            r"find_lr\.optimizer must hold a parameter of the model",
        ),
        (
            {"model": nn.Linear(4, 1).requires_grad_(False)},
            r"find_lr\.model must have a parameter that requires a gradient",
        ),
        ({"clip": 0.0}, r"find_lr\.clip must be > 0"),
        ({"clip": "1"}, r"find_lr\.clip must be > 0"),
        ({"model": None}, r"find_lr\.model must be a torch\.nn\.Module; got None"),
        (
            {"optimizer": torch.optim.LBFGS([torch.nn.Parameter(torch.ones(1))])},
            r"find_lr\.optimizer must make an update without a closure.*finding",
        ),
        ({"loss_fn": None}, r"find_lr\.loss_fn must be callable"),
        ({"loss_fn": lambda *_: None}, r"find_lr\.loss_fn must return the mean"),
        ({"loss_fn": lambda out, _: out}, "mean over the batch"),
        ({"optimizer": 3}, "must be an optimizer with param_groups"),
        ({"optimizer": groups(float("inf"))}, r"param_groups\[0\]\.lr must be a rate"),
    ],
)
def test_errors_name_the_argument(options: dict[str, Any], message: str) -> None:
    model, optimizer = linear()
    given: dict[str, Any] = {
        "model": model,
        "optimizer": optimizer,
        "loss_fn": mse_loss,
        "batches": BATCHES,
    }
    with pytest.raises(AdapterError, match=message):
        find_lr(**(given | options))
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_step_without_a_loss() -> None:
    model, optimizer = linear()
    with (
        pytest.raises(AdapterError, match="step must return the loss: a number"),
        finding(model, optimizer) as finder,
    ):
        finder.run(lambda: None)


def test_a_step_that_has_data_of_its_own() -> None:
    model, optimizer = linear()
    with finding(model, optimizer, seed=3) as finder:

        def step() -> float:
            inputs = torch.randn(8, 4)  # from the stream's random numbers
            targets = torch.randint(2, (8,))
            optimizer.zero_grad()
            scores = torch.cat([model(inputs), -model(inputs)], 1)
            loss = cross_entropy(scores, targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss.item()

        found = finder.run(step, fast=True)
        assert found.to_dict() == finder.run(step, fast=True).to_dict()
        with pytest.raises(AdapterError, match=r"finding\.batches must give at least"):
            next(finder.batches)
