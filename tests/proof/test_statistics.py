import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stepsize.proof.statistics import estimate, holm, paired

_values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12).filter(
    lambda values: np.ptp(values) > 1e-6
)


@given(_values)
def test_interval_and_p_are_those_of_scipy(values: list[float]) -> None:
    found = estimate(values)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.p is not None
    low, high = stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    assert found.low == pytest.approx(low, rel=1e-9, abs=1e-9)
    assert found.high == pytest.approx(high, rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-9)
    assert found.excludes_zero == (found.p < 0.05)


def test_known_interval() -> None:
    # mean 2, std 1, n 3: 2 +- 4.302653 / sqrt(3)
    found = estimate([1.0, 2.0, 3.0])
    assert found is not None
    assert found.half_width == pytest.approx(4.302652729911275 / math.sqrt(3))
    assert found.std == pytest.approx(1.0)


def test_one_seed_has_a_mean_but_no_interval() -> None:
    found = estimate([3.0])
    assert found is not None
    assert (found.mean, found.low, found.high, found.p) == (3.0, None, None, None)
    assert "one seed" in found.why_no_interval
    assert not found.excludes_zero


def test_no_seed_has_no_estimate() -> None:
    assert estimate([]) is None
    assert paired({0: 1.0}, {1: 1.0}) is None


def test_a_function_that_ignores_its_seed_proves_nothing() -> None:
    found = estimate([0.3, 0.1 + 0.2, 0.3])
    assert found is not None
    assert found.p is None
    assert not found.excludes_zero
    assert "same value" in found.why_no_interval


def test_no_difference_at_all_is_an_interval_of_zero() -> None:
    found = paired({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0})
    assert found is not None
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)
    assert not found.excludes_zero


def test_pairs_are_by_seed_not_by_place() -> None:
    found = paired({2: 5.0, 0: 1.0, 1: 3.0}, {0: 0.0, 1: 2.0, 2: 4.0, 7: 100.0})
    assert found is not None
    assert found.mean == 1.0
    assert found.n == 3


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .03 .2: x4 .04, x3 .06, x2 .06 (not below .06), x1 .2
    assert holm([0.02, 0.2, 0.01, 0.03]) == pytest.approx((0.06, 0.2, 0.04, 0.06))
    assert holm([0.6, None, 0.7]) == (1.0, None, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_raw_and_bonferroni_and_keeps_the_order(
    raw: list[float],
) -> None:
    corrected = holm(raw)
    for p, q in zip(raw, corrected, strict=True):
        assert q is not None
        assert p <= q <= min(1.0, len(raw) * p) + 1e-12
    order = np.argsort(raw, kind="stable")
    in_order = [corrected[i] for i in order]
    assert in_order == sorted(in_order, key=lambda q: q or 0.0)


def test_the_bootstrap_supposes_no_normal_distribution() -> None:
    values = [0.1, 0.2, 0.3, 0.2, 0.1, 0.2, 0.3, 9.0]
    found = estimate(values)
    assert found is not None
    assert found.bootstrap is not None
    assert found.low is not None
    low, high = found.bootstrap
    # t reaches below zero for the sake of one large value; no resample does.
    assert found.low < 0 < min(values) <= low < found.mean < high
    again = estimate(values)
    assert again == found


def test_the_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        found = estimate(rng.normal(1.0, 1.0, size=30).tolist())
        assert found is not None
        assert found.bootstrap is not None
        low, high = found.bootstrap
        covered += low <= 1.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_few_seeds_have_no_bootstrap_interval() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0])
    assert found is not None
    assert found.bootstrap is None
