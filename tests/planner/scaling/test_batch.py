import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stepsize as ss
from stepsize.planner.scaling import batch
from stepsize.planner.scaling.noise import cost, critical_batch

factors = st.floats(1 / 64, 64)


@given(k=factors, other=factors)
@pytest.mark.parametrize("rule", [batch.linear, batch.square_root])
def test_two_factors_are_their_product(
    rule: Callable[[float, float], float], k: float, other: float
) -> None:
    assert rule(rule(0.1, k), other) == pytest.approx(rule(0.1, k * other))
    assert rule(0.1, 1.0) == 0.1


@given(k=factors)
def test_sgds_rule_is_linear_up_to_four_and_never_bolder(k: float) -> None:
    value = batch.linear_root(0.1, k)
    if 1 / 4 <= k <= 4:
        assert value == pytest.approx(batch.linear(0.1, k))
    low, high = sorted([batch.linear(0.1, k), batch.square_root(0.1, k)])
    assert low * (1 - 1e-12) <= value <= high * (1 + 1e-12)
    assert value * batch.linear_root(0.1, 1 / k) == pytest.approx(0.01)


@given(k=factors, other=factors)
def test_adams_rule_composes_until_it_clamps(k: float, other: float) -> None:
    once = batch.adam(1e-3, k * other)
    first = batch.adam(1e-3, k)
    second = batch.adam(first.lr, other, first.beta1, first.beta2, first.eps)
    if once.clamped or first.clamped or second.clamped:
        return
    assert second[:4] == pytest.approx(once[:4])


def test_one_changes_nothing_to_the_bit() -> None:
    assert batch.adam(3e-4, 1, 0.9, 0.95, 1e-8) == (3e-4, 0.9, 0.95, 1e-8, ())
    assert batch.half_life(0.999, 1) == 0.999


def test_the_clamp_is_said() -> None:
    clamped = batch.adam(1e-3, 16)
    assert (clamped.beta1, clamped.clamped) == (0.0, ("betas[0]",))
    assert batch.adam(1e-3, 2000).clamped == ("betas[0]", "betas[1]")


@given(noise=st.floats(10, 1e5), size=st.floats(1, 1e6))
def test_noise_limited_rises_and_saturates(noise: float, size: float) -> None:
    more = batch.noise_limited(0.1, size, 2 * size, noise)
    assert 0.1 < more <= 0.2 * (1 + 1e-12)
    assert batch.noise_limited(0.1, size, size, noise) == pytest.approx(0.1)


def test_surge_rises_as_the_root_and_falls_beyond_the_noise() -> None:
    assert batch.surge(1.0, 10, 40, 1e9) == pytest.approx(2.0, rel=1e-6)
    tops = [batch.surge(1.0, 10, 10 * 2**i, 1280) for i in range(12)]
    assert tops.index(max(tops)) == 7  # 10 * 2**7 = 1280
    assert sorted(tops[:8]) == tops[:8]
    assert sorted(tops[7:], reverse=True) == tops[7:]


def test_half_life_is_adams_rule_for_small_steps() -> None:
    exact = batch.half_life(0.9999, 4)
    assert exact == pytest.approx(batch.adam(1.0, 4, beta2=0.9999).beta2, abs=1e-6)


def test_adascale_lies_between_one_and_the_factor() -> None:
    gains = [batch.adascale_gain(v, 1.0, 8) for v in (0.0, 0.1, 1.0, 10.0, 1e9)]
    assert gains == sorted(gains)
    assert gains[0] == 1.0
    assert gains[-1] == pytest.approx(8.0)
    assert gains[2] == pytest.approx(2 / (1 / 8 + 1))


def test_cost_of_a_batch() -> None:
    assert critical_batch(10, 1e4) == 1e3
    assert cost(10, 1000) == (101.0, 1.01)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: batch.linear(0.0, 2), r"scale\.lr must be a finite number > 0"),
        (lambda: batch.linear(0.1, 0), r"scale\.k must be a finite number > 0"),
        (lambda: batch.batch_factor(-1, 2), r"scale\.from_batch must be .* > 0"),
        (lambda: batch.batch_factor(1, math.nan), r"scale\.to_batch must be"),
        (lambda: batch.adam(0.1, 2, beta1=1.0), r"adam\.beta1 must be"),
        (lambda: batch.half_life(1.0, 2), r"half_life\.beta must be"),
        (lambda: batch.adascale_gain(0, 0, 2), r"adascale_gain\.signal must be"),
        (lambda: batch.adascale_gain(1, 1, 0.5), r"adascale_gain\.scale must be"),
        (lambda: batch.surge(0.1, 1, 2, 0), r"scale\.noise_scale must be"),
    ],
)
def test_errors(call: Callable[[], object], text: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=text):
        call()
