import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.adapters.convert import (
    convert,
    to_deepspeed,
    to_keras,
    to_knots,
    to_optax,
)
from stepsize.dialects import deepspeed
from stepsize.errors import AdapterError, UnresolvedError
from stepsize.testing.strategies import resolved

LATE = ss.skip(0.5 * ss.warmup(4, start=0.0) >> ss.linear(20), -1)


@settings(max_examples=150)
@given(resolved(), st.sampled_from((0.0, 1e-6, 1e-3, 0.05)))
def test_knots_stay_within_the_tolerance(
    schedule: ss.ResolvedSchedule, tolerance: float
) -> None:
    found = to_knots(schedule, tolerance=tolerance)
    values = schedule.block(0, len(schedule.rates()) + 1)  # the end is a knot too
    curve = ss.knots([(x, y) for x, y in found.value])
    worst = max(abs(curve(t) - v) for t, v in enumerate(values)) / (max(values) or 1)
    assert worst <= tolerance + 1e-12
    assert found.largest_difference <= tolerance + 1e-12
    assert json.loads(json.dumps(found.to_dict()))["value"] == found.value


def test_a_loose_tolerance_needs_few_knots() -> None:
    cosine = ss.warmup(10, start=0.0) >> ss.cosine()
    counts = [len(to_knots(cosine, 10_000, t).value) for t in (0.05, 1e-3, 1e-5)]
    assert counts[0] < counts[1] < counts[2] < 300
    assert counts[0] <= 8
    assert not to_knots(cosine, 10_000).exact
    assert "lines between" in to_knots(cosine, 10_000).notes[0]
    with pytest.raises(AdapterError, match=r"tolerance must be a number in \[0, 1\)"):
        to_knots(cosine, 100, 1.0)
    with pytest.raises(UnresolvedError, match="total_steps"):
        to_knots(cosine)


@pytest.mark.parametrize(
    "schedule",
    [
        LATE,
        deepspeed.WarmupLR(0.01, 0.5, 9),
        deepspeed.WarmupLR(0.0, 0.5, 2, "linear"),
        deepspeed.WarmupDecayLR(40, 0.01, 0.5, 7),
        deepspeed.WarmupCosineLR(40, 0.1, 5, 0.01, base_lr=0.3),
        deepspeed.OneCycle(0.1, 0.5, cycle_first_step_size=4),
    ],
    ids=str,
)
def test_deepspeed_there_and_back(schedule: ss.Schedule) -> None:
    found = to_deepspeed(schedule, 60)
    assert found.exact
    back = convert(json.loads(json.dumps(found.value)), total_steps=60)
    peak = max(schedule(range(60)))
    for step in range(60):
        assert abs(back.schedule(step) - schedule(step)) <= 1e-12 * peak


def test_what_deepspeed_cannot_say() -> None:
    native = 0.5 * ss.warmup(50) >> ss.hold()
    with pytest.raises(AdapterError, match=r"nearest, Warmup\w*LR, is 0.0\d+ of the"):
        to_deepspeed(native, 100)
    lossy = to_deepspeed(native, 100, tolerance=0.05)
    assert not lossy.exact
    assert f"of the peak away at step {lossy.at}" in lossy.notes[-1]
    with pytest.raises(AdapterError, match="hint: to_knots gives a table"):
        to_deepspeed(0.1 * ss.step(10), 100)
    with pytest.raises(AdapterError, match="hint: to_knots gives a table"):
        to_deepspeed(0.0 * ss.hold(), 100)


def test_keras_saves_and_loads_it() -> None:
    import keras

    schedule = 0.5 * ss.warmup(5) >> ss.cosine()
    made = to_keras(schedule, 50)
    assert made.exact
    assert made.largest_difference < 1e-6
    written: Any = json.loads(json.dumps(keras.optimizers.schedules.serialize(made)))
    back = keras.optimizers.schedules.deserialize(written)
    assert back.rates == made.rates
    assert float(back(7)) == pytest.approx(made.rates(7), rel=1e-6)
    optimizer = keras.optimizers.SGD(back)
    optimizer.iterations.assign(20)
    assert float(optimizer.learning_rate) == pytest.approx(made.rates(20), rel=1e-6)


def test_a_schedule_is_an_optax_schedule() -> None:
    schedule = 0.5 * ss.linear()
    assert to_optax(schedule, 10) == schedule.resolve(10)
    resolved_one = schedule.resolve(10)
    assert to_optax(resolved_one) is resolved_one
