"""Series, and the few points that stand for many."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepsize.dashboard.columns import MOST_SERIES, Columns, Series, thin, within
from stepsize.ledger.records import Metric

VALUES = st.lists(
    st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=400
)


def series(values: list[float]) -> Series:
    return Series(np.arange(len(values)) * 3, np.array(values, dtype=np.float64))


@given(VALUES, st.integers(10, 60))
def test_thinning_keeps_ends_and_extremes(values: list[float], points: int) -> None:
    whole = series(values)
    few = thin(whole, points)
    assert len(few.updates) <= points + 4
    assert (np.diff(few.updates) > 0).all()
    assert (few.updates[0], few.updates[-1]) == (whole.updates[0], whole.updates[-1])
    at = few.updates // 3
    np.testing.assert_array_equal(few.values, whole.values[at])
    finite = whole.values[np.isfinite(whole.values)]
    if len(finite):
        kept = few.values[np.isfinite(few.values)]
        assert (kept.min(), kept.max()) == (finite.min(), finite.max())
    assert np.isfinite(whole.values).all() == np.isfinite(few.values).all()


def test_few_points_stay_as_they_are() -> None:
    whole = series([3.0, 1.0, 2.0])
    assert thin(whole, 10) is whole


def test_a_part_has_a_neighbour_on_each_side() -> None:
    part = within(series([0.0, 1.0, 2.0, 3.0, 4.0]), 5, 7)
    assert part.updates.tolist() == [3, 6, 9]
    assert within(series([0.0, 1.0]), None, None).updates.tolist() == [0, 3]
    assert within(series([0.0, 1.0]), 90, 99).updates.tolist() == [3]


def test_an_update_made_again_replaces_what_followed_it() -> None:
    columns = Columns()
    for update in (0, 1, 2, 3, 4, 2, 3):
        columns.add(Metric.of(update, None, {"loss": float(update)}))
    columns.add(Metric.of(4, None, {"loss": math.inf}))
    found = columns.series(columns.names()["loss"])
    assert found.updates.tolist() == [0, 1, 2, 3, 4]
    assert found.values.tolist() == [0.0, 1.0, 2.0, 3.0, math.inf]


def test_rates_are_named_by_group() -> None:
    columns = Columns()
    columns.add(Metric.of(0, {"lr": [0.1, None, 0.3]}, {"loss": 1.0, "accuracy": 0.5}))
    assert list(columns.names()) == ["accuracy", "loss", "lr/group 0", "lr/group 2"]
    columns.rename(("same", "none", "same"))
    assert list(columns.names()) == ["accuracy", "loss", "lr/same", "lr/same'"]


def test_series_beyond_the_limit_are_counted() -> None:
    columns = Columns()
    columns.add(Metric.of(0, {"lr": [0.1] * (MOST_SERIES + 7)}))
    assert len(columns.names()) == MOST_SERIES
    assert columns.left_out == 7


@pytest.mark.parametrize("count", [10_000, 10_001, 9_999])
def test_no_spike_is_lost(count: int) -> None:
    values = np.zeros(count)
    values[count - 17] = 5.0
    values[17] = -5.0
    values[4000] = math.nan
    few = thin(Series(np.arange(count), values), 300)
    assert len(few.updates) <= 302
    assert np.nanmax(few.values) == 5.0
    assert np.nanmin(few.values) == -5.0
    assert np.isnan(few.values).sum() == 1
