"""Peak rates carried over by the bound, against what real runs had."""

from typing import Any

import pytest

import stepsize as ss
from stepsize.errors import FitError
from stepsize.planner import transfer


def wsd(length: str) -> ss.Schedule:
    return ss.hold() >> ss.decay(length, shape="linear")


# Best rates of runs of 50k steps, relative to those of a 20 % cooldown (Schaipp et al.
# 2025, the 124M model; by a parabola through the three best of four rates).
@pytest.mark.parametrize(
    ("length", "measured"),
    [("10%", 0.82), ("40%", 1.25), ("60%", 1.60), ("80%", 1.64), ("90%", 1.84)],
)
def test_within_a_sixth_of_real_runs(length: str, measured: float) -> None:
    found = transfer(1e-3, old=wsd("20%"), new=wsd(length), old_steps=5000)
    assert found.factor == pytest.approx(measured, rel=0.16)
    assert found.lr == pytest.approx(1e-3 * found.factor)
    assert found.doubts == ()


def test_there_and_back() -> None:
    there = transfer(1e-3, old=wsd("20%"), new=ss.cosine(), old_steps=900)
    back = transfer(there.lr, old=ss.cosine(), new=wsd("20%"), old_steps=900)
    assert back.lr == pytest.approx(1e-3, rel=1e-12)


def test_a_longer_run_wants_a_lower_rate() -> None:
    found = transfer(
        1.0, old=ss.linear(), new=ss.linear(), old_steps=400, new_steps=1600
    )
    assert found.factor == pytest.approx(0.5, rel=0.01)
    far = transfer(1.0, old=ss.linear(), new=ss.linear(), old_steps=400, new_steps=4000)
    assert "10 times as long" in far.doubts[0]


def test_known_faults_are_said() -> None:
    found = transfer(1.0, old=wsd("20%"), new=ss.hold(), old_steps=500)
    assert "the new schedule ends at 1 of its peak" in found.doubts[0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"peak_lr": 0}, r"transfer\.peak_lr must be"),
        ({"old": 3}, r"transfer\.old must be a Schedule"),
        ({"old_steps": 1}, r"transfer\.old_steps must be an int >= 2"),
        ({"new_steps": 0.5}, r"transfer\.new_steps must be an int >= 2"),
        ({"new": 0.0 * ss.hold()}, r"transfer\.new must be > 0 somewhere"),
    ],
)
def test_bad_input(change: dict[str, Any], match: str) -> None:
    given: dict[str, Any] = {
        "peak_lr": 1e-3,
        "old": wsd("20%"),
        "new": ss.linear(),
        "old_steps": 100,
    }
    with pytest.raises(FitError, match=match):
        transfer(**given | change)
