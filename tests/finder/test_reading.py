from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from stepsize.errors import FinderError
from stepsize.finder import Curve, analyse

LRS = [10.0 ** (-7 + 8 * i / 99) for i in range(100)]


def loss_at(lr: float, *, blowup: float = 0.1, noise: float = 0.0) -> float:
    """Fall by 1 around a hundredth of the blow-up, then rise."""
    fall = lr / (lr + blowup / 100.0)
    return 2.0 - fall + (lr / blowup) ** 2 + random.gauss(0.0, noise)


def ramp(**options: float) -> list[float]:
    random.seed(1)
    return [loss_at(lr, **options) for lr in LRS]


def test_the_suggestion_is_a_tenth_of_the_blowup() -> None:
    found = analyse(LRS, ramp())
    assert found.status == "ok"
    assert found.blowup is not None
    assert 0.02 < found.blowup < 0.1
    assert found.suggestion == found.blowup / 10.0
    assert found.steps == 100


@pytest.mark.parametrize("seed", range(5))
def test_noise_moves_the_blowup_little(seed: int) -> None:
    random.seed(seed)
    blowup = analyse(LRS, [loss_at(lr, noise=0.05) for lr in LRS]).blowup
    clean = analyse(LRS, ramp()).blowup
    assert blowup is not None
    assert clean is not None
    assert abs(math.log10(blowup / clean)) < 0.5


@pytest.mark.parametrize("shift", [0.0, -1.0, -2.0, -1000.0])
def test_negative_and_zero_losses_read_like_others(shift: float) -> None:
    shifted = analyse(LRS, [loss + shift for loss in ramp()])
    assert shifted.blowup == analyse(LRS, ramp()).blowup


def test_nan_ends_the_curve_and_is_the_blowup() -> None:
    losses = [math.nan if lr > 1e-2 else loss_at(lr, blowup=1e3) for lr in LRS]
    losses = [2.0 - min(1.0, lr * 300.0) if lr <= 1e-2 else math.nan for lr in LRS]
    found = analyse(LRS, losses)
    first = next(lr for lr in LRS if lr > 1e-2)
    assert found.blowup == first
    assert found.suggestion == first / 10.0
    assert all(lr is None or lr < first for lr in found.rules.values())


@pytest.mark.parametrize("place", [0, 1, 5, 50, 98, 99])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_follows_a_broken_loss_is_not_read(place: int, value: float) -> None:
    losses = ramp()
    losses[place] = value
    after = [*losses[: place + 1], *[-1e9] * (99 - place)]
    one, other = analyse(LRS, losses), analyse(LRS, after)
    assert (one.suggestion, one.status) == (other.suggestion, other.status)


def test_each_failure_has_its_status() -> None:
    assert analyse(LRS, [math.nan, *ramp()[1:]]).status == "nonfinite_at_start"
    assert analyse(LRS[:7], ramp()[:7]).status == "too_few_steps"
    assert analyse(LRS, [2.0] * 100).status == "no_descent"
    assert analyse(LRS, [2.0 - lr / 100 for lr in LRS]).status != "ok"
    falls = [2.0 - lr / (lr + 1e-3) for lr in LRS]
    assert analyse(LRS, falls).status == "no_blowup"
    random.seed(0)
    flat = [random.gauss(0.1, 0.02) for _ in LRS]
    assert analyse(LRS, flat).status == "no_descent"


def test_smoothing_does_not_lag() -> None:
    """A straight line in log lr is left as it is."""
    line = [math.log10(lr) for lr in LRS]
    smooth = Curve.of(LRS, line).smoothed()
    assert np.allclose(smooth, line, rtol=0.0, atol=1e-12)


def test_smoothing_drops_a_single_spike() -> None:
    losses = ramp()
    losses[40] += 100.0
    assert Curve.of(LRS, losses).smoothed().max() < max(ramp()) + 1.0


def test_a_linear_ramp_is_read_too() -> None:
    lrs = list(np.linspace(1e-4, 1.0, 300))
    found = analyse(lrs, [loss_at(lr) for lr in lrs])
    assert found.blowup is not None
    assert 0.02 < found.blowup < 0.1


def test_rules_are_named() -> None:
    assert set(analyse(LRS, ramp()).rules) == {
        "steepest",
        "valley",
        "slide",
        "minimum",
        "smith",
    }
    assert set(analyse(LRS[:5], ramp()[:5]).rules.values()) == {None}


@pytest.mark.parametrize(
    ("lrs", "losses", "match"),
    [
        ([1e-3, 1e-2], [1.0], "Curve.losses must hold a loss for each of the 2 rates"),
        ([], [], "Curve.lrs must hold at least one rate"),
        ([1e-2, 1e-3], [1.0, 1.0], "sort the rows by rate"),
        ([0.0, 1e-3], [1.0, 1.0], "Curve.lrs must be finite, > 0 and rise"),
        ([1e-3, math.nan], [1.0, 1.0], "Curve.lrs must be finite, > 0 and rise"),
    ],
)
def test_a_curve_that_is_none_is_refused(
    lrs: list[float], losses: list[float], match: str
) -> None:
    with pytest.raises(FinderError, match=match):
        analyse(lrs, losses)


def test_fewer_updates_than_rates_are_refused() -> None:
    with pytest.raises(FinderError, match=r"analyse.steps must be at least .* 100"):
        analyse(LRS, ramp(), steps=99)


@pytest.mark.parametrize(
    ("lrs", "losses", "match"),
    [
        (["a"], [1.0], "Curve.lrs must be a number"),
        ([1.0], [None], "Curve.losses must be a number"),
    ],
)
def test_what_is_no_number_is_refused(lrs: Any, losses: Any, match: str) -> None:
    with pytest.raises(FinderError, match=match):
        analyse(lrs, losses)


def test_a_loss_near_the_end_of_floats_is_a_break() -> None:
    losses = [*ramp()[:80], *[1.5e308] * 20]
    found = analyse(LRS, losses)
    assert found.blowup == analyse(LRS, [*ramp()[:80], *[math.inf] * 20]).blowup


def test_steps_that_are_no_int_are_refused() -> None:
    with pytest.raises(FinderError, match=r"analyse\.steps must be at least"):
        analyse(LRS, ramp(), steps="many")  # type: ignore[arg-type]  # the test's point
