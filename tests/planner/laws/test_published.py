"""The laws of others give the numbers that their authors' code gives."""

import numpy as np
import pytest

import stepsize as ss
from stepsize.errors import FitError
from stepsize.planner.laws import (
    AnnealedTime,
    ConvexBound,
    FunctionalScaling,
    Momentum,
    MultiPower,
)
from stepsize.planner.laws.law import Floats

PEAK, END, WARMUP = 3e-4, 3e-5, 2160
MULTI_POWER = MultiPower(
    floor=3.04045406,
    a=0.52468604,
    alpha=0.50786857,
    b=363.78751622,
    c=2.06560812,
    beta=0.58279013,
    gamma=0.64142257,
)


def rates(name: str) -> Floats:
    """Return the rates of Luo et al.'s runs."""
    last = 16_000 if name == "wsdcon_9" else 24_000
    made = np.full(last + 1, PEAK)
    made[:WARMUP] = np.linspace(0, PEAK, WARMUP)
    part = (np.arange(WARMUP, last + 1) - WARMUP) / (last - WARMUP)
    if name == "cosine":
        made[WARMUP:] = END + (PEAK - END) * (1 + np.cos(np.pi * part)) / 2
    elif name == "wsd":
        made[20_000:] = PEAK * (END / PEAK) ** (np.arange(4001) / 4000)
    elif name == "wsdcon_9":
        made[8000:] = 9e-5
    return made


@pytest.mark.parametrize(
    ("name", "steps", "losses"),
    [
        (
            "cosine",
            [2160, 8000, 10_000, 20_000, 23_920],
            [4.070447, 3.502893, 3.453471, 3.328803, 3.315292],
        ),
        (
            "wsd",
            [2160, 8000, 10_000, 20_000, 23_920],
            [4.070447, 3.509927, 3.466383, 3.365902, 3.266825],
        ),
        ("constant", [23_920], [3.346190]),
        ("wsdcon_9", [10_000, 15_999], [3.422827, 3.384894]),
    ],
)
def test_multi_power(name: str, steps: list[int], losses: list[float]) -> None:
    assert MULTI_POWER.loss(rates(name), steps) == pytest.approx(losses, abs=6e-7)


def test_multi_power_without_the_rise_is_lower() -> None:
    bare = MultiPower(
        floor=3.04045406,
        a=0.52468604,
        alpha=0.50786857,
        b=363.78751622,
        c=2.06560812,
        beta=0.58279013,
        gamma=0.64142257,
        warmup_rise=False,
    )
    lift = MULTI_POWER.loss(rates("cosine"), [23_920]) - bare.loss(
        rates("cosine"), [23_920]
    )
    assert 0.101 < lift[0] < 0.109  # what was measured on the authors' code


def test_merged_changes_are_close_and_exact_ones_exact() -> None:
    steps = np.arange(2176, 24_000, 128)
    exact = MULTI_POWER.loss(rates("cosine"), steps)
    merged = MultiPower(
        floor=3.04045406,
        a=0.52468604,
        alpha=0.50786857,
        b=363.78751622,
        c=2.06560812,
        beta=0.58279013,
        gamma=0.64142257,
        merge=64,
    ).loss(rates("cosine"), steps)
    off = np.abs(merged - exact)
    assert 0 < off.max() < 5e-4


def test_momentum() -> None:
    law = Momentum(floor=3.0, a=0.5, alpha=0.5, c=0.5)
    cosine = law.area(rates("cosine"))[[2160, 8000, 10_000, 20_000, 23_920]]
    assert cosine == pytest.approx(
        [0, 0.03256034, 0.06112515, 0.23562742, 0.26703983], abs=6e-9
    )
    assert law.area(rates("wsd"))[23_920] == pytest.approx(0.23408909, abs=6e-9)
    falls = law.loss(rates("wsd"), [19_999, 23_920])
    total = np.cumsum(rates("wsd"))[[19_999, 23_920]]
    assert falls == pytest.approx(3 + 0.5 * total**-0.5 - [0, 0.5 * 0.23408909])


def test_sum_of_rates_of_the_cosine() -> None:
    total = np.cumsum(rates("cosine"))[[2160, 8000, 10_000, 20_000, 23_920]]
    assert total == pytest.approx(
        [0.3243, 1.986766, 2.465754, 3.778469, 3.925365], abs=6e-7
    )


def test_annealed_time() -> None:
    law = AnnealedTime(
        floor=3.0,
        a=2.0,
        alpha=0.55,
        b=35.0,
        c=10.0,
        beta=1.0,
        noise_power=0.7,
        time_power=0.7,
    )
    steps = [2160, 8000, 10_000, 20_000, 23_920]
    assert law.loss(rates("cosine"), steps) == pytest.approx(
        [4.004565, 3.458446, 3.408919, 3.274208, 3.254279], abs=6e-7
    )
    assert law.loss(rates("wsd"), steps[-2:]) == pytest.approx(
        [3.320239, 3.220641], abs=6e-7
    )


def test_functional_scaling_is_multi_power_without_gamma() -> None:
    scaling = FunctionalScaling(floor=3, a=0.5, alpha=0.5, b=300, c=2, beta=0.6)
    multi_power = MultiPower(floor=3, a=0.5, alpha=0.5, b=300, c=2, beta=0.6, gamma=0.0)
    steps = [2160, 10_000, 23_920]
    scaling_losses = scaling.loss(rates("cosine"), steps)
    multi = multi_power.loss(rates("cosine"), steps)
    # they place a change before and after its own update
    assert scaling_losses == pytest.approx(multi, abs=2e-4)


SHAPES = {
    "constant": ss.hold(),
    "cosine": ss.cosine(),
    "linear": ss.linear(),
    "square": ss.polynomial(power=2),
    "inverse sqrt": ss.opaque("isqrt", lambda t: (t + 1) ** -0.5),
}


@pytest.mark.parametrize(
    ("name", "scale", "value"),
    [
        ("constant", 0.3635, 2.7509),
        ("cosine", 0.9648, 2.0677),
        ("linear", 0.9913, 2.0126),
        ("square", 1.4045, 2.1280),
    ],
)
def test_bound_of_shapes(name: str, scale: float, value: float) -> None:
    shape = np.array(SHAPES[name].resolve(total_steps=400).block(0, 400))
    found = ConvexBound().tuned(shape)
    assert found.scale * 20 == pytest.approx(scale, abs=6e-5)
    assert found.value * 20 == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize(
    ("fraction", "scale", "value"),
    [
        (0.05, 0.4167, 2.4616),
        (0.1, 0.4542, 2.3176),
        (0.2, 0.5087, 2.1842),
        (0.4, 0.6026, 2.0744),
        (0.6, 0.7034, 2.0310),
        (0.8, 0.8270, 2.0152),
        (0.9, 0.9032, 2.0130),
    ],
)
def test_bound_of_cooldowns(fraction: float, scale: float, value: float) -> None:
    length = round(400 * fraction)
    shape = np.ones(400)
    shape[400 - length :] = 1 - np.arange(length) / (length + 1)
    found = ConvexBound().tuned(shape)
    # the authors' ramps may begin an update earlier or later
    assert found.scale * 20 == pytest.approx(scale, rel=5e-3)
    assert found.value * 20 == pytest.approx(value, rel=5e-3)


def test_bound_of_the_authors_package() -> None:
    cosine = 0.05 * np.array(ss.cosine().resolve(total_steps=400).block(0, 400))
    assert ConvexBound().at_end(cosine) == pytest.approx(0.103452147, rel=1e-3)


def test_bound_is_its_formula() -> None:
    h, g, d = np.array([0.3, 0.2, 0.4, 0.1]), 1.3, 0.7
    sums = [h[k:].sum() for k in range(4)]
    noise = [((h * g) ** 2)[k:].sum() for k in range(4)]
    expected = d**2 / (2 * sums[0]) + noise[0] / (2 * sums[0])
    expected += sum(h[k] / sums[k + 1] * noise[k] / sums[k] for k in range(3)) / 2
    law = ConvexBound(distance=d, gradient_norm=g)
    assert law.loss(h, [3])[0] == pytest.approx(expected, rel=1e-13)
    assert law.at_end(np.append(h, 0.0)) == pytest.approx(expected, rel=1e-13)
    with pytest.raises(FitError, match=r"ConvexBound\.rates must be > 0 somewhere"):
        law.loss([0.0, 0.1], [0, 1])


@pytest.mark.parametrize(
    "law",
    [
        MULTI_POWER,
        Momentum(floor=3.0, a=0.5, alpha=0.5, c=0.5),
        FunctionalScaling(floor=3, a=0.5, alpha=0.5, b=300, c=10, beta=1),
        AnnealedTime(
            floor=3,
            a=2,
            alpha=0.55,
            b=35,
            c=10,
            beta=1,
            noise_power=0.7,
            time_power=0.7,
        ),
        ConvexBound(distance=0.7, gradient_norm=1.3),
    ],
    ids=lambda law: type(law).__name__,
)
def test_closed_form_derivatives(
    law: MultiPower | Momentum | FunctionalScaling | AnnealedTime | ConvexBound,
) -> None:
    from dataclasses import replace

    steps = [2500, 9000, 15_999]
    curve = rates("wsdcon_9")
    _, slopes = law.jacobian(curve, steps)
    names = ["floor", "a", "alpha", "b", "c", "beta", "gamma"]
    if isinstance(law, Momentum):
        names = ["floor", "a", "alpha", "c"]
    if isinstance(law, ConvexBound):
        names = ["distance", "gradient_norm"]
    for column, name in zip(slopes.T, names, strict=False):
        value = getattr(law, name)
        change = 1e-5 * value
        up = replace(law, **{name: value + change}).loss(curve, steps)
        down = replace(law, **{name: value - change}).loss(curve, steps)
        assert column == pytest.approx((up - down) / (2 * change), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rates": [0.1, float("nan")]}, r"MultiPower\.rates must be finite.*step 1"),
        ({"rates": [0.0, 0.0]}, r"be > 0 somewhere"),
        ({"rates": []}, r"one-dimensional array that is not empty"),
        ({"rates": "fast"}, r"be an array of numbers"),
        ({"steps": [3]}, r"MultiPower\.steps must be ints in 0\.\.2"),
        ({"steps": [0.5]}, r"must be ints"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], match: str) -> None:
    given: dict[str, object] = {"rates": [0.1, 0.2], "steps": [1]} | change
    with pytest.raises(FitError, match=match):
        MULTI_POWER.loss(given["rates"], given["steps"])


def test_fields_are_checked() -> None:
    with pytest.raises(FitError, match=r"Momentum\.a must be > 0; got -1"):
        Momentum(floor=3.0, a=-1, alpha=0.5, c=0.5)
    with pytest.raises(FitError, match=r"Momentum\.memory must be >= 0 and < 1"):
        Momentum(floor=3.0, a=1, alpha=0.5, c=0.5, memory=1.0)
    with pytest.raises(FitError, match=r"ConvexBound\.distance must be a finite"):
        ConvexBound(distance=float("inf"))
