"""The walk over the grid, on scores that are functions of the rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from stepsize.finder.climbing import Round, climb, place, rate
from stepsize.finder.training import Training

LENGTH = 8


def walked(
    score: Callable[[float], float],
    start: int,
    *,
    stride: int = 1,
    updates: int = 9999,
) -> Round:
    """Walk where every loss of a probe is the score of its first rate, the largest."""
    state = {"loss": math.nan}

    def step(lr: float) -> float:
        if math.isnan(state["loss"]):
            state["loss"] = score(2.0 * lr)  # the warmup begins at half the peak
        return state["loss"]

    def again(stream: int) -> None:
        state["loss"] = math.nan

    probes = Round(Training(step, again, updates, None), LENGTH, 0, (-28, 8))
    climb(probes, start, stride)
    return probes


@pytest.mark.parametrize("start", [-28, -20, -8, 0, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_it_ends_at_the_lowest_score_from_anywhere(start: int, stride: int) -> None:
    probes = walked(lambda lr: abs(math.log10(lr) + 2.0), start, stride=stride)
    best = probes.best()
    assert best is not None
    assert abs(best - place(1e-2)) <= stride / 2
    assert {best - stride, best + stride} <= {*probes.runs, -28 - stride, 8 + stride}


@pytest.mark.parametrize("start", [-20, 0, 8])
def test_it_comes_down_from_rates_that_break(start: int) -> None:
    def score(lr: float) -> float:
        return math.inf if lr > 1.1e-3 else -math.log10(lr)

    assert walked(score, start).best() == place(1e-3)


def test_it_stops_at_the_bounds() -> None:
    assert walked(math.log10, 0).best() == -28
    assert walked(lambda lr: -lr, 0).best() == 8
    broken = walked(lambda lr: math.inf, 0)
    assert broken.best() is None
    assert len(broken.runs) == 29


def test_it_ends_when_the_updates_run_out() -> None:
    probes = walked(lambda lr: -lr, -20, updates=3 * LENGTH + LENGTH - 1)
    assert len(probes.runs) == 3


def test_no_rate_is_tried_twice() -> None:
    calls: list[float] = []

    def score(lr: float) -> float:
        calls.append(round(math.log10(lr), 6))
        return abs(math.log10(lr) + 2.0)

    walked(score, 0)
    assert len(calls) == len(set(calls))


def test_places_are_quarter_decades() -> None:
    assert rate(-8) == pytest.approx(1e-2)
    assert [place(rate(at)) for at in range(-30, 10)] == list(range(-30, 10))
