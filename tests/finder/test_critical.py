from __future__ import annotations

import math

import pytest
from tests.finder.trainings import Quadratic

from stepsize.errors import FinderError
from stepsize.finder import critical_rate


@pytest.mark.parametrize("curvature", [1e-1, 2.0, 1e3])
def test_it_is_two_over_the_curvature(curvature: float) -> None:
    training = Quadratic(curvature=curvature)
    rate = critical_rate(training.step, training.again)
    assert rate is not None
    assert 0.8 * 2.0 / curvature < rate <= 2.0 / curvature
    assert len(training.rates) <= 2 * 16


def test_a_broken_loss_counts_as_harm() -> None:
    def broken(count: int, lr: float) -> float | None:
        broke[0] = (count == 1 and lr > 0.05) or (count > 1 and broke[0])
        return math.nan if broke[0] else None

    broke = [False]
    training = Quadratic(curvature=1e-3, broken=broken)
    rate = critical_rate(training.step, training.again)
    assert rate is not None
    assert 0.04 < rate <= 0.05


def test_none_if_no_rate_harms_or_the_first_does() -> None:
    calm = Quadratic(curvature=1e-4)
    assert critical_rate(calm.step, calm.again, high=10.0) is None
    wild = Quadratic(curvature=1e9)
    assert critical_rate(wild.step, wild.again) is None


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"start": 0.0}, "critical_rate.start must be finite and > 0"),
        ({"start": 1.0, "high": 1.0}, "critical_rate.high must be greater"),
        ({"start": "1e-6"}, "critical_rate.start must be finite and > 0"),
        ({"high": math.inf}, "critical_rate.high must be finite and > 0"),
        ({"bisections": -1}, "critical_rate.bisections must be an int >= 0"),
        ({"bisections": 1.5}, "critical_rate.bisections must be an int >= 0"),
    ],
)
def test_what_is_out_of_range_is_refused(
    options: dict[str, object], match: str
) -> None:
    training = Quadratic()
    with pytest.raises(FinderError, match=match):
        critical_rate(training.step, training.again, **options)  # type: ignore[arg-type]
