"""The best rate from probes."""

from __future__ import annotations

import math

import pytest

from stepsize.finder.climbing import rate
from stepsize.finder.optimum import optimum
from stepsize.finder.training import Run


def runs(scores: dict[int, float]) -> dict[int, Run]:
    return {
        at: Run(rate(at), 0, (1.0,) * 4 + (score,) * 4, 8)
        for at, score in scores.items()
    }


def test_a_valley_has_its_rate_at_its_bottom() -> None:
    found = optimum(runs({-10: 0.5, -9: 0.2, -8: 0.1, -7: 0.2, -6: 0.5}), 1.0)
    assert found is not None
    assert found.log_lr == pytest.approx(-2.0, abs=0.051)
    assert found.low <= found.log_lr <= found.high


def test_a_cliff_pushes_it_away() -> None:
    cliff = optimum(runs({-9: 0.12, -8: 0.1, -7: math.inf}), 1.0)
    gentle = optimum(runs({-9: 0.12, -8: 0.1, -7: 0.12}), 1.0)
    assert cliff is not None
    assert gentle is not None
    assert cliff.log_lr < gentle.log_lr - 0.05


def test_of_rates_alike_the_lowest_is_taken() -> None:
    found = optimum(runs({-9: 0.1001, -8: 0.1, -7: 0.3}), 1.0)
    assert found is not None
    assert found.log_lr <= -2.2


def test_the_interval_holds_what_gives_little_away() -> None:
    wide = optimum(runs({-10: 0.12, -8: 0.1, -6: 0.11}), 1.0)
    narrow = optimum(runs({-10: 0.9, -8: 0.1, -6: 0.9}), 1.0)
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_without_a_sound_probe_there_is_none() -> None:
    assert optimum(runs({-8: math.inf, -7: math.nan}), 1.0) is None


def test_a_broken_probe_counts_as_the_first_loss() -> None:
    broken = optimum(runs({-9: 0.2, -8: 0.1, -7: math.nan}), 1.0)
    as_first = optimum(runs({-9: 0.2, -8: 0.1, -7: 1.0}), 1.0)
    assert broken == as_first
