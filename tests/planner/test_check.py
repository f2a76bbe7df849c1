import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planner.configurations import FAULTY, FUNCTIONS, SOUND, Case

import stepsize as ss
from stepsize.planner.check import check
from stepsize.planner.findings import CODES, SEVERITIES, Finding
from stepsize.planner.usual_rates import USUAL, usual
from stepsize.testing.strategies import schedules


def found_in(case: Case) -> tuple[Finding, ...]:
    return check(ss.parse(case.text, functions=FUNCTIONS), **case.settings)


@pytest.mark.parametrize("case", FAULTY, ids=lambda case: case.name)
def test_a_fault_is_found(case: Case) -> None:
    assert case.code in {one.code for one in found_in(case)}


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.name)
def test_a_sound_configuration_gives_nothing(case: Case) -> None:
    assert found_in(case) == ()


def test_the_lists_are_long_and_every_code_has_a_fault() -> None:
    assert len(FAULTY) >= 25
    assert len(SOUND) >= 50
    assert {case.code for case in FAULTY} == set(CODES)
    texts = [(case.text, str(case.settings)) for case in (*FAULTY, *SOUND)]
    assert len(set(texts)) == len(texts)


@given(
    schedule=schedules(),
    steps=st.none() | st.integers(1, 300),
    optimizer=st.sampled_from([None, "AdamW", "sgd", "nobody's"]),
)
def test_any_schedule_is_checked_without_an_exception(
    schedule: ss.Schedule, steps: int | None, optimizer: str | None
) -> None:
    found = check(schedule, total_steps=steps, optimizer=optimizer, batch_scale=4)
    for one in found:
        assert one.code in CODES
        assert one.sentence
        assert one.hint
        assert json.loads(json.dumps(one.to_dict())) == one.to_dict()
        if one.span is not None and steps is not None:
            assert 0 <= one.span[0] <= one.span[1] <= steps
    ranks = [SEVERITIES.index(one.severity) for one in found]
    assert ranks == sorted(ranks)
    assert found == check(
        schedule, total_steps=steps, optimizer=optimizer, batch_scale=4
    )


@given(k=st.floats(1e-3, 1e3), steps=st.integers(20, 2000))
def test_findings_do_not_depend_on_the_scale(k: float, steps: int) -> None:
    for text in ("warmup(5, start=0.0) >> cosine(15, to=0.1)", "repeat(linear(13))"):
        one, other = ss.parse(text), k * ss.parse(text)
        codes = [found.code for found in check(one, total_steps=steps)]
        assert codes == [found.code for found in check(other, total_steps=steps)]


def test_where_it_is() -> None:
    (found,) = check(3e-4 * ss.warmup(100) >> ss.cosine(400), total_steps=1000)
    assert found.code == "SS103"
    assert found.name == "dead updates at the end"
    assert found.span == (500, 1000)
    assert found.step == 500
    assert "the last 500 updates have a rate of 0 (50 % of the run)" in found.sentence
    assert str(found).startswith("SS103 error: the last 500 updates")


def test_what_lies_beyond_the_run_is_cut_at_its_end() -> None:
    beyond = ss.repeat(ss.hold(1), 64) >> ss.hold()
    found = check(ss.join(beyond, ss.hold(), at=[0]), total_steps=1)
    (empty,) = [one for one in found if one.code == "SS209"]
    assert empty.span == (1, 1)


def test_one_dead_update_is_a_warning() -> None:
    (found,) = check(1e-3 * ss.cosine(99), total_steps=100)
    assert (found.code, found.severity) == ("SS103", "warning")


def test_one_step_short_of_its_end_is_no_finding() -> None:
    assert check(1e-3 * ss.cosine(to=0.1), total_steps=100) == ()
    assert check(1e-3 * ss.cosine(99, to=0.1), total_steps=100) == ()
    assert check(1e-3 * ss.cosine(98, to=0.1), total_steps=100) != ()


def test_a_jump_that_is_declared_is_none_and_says_where_it_is_not() -> None:
    s = ss.join(1e-3 * ss.warmup(100), 1e-4 * ss.cosine(), at=[100])
    (found,) = check(s, total_steps=1000)
    assert found.span == (100, 101)
    declared = 1e-3 * ss.warmup(100) >> ss.jump(to_lr=1e-4) >> ss.cosine()
    assert check(declared, total_steps=1000) == ()


def test_what_is_ignored_is_left_out() -> None:
    s = ss.constant(1e-3)
    assert [one.code for one in check(s, total_steps=100)] == ["SS205"]
    assert check(s, total_steps=100, ignore=["SS205"]) == ()
    assert check(s, total_steps=100, ignore="SS205") == ()


def test_forms_of_the_horizon_agree() -> None:
    s = 1e-3 * ss.cosine(50)
    expected = check(s, total_steps=100)
    assert expected
    assert check(s, 100) == expected
    assert check(s, ss.Horizon(steps=100)) == expected
    assert check(s.resolve(total_steps=100)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": "cosine()"}, "check.schedule must be a schedule"),
        ({"horizon": 10, "total_steps": 10}, "check.total_steps must be left out"),
        ({"total_steps": 0}, "Horizon.steps must be"),
        ({"batch_scale": 0}, "check.batch_scale must be"),
        ({"batch_scale": float("nan")}, "check.batch_scale must be"),
        ({"base_lr": -1.0}, "check.base_lr must be"),
        ({"ignore": ["SS999"]}, "check.ignore must be codes of SS101"),
        ({"ignore": "zero"}, "check.ignore must be codes of SS101"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    valid: dict[str, Any] = {"schedule": 1e-3 * ss.cosine()}
    with pytest.raises(ss.InvalidScheduleError, match=message):
        check(**{**valid, **arguments})


def test_a_fault_of_ours_is_not_taken_for_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stepsize.planner.check.survey", None)
    with pytest.raises(TypeError, match="not callable"):
        check(1e-3 * ss.cosine(), total_steps=10)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("AdamW", "AdamW"),
        ("adam_w", "AdamW"),
        ("SGD + momentum", "SGD with momentum"),
        ("SGDScheduleFree", "schedule-free SGD"),
        ("DAdaptAdam", "D-Adaptation"),
        ("RMSprop", "RMSprop"),
    ],
)
def test_spellings_of_optimizers(name: str, known: str) -> None:
    found = usual(name)
    assert found is not None
    assert found.name == known


def test_optimizers_by_their_object() -> None:
    torch = pytest.importorskip("torch")
    weights = [torch.nn.Parameter(torch.zeros(1))]
    plain = usual(torch.optim.SGD(weights, lr=0.1))
    heavy = usual(torch.optim.SGD(weights, lr=0.1, momentum=0.9))
    assert plain is not None
    assert heavy is not None
    assert (plain.name, heavy.name) == ("SGD", "SGD with momentum")
    assert usual(torch.optim.AdamW) == USUAL["adamw"]


def test_usual_ranges_are_ranges_with_a_source() -> None:
    for one in USUAL.values():
        assert 0 < one.low < one.start < one.high
        assert one.source


def test_a_function_of_numbers_only_is_checked() -> None:
    def halves(d: float) -> float:
        return 1.0 if d < 50 else 0.5  # comparing an array like this would fail

    found = check(0.1 * ss.opaque("halves", halves), total_steps=100)
    assert [one.code for one in found] == ["SS702"]
