"""`validate` on problems whose largest stable rate is known."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stepsize as ss
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.scaling import validate

CURVATURE = np.array([1.0, 0.1, 0.01])


class Quadratic:
    """Curvatures 1, 0.1 and 0.01 with noisy gradients: SGD holds below a rate of 2."""

    def __init__(self, noise: float = 0.01) -> None:
        self.noise = noise
        self.rates: list[float] = []
        self.streams: list[int] = []
        self.again(0)

    def again(self, stream: int) -> None:
        self.streams.append(stream)
        self.rng = np.random.default_rng(stream)
        self.weights = np.ones(3)

    def train(self, lr: float) -> float:
        self.rates.append(lr)
        loss = float(CURVATURE @ self.weights**2 / 2) + self.rng.normal() * self.noise
        drawn = self.rng.normal(size=3) * self.noise
        self.weights = self.weights - lr * (CURVATURE * self.weights + drawn)
        return loss


def _recipe(peak: float, schedule: ss.Schedule | None = None, **more: Any) -> Recipe:
    shape = ss.warmup("5%") >> ss.cosine() if schedule is None else schedule
    run = {"horizon": ss.Horizon(steps=400, samples_per_step=64), **more}
    return Recipe(lr=peak * shape, **run)


@pytest.mark.parametrize("peak", [0.01, 0.1, 1.0, 1.8])
def test_a_rate_that_holds_passes(peak: float) -> None:
    problem = Quadratic()
    found = validate(_recipe(peak), problem.train)
    assert (found.passed, found.changes, found.lr_factor) == (True, (), 1.0)
    assert found.updates == len(problem.rates) == 100
    schedule = _recipe(peak).lr
    assert schedule is not None
    rates = schedule.resolve(total_steps=400)
    assert problem.rates == [rates(step) for step in range(100)]
    assert str(found).startswith("pass (100 updates)")


@pytest.mark.parametrize(("peak", "factor"), [(2.5, 0.5), (5.0, 0.25), (20.0, 1 / 16)])
def test_a_rate_that_does_not_hold_is_halved_until_it_does(
    peak: float, factor: float
) -> None:
    problem = Quadratic()
    found = validate(_recipe(peak), problem.train, problem.again)
    assert (found.passed, found.lr_factor) == (False, factor)
    assert f"multiply the rate by {factor:.4g} " in found.changes[0]
    assert "rose" in found.changes[1]
    assert problem.weights.tolist() == [1, 1, 1]  # put back
    assert all(not trial.fault for trial in found.trials[-1:])
    assert all(trial.fault for trial in found.trials[:-1])


def test_without_a_way_back_it_says_what_to_try() -> None:
    bare = validate(_recipe(2.5, ss.cosine()), Quadratic().train)
    assert not bare.passed
    assert bare.lr_factor is None
    assert bare.changes[0].startswith("begin with a warmup")
    warm = validate(_recipe(2.5), Quadratic().train)
    assert warm.changes[0].startswith("halve the rate")


def test_a_loss_that_is_not_finite_ends_the_trial() -> None:
    losses = iter([1.0, 1.0, math.nan, 1.0])
    found = validate(_recipe(0.1), lambda _lr: next(losses))
    assert found.updates == 3
    assert "the loss of update 2 is not finite" in found.changes[1]
    assert json.loads(json.dumps(found.to_dict()))["trials"][0]["losses"][2] is None


def test_what_fails_at_every_rate_is_not_blamed_on_the_rate() -> None:
    losses: list[float] = []

    def train(_lr: float) -> float:
        losses.append(1.0 if not losses else math.inf)
        return losses[-1]

    found = validate(_recipe(0.1), train, lambda _stream: losses.clear())
    assert len(found.trials) == 5
    assert found.lr_factor is None
    assert found.changes[0].startswith("not the rate alone")


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_no_fault(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = validate(_recipe(0.1), lambda _lr: 2.0 + float(rng.normal()))
    assert found.passed


def test_a_rise_on_the_way_is_a_fault() -> None:
    rise = [1.0] * 20 + [9.0] * 10 + [0.5] * 70
    losses = iter([one + 0.01 * (-1) ** i for i, one in enumerate(rise)])
    found = validate(_recipe(0.1), lambda _lr: next(losses))
    assert "rose from 1.01 to 9.01 at update 20, and fell again" in found.changes[1]
    single = iter([9.0 if i == 30 else 1 - i / 200 for i in range(100)])
    assert validate(_recipe(0.1), lambda _lr: next(single)).passed


def test_a_late_peak_is_reached_all_the_same() -> None:
    problem = Quadratic()
    slow = _recipe(2.5, ss.warmup(2000) >> ss.hold(), horizon=ss.Horizon(steps=9000))
    found = validate(slow, problem.train)
    assert not found.passed
    assert max(problem.rates) == 2.5
    assert "compressed into 50 updates" in found.remarks[0]
    open_end = _recipe(0.1, ss.warmup(2000) >> ss.hold(), horizon=None)
    problem = Quadratic()
    assert validate(open_end, problem.train).passed
    assert max(problem.rates) == 0.1


def test_a_short_run_is_made_whole() -> None:
    problem = Quadratic()
    short_run = _recipe(0.1, horizon=ss.Horizon(steps=30))
    assert validate(short_run, problem.train).updates == 30


def test_update_ratio_and_noise_are_remarked() -> None:
    def train(_lr: float) -> dict[str, float]:
        return {"loss": 1.0, "update_ratio": 0.5, "noise_scale": 32.0}

    found = validate(_recipe(0.1), train)
    assert found.passed
    assert "0.5 of the weights' norm" in found.remarks[0]
    assert "the batch of 64 is beyond the noise scale of 32" in found.remarks[1]
    assert all(len(line) <= 80 for line in str(found).splitlines())
    calm = {"loss": 1.0, "update_ratio": 1e-3, "noise_scale": 1e4}
    (remark,) = validate(_recipe(0.1), lambda _lr: calm).remarks
    assert "within the noise scale" in remark


def test_factors_take_their_base() -> None:
    problem = Quadratic()
    factor = Recipe(lr_factor=ss.linear(), base_lr=0.5, horizon=ss.Horizon(steps=1000))
    assert validate(factor, problem.train).passed
    assert problem.rates[0] == 0.5


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: validate("r.yaml", float), "validate.recipe must be a Recipe"),  # type: ignore[arg-type]  # the point
        (
            lambda: validate(_recipe(0.1), float, updates=5),
            r"updates must be an int >= 20",
        ),
        (lambda: validate(_recipe(0.1), lambda _lr: {"l": 1.0}), "return a loss"),
        (lambda: validate(Recipe(lr_factor=ss.linear()), float), "rates are not known"),
    ],
)
def test_errors(call: Callable[[], object], text: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=text):
        call()


@pytest.mark.parametrize("steps", range(1, 7))
def test_a_run_of_a_few_updates_is_made_whole(steps: int) -> None:
    recipe = Recipe(lr=1.0 * ss.cosine(), horizon=ss.Horizon(steps=steps))
    found = validate(recipe, lambda lr: 1.0)
    assert (found.passed, found.updates) == (True, steps)
    assert f"the run has {steps} updates" in found.remarks[0]


def test_a_loss_that_is_not_finite_at_once_is_no_matter_of_the_rate() -> None:
    recipe = Recipe(lr=1.0 * ss.cosine(), horizon=ss.Horizon(steps=100))
    found = validate(recipe, lambda lr: math.nan, lambda stream: None)
    assert (found.passed, found.lr_factor, found.updates) == (False, None, 1)
    assert found.changes[0].startswith("not the rate: no update was made")


def test_what_is_not_known_is_not_remarked() -> None:
    run = ss.Horizon(steps=100, samples_per_step=32)
    recipe = Recipe(lr=1.0 * ss.cosine(), horizon=run)
    for value in (None, math.nan, math.inf, 0.0):
        measured = {"loss": 1.0, "noise_scale": value, "update_ratio": value}
        found = validate(recipe, lambda lr, measured=measured: measured)  # type: ignore[misc]
        assert (found.passed, found.remarks) == (True, ())


@pytest.mark.parametrize(
    ("train", "again", "match"),
    [
        (3, None, r"validate\.train must be callable; got 3"),
        (lambda lr: 1.0, 3, r"validate\.again must be callable, or None; got 3"),
        (lambda lr: None, None, r"validate\.train must return a loss"),
        (lambda lr: {"loss": None}, None, r"validate\.train must return a loss"),
        (lambda lr: "low", None, r'return numbers; "loss" is no number; got \'low\''),
        (
            lambda lr: {"loss": 1.0, "update_ratio": [1]},
            None,
            r'return numbers; "update_ratio" is no number',
        ),
    ],
)
def test_what_train_and_again_are(train: Any, again: Any, match: str) -> None:
    recipe = Recipe(lr=1.0 * ss.cosine(), horizon=ss.Horizon(steps=100))
    with pytest.raises(ss.InvalidScheduleError, match=match):
        validate(recipe, train, again)
    with pytest.raises(
        ss.InvalidScheduleError, match=r"validate\.recipe\.horizon must"
    ):
        validate(Recipe(lr=1.0 * ss.cosine()), lambda lr: 1.0)
