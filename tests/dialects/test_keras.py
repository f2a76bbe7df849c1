"""Keras' schedules at every step against the dialect's schedules.

Keras 3.15 casts every result to float32 on all backends but TensorFlow's, whatever
`floatx` says. So each comparison is twofold: to 1e-12 with Keras' formula, written out
below in float64, and to float32's precision with Keras itself.
"""

import inspect
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.dialects import keras as dialect

TOLERANCE = 1e-12
FLOAT32 = 1e-5
"""Of the peak: powers up to the 50th multiply the rounding of 6e-8."""
STEPS = 50
SERVER = Path(__file__).with_name("keras_peer.py")

peer = keras.optimizers.schedules
values = st.one_of(
    st.sampled_from([0.0, 1.0, 0.1, 3e-4]),
    st.floats(1e-6, 10.0, allow_subnormal=False),
)
positive = values.filter(bool)
lengths = st.one_of(st.integers(1, 3), st.integers(1, 40))
real_lengths = st.one_of(lengths, st.floats(0.5, 40.0))
powers = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(0.5, 4.0))
fractions = st.one_of(st.just(0.0), st.floats(1e-4, 1.0))
many = settings(max_examples=200)


class Peer:
    """Keras in a process of its own, see `keras_peer`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name: str, *args: Any) -> list[float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, *args]) + "\n")
        self.process.stdin.flush()
        answer: list[float] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()


@pytest.fixture(scope="module")
def keras32() -> Iterator[Peer]:
    server = Peer()
    yield server
    server.close()


def agree(
    schedule: ss.Schedule,
    expected: list[float],
    tolerance: float = TOLERANCE,
    scale: float = 0.0,
) -> None:
    """Compare at every step, relative to the peak; exact zeros stay exact."""
    got = schedule(range(len(expected)))
    peak = max([scale, *map(abs, expected)]) or 1.0
    for step, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
        assert abs(ours - theirs) <= tolerance * peak, (step, ours, theirs)
        assert theirs != 0 or ours == 0 or tolerance >= FLOAT32, (step, ours)


def keeps_the_laws(schedule: ss.Schedule) -> None:
    """Text, mapping and arrays say the same schedule."""
    assert ss.parse(str(schedule)) == schedule
    assert ss.from_dict(schedule.to_dict()) == schedule
    listed = schedule(range(STEPS))
    limit = 1e-12 * (max(listed) or 1.0)
    got = schedule(np.arange(STEPS))
    np.testing.assert_allclose(got, listed, rtol=0, atol=limit)


def test_the_comparison_refuses_a_wrong_value(keras32: Peer) -> None:
    expected = keras32("PolynomialDecay", [1.0, 4, 0.0], 5)
    agree(ss.linear(4), expected)
    with pytest.raises(AssertionError, match=r"2, 0\.5"):
        agree(ss.linear(4), [*expected[:2], 0.5 + 2e-12, *expected[3:]])
    with pytest.raises(AssertionError, match="4, 1e-15"):
        agree(ss.linear(4, to=1e-15), expected)


def same(keras32: Peer, name: str, *args: Any) -> None:
    """Compare a schedule with the one of the same name and arguments."""
    ours = getattr(dialect, name)(*args)
    among = {"PolynomialDecay": (0, 2), "CosineDecay": (0, 4)}.get(name, ())
    scale = max((args[i] for i in among if i < len(args)), default=0.0)
    # whole steps may miss a peak that both sides round relative to
    exact = [globals()[f"keras_{name}"](t, *args) for t in range(STEPS)]
    agree(ours, exact, TOLERANCE, scale)
    agree(ours, keras32(name, list(args), STEPS), FLOAT32, scale)
    keeps_the_laws(ours)


# --- Keras' formulas ----------------------------------------------------------------


def keras_ExponentialDecay(
    t: int,
    first: float,
    steps: float,
    factor: float,
    stairs: bool = False,
) -> float:
    p = t / steps
    return first * math.pow(factor, math.floor(p) if stairs else p)


def keras_InverseTimeDecay(
    t: int,
    first: float,
    steps: float,
    growth: float,
    stairs: bool = False,
) -> float:
    p = t / steps
    return first / (1 + growth * (math.floor(p) if stairs else p))


def keras_PiecewiseConstantDecay(
    t: int, boundaries: list[int], rates: list[float]
) -> float:
    return rates[sum(t > boundary for boundary in boundaries)]


def keras_PolynomialDecay(  # noqa: PLR0917
    t: int,
    first: float,
    steps: float,
    last: float,
    power: float,
    cycle: bool = False,
) -> float:
    total = steps * max(1, math.ceil(t / steps)) if cycle else steps
    p = t / total if cycle else min(t, steps) / steps
    return (first - last) * math.pow(1 - p, power) + last


def keras_CosineDecay(  # noqa: PLR0917
    t: int,
    first: float,
    steps: float,
    alpha: float,
    name: str = "",
    target: float | None = None,
    warm: float = 0,
) -> float:
    def fall(d: float, top: float) -> float:
        half = 0.5 * (1 + math.cos(math.pi * d / steps))
        return top * ((1 - alpha) * half + alpha)

    if target is None:
        return fall(min(t, steps), first)
    d = min(t, steps + warm)
    if d < warm:
        return (target - first) * d / warm + first
    # (steps + warm) - warm is not always steps, and would go past the end
    return fall(min(d - warm, steps), target)


def keras_CosineDecayRestarts(  # noqa: PLR0917
    t: int, first: float, steps: float, stretch: float, shrink: float, alpha: float
) -> float:
    start, length, cycle = 0.0, float(steps), 0
    while t >= start + length - 1e-9 * length and cycle < STEPS:
        start, length, cycle = start + length, length * stretch, cycle + 1
    c = max(t - start, 0.0) / length
    height = 0.5 * shrink**cycle * (1 + math.cos(math.pi * c))
    return first * ((1 - alpha) * height + alpha)


LISTED = {
    "LearningRateSchedule": "the base class",
    "serialize": "no schedule",
    "deserialize": "no schedule",
}
CALLBACKS = {"LearningRateScheduler"}
LISTED_CALLBACKS = {"ReduceLROnPlateau": "needs a metric: a policy of control"}


def test_every_schedule_of_keras_is_here_or_listed() -> None:
    found = {
        name
        for name, value in vars(peer).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert found == (set(dialect.__all__) - CALLBACKS) | set(LISTED)
    callbacks = {n for n in vars(keras.callbacks) if "LR" in n or "LearningRate" in n}
    assert callbacks == CALLBACKS | set(LISTED_CALLBACKS)


@pytest.mark.parametrize("name", dialect.__all__)
def test_arguments_are_those_of_keras(name: str) -> None:
    theirs = inspect.signature(
        getattr(peer, name, None) or getattr(keras.callbacks, name)
    )
    ours = inspect.signature(getattr(dialect, name)).parameters.values()
    positional = [(p.name, p.default) for p in ours if p.kind is not p.KEYWORD_ONLY]
    assert positional == [(p.name, p.default) for p in theirs.parameters.values()]


@many
@given(values, lengths, st.one_of(st.just(0.0), st.floats(0.3, 1.2)), st.booleans())
def test_exponential(
    keras32: Peer,
    first: float,
    steps: int,
    factor: float,
    stairs: bool,
) -> None:
    same(keras32, "ExponentialDecay", first, steps, factor, stairs)


@many
@given(values, lengths, st.floats(0.0, 3.0), st.booleans())
def test_inverse_time(
    keras32: Peer,
    first: float,
    steps: int,
    growth: float,
    stairs: bool,
) -> None:
    same(keras32, "InverseTimeDecay", first, steps, growth, stairs)


@settings(max_examples=100)
@given(values, real_lengths.filter(lambda n: n != int(n)), st.floats(0.5, 1.0))
def test_decays_of_real_length(
    keras32: Peer, first: float, steps: float, factor: float
) -> None:
    same(keras32, "ExponentialDecay", first, steps, factor)
    same(keras32, "InverseTimeDecay", first, steps, factor)


@many
@given(st.lists(st.integers(-2, 60), min_size=1, max_size=4), st.data())
def test_piecewise_constant(
    keras32: Peer, boundaries: list[int], data: st.DataObject
) -> None:
    boundaries = sorted(boundaries)
    size = len(boundaries) + 1
    rates = data.draw(st.lists(values, min_size=size, max_size=size))
    same(keras32, "PiecewiseConstantDecay", boundaries, rates)


def test_piecewise_constant_changes_after_its_boundary() -> None:
    ours = dialect.PiecewiseConstantDecay([3, 4.5], [1.0, 0.5, 0.1])
    assert [ours(step) for step in (3, 4, 5)] == [1.0, 0.5, 0.1]


@many
@given(values, real_lengths, values, powers)
def test_polynomial(
    keras32: Peer, first: float, steps: float, last: float, power: float
) -> None:
    same(keras32, "PolynomialDecay", first, steps, last, power)


@many
@given(positive, lengths, values, powers)
def test_polynomial_cycles(
    keras32: Peer, first: float, steps: int, last: float, power: float
) -> None:
    same(keras32, "PolynomialDecay", first, steps, last, power, True)


@many
@given(values, real_lengths, st.floats(0.0, 1.5))
def test_cosine(keras32: Peer, first: float, steps: float, alpha: float) -> None:
    same(keras32, "CosineDecay", first, steps, alpha)
    ours = dialect.CosineDecay(first, steps, alpha)
    assert ours(10**9) == ours(math.ceil(steps))


@many
@given(
    values,
    real_lengths,
    fractions,
    values,
    st.one_of(st.integers(0, 3), st.integers(0, 40), st.floats(0.01, 40.0)),
)
def test_cosine_with_warmup(  # noqa: PLR0917
    keras32: Peer,
    first: float,
    steps: float,
    alpha: float,
    target: float,
    warm: float,
) -> None:
    same(keras32, "CosineDecay", first, steps, alpha, "name", target, warm)


def boundaries(steps: float, stretch: float) -> list[float]:
    """Return where cycles begin."""
    found, length = [0.0], steps
    while found[-1] < STEPS and length > 1e-9:
        found.append(found[-1] + length)
        length *= stretch
    return found


@many
@given(
    values,
    real_lengths.filter(lambda n: n >= 1),
    st.one_of(st.sampled_from([1.0, 2.0, 3.0, 1.5]), st.floats(1.05, 4.0)),
    st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.3, 1.2)),
    fractions,
)
def test_restarts(  # noqa: PLR0917
    keras32: Peer,
    first: float,
    steps: float,
    stretch: float,
    shrink: float,
    alpha: float,
) -> None:
    if stretch == 1.0:
        steps = round(steps)
    ours = dialect.CosineDecayRestarts(first, steps, stretch, shrink, alpha)
    args = [first, steps, stretch, shrink, alpha]
    expected = keras32("CosineDecayRestarts", args, STEPS)
    exact = [keras_CosineDecayRestarts(t, *args) for t in range(STEPS)]
    for start in boundaries(steps, stretch):
        near = round(start)
        if near < STEPS and abs(near - start) < 1e-4:
            # Keras finds the cycle by a logarithm, and misses some boundaries
            expected[near] = ours(near)
            if 0 < abs(near - start) < 1e-7:
                exact[near] = ours(near)  # either side of it, by rounding
    agree(ours, exact)
    agree(ours, expected, 1e-3)  # its logarithm in float32 moves the cycles
    keeps_the_laws(ours)


def test_restarts_have_exact_boundaries() -> None:
    ours = dialect.CosineDecayRestarts(0.5, 10)
    starts = [10 * (2**i - 1) for i in range(20)]
    assert [ours(start) for start in starts] == [0.5] * 20
    theirs = peer.CosineDecayRestarts(0.5, 10)  # in float32, as Keras by default
    assert 81_910 in starts
    assert float(theirs(81_910)) < 0.01


def test_restarts_that_shrink_end_where_keras_has_no_number(keras32: Peer) -> None:
    ours = dialect.CosineDecayRestarts(1.0, 10, 0.5, alpha=0.1)
    args = [1.0, 10, 0.5, 1.0, 0.1]
    expected = keras32("CosineDecayRestarts", args, STEPS)
    expected[10], expected[15] = ours(10), ours(15)  # boundaries
    agree(ours, expected[:18], FLOAT32)
    assert all(math.isnan(value) for value in expected[21:])
    assert ours(20) == ours(1000) == pytest.approx(0.1)
    keeps_the_laws(ours)


def test_a_step_is_an_update_whatever_is_accumulated() -> None:
    theirs = peer.PolynomialDecay(1.0, 10, 0.0)
    ours = dialect.PolynomialDecay(1.0, 10, 0.0)
    weight = keras.Variable(1.0)
    optimizer = keras.optimizers.SGD(theirs, gradient_accumulation_steps=4)
    optimizer.build([weight])
    for _ in range(8):
        optimizer.apply([keras.ops.ones(())], [weight])
    assert int(optimizer.iterations) == 2
    # Keras' defect: two updates made, and its rate is that of step 8
    assert float(optimizer.learning_rate) == pytest.approx(0.2)
    assert ours(2) == 0.8


@settings(max_examples=30)
@given(st.lists(positive, min_size=1, max_size=6), st.integers(1, 4), positive)
def test_scheduler_callback(
    keras32: Peer, given_rates: list[float], size: int, base: float
) -> None:
    def by_rate(epoch: int, lr: float) -> float:
        return 0.5 * lr + 0.1 * given_rates[epoch]

    epochs = len(given_rates)
    ours = dialect.LearningRateScheduler(
        by_rate, epochs=epochs, steps_per_epoch=size, base_lr=base
    )
    found = keras32("callback", given_rates, base)
    agree(ours, [value for value in found for _ in range(size)], FLOAT32)
    keeps_the_laws(ours)
    by_epoch = dialect.LearningRateScheduler(lambda e: given_rates[e], epochs=epochs)
    agree(by_epoch, given_rates)


@pytest.mark.parametrize(
    "schedule",
    [
        dialect.CosineDecay(0.0, 30, warmup_target=0.5, warmup_steps=10),
        dialect.CosineDecay(0.5, 30.5),
        dialect.CosineDecayRestarts(0.5, 10, m_mul=0.5, alpha=0.1),
        dialect.PolynomialDecay(0.01, 30, 0.5, 2.0),
        dialect.ExponentialDecay(0.5, 7, 0.5, staircase=True),
    ],
)
def test_schedules_compose(schedule: ss.Schedule) -> None:
    listed = schedule(range(60))
    with jax.enable_x64(True):
        jitted = jax.jit(schedule)
        got = [float(jitted(jnp.asarray(step))) for step in range(60)]
    np.testing.assert_allclose(got, listed, rtol=0, atol=1e-12 * max(listed))
    assert (2 * schedule)(7) == pytest.approx(2 * schedule(7))
    assert (ss.hold(4) >> schedule)(11) == pytest.approx(schedule(7))
    assert ss.join(ss.hold(), schedule, at=[4])(11) == schedule(7)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: dialect.ExponentialDecay(0.1, 0, 0.9), "ExponentialDecay.decay_steps"),
        (lambda: dialect.ExponentialDecay(0.1, 2.5, 0.9, True), "hint: round it"),
        (lambda: dialect.ExponentialDecay(0.1, 5, -1.0), "ExponentialDecay.decay_rate"),
        (lambda: dialect.InverseTimeDecay(-0.1, 5, 0.9), "initial_learning_rate"),
        (lambda: dialect.PiecewiseConstantDecay([], [1.0]), "at least one step"),
        (lambda: dialect.PiecewiseConstantDecay([3, 2], [1, 1, 1]), "in order"),
        (lambda: dialect.PiecewiseConstantDecay([3], [1.0]), "be 2 rates, one more"),
        (lambda: dialect.PolynomialDecay(0.1, 0), "PolynomialDecay.decay_steps"),
        (lambda: dialect.PolynomialDecay(0.1, 5, power=-1.0), "PolynomialDecay.power"),
        (
            lambda: dialect.PolynomialDecay(0.0, 5, cycle=True),
            "initial_learning_rate must be > 0 with cycle=True",
        ),
        (lambda: dialect.CosineDecay(0.1, 0), "CosineDecay.decay_steps"),
        (lambda: dialect.CosineDecay(0.1, 5, -0.1), "CosineDecay.alpha"),
        (
            lambda: dialect.CosineDecay(0.1, 5, warmup_target=1.0, warmup_steps=-1),
            "CosineDecay.warmup_steps",
        ),
        (lambda: dialect.CosineDecayRestarts(0.1, 0), "first_decay_steps"),
        (lambda: dialect.CosineDecayRestarts(0.1, 5, 0.0), "t_mul"),
        (
            lambda: dialect.CosineDecayRestarts(0.1, 5, m_mul=0.5, alpha=2.0),
            "CosineDecayRestarts.alpha must be .* <= 1",
        ),
        (
            lambda: dialect.CosineDecayRestarts(0.1, 10.1, t_mul=1.0),
            "with t_mul=1",
        ),
        (
            lambda: dialect.LearningRateScheduler(3, epochs=1),  # type: ignore[arg-type]
            "schedule must be a function",
        ),
        (
            lambda: dialect.LearningRateScheduler(lambda epoch: -1.0, epochs=1),
            r"LearningRateScheduler.schedule\(0\) must be",
        ),
    ],
)
def test_refused(make: Callable[[], ss.Schedule], match: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=match):
        make()


def test_rates_of_zero_stay_there() -> None:
    for schedule in (
        dialect.PiecewiseConstantDecay([3], [0.0, 0.0]),
        dialect.LearningRateScheduler(lambda epoch: 0.0, epochs=3),
        dialect.CosineDecay(0.0, 5),
        dialect.CosineDecayRestarts(0.0, 5),
        dialect.CosineDecay(0.0, 5.5, warmup_target=0.0, warmup_steps=3),
    ):
        assert schedule(range(9)) == [0.0] * 9
