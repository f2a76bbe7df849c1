"""The trend: exact on lines, deaf to outliers, honest about its doubt."""

import random
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepsize.control.policies.trend import POINTS, fit


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(2, 200))
def test_a_line_is_found_without_doubt(slope: int, start: int, count: int) -> None:
    trend = fit(range(count), [float(start + slope * x) for x in range(count)])
    assert trend.slope == pytest.approx(slope, abs=1e-9)
    assert trend.error == pytest.approx(0, abs=1e-9)


def test_positions_need_not_be_even() -> None:
    xs = [0, 1, 5, 6, 20]
    assert fit(xs, [3.0 - 2 * x for x in xs]).slope == -2


def test_outliers_do_not_turn_it() -> None:
    values = [10.0 - 0.1 * x for x in range(20)]
    for index in (3, 9, 18):
        values[index] = 1e6
    assert fit(range(20), values).slope == pytest.approx(-0.1, rel=0.2)


@pytest.mark.parametrize("count", [20, POINTS, 3 * POINTS])
def test_the_standard_error_is_that_of_repeated_draws(count: int) -> None:
    draw = random.Random(0)
    trends = [
        fit(range(count), [draw.gauss(0, 1) for _ in range(count)]) for _ in range(300)
    ]
    spread = pstdev([trend.slope for trend in trends])
    assert fmean([trend.error for trend in trends]) == pytest.approx(spread, rel=0.2)
