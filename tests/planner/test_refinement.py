"""Refined schedules: the published vectors, equal norms, the bound, the artefact."""

from typing import Any

import numpy as np
import pytest

from stepsize.errors import FitError
from stepsize.planner import refine
from stepsize.planner.laws import ConvexBound
from stepsize.planner.refinement import (
    bound_and_slopes,
    closed_form,
    smoothed_norms,
)

NORMS = np.array([4, 2, 1, 1, 1, 2, 2, 1.0])


def test_closed_form_vectors() -> None:
    squared = [0.061688, 0.233766, 0.727273, 0.519481, 0.311688, 0.064935, 0.051948, 0]
    absolute = [0.23913, 0.434783, 0.695652, 0.521739, 0.347826, 0.130435, 0.086957, 0]
    assert closed_form(NORMS, 2) == pytest.approx(squared, abs=6e-7)
    assert closed_form(NORMS, 1) == pytest.approx(absolute, abs=6e-7)


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_the_unit_of_the_norms_does_not_matter(unit: float) -> None:
    peak: Any = np.float32(0.5)
    made = refine(NORMS * unit, optimizer="sgd", peak_lr=peak)
    usual = refine(NORMS, optimizer="sgd", peak_lr=0.5)
    assert made(range(8)) == pytest.approx(usual(range(8)))


@pytest.mark.parametrize("optimizer", ["sgd", "AdamW"])
def test_schedule_of_the_vectors(optimizer: str) -> None:
    power = 2 if optimizer == "sgd" else 1
    made = refine(NORMS, optimizer=optimizer, smooth=False, peak_lr=3e-4)
    raw = closed_form(NORMS, power)
    assert made(range(8)) == pytest.approx(3e-4 * raw / raw.max(), rel=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("smooth", [True, False])
def test_equal_norms_give_a_linear_decay(optimizer: str, *, smooth: bool) -> None:
    made = refine([0.7] * 1000, optimizer=optimizer, smooth=smooth)
    t = np.arange(1000)
    assert made(t) == pytest.approx(1 - t / 999, abs=1e-12)


def test_equal_norms_give_a_nearly_linear_decay_by_the_bound() -> None:
    made = np.array(refine([1.0] * 200, optimizer="sgd", method="bound")(range(200)))
    linear = 1 - np.arange(200) / 200
    ours, theirs = ConvexBound().tuned(made), ConvexBound().tuned(linear)
    assert ours.value <= theirs.value
    assert np.abs(made / made.max() - linear)[:180].max() < 0.1


def test_large_first_norms_give_a_warmup() -> None:
    norms = 1 + 4 * np.exp(-np.arange(400) / 20)
    made = np.array(refine(norms, steps=4000, smooth=False)(np.arange(4000)))
    assert 300 < np.argmax(made) < 2000
    assert made[0] < 0.5 * made.max()
    assert made[-1] == 0


def test_the_bound_s_derivatives() -> None:
    source = np.random.default_rng(0)
    rates, squares = source.uniform(0.5, 1.5, 9), source.uniform(0.5, 1.5, 9)
    value, slopes = bound_and_slopes(rates, squares)
    for at in range(9):
        change = 1e-6 * (np.arange(9) == at)
        up = bound_and_slopes(rates + change, squares)[0]
        down = bound_and_slopes(rates - change, squares)[0]
        assert slopes[at] == pytest.approx((up - down) / 2e-6, rel=1e-6)
    assert bound_and_slopes(rates, np.ones(9))[0] == pytest.approx(
        ConvexBound().at_end(rates), rel=1e-12
    )
    assert value > 0


def test_median_filter_drops_single_spikes_and_mirrors_the_end() -> None:
    norms = np.ones(100)
    norms[30] = 50
    assert smoothed_norms(norms) == pytest.approx(np.ones(100))
    rising = np.linspace(1, 2, 100)
    assert smoothed_norms(rising)[-1] == pytest.approx(rising[-3], abs=0.04)


def test_a_rise_from_weight_decay_is_refused() -> None:
    norms = np.concatenate([np.ones(600), np.linspace(1, 1.6, 400)])
    with pytest.raises(FitError, match=r"not climb at the end.*constant rate"):
        refine(norms)
    assert refine(norms, ignore_rise=True)(999) == 0


def test_values_that_are_not_finite_are_left_out() -> None:
    norms = [1.0, float("nan"), 1.0, float("inf")] * 20
    assert refine(norms, steps=41)(range(0, 41, 20)) == pytest.approx([1, 0.5, 0])


@pytest.mark.parametrize(
    ("given", "change", "match"),
    [
        ([1.0] * 7, {}, r"gradient_norms must be one-dimensional.*at least 8"),
        ([0.0] * 9, {}, r"gradient_norms must be"),
        ("flat", {}, r"be an array of numbers"),
        ([1.0] * 9, {"optimizer": "magic"}, r"refine\.optimizer must be one of sgd"),
        ([1.0] * 9, {"steps": 1}, r"refine\.steps must be an int >= 2"),
        ([1.0] * 9, {"peak_lr": 0}, r"refine\.peak_lr must be"),
        ([1.0] * 9, {"peak_lr": True}, r"refine\.peak_lr must be"),
        ([1.0] * 9, {"method": "guess"}, r"be 'closed form' or 'bound'"),
    ],
)
def test_bad_input(given: Any, change: dict[str, Any], match: str) -> None:
    with pytest.raises(FitError, match=match):
        refine(given, **change)
