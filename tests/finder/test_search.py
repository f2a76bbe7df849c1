from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finder.trainings import Quadratic

from stepsize.errors import FinderError
from stepsize.finder import Found, find, planned


def found_of(training: Quadratic, **options: object) -> Found:
    return find(training.step, training.again, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("curvature", [1e-1, 2.0, 1e2, 1e4])
@pytest.mark.parametrize("fast", [False, True])
def test_a_quadratic_is_given_a_rate_below_the_critical_one(
    curvature: float, fast: bool
) -> None:
    training = Quadratic(curvature=curvature)
    found = found_of(training, fast=fast)
    critical = 2.0 / curvature
    assert found.suggestion is not None
    assert critical / 50 < found.suggestion < critical
    assert found.steps == len(training.rates) <= (100 if fast else 500)


def test_fast_is_one_ramp_and_a_tenth_of_its_blowup() -> None:
    training = Quadratic(noise=0.1)
    found = found_of(training, fast=True)
    assert planned(fast=True).ramp == 100
    assert (found.status, found.probes, training.streams) == ("ok", (), [0])
    assert found.curve is not None
    assert found.steps == len(found.curve.lrs) == len(training.rates)
    assert found.blowup is not None
    assert found.suggestion == found.blowup / 10.0
    assert (found.low, found.high) == pytest.approx(
        (found.suggestion / 3.0, found.suggestion * 3.0)
    )


def test_fast_takes_the_ramps_end_where_nothing_broke() -> None:
    found = found_of(Quadratic(curvature=3e-3), fast=True)
    assert (found.status, found.blowup, found.steps) == ("no_blowup", None, 100)
    assert found.suggestion == pytest.approx(1.0)
    assert "A tenth of it is taken" in found.reasons[0]
    found = found_of(Quadratic(curvature=3e-3), fast=True, high=1e-2, steps=60)
    assert found.suggestion == pytest.approx(1e-3)
    assert found.steps == 60


def test_fast_says_that_nothing_falls() -> None:
    noise = random.Random(0)
    found = find(
        lambda lr: math.nan if lr > 1.0 else noise.gauss(0.1, 0.02),
        lambda stream: None,
        fast=True,
    )
    assert found.status == "no_descent"
    assert found.suggestion is not None  # it does no harm
    assert found.suggestion <= 0.11
    flat = found_of(Quadratic(broken=lambda count, lr: 2.0), fast=True)
    assert (flat.status, flat.suggestion) == ("no_descent", None)


@pytest.mark.parametrize("steps", [60, 100, 249, 250, 500, 1000])
def test_no_more_updates_are_made_than_stated(steps: int) -> None:
    training = Quadratic(noise=0.1)
    found = found_of(training, steps=steps)
    assert found.steps == len(training.rates) <= planned(steps=steps).steps == steps


def test_a_search_is_deterministic() -> None:
    assert found_of(Quadratic(noise=0.3)) == found_of(Quadratic(noise=0.3))


def test_probes_of_one_round_see_the_same_batches_and_rounds_others() -> None:
    training = Quadratic(noise=0.3)
    found = found_of(training)
    assert {probe.stream for probe in found.probes} == {0, 1}
    assert set(training.streams) == {0, 1}
    assert len(training.streams) == 1 + len(found.probes)
    assert found.spread is not None


@given(
    scale=st.floats(1e-3, 1e3),
    shift=st.sampled_from([0.0, -1.0, -1e3, 7.0]),
    curvature=st.sampled_from([0.5, 3.0, 200.0]),
)
@settings(max_examples=25, deadline=None)
def test_affine_maps_of_the_loss_change_nothing(
    scale: float, shift: float, curvature: float
) -> None:
    plain = found_of(Quadratic(curvature=curvature, noise=0.05))
    mapped = found_of(
        Quadratic(curvature=curvature, noise=0.05, scale=scale, shift=shift * scale)
    )
    assert mapped.status == plain.status
    assert mapped.suggestion == pytest.approx(plain.suggestion, rel=0.2)


@given(
    first=st.integers(2, 40),
    limit=st.floats(1e-4, 1.0),
    value=st.sampled_from([math.nan, math.inf, -math.inf]),
)
@settings(max_examples=40, deadline=None)
def test_a_rate_that_broke_is_never_the_answer(
    first: int, limit: float, value: float
) -> None:
    def broken(count: int, lr: float) -> float | None:
        return value if lr > limit and count >= first else None

    found = found_of(Quadratic(curvature=1e-3, broken=broken))
    if found.suggestion is not None:
        assert found.low is not None
        assert found.high is not None
        assert 0.0 < found.low <= found.suggestion <= found.high < math.inf
        broke = [probe.lr for probe in found.probes if probe.score is None]
        assert all(found.suggestion < lr for lr in broke)
    assert all(
        probe.score is None or math.isfinite(probe.score) for probe in found.probes
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_first_loss_that_is_not_finite_ends_the_search_at_once(value: float) -> None:
    training = Quadratic(broken=lambda count, lr: value)
    found = found_of(training)
    assert found.status == "nonfinite_at_start"
    assert found.suggestion is None
    assert found.steps == 1
    assert str(value) in found.reasons[0]


def test_a_constant_loss_has_no_descent() -> None:
    found = found_of(Quadratic(broken=lambda count, lr: 2.0))
    assert (found.status, found.suggestion) == ("no_descent", None)
    assert "changes nothing" in found.reasons[0]


@pytest.mark.parametrize("noise", [0.05, 0.5, 5.0])
def test_a_trained_model_is_told_from_one_that_learns(noise: float) -> None:
    """Its loss is noise at the minimum, and only rises."""
    found = found_of(Quadratic(first=1.0, noise=noise, shift=0.3, curvature=2.0))
    assert found.status in ("no_descent", "noisy")
    assert "not certain" in found.reasons[0] or found.suggestion is None
    if found.suggestion is not None:  # then one that does no harm
        assert found.suggestion < 0.1


def test_what_no_rate_improves_has_no_descent() -> None:
    """Every rate harms, the more the higher."""
    training = Quadratic(first=1.0, curvature=2.0)
    harm = [0.0]

    def step(lr: float) -> float:
        harm[0] += lr
        return 0.3 + harm[0]

    def again(stream: int) -> None:
        harm[0] = 0.0
        training.again(stream)

    found = find(step, again)
    assert (found.status, found.suggestion) == ("no_descent", None)
    assert found.reasons == ("No probe lowered the loss.",)


def test_losses_that_no_rate_changes_have_no_descent() -> None:
    """As of an optimizer of another model: only the batches differ."""
    order = random.Random(0)
    batches = [0.5, 1.0, 4.2, 2.4, 1.4, 4.2, 1.7, 1.0]
    drawn: list[float] = []

    def again(stream: int) -> None:
        order.seed(stream)
        drawn.clear()

    def step(lr: float) -> float:
        if not drawn:
            drawn.extend(order.sample(batches, len(batches)))
        return drawn.pop()

    found = find(step, again)
    assert (found.status, found.suggestion) == ("no_descent", None)
    assert found.reasons == ("Every probe comes to 2.05: the rate changes nothing.",)


def test_a_walk_that_finds_no_end_leaves_updates_for_the_test() -> None:
    """The lower the rate, the lower the loss, by less than batches differ."""
    number = 0
    noise = random.Random(0)

    def again(stream: int) -> None:
        nonlocal number
        number = 0
        noise.seed(stream)

    def step(lr: float) -> float:
        nonlocal number
        number += 1
        return 2.0 + noise.gauss(0.0, 0.1) + 1e-6 * number * math.log(lr)

    found = find(step, again)
    assert (found.status, found.suggestion) == ("no_descent", None)


def test_numpy_ints_are_ints() -> None:
    count = np.int64(300)
    found = found_of(Quadratic(), steps=count, horizon=count)
    assert found == found_of(Quadratic(), steps=300, horizon=300)


@pytest.mark.parametrize("ends", [(1e-100, 1e100), (0.1, 0.101)])
def test_ends_may_lie_far_apart_and_close_together(ends: tuple[float, float]) -> None:
    low, high = ends
    found = found_of(Quadratic(), low=low, high=high)
    assert found.curve is not None
    assert found.curve.lrs[0] == low


def test_every_rate_that_breaks_leaves_none() -> None:
    found = found_of(
        Quadratic(broken=lambda count, lr: math.nan if count > 1 else None)
    )
    assert (found.status, found.suggestion) == ("no_descent", None)
    assert "broke" in found.reasons[0]


def test_without_a_blowup_the_probes_go_beyond_the_ramp() -> None:
    """The best rate, some 300, lies above the ramp's last."""
    found = found_of(Quadratic(curvature=3e-3))
    assert found.blowup is None
    assert found.suggestion is not None
    assert found.suggestion > 10.0
    assert found.status == "ok"


def test_a_rate_out_of_reach_is_said_to_be() -> None:
    found = found_of(Quadratic(curvature=1e-7), steps=2000)
    assert found.status == "no_blowup"
    assert "may be a better one above" in found.reasons[0]


def test_clipping_within_the_step_is_no_obstacle() -> None:
    """Updates of one size: no rate breaks, but too high a one swings about."""
    found = found_of(Quadratic(curvature=50.0, clip=1.0))
    assert found.suggestion is not None
    assert 0.003 < found.suggestion < 0.2


def test_too_few_updates_are_refused_without_any() -> None:
    training = Quadratic()
    found = found_of(training, steps=59)
    assert (found.status, found.suggestion) == ("too_few_steps", None)
    assert training.rates == []


@pytest.mark.parametrize("steps", [60, 100, 249])
def test_two_probes_do_not_bracket_a_rate(steps: int) -> None:
    found = found_of(Quadratic(), steps=steps)
    assert found.suggestion is not None
    assert found.status == "too_few_steps"
    assert "The updates ran out" in found.reasons[0]


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_losses_may_be_as_large_and_as_small_as_floats_are(scale: float) -> None:
    training = Quadratic(scale=scale)
    assert found_of(training).suggestion == pytest.approx(
        found_of(Quadratic()).suggestion
    )


def test_a_loss_near_the_end_of_floats_is_a_break() -> None:
    def broken(count: int, lr: float) -> float | None:
        broke[0] = lr > 0.05 or (count > 1 and broke[0])
        return 1.5e308 if broke[0] else None

    broke = [False]
    found = found_of(Quadratic(broken=broken))
    assert found.suggestion is not None
    assert found.suggestion < 0.05
    assert json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("loss", [None, "low", [1.0, 2.0]])
def test_a_step_that_returns_no_loss_is_refused(loss: Any) -> None:
    with pytest.raises(FinderError, match="step must return a loss: a number"):
        find(lambda lr: loss, lambda stream: None)


def test_what_cannot_be_called_is_refused() -> None:
    training: Any = Quadratic()
    with pytest.raises(FinderError, match=r"find\.step must be callable"):
        find(1.0, training.again)  # type: ignore[arg-type]  # the test's point
    with pytest.raises(FinderError, match=r"find\.again must be callable"):
        find(training.step, None)  # type: ignore[arg-type]  # the test's point


def test_a_longer_horizon_lowers_the_rate_by_the_power_law() -> None:
    near = found_of(Quadratic(), horizon=1000).suggestion
    far = found_of(Quadratic(), horizon=100_000).suggestion
    assert near is not None
    assert far is not None
    assert far / near == pytest.approx(100.0**-0.32)


def test_a_short_horizon_shortens_the_probes() -> None:
    found = found_of(Quadratic(), horizon=20)
    assert max(probe.steps for probe in found.probes) == 20


def test_progress_is_told_after_every_update() -> None:
    told: list[tuple[int, str]] = []
    training = Quadratic()
    found = find(
        training.step,
        training.again,
        tell=lambda progress: told.append((progress.steps, progress.phase)),
    )
    assert [steps for steps, _ in told] == list(range(1, found.steps + 1))
    assert {phase for _, phase in told} == {"ramp", "probe"}


def test_a_ramp_stops_soon_after_the_training_breaks() -> None:
    found = found_of(Quadratic(curvature=1e4))
    assert found.curve is not None
    assert len(found.curve.lrs) < 80
    assert found.curve.lrs[-1] < 1.0


def test_a_result_survives_json() -> None:
    found = found_of(Quadratic(noise=0.1))
    assert Found.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_an_error_within_the_step_comes_out() -> None:
    def step(lr: float) -> float:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        find(step, lambda stream: None)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"steps": 0}, "find.steps must be an int >= 1"),
        ({"steps": True}, "find.steps must be an int >= 1"),
        ({"fast": "no"}, "find.fast must be True or False"),
        ({"low": 1e-300}, r"find.low must lie between 1e-100 and 1e\+100"),
        ({"high": 1e300}, r"find.high must lie between 1e-100 and 1e\+100"),
        ({"low": 1.0, "high": 1.0 + 1e-15}, "find.high must be greater than `low`, 1"),
        ({"horizon": 10.0}, "find.horizon must be an int >= 1"),
        ({"low": 0.0}, "find.low must be finite and > 0"),
        ({"high": math.inf}, "find.high must be finite and > 0"),
        ({"low": "1e-7"}, "find.low must be finite and > 0"),
        ({"high": None}, "find.high must be finite and > 0"),
        ({"tell": 3}, "find.tell must be callable or None"),
        ({"validate": lambda: 1.0}, "find.validate must return losses"),
        ({"validate": lambda: ["a"]}, "find.validate must return a loss"),
        ({"low": 1.0, "high": 0.5}, "find.high must be greater than `low`"),
        ({"horizon": 0}, "find.horizon must be an int >= 1"),
    ],
)
def test_what_is_out_of_range_is_refused(
    options: dict[str, object], match: str
) -> None:
    with pytest.raises(FinderError, match=match):
        found_of(Quadratic(), **options)


def test_validation_finds_the_rate_that_fits_less() -> None:
    """Training goes to 1, where validation is as bad as at 0; it is best at 0.5."""
    training = Quadratic(curvature=0.2)

    def validate() -> list[float]:
        return [(training.w - goal) ** 2 for goal in (0.45, 0.5, 0.55)]

    blind = found_of(training, horizon=64)
    seeing = found_of(training, horizon=64, validate=validate)
    assert blind.status == seeing.status == "ok"
    assert blind.suggestion is not None
    assert seeing.suggestion is not None
    assert 4 * seeing.suggestion < blind.suggestion
    assert "in validation" in seeing.reasons[-1]


def test_validation_that_nothing_improves_is_no_descent() -> None:
    training = Quadratic()
    found = found_of(training, validate=lambda: [training.w**2])
    assert (found.status, found.suggestion) == ("no_descent", None)


def test_validation_that_breaks_breaks_the_probe() -> None:
    training = Quadratic()

    def validate() -> list[float]:
        return [math.nan if training.w > 0.1 else 1.0 - training.w]

    found = found_of(training, validate=validate)
    scores = {probe.lr: probe.score for probe in found.probes}
    assert any(score is not None for score in scores.values())
    assert all(score is None for lr, score in scores.items() if lr > 0.009)
    assert all(score is not None for lr, score in scores.items() if lr < 0.001)


def test_validation_without_a_batch_is_refused() -> None:
    with pytest.raises(FinderError, match=r"find\.validate"):
        found_of(Quadratic(), validate=list)
