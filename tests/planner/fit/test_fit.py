"""A fit finds a law that it was shown, says what it does not know, and refuses."""

import json

import numpy as np
import pytest
from tests.planner.fit.curves import STEPS, TRUTH, curve, rates

from stepsize.errors import FitError
from stepsize.planner import Curve, FittedLaw, fit, recorded
from stepsize.planner.fitting.fitted import PEAK_NOISE
from stepsize.planner.fitting.priors import (
    MEASURED,
    PHYSICS,
    THEORY,
    VAGUE,
    Prior,
    pooled,
)
from stepsize.planner.laws.effective_pass import SLOTS
from stepsize.planner.laws.law import Floats


@pytest.fixture(scope="module")
def law() -> FittedLaw:
    return fit([curve("constant", seed=1), curve("0.2", seed=2)])


@pytest.mark.parametrize("kind", ["cosine", "0.1", "0.5", "0.9"])
def test_unseen_schedules_are_predicted(law: FittedLaw, kind: str) -> None:
    real = TRUTH.loss(rates(kind), STEPS)
    made = law.predict(rates(kind), STEPS)
    assert np.abs(made.mean - real).mean() < 0.004
    inside = (made.low <= real) & (real <= made.high)
    assert inside.mean() > 0.9


def test_twice_the_horizon_is_predicted(law: FittedLaw) -> None:
    long = rates("0.4", steps=20_000)
    real = TRUTH.loss(long, [19_999])[0]
    made = law.predict(long, [19_999])
    assert made.mean[0] == pytest.approx(real, abs=0.006)
    assert made.low[0] < real < made.high[0]


def test_one_run_with_a_decay_is_enough_to_start_with() -> None:
    one = fit([curve("cosine")])
    real = TRUTH.loss(rates("0.2"), [9999])[0]
    made = one.predict(rates("0.2"), [9999])
    assert made.low[0] < real < made.high[0]
    assert not any("no decay" in note for note in one.diagnosis)


def test_intervals_widen_where_less_is_known(law: FittedLaw) -> None:
    constant = fit([curve("constant")])
    assert constant.diagnosis[0].startswith("no decay seen yet")
    assert _width(constant, rates("0.2")) > 1.5 * _width(law, rates("0.2"))
    assert _width(law, rates("0.2", peak=3e-3)) > 1.5 * _width(law, rates("0.2"))


def test_peaks_may_differ() -> None:
    both = fit([curve("0.2", peak=5e-4), curve("0.2", peak=2e-3)])
    assert both.peaks == (5e-4, 2e-3)
    assert not any("one peak rate" in note for note in both.diagnosis)
    real = TRUTH.loss(rates("0.2"), [9999])[0]
    assert both.loss(rates("0.2"), [9999])[0] == pytest.approx(real, abs=0.006)


def test_intervals_widen_with_the_distance_from_the_peaks_seen() -> None:
    both = fit([curve("0.2", peak=5e-4), curve("0.2", peak=2e-3)])
    assert both.apart(rates("0.2", peak=2e-3)) == 0
    assert both.apart(rates("0.2")) == pytest.approx(np.log(2), rel=1e-6)
    assert both.apart(rates("0.2", peak=2.5e-4)) == pytest.approx(np.log(2), rel=1e-6)
    loss = both.loss(rates("0.2"), [9999])[0]
    assert _width(both, rates("0.2")) > 2 * 1.645 * PEAK_NOISE * np.log(2) * loss
    assert "a peak of 0.001 was not seen (seen: 0.0005, 0.002)" in both.doubts(
        rates("0.2")
    )
    again = FittedLaw.from_dict(both.to_dict())
    assert again.peaks == both.peaks


def test_noise_of_points_is_averaged_out() -> None:
    made = rates("0.2")
    where = np.arange(300, 10_000)
    noise = np.random.default_rng(3).normal(0, 0.01, len(where))
    noisy = Curve(made, where, TRUTH.loss(made, where) * np.exp(noise))
    law = fit([noisy])
    real = TRUTH.loss(made, STEPS)
    assert np.abs(law.loss(made, STEPS) - real).mean() < 0.004


def test_one_wrong_point_hardly_matters() -> None:
    right = curve("0.2")
    losses = right.losses.copy()
    losses[40] *= 1.02
    wrong = fit([Curve(right.rates, right.steps, losses)])
    same = fit([right])
    assert wrong.loss(right.rates, [9999]) == pytest.approx(
        same.loss(right.rates, [9999]), abs=1e-3
    )


def test_another_kind_of_loss_widens_the_prior() -> None:
    made = rates("0.2")
    where = np.arange(400, 10_000, 100)
    losses = 0.001 + 40.0 / (where + 50) + 20 * made[where]
    law = fit([Curve(made, where, losses)])
    assert any("unlike" in note for note in law.diagnosis)


def test_intervals_end_at_a_loss_of_0(law: FittedLaw) -> None:
    made = law.predict(rates("0.2"), [0])  # of which the law knows nothing
    assert made.high[0] > 2 * made.mean[0]
    assert made.low[0] == 0


def test_rates_of_sgd_are_measured_in_their_own_unit() -> None:
    made = rates("0.2") * 200
    law = fit([Curve(made, STEPS, curve("0.2").losses)])
    assert law.law.unit == made.max()
    assert law.loss(made, [9999])[0] == pytest.approx(
        TRUTH.loss(rates("0.2"), [9999])[0], abs=0.006
    )


def test_weight_decay_moves_the_prior() -> None:
    none = fit([curve("0.2")], weight_decay=0.0)
    usual = fit([curve("0.2")], weight_decay=0.1)
    assert none.law.shrinkage < 1e-3 * usual.law.shrinkage
    same = fit([curve("0.2")])
    assert same.law == usual.law


def test_to_dict_and_back(law: FittedLaw) -> None:
    again = FittedLaw.from_dict(json.loads(json.dumps(law.to_dict())))
    first, second = law.predict(rates("0.5"), STEPS), again.predict(rates("0.5"), STEPS)
    for one, other in zip(first, second, strict=True):
        assert other == pytest.approx(one, rel=1e-12)
    assert again.diagnosis == law.diagnosis
    with pytest.raises(FitError, match=r"version 1"):
        FittedLaw.from_dict(law.to_dict() | {"version": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {}},
        {"covariance": [[1.0]]},
        {"covariance": None},
        {"peaks": []},
        {"misfit": float("nan")},
        {"horizon": -1},
        {"first": 1.5},
    ],
)
def test_what_to_dict_did_not_write(law: FittedLaw, change: dict[str, object]) -> None:
    with pytest.raises(FitError, match=r"what to_dict writes"):
        FittedLaw.from_dict(law.to_dict() | change)


def test_no_mapping_is_no_law() -> None:
    with pytest.raises(FitError, match=r"be a mapping with law 'EffectiveRate'"):
        FittedLaw.from_dict([1])  # type: ignore[arg-type]  # wrong on purpose


def test_doubts_name_what_was_not_seen(law: FittedLaw) -> None:
    assert law.doubts(rates("0.2")) == ()
    far = law.doubts(rates("0.2", peak=2e-3, steps=30_000))
    assert "3.0 times the longest run" in far[0]
    assert "a peak of 0.002 was not seen" in far[1]
    short = law.doubts(rates("0.2", steps=150))[0]
    assert short == "150 updates end before the first that was fitted, 400"
    again = rates("0.2")
    again[5000:6000] *= 0.5
    assert "rises again" in law.doubts(again)[0]


def test_priors_of_the_recorded_models() -> None:
    assert {len(theta) for one in MEASURED.values() for theta in one} == {12}
    prior = recorded("124M")
    assert prior.deviation.shape == (12,)
    one = pooled([PHYSICS.mean], "one")
    assert one.deviation == pytest.approx(PHYSICS.deviation)
    same = pooled([PHYSICS.mean] * 4, "four alike")
    assert same.deviation == pytest.approx(PHYSICS.deviation / 2)
    wide = pooled([PHYSICS.mean] * 4, "four alike", PHYSICS.widened(2))
    assert wide.deviation == pytest.approx(PHYSICS.deviation)
    assert set(THEORY) < set(SLOTS)
    free = [at for at, name in enumerate(SLOTS) if name not in THEORY]
    assert VAGUE.deviation[free] == pytest.approx(4 * PHYSICS.deviation[free])
    with pytest.raises(FitError, match=r"name some of 124M, 25M"):
        recorded("125M")
    with pytest.raises(FitError, match=r"Prior\.deviation must be 12 finite"):
        Prior(PHYSICS.mean, -PHYSICS.deviation, "wrong")


def _width(law: FittedLaw, rates: Floats) -> float:
    made = law.predict(rates, [9999])
    return float(made.high[0] - made.low[0])


@pytest.mark.parametrize(
    ("curves", "match"),
    [
        ([], r"fit\.curves must be a list of Curve"),
        ([1], r"fit\.curves must be a list of Curve"),
        (None, r"fit\.curves must be a list of Curve"),
        (
            [Curve(rates("0.2"), STEPS[:4], [3.0, 2.9, 2.8, 2.7])],
            r"at least 5 after the warmup",
        ),
    ],
)
def test_what_is_no_fit(curves: list[Curve], match: str) -> None:
    with pytest.raises(FitError, match=match):
        fit(curves)


def test_weight_decay_is_checked() -> None:
    with pytest.raises(FitError, match=r"fit\.weight_decay must be a number >= 0"):
        fit([curve("0.2")], weight_decay=-0.1)
    with pytest.raises(FitError, match=r"fit\.weight_decay must be a number"):
        fit([curve("0.2")], weight_decay="0.1")  # type: ignore[arg-type]  # on purpose


def test_the_prior_is_checked() -> None:
    with pytest.raises(FitError, match=r"fit\.prior must be a Prior.*recorded\(\)"):
        fit([curve("0.2")], prior="124M")  # type: ignore[arg-type]  # wrong on purpose


def test_a_run_that_is_given_again_counts_once() -> None:
    run, other = curve("0.2", seed=2), curve("constant", seed=1)
    again = Curve(run.rates, run.steps, run.losses, name="again")
    once, twice = fit([run, other]), fit([again, other, run.first(5000), run])
    assert [one.endswith("again, and counts once") for one in twice.diagnosis[:3]] == [
        True,
        True,
        False,
    ]
    assert twice.law.theta.tolist() == once.law.theta.tolist()
    assert fit([run, curve("0.2", seed=3)]).diagnosis == fit([run]).diagnosis


def test_the_first_step_is_one_that_was_fitted() -> None:
    whole = curve("0.2")  # read from 400 on, its warmup of 200 before
    assert fit([whole]).first == 400
    late = whole.steps >= 8000
    probe = Curve(whole.rates, whole.steps[late], whole.losses[late])
    assert fit([curve("constant"), probe]).first == 400


def test_a_rewarmed_run_is_refused() -> None:
    made = rates("constant")
    made[4000:6000] *= 0.1
    wrong = Curve(made, STEPS, curve("constant").losses, name="twice")
    with pytest.raises(FitError, match=r"twice\.rates must not rise.*update 6000"):
        fit([wrong])
    assert fit([wrong.first(5900)]).horizon == 5900


def test_a_spike_is_refused_with_its_step() -> None:
    right = curve("constant")
    losses = right.losses.copy()
    losses[50:53] *= 1.4
    with pytest.raises(FitError, match=r"at step 5400 the loss is \+39.*a spike"):
        fit([Curve(right.rates, right.steps, losses)])


def test_other_data_is_refused_with_its_step() -> None:
    right = curve("constant")
    losses = right.losses.copy()
    losses[60:] *= 0.9
    with pytest.raises(FitError, match=r"at step 6400 the loss is -10.*other data"):
        fit([Curve(right.rates, right.steps, losses)])


def test_a_changed_batch_is_refused_with_its_update() -> None:
    batch = np.full(10_000, 32.0)
    batch[7000:] = 64
    with pytest.raises(FitError, match=r"batch must stay the same; at update 7000"):
        Curve(rates("0.2"), STEPS, curve("0.2").losses, batch=batch)
    batch[7000:] = 32
    assert Curve(rates("0.2"), STEPS, curve("0.2").losses, batch=batch).repairs == ()
