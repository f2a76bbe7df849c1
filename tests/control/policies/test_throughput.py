"""Seconds per update: what recurs counts, a hiccup does not."""

import pytest

from stepsize.control.policies.throughput import LEAST, record, seconds_per_update


def samples(paces: list[float], made: int = 10) -> list[list[float]]:
    out = [[0.0, 0.0]]
    for pace in paces:
        out.append([out[-1][0] + made, out[-1][1] + made * pace])
    return out


def test_there_is_no_estimate_of_too_little() -> None:
    assert seconds_per_update(samples([0.1] * (LEAST - 1))) is None
    assert seconds_per_update(samples([0.1] * LEAST)) == pytest.approx(0.1)
    assert seconds_per_update(samples([0.0] * LEAST)) is None


def test_one_hiccup_is_clipped_and_recurring_ones_are_not() -> None:
    assert seconds_per_update(samples([0.1, 0.1, 9.0, 0.1, 0.1])) == pytest.approx(0.1)
    assert seconds_per_update(samples([0.1, 0.5] * 4)) == pytest.approx(0.3)


def test_a_record_is_thinned_and_kept_short() -> None:
    kept: list[list[float]] = []
    for update in range(1000):
        kept = record(kept, update, update * 0.1, gap=1.0, window=10.0)
    assert 9 <= len(kept) <= 12
    assert kept[-1][1] >= 98
    rare: list[list[float]] = []
    for update in range(0, 1000, 100):
        rare = record(rare, update, update * 0.1, gap=1.0, window=10.0)
    assert len(rare) == LEAST + 1


def test_a_record_starts_again_with_its_clock() -> None:
    old = samples([0.1] * 6)
    assert record(old, 70, 0.5, gap=0.1, window=9.0) == [[70, 0.5]]
    assert record(old, 7, 90.0, gap=0.1, window=9.0) == [[7, 90.0]]
    assert record(old, 60, 90.0, gap=0.1, window=9.0) == old
