import pytest

import stepsize as ss
from stepsize.errors import InvalidScheduleError, ProofError
from stepsize.proof.arms import CONSTANT, DEFAULTS, Arm, select


def test_the_constant_is_always_there_and_first() -> None:
    assert [arm.name for arm in select(None)] == list(DEFAULTS)
    assert [arm.name for arm in select(["wsd"])] == [CONSTANT, "wsd"]
    assert [arm.name for arm in select(["wsd", CONSTANT])] == [CONSTANT, "wsd"]
    assert [arm.name for arm in select({"mine": "hold()"})] == [CONSTANT, "mine"]


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("total_steps", [1, 2, 10, 560, 1501])
def test_default_arms_are_factors_that_fit_any_budget(
    name: str, total_steps: int
) -> None:
    arm = next(arm for arm in select([name]) if arm.name == name)
    rates = arm.rates(0.25, total_steps)
    assert len(rates) == total_steps
    assert all(0 <= lr <= 0.25 * (1 + 1e-12) for lr in rates)
    if total_steps >= 10:
        assert max(rates) == pytest.approx(0.25, rel=1e-2)


def test_default_arms_are_the_published_multipliers() -> None:
    arms = {arm.name: arm.rates(1.0, 1000) for arm in select(None)}
    assert set(arms[CONSTANT]) == {1.0}
    assert arms["warmup_linear"][550] == pytest.approx(0.5)
    assert arms["warmup_cosine"][550] == pytest.approx(0.5)
    assert arms["wsd"][100] == arms["wsd"][799] == 1.0
    assert arms["wsd"][850] == pytest.approx(0.5)  # 1 - sqrt(1/4)
    assert arms["one_cycle"][0] == pytest.approx(0.04)
    assert arms["one_cycle"][300] == pytest.approx(1.0)
    assert arms["step"][499] == 1.0
    assert arms["step"][500] == pytest.approx(0.1)
    assert arms["step"][999] == pytest.approx(0.01)


def test_expressions_and_values_make_the_same_arm() -> None:
    text = 'warmup("20%") >> cosine()'
    assert select([f"long={text}"]) == select({"long": ss.parse(text)})


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["nothing"], "must be known names or NAME=EXPRESSION; got 'nothing'"),
        (["=hold()"], "must be known names"),
        ([""], "must be known names"),
        ([], "name at least one arm"),
        (["wsd", "wsd"], "have each name once"),
        (["<b>=hold()"], "must be known names"),
        ({"a" * 31: "hold()"}, "have names of 1 to 30"),
        (["constant=cosine()"], "stay the plain constant"),
    ],
)
def test_arms_that_cannot_be_read(wanted: list[str], message: str) -> None:
    with pytest.raises(ProofError, match=message):
        select(wanted)


def test_a_bad_expression_names_its_arm() -> None:
    with pytest.raises(InvalidScheduleError, match="schedule 'mine':"):
        select(["mine=import os"])


def test_an_absolute_rate_is_taken_for_a_mistake() -> None:
    with pytest.raises(ProofError, match=r"be a factor of the peak rate.*--lrs"):
        Arm("mine", 3e-4 * ss.hold()).check_peak(10)


def test_a_schedule_longer_than_the_budget_names_its_arm() -> None:
    with pytest.raises(ProofError, match="schedule 'mine':"):
        Arm("mine", ss.warmup(100) >> ss.linear("50%")).rates(0.1, 10)
