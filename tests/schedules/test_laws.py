"""The laws of the algebra, over randomly composed schedules."""

import json
import math
import pickle
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stepsize as ss
from stepsize.testing.strategies import POSITIVE, phases, resolved, schedules

KINDS = st.one_of(phases(), schedules(depth=2), schedules(depth=4))


def chained(a: ss.Schedule, b: ss.Schedule) -> ss.Schedule | str:
    """a >> b, or the message of the error that refuses it."""
    try:
        return a >> b
    except ss.InvalidScheduleError as error:
        return str(error)


@given(KINDS, KINDS, POSITIVE)
def test_scaling_and_chaining_commute(a: ss.Schedule, b: ss.Schedule, k: float) -> None:
    left, right = chained(k * a, b), chained(a, b)
    if isinstance(right, str):
        assert left == right
        return
    assert left == k * right
    assert hash(left) == hash(k * right)
    assert str(left) == str(k * right)


@given(KINDS, KINDS, KINDS)
def test_chaining_is_associative(
    a: ss.Schedule, b: ss.Schedule, c: ss.Schedule
) -> None:
    def grouped(left_first: bool) -> ss.Schedule | str:
        try:
            return (a >> b) >> c if left_first else a >> (b >> c)
        except ss.InvalidScheduleError:
            return "refused"

    assert grouped(left_first=True) == grouped(left_first=False)


@given(KINDS)
def test_text_builds_the_schedule_again(s: ss.Schedule) -> None:
    again = ss.parse(str(s))
    assert again == s
    assert hash(again) == hash(s)
    assert str(again) == str(s)
    names = {name: getattr(ss, name) for name in ss.__all__}
    assert eval(repr(s), names) == s


@given(KINDS)
def test_dict_and_pickle_build_the_schedule_again(s: ss.Schedule) -> None:
    content = json.loads(json.dumps(s.to_dict()))
    assert ss.from_dict(content) == s
    assert ss.from_dict(s.to_dict()) == s
    assert pickle.loads(pickle.dumps(s)) == s


@given(resolved())
def test_pickled_and_read_again_it_has_the_same_rates(r: ss.ResolvedSchedule) -> None:
    again = pickle.loads(pickle.dumps(r))
    assert again == r
    assert hash(again) == hash(r)
    parsed = ss.parse(str(r.schedule)).resolve(horizon=r.horizon, overflow=r.overflow)
    steps = range(-2, (r.total_steps or 0) + 3)
    assert [again(t) for t in steps] == [r(t) for t in steps]
    assert parsed(steps) == r(steps)


@given(resolved(), st.randoms())
def test_random_access_agrees_to_the_bit_in_any_order(
    r: ss.ResolvedSchedule, random: Random
) -> None:
    steps = list(range(-3, (r.total_steps or 0) + 5))
    straight = {t: r(t) for t in steps}
    random.shuffle(steps)
    assert {t: r(t) for t in steps} == straight
    start, stop = min(steps), max(steps) + 1
    assert r.block(start, stop) == [straight[t] for t in range(start, stop)]


@given(resolved(), st.floats(allow_nan=False, allow_infinity=True))
def test_resolved_schedules_are_total(r: ss.ResolvedSchedule, t: float) -> None:
    first, last = r(0), r(math.inf)
    assert r(-1) == r(-math.inf) == first
    assert r(r.total_steps) >= 0
    if r.end is not None:
        for beyond in (r.end, r.end + 0.5, r.end + 1, 2 * r.end + 7, 2**60):
            assert r(beyond) == last
    value = r(t)
    assert isinstance(value, float)
    assert math.isfinite(value)
    assert value >= 0


@given(resolved())
def test_numpy_agrees_and_keeps_shape(r: ss.ResolvedSchedule) -> None:
    steps = np.arange(-3, (r.total_steps or 0) + 5)
    expected = np.array([r(int(t)) for t in steps])
    peak = max(expected.max(), 1e-300)
    for given_steps in (steps, steps.astype(np.float64), steps[::-1][:, None]):
        got = r(given_steps)
        wanted = expected if given_steps.ndim == 1 else expected[::-1][:, None]
        assert got.shape == given_steps.shape
        assert got.dtype == np.float64
        assert np.abs(got - wanted).max() <= 1e-12 * peak
        assert ((got == 0) == (wanted == 0)).all()


@given(resolved())
def test_float_steps_lie_on_the_same_curve(r: ss.ResolvedSchedule) -> None:
    for t in range(min((r.total_steps or 0), 50)):
        assert r(float(t)) == r(t)


def test_a_wrong_text_would_be_noticed() -> None:
    s = 0.1 * ss.warmup(5) >> ss.cosine(10)
    assert ss.parse(str(s).replace("5", "6")) != s


@pytest.mark.parametrize("number", [2, 0.5, np.float64(0.5), np.float32(0.5)])
def test_numbers_scale_from_both_sides(number: Any) -> None:
    s = ss.warmup(5) >> ss.hold(3)
    assert number * s == s * number == float(number) * s
    assert type((number * s).parts[0].factor) is float
