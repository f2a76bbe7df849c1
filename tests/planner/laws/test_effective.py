"""The effective-rate law: its recursions, derivatives, blocks and adjoint."""

import numpy as np
import pytest

from stepsize.control.policies.forecast import Forecast
from stepsize.errors import FitError
from stepsize.planner.laws import EffectiveRate, effective_pass
from stepsize.planner.laws.blocks import cut
from stepsize.planner.laws.law import Floats

LAW = EffectiveRate(
    floor=0.93,
    progress=0.03,
    exponent=0.58,
    noise=0.2,
    speed=2.0,
    tilt=0.02,
    noise_power=0.9,
    time_power=1.1,
    shrinkage=2e-4,
    growth=6.0,
    norm_power=0.55,
    offset=10.0,
    unit=1e-3,
    reference=2e4,
    scale=3.0,
)


def warmup_stable_decay(steps: int = 4000) -> Floats:
    t = np.arange(steps)
    return 1e-3 * np.minimum(np.minimum(1, (t + 1) / 200), (steps - t) / (steps / 4))


def test_one_column_is_what_it_is_beside_another() -> None:
    force, keep = np.random.default_rng(0).random((2, 40, 2))
    both = effective_pass.linear(force, keep, np.ones(2))
    for shape in ((40,), (40, 1)):
        one = effective_pass.linear(
            force[:, 0].reshape(shape), keep[:, 0].reshape(shape), np.ones(shape[1:])
        )
        assert one.shape == shape
        assert one.ravel().tolist() == both[:, 0].tolist()


def naive(rates: Floats, step: int) -> float:
    """Return the loss by the formula of the docstring, update by update."""
    u = effective_pass.NODES
    w = u**LAW.tilt * np.exp(-u)
    w /= w.sum()
    norm, time, nodes = 1.0, 0.0, np.zeros(len(u))
    for rate in rates[: step + 1]:
        g = max(rate / LAW.unit, 1e-9)
        target = LAW.growth * g
        halfway = target + (norm - target) * np.exp(-LAW.shrinkage * g / 2)
        norm = target + (norm - target) * np.exp(-LAW.shrinkage * g)
        e = g * halfway**-LAW.norm_power
        time += e**LAW.time_power
        nodes += (e**LAW.noise_power - nodes) * (1 - np.exp(-LAW.speed * u * e))
    progress = ((time + LAW.offset) / LAW.reference) ** -LAW.exponent
    return float(
        LAW.scale * (LAW.floor + LAW.progress * progress + LAW.noise * w @ nodes)
    )


@pytest.mark.parametrize("step", [250, 1999, 3200, 3900, 3999])
def test_blocks_come_close_to_every_update(step: int) -> None:
    rates = warmup_stable_decay()
    assert LAW.loss(rates, [step])[0] == pytest.approx(naive(rates, step), abs=3e-4)


def test_a_jump_between_points_is_seen() -> None:
    rates = np.full(3000, 1e-3)
    rates[1501:] = 1e-4
    for step in (1500, 1510, 2999):
        assert LAW.loss(rates, [step])[0] == pytest.approx(naive(rates, step), abs=3e-4)


def test_order_and_number_of_steps_do_not_matter() -> None:
    rates = warmup_stable_decay()
    every = LAW.loss(rates, np.arange(100, 4000))
    few = LAW.loss(rates, [3999, 500, 2000, 500])
    assert few == pytest.approx(every[[3899, 400, 1900, 400]], abs=4e-4)
    assert few[1] == few[3]
    assert LAW.loss(rates, [4000]) == LAW.loss(rates, [3999])


def test_derivatives_by_the_parameters() -> None:
    rates = warmup_stable_decay()
    steps = [300, 2500, 3999]
    _, slopes = LAW.jacobian(rates, steps)
    given = {"unit": LAW.unit, "reference": LAW.reference, "scale": LAW.scale}
    for at in range(len(effective_pass.SLOTS)):
        moved = np.zeros(len(effective_pass.SLOTS))
        moved[at] = 1e-5
        up = EffectiveRate.of(LAW.theta + moved, **given).loss(rates, steps)
        down = EffectiveRate.of(LAW.theta - moved, **given).loss(rates, steps)
        assert slopes[:, at] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-8), (
            effective_pass.SLOTS[at]
        )


def test_adjoint_is_the_derivative_by_the_rates() -> None:
    blocks = cut([(warmup_stable_decay(), np.array([3999]))])
    lengths, rates = blocks.lengths[:, 0], blocks.rates[:, 0]

    def last(rates: Floats) -> float:
        return effective_pass.adjoint(
            LAW.theta, lengths, rates, LAW.unit, LAW.reference
        )[0]

    loss, slopes = effective_pass.adjoint(
        LAW.theta, lengths, rates, LAW.unit, LAW.reference
    )
    assert LAW.scale * loss == pytest.approx(
        LAW.loss(warmup_stable_decay(), [3999])[0], rel=1e-12
    )
    for at in (0, 40, 200, len(rates) - 20, len(rates) - 1):
        change = np.zeros(len(rates))
        change[at] = 1e-5 * rates[at]
        slope = (last(rates + change) - last(rates - change)) / (2 * change[at])
        assert slopes[at] == pytest.approx(slope, rel=1e-5)


def test_theta_and_back() -> None:
    again = EffectiveRate.of(LAW.theta, unit=1e-3, reference=2e4, scale=3.0)
    assert again.theta == pytest.approx(LAW.theta, rel=1e-14)


def test_plain_python_carries_the_same_law_along() -> None:
    names = [name for name in LAW.__slots__]
    forecast = Forecast(**{name: getattr(LAW, name) for name in names})
    assert forecast == Forecast.from_dict(forecast.to_dict())
    rates = warmup_stable_decay()
    state = forecast.start()
    for start in range(0, 3000, 10):
        state = forecast.after(state, float(rates[start : start + 10].mean()), 10)
    assert forecast.loss(state) == pytest.approx(LAW.loss(rates, [2999])[0], abs=2e-4)
    final = forecast.final(state, 1e-3, 1000, 0.0, "linear")
    assert final == pytest.approx(LAW.loss(rates, [3999])[0], abs=5e-4)


def test_a_higher_norm_slows_progress() -> None:
    grown = EffectiveRate.of(
        LAW.theta + 1.0 * (np.arange(12) == 9), unit=1e-3, reference=2e4, scale=3.0
    )
    rates = np.full(20_000, 1e-4)
    assert grown.loss(rates, [19_999])[0] > LAW.loss(rates, [19_999])[0]


def test_fields_are_checked() -> None:
    with pytest.raises(FitError, match=r"EffectiveRate\.shrinkage must be >= 0"):
        EffectiveRate.of(LAW.theta, unit=1e-3, reference=1.0, scale=1.0).__class__(
            **{name: getattr(LAW, name) for name in LAW.__slots__} | {"shrinkage": -1.0}
        )
    with pytest.raises(FitError, match=r"EffectiveRate\.unit must be > 0"):
        EffectiveRate.of(LAW.theta, unit=0.0, reference=1.0, scale=1.0)
