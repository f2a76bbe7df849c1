import pytest

import stepsize as ss
from stepsize.control.policies import Plateau
from stepsize.errors import InvalidScheduleError, ProofError
from stepsize.proof.arms import CONSTANT, DEFAULTS, FURTHER, Arm, select


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


def test_a_schedule_in_another_librarys_words_says_how_to_write_it() -> None:
    message = r"schedule 'theirs': .* print\(dialects\.torch\.StepLR\(\.\.\.\)\)'$"
    with pytest.raises(InvalidScheduleError, match=message):
        select(["theirs=torch.StepLR(30, gamma=0.1)"])
    with pytest.raises(InvalidScheduleError, match=r"example: 3e-4 \* warmup"):
        select(["mine=cosine(0.5"])


def test_an_absolute_rate_is_taken_for_a_mistake() -> None:
    with pytest.raises(ProofError, match=r"be a factor of the peak rate.*--lrs"):
        Arm("mine", 3e-4 * ss.hold()).check_peak(10)


def test_a_schedule_longer_than_the_budget_names_its_arm() -> None:
    with pytest.raises(ProofError, match="schedule 'mine':"):
        Arm("mine", ss.warmup(100) >> ss.linear("50%")).rates(0.1, 10)


def test_all_arms_are_asked_for_by_one_word() -> None:
    names = [arm.name for arm in select(["all"])]
    assert names == [*DEFAULTS, *FURTHER]
    assert [arm.name for arm in select(["all"])] == list(
        dict.fromkeys([CONSTANT, *names])
    )
    with pytest.raises(ProofError, match="have each name once; got 'wsd'"):
        select(["all", "wsd"])


@pytest.mark.parametrize("name", FURTHER)
@pytest.mark.parametrize("total_steps", [5, 375, 1501])
def test_further_arms_are_factors_with_peak_one(name: str, total_steps: int) -> None:
    arm = select([name])[1]
    rates = arm.rates(0.25, total_steps)
    assert max(rates) == rates[0] == 0.25
    assert arm.is_default


def test_further_arms_are_the_formulas_of_their_names() -> None:
    arms = {arm.name: arm.rates(1.0, 1200) for arm in select(["all"])}
    assert arms["exponential"][600] == pytest.approx(0.1)  # half of the way to 0.01
    assert arms["polynomial"][600] == pytest.approx(0.25)
    assert arms["cosine"][400] == pytest.approx(0.75)
    assert [round(arms["restarts2"][t], 4) for t in (300, 599, 600)] == [0.5, 0.0, 1.0]
    assert [round(arms["restarts3"][t], 4) for t in (200, 400, 800)] == [0.5, 1.0, 1.0]
    assert set(arms["plateau"]) == set(arms["constant_ema"]) == {1.0}


def test_an_arm_says_what_it_comes_with() -> None:
    arms = {arm.name: arm.text for arm in select(["constant_ema", "plateau"])}
    assert arms[CONSTANT] == "hold()"
    assert arms["constant_ema"] == "hold(), weights averaged (EMA, decay 0.99)"
    assert arms["plateau"].startswith("hold(), Plateau(metric='val', factor=0.3, pati")


def test_an_arm_of_ones_own_may_average_or_steer() -> None:
    mine = Arm("x", ss.cosine(), average=0.95, policies=(Plateau("val"),))
    found = select({"mine": mine})[1]
    assert (found.name, found.average, found.policies) == ("mine", 0.95, mine.policies)
    assert not found.is_default


@pytest.mark.parametrize("average", [0.0, 1.0, -0.5, 2.0])
def test_an_average_is_a_fraction(average: float) -> None:
    with pytest.raises(
        ProofError, match=r"average of arm 'x' must be None or in \(0, 1"
    ):
        Arm("x", ss.cosine(), average=average)


def test_an_averaged_constant_is_not_the_baseline() -> None:
    with pytest.raises(ProofError, match=r"stay the plain constant.*EMA"):
        select({CONSTANT: Arm(CONSTANT, ss.hold(), average=0.9)})
