"""Ranking, and when to start a cooldown."""

import numpy as np
import pytest
from tests.planner.fit.curves import TRUTH, curve, rates

import stepsize as ss
from stepsize.errors import FitError
from stepsize.planner import FittedLaw, fit, predict, rank
from stepsize.planner.best.cooldown import cooldown_advice

RISE = 1e-3 * ss.warmup(200)
SCHEDULES = {
    "constant": RISE >> ss.hold(),
    "short": RISE >> ss.hold() >> ss.decay("5%", shape="linear"),
    "medium": RISE >> ss.hold() >> ss.decay("30%", shape="linear"),
    "long": RISE >> ss.linear(),
}


@pytest.fixture(scope="module")
def law() -> FittedLaw:
    return fit([curve("constant"), curve("0.2")])


def test_best_first_and_the_truth_agrees(law: FittedLaw) -> None:
    ranked = rank(law, SCHEDULES, steps=10_000)
    real = {
        name: TRUTH.loss(
            np.array(one.resolve(total_steps=10_000).block(0, 10_000)), [10_000]
        )[0]
        for name, one in SCHEDULES.items()
    }
    assert [one.name for one in ranked] == sorted(real, key=lambda name: real[name])
    assert sum(one.p_best for one in ranked) == pytest.approx(1.0)
    assert ranked[0].p_best == max(one.p_best for one in ranked)
    for one in ranked:
        assert one.low < real[one.name] < one.high


@pytest.mark.parametrize("peak", [1e-3, 3e-3])
def test_intervals_are_those_of_a_prediction(law: FittedLaw, peak: float) -> None:
    schedule = peak * ss.warmup(200) >> ss.linear()
    (one,) = rank(law, {"it": schedule}, steps=5000)
    made = np.array(schedule.resolve(total_steps=5000).block(0, 5000))
    mean, low, high = law.predict(made, [5000])
    assert (one.mean, one.low, one.high) == pytest.approx((mean[0], low[0], high[0]))


def test_equal_schedules_share_their_chance(law: FittedLaw) -> None:
    same = {"a": SCHEDULES["medium"], "b": SCHEDULES["medium"]}
    ranked = rank(law, same, steps=5000)
    assert [one.p_best for one in ranked] == [0.5, 0.5]


def test_a_list_is_named_by_its_texts(law: FittedLaw) -> None:
    ranked = rank(law, [RISE >> ss.cosine()], horizon=ss.Horizon(steps=3000))
    assert ranked[0].name == str(RISE >> ss.cosine())
    assert ranked[0].steps == 3000


def test_what_cannot_be_ranked(law: FittedLaw) -> None:
    with pytest.raises(FitError, match=r"be at least one"):
        rank(law, {}, steps=10)
    with pytest.raises(FitError, match=r"schedule 'x' must be a Schedule"):
        rank(law, {"x": 3}, steps=10)  # type: ignore[dict-item]  # wrong on purpose
    with pytest.raises(FitError, match=r"have a length.*say steps=N"):
        rank(law, {"x": ss.constant(0.1)})


@pytest.mark.parametrize(
    ("schedules", "steps", "match"),
    [
        (RISE >> ss.cosine(), 1000, r"be a mapping or a list of schedules"),
        ({"x": ss.constant(0.0)}, 1000, r"schedule 'x'\.rates must be > 0 some"),
    ],
)
def test_what_is_no_set_of_schedules(
    law: FittedLaw, schedules: dict[str, ss.Schedule], steps: int, match: str
) -> None:
    with pytest.raises(FitError, match=match):
        rank(law, schedules, steps=steps)


def test_rank_needs_a_fitted_law(law: FittedLaw) -> None:
    with pytest.raises(FitError, match=r"rank\.law must be a FittedLaw"):
        rank(law.law, SCHEDULES, steps=1000)  # type: ignore[arg-type]  # on purpose


def test_a_length_is_said_once(law: FittedLaw) -> None:
    horizon = ss.Horizon(steps=3000)
    with pytest.raises(FitError, match=r"as steps or as horizon, not both"):
        rank(law, SCHEDULES, steps=2000, horizon=horizon)
    with pytest.raises(FitError, match=r"as steps or as horizon, not both"):
        predict(law, SCHEDULES["long"], steps=2000, horizon=horizon)


def test_predict_is_the_curve_of_a_schedule(law: FittedLaw) -> None:
    found = predict(law, SCHEDULES["medium"], steps=10_000)
    assert found.steps[0] == law.first == 400
    assert found.steps[-1] == 10_000
    assert (np.diff(found.steps) > 0).all()
    made = law.predict(rates("0.3"), found.steps)
    for name in ("mean", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(made, name), rel=1e-3)
    resolved = SCHEDULES["medium"].resolve(total_steps=10_000)
    assert predict(law, resolved).mean.tolist() == found.mean.tolist()
    horizon = ss.Horizon(epochs=10, steps_per_epoch=1000)
    again = predict(law, SCHEDULES["medium"], horizon=horizon)
    assert again.mean.tolist() == found.mean.tolist()
    assert found.doubts == ()
    longer = predict(law, SCHEDULES["medium"], steps=30_000)
    assert longer.doubts == ("30000 updates are 3.0 times the longest run seen",)


def test_predict_checks_its_input(law: FittedLaw) -> None:
    with pytest.raises(FitError, match=r"predict\.law must be a FittedLaw"):
        predict(law.law, ss.linear(), steps=9)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(FitError, match=r"must be a Schedule"):
        predict(law, [1e-3], steps=9)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(FitError, match=r"have a length.*--total-steps N"):
        predict(law, ss.constant(1e-3))


def test_cooldown_advice(law: FittedLaw) -> None:
    made = rates("constant")[:5000]
    advice = cooldown_advice(law, made, total_steps=10_000)
    assert advice.identifiable
    assert [one.updates for one in advice.starts] == [250, 500, 1000, 1500, 2500, 5000]
    means = [one.mean for one in advice.starts]
    assert means == sorted(means, reverse=True)
    tenth = advice.starts[1]
    full = rates("constant", steps=5500)
    full[5000:] *= 1 - np.arange(500) / 500
    assert tenth.low < TRUTH.loss(full, [5500])[0] < tenth.high
    assert tenth.worth > 0
    assert advice.best_start is not None
    assert 5000 <= advice.best_start < 10_000
    assert cooldown_advice(law, made).best_start is None


def test_advice_without_a_decay_says_so() -> None:
    law = fit([curve("constant")])
    assert not cooldown_advice(law, rates("constant")).identifiable


def test_advice_checks_its_input(law: FittedLaw) -> None:
    with pytest.raises(FitError, match=r"not have ended at a rate of 0"):
        cooldown_advice(law, np.array([0.1, 0.0]))
    for wrong in (9000, 10_001, 12_000.5, "20000"):
        with pytest.raises(FitError, match=r"be an int >= 10002, two more than"):
            cooldown_advice(law, rates("constant"), total_steps=wrong)  # type: ignore[arg-type]  # on purpose
