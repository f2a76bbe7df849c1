"""The peers' rules on curves whose answer can be read off by eye."""

from __future__ import annotations

import numpy as np
import pytest

from stepsize.finder.rules import minimum, slide, steepest, valley

LRS = 10.0 ** np.linspace(-5.0, 0.0, 51)


def test_steepest_is_where_the_loss_falls_most_per_decade() -> None:
    losses = -np.tanh(4.0 * (np.log10(LRS) + 2.0))
    found = steepest(LRS, losses)
    assert found == pytest.approx(10.0**-2.1) or found == pytest.approx(1e-2)


def test_minimum_is_a_tenth_of_the_lowest() -> None:
    assert minimum(LRS, (np.log10(LRS) + 1.0) ** 2) == pytest.approx(1e-2)


def test_valley_is_the_middle_of_the_longest_fall() -> None:
    losses = np.abs(np.log10(LRS) + 1.0)  # falls over the places 0 to 40
    assert valley(LRS, losses) == pytest.approx(LRS[19])


def test_slide_stops_where_slopes_are_alike() -> None:
    flat_then_steep = np.concatenate([np.zeros(26), np.arange(25.0) ** 2])
    found = slide(LRS, flat_then_steep)
    assert found is not None
    assert found < LRS[26]
    assert slide(LRS[:15], flat_then_steep[:15]) is None


def test_slide_depends_on_the_scale_of_the_loss() -> None:
    losses = (np.log10(LRS) + 2.0) ** 2
    assert slide(LRS, losses) != slide(LRS, losses * 1e-4)


@pytest.mark.parametrize("rule", [steepest, valley, minimum])
def test_nothing_has_no_answer(rule: object) -> None:
    assert rule(np.array([]), np.array([])) is None  # type: ignore[operator]
