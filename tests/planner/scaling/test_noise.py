import numpy as np
import pytest
from numpy.typing import NDArray

import stepsize as ss
from stepsize.planner.scaling.noise import (
    Moments,
    NoiseMeter,
    from_ranks,
    from_two_batches,
    noise_scale,
)

SIZE, SIGMA2, TRUE = 200, 3.0, np.full(200, 0.1)
SIGNAL, NOISE = float(TRUE @ TRUE), SIZE * SIGMA2


def _gradients(count: int, batch: int, seed: int = 0) -> NDArray[np.float64]:
    """Means of `batch` samples of a gradient of known mean and covariance."""
    rng = np.random.default_rng(seed)
    drawn: NDArray[np.float64] = rng.normal(
        TRUE, (SIGMA2 / batch) ** 0.5, (count, SIZE)
    )
    return drawn


def test_two_batch_sizes_are_unbiased() -> None:
    small, big = _gradients(4000, 8), _gradients(4000, 64, seed=1)
    found = from_two_batches(
        float((small**2).sum(1).mean()), float((big**2).sum(1).mean()), 8, 64
    )
    assert found.signal == pytest.approx(SIGNAL, rel=0.05)
    assert found.noise == pytest.approx(NOISE, rel=0.01)
    assert noise_scale(*found) == pytest.approx(NOISE / SIGNAL, rel=0.05)


def test_ranks_in_a_running_estimate() -> None:
    meter = NoiseMeter(decay=0.999)
    for seed in range(1500):
        ranks = _gradients(4, 16, seed)
        mean = ranks.mean(0)
        norms = [float(one @ one) for one in ranks]
        meter = meter.observe(from_ranks(norms, float(mean @ mean), 16))
    assert meter.scale == pytest.approx(NOISE / SIGNAL, rel=0.25)
    assert NoiseMeter(**meter.to_dict()) == meter


def test_the_meter_is_debiased_from_the_first_observation() -> None:
    first = NoiseMeter().observe(Moments(1.0, 5.0))
    assert (first.signal, first.noise, first.count) == pytest.approx((1.0, 5.0, 1))
    assert NoiseMeter().scale is None
    assert NoiseMeter().observe(Moments(-1.0, 5.0)).scale is None


def test_errors() -> None:
    with pytest.raises(ss.InvalidScheduleError, match="larger than small_batch"):
        from_two_batches(1, 1, 8, 8)
    with pytest.raises(ss.InvalidScheduleError, match="two ranks or more"):
        from_ranks([1.0], 1.0, 8)
    with pytest.raises(ss.InvalidScheduleError, match=r"decay must be .* >= 0 and < 1"):
        NoiseMeter(decay=1.0)
    with pytest.raises(
        ss.InvalidScheduleError, match=r"NoiseMeter\.count must be an int"
    ):
        NoiseMeter(count=-1)
    with pytest.raises(ss.InvalidScheduleError, match=r"NoiseMeter\.signal must be"):
        NoiseMeter().observe(Moments(float("nan"), 1.0))
