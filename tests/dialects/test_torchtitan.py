"""torchtitan's schedule, against its formula evaluated step by step."""

import json
import math
from collections.abc import Callable

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.dialects import torchtitan
from stepsize.errors import InvalidScheduleError


def compare(schedule: ss.Schedule, wanted: Callable[[int], float], steps: int) -> None:
    """Compare every step, and the values after the end; zeros must be zeros."""
    there = [wanted(t) for t in range(steps)]
    here = schedule.resolve().block(0, steps)
    peak = max(map(abs, there))
    for t, (a, b) in enumerate(zip(here, there, strict=True)):
        assert abs(a - b) <= 1e-12 * peak, (t, a, b, schedule)
        assert b != 0 or a == 0, (t, a, schedule)


def check_laws(schedule: ss.Schedule, steps: int) -> None:
    """Check text, dict, hash, scaling, arrays and chaining of one schedule."""
    assert ss.parse(str(schedule)) == schedule
    assert ss.from_dict(json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert hash(ss.parse(str(schedule))) == hash(schedule)
    here = schedule.resolve().block(0, steps)
    peak = max(here)
    assert here == [schedule(t) for t in range(steps)]
    assert np.abs(schedule(np.arange(steps)) - here).max() <= 1e-12 * peak
    twice = (2.0 * schedule).resolve().block(0, steps)
    assert np.abs(np.array(twice) - 2 * np.array(here)).max() <= 1e-15 * peak
    window = ss.join(schedule, ss.linear(3), at=[steps])
    assert window.resolve().block(0, steps) == here


def peer(
    n: int, warm: int, ratio: float | None, kind: str, low: float
) -> Callable[[int], float]:
    """Return the factor that the peer hands to LambdaLR."""
    warm = min(warm, n)
    decay = n - warm
    if ratio is not None:
        decay = round(n * ratio)
        if warm + decay > n:
            decay = n - warm
    stable = n + 1 - warm - decay

    def factor(s: int) -> float:
        if s < warm:
            return (s + 1) / warm
        if s < warm + stable:
            return 1.0
        p = (s + 1 - warm - stable) / decay
        c = {
            "linear": 1 - p,
            "sqrt": 1 - math.sqrt(p),
            "cosine": 0.5 * (1.0 + math.cos(math.pi * p)),
        }[kind]
        return low + (1 - low) * c

    return factor


CONFIGS = st.tuples(
    st.one_of(st.sampled_from((1, 2, 3)), st.integers(1, 80)),
    st.one_of(st.sampled_from((0, 1, 2)), st.integers(0, 90)),
    st.one_of(st.none(), st.sampled_from((0.0, 0.5, 1.0)), st.floats(0.0, 1.5)),
    st.sampled_from(("linear", "sqrt", "cosine")),
    st.one_of(st.sampled_from((0.0, 1.0)), st.floats(1e-9, 1.0)),
)


@given(CONFIGS, st.one_of(st.just(1.0), st.floats(1e-6, 2.0)))
@settings(max_examples=300)
def test_rate_is_the_peers(
    config: tuple[int, int, float | None, str, float], base: float
) -> None:
    n, warm, ratio, kind, low = config
    factor = peer(*config)
    schedule = torchtitan.LRSchedulersContainer(warm, n, ratio, kind, low, base_lr=base)
    compare(schedule, lambda t: base * factor(min(t, n)), n + 10)
    check_laws(schedule, n + 5)
    assert schedule.lawful
    same = torchtitan.LRSchedulersContainer.Config(
        warm, None, ratio, kind, low, training_steps=n, base_lr=base
    )
    assert same == schedule


@given(CONFIGS)
@settings(max_examples=200)
def test_faithful_goes_on_after_the_end(
    config: tuple[int, int, float | None, str, float],
) -> None:
    n, warm, ratio, kind, low = config
    factor = peer(*config)
    schedule = torchtitan.LRSchedulersContainer(
        warm, n, ratio, kind, low, faithful=True
    )
    falls = not (warm >= n or (ratio is not None and round(n * ratio) == 0))
    assert schedule.lawful != falls
    if falls:  # without a decay the peer fails at n + 1
        compare(schedule, lambda t: max(factor(t), 0.0) if t > n else factor(t), 3 * n)


def test_the_known_defect() -> None:
    default = torchtitan.LRSchedulersContainer(0, 10, None, "cosine", 0.1)
    assert default.resolve().block(9, 13)[1:] == [0.1, 0.1, 0.1]
    assert default.lawful
    risen = torchtitan.LRSchedulersContainer(0, 10, None, "cosine", 0.1, faithful=True)
    assert risen(15) == pytest.approx(0.55, rel=1e-12)
    assert not risen.lawful
    below = torchtitan.LRSchedulersContainer(0, 10, None, "linear", 0.1, faithful=True)
    assert below(11) == pytest.approx(0.01, rel=1e-12)
    assert below(12) == 0.0  # the peer's is -0.08


def test_the_floor_is_after_the_last_update() -> None:
    schedule = torchtitan.LRSchedulersContainer(2, 10, 0.4, "linear", 0.2)
    assert schedule(9) == pytest.approx(0.4)
    assert schedule(10) == 0.2


def test_under_jit() -> None:
    schedule = torchtitan.LRSchedulersContainer(3, 50, 0.3, "sqrt", 0.1)
    steps = np.arange(60)
    compiled = np.asarray(jax.jit(schedule)(steps))
    assert np.abs(compiled - schedule(steps)).max() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"warmup_steps": -1, "total_steps": 5}, "warmup_steps must be an int >= 0"),
        ({}, "training_steps must be .* got None. hint: give total_steps or"),
        ({"total_steps": 0}, "total_steps must be an int >= 1"),
        ({"total_steps": 5, "decay_ratio": -0.1}, "decay_ratio must be a finite"),
        ({"total_steps": 5, "decay_type": "exp"}, "decay_type must be one of"),
        ({"total_steps": 5, "min_lr_factor": -1}, "min_lr_factor must be a finite"),
        ({"total_steps": 5, "base_lr": -1}, "base_lr must be a finite"),
        (
            {"total_steps": 500, "min_lr_factor": 2.0, "faithful": True},
            "min_lr_factor must be <= 1 with faithful=True",
        ),
    ],
)
def test_refusals(arguments: dict[str, object], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        torchtitan.LRSchedulersContainer(**arguments)  # type: ignore[arg-type]


def test_corners() -> None:
    build = torchtitan.LRSchedulersContainer
    assert build(total_steps=500, base_lr=0.0) == 0.0 * ss.hold()
    assert build(0, 5, None, "linear", 2.0)(5) == 2.0
    held = build(0, 5, None, "sqrt", 1.0, faithful=True)
    assert held(9) == 1.0


def test_every_schedule_of_the_peer_is_here() -> None:
    # its __all__; the container is its only schedule
    assert torchtitan.__all__ == ["LRSchedulersContainer"]


def test_a_wrong_value_fails() -> None:
    with pytest.raises(AssertionError, match=r"0, 1\.0, 1\.00"):
        compare(ss.linear(4), lambda t: max(0.0, 1 - t / 4) + (t == 0) * 1e-11, 6)
    with pytest.raises(AssertionError, match="5, 1e-30"):
        compare(ss.knots([(0, 1.0), (5, 1e-30)]), lambda t: max(0.0, 1 - t / 5), 7)
