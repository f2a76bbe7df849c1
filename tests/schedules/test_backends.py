"""One formula, five backends, equal to 1e-12 of the peak (1e-6 in float32)."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings

import stepsize as ss
from stepsize.schedules.ops import KerasOps
from stepsize.testing.strategies import resolved

FLOAT64, FLOAT32 = 1e-12, 1e-6


def agree(got: Any, expected: Any, tolerance: float) -> bool:
    """Whether curves are equal: relative to the peak, and zeros exactly zero."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected)
    peak = np.abs(expected).max()
    if got.shape != expected.shape or not np.isfinite(got).all():
        return False
    # a rate below the smallest normal float32 is no rate there
    zeros = expected == 0 if tolerance == FLOAT64 else expected < 1e-37
    return bool(
        (np.abs(got - expected) <= tolerance * peak).all()
        and (got[expected == 0] == 0).all()
        and (got[~zeros] != 0).all()
    )


def narrow(r: ss.ResolvedSchedule) -> bool:
    """Whether real boundaries lie closer than an update, which float32 cannot tell."""
    bounds = r.boundaries()
    real = any(type(b) is float for b in bounds)
    return real and any(b - a < 1 for a, b in pairwise(bounds))


def scalars(r: ss.ResolvedSchedule, steps: Any) -> Any:
    return np.array([r(int(t)) for t in steps])


def test_the_comparison_notices_a_wrong_backend() -> None:
    expected = np.array([0.0, 0.5, 1.0])
    assert agree(expected, expected, FLOAT64)
    assert not agree(expected + 1e-11, expected, FLOAT64)
    assert not agree(expected * (1 + 2e-6), expected, FLOAT32)
    assert not agree([1e-300, 0.5, 1.0], expected, FLOAT64)
    assert not agree([0.0, 0.0, 1.0], expected, FLOAT32)
    assert not agree([0.0, np.nan, 1.0], expected, FLOAT32)


@given(resolved())
@settings(deadline=None)
def test_numpy_and_torch(r: ss.ResolvedSchedule) -> None:
    steps = np.arange(-2, (r.total_steps or 0) + 4)
    expected = scalars(r, steps)
    assert agree(r(steps), expected, FLOAT64)
    if not narrow(r):
        assert agree(r(steps.astype(np.float32)), expected, FLOAT32)
    tensor = torch.from_numpy(steps)
    assert r(tensor).dtype == torch.float64
    assert agree(r(tensor), expected, FLOAT64)
    assert agree(r(tensor.double()), expected, FLOAT64)
    if not narrow(r):
        assert agree(r(tensor.float()), expected, FLOAT32)
    assert r(tensor.float()).dtype == torch.float32


@given(resolved(depth=2))
@settings(deadline=None, max_examples=25)
def test_jax_under_jit_and_vmap(r: ss.ResolvedSchedule) -> None:
    steps = np.arange(-2, (r.total_steps or 0) + 4)
    expected = scalars(r, steps)
    if not narrow(r):
        assert agree(r(jnp.asarray(steps)), expected, FLOAT32)
        assert agree(jax.jit(r)(jnp.asarray(steps)), expected, FLOAT32)
    with jax.enable_x64():
        wide = jnp.asarray(steps)
        assert agree(jax.jit(r)(wide), expected, FLOAT64)
        assert agree(jax.vmap(r)(wide), expected, FLOAT64)
        assert jax.jit(r)(wide[5]) == pytest.approx(expected[5], rel=1e-12, abs=0)


@given(resolved(depth=2))
@settings(deadline=None, max_examples=25)
def test_keras_operations(r: ss.ResolvedSchedule) -> None:
    steps = np.arange(-2, (r.total_steps or 0) + 4)
    expected = scalars(r, steps)
    assume(not narrow(r))
    variable = keras.Variable(steps, dtype="int32", trainable=False)
    got = r(variable)
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    assert agree(got, expected, FLOAT32)


def test_keras_operations_run_on_a_symbolic_tensor() -> None:
    r = (0.1 * ss.warmup(5) >> ss.cosine()).resolve(total_steps=50)
    given_step = keras.Input((), dtype="int32")
    model = keras.Model(given_step, keras.layers.Lambda(r)(given_step))
    got = model.predict(np.arange(60), verbose=0)
    assert agree(got, scalars(r, range(60)), FLOAT32)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_noise_agrees_to_the_bit(seed: int) -> None:
    r = ss.noise(seed, 0.5, 2000).resolve()
    steps = np.arange(2000)
    draws = (np.array(r(range(2000))) - 1) / 0.5
    assert len(set(draws)) > 1990
    assert abs(draws.mean()) < 0.05
    assert draws.std() == pytest.approx(3**-0.5, abs=0.02)
    assert (r(steps) == r(range(2000))).all()
    assert (r(torch.from_numpy(steps)).numpy() == r(range(2000))).all()
    with jax.enable_x64():
        assert (np.asarray(r(jnp.asarray(steps))) == r(range(2000))).all()
    assert (
        np.asarray(r(keras.Variable(steps, dtype="int32"))) == r(steps.astype("f"))
    ).all()


@pytest.mark.parametrize(
    "dtype",
    ["int8", "uint8", "int16", "uint16", "int32", "uint32", "uint64", "float16"],
)
def test_small_and_unsigned_steps_are_widened(dtype: str) -> None:
    r = (0.1 * ss.hold(100) >> ss.cosine(400)).resolve()
    steps = np.array([0, 1, 5, 100, 127], dtype)
    assert agree(r(steps), scalars(r, [0, 1, 5, 100, 127]), FLOAT32)
    if dtype != "uint64":
        tensor = torch.tensor(steps.tolist(), dtype=getattr(torch, dtype))
        assert agree(r(tensor), scalars(r, steps), FLOAT32)
    assert agree(r(jnp.asarray(steps)), scalars(r, steps), FLOAT32)


def test_boundaries_beyond_32_bits_saturate() -> None:
    r = (ss.hold(2**33) >> ss.linear(2**33)).resolve()
    assert r(jnp.asarray([0, 2**31 - 1])).tolist() == [1.0, 1.0]
    assert r(np.array([2**33, 2**34])).tolist() == [1.0, 0.0]
    assert r(jnp.asarray([2**32 - 1], jnp.uint32)).tolist() == [1.0]


def test_nan_steps() -> None:
    r = (ss.warmup(4, start=0.5) >> ss.linear(4)).resolve()
    with pytest.raises(ss.InvalidScheduleError, match="step must be a number"):
        r(float("nan"))
    nan = [0.0, np.nan, np.inf, -np.inf]
    wanted = [0.5, 0.5, 0.0, 0.5]
    assert r(np.array(nan)).tolist() == wanted
    assert r(torch.tensor(nan)).tolist() == wanted
    assert r(jnp.asarray(nan)).tolist() == wanted


@pytest.mark.parametrize(
    "steps",
    [
        True,
        "7",
        None,
        1j,
        np.array([True]),
        np.array([1j]),
        np.array(["7"]),
        torch.tensor([True]),
        jnp.asarray([True]),
        object(),
    ],
)
def test_what_is_no_step_is_refused(steps: Any) -> None:
    r = ss.linear(4).resolve()
    with pytest.raises(ss.InvalidScheduleError, match="step"):
        r(steps)


def test_numbers_of_every_library_are_numbers() -> None:
    r = ss.linear(4).resolve()
    for step in (1, 1.0, np.int64(1), np.uint8(1), np.float32(1)):
        value = r(step)
        assert value == 0.75
        assert type(value) is float
    assert r([0, 1]) == [1.0, 0.75]
    assert r((0, 1)) == r(range(2)) == [1.0, 0.75]
    assert r(np.array(1)).shape == ()
    assert r(torch.tensor(1)).shape == ()
    assert r(np.array([], np.int64)).shape == (0,)


def test_a_thousand_cycles_compile_quickly_under_jit() -> None:
    r = ss.repeat(ss.cosine(10), 1000, stretch=1.001, shrink_peak=0.999).resolve()
    lowered = jax.jit(r).lower(jnp.arange(4))
    text = lowered.as_text()
    assert text.count("stablehlo.sine") <= 1  # one form, however many cycles
    assert text.count("\n") < 400


def test_keras_ops_serve_other_backends_by_the_same_formulas() -> None:
    ops = KerasOps()
    assert float(ops.divide(jnp.asarray(1), jnp.asarray(2))) == 0.5
