"""Corners of the core that the laws and rules reach seldom or never."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import stepsize as ss
from stepsize.schedules import kinds
from stepsize.schedules.durations import whole
from stepsize.schedules.ops import KerasOps, array_ops
from stepsize.schedules.scalar import PYTHON


def test_numbers_beyond_floats() -> None:
    assert PYTHON.power(1e200, 2.0) == float("inf")
    with pytest.raises(ss.InvalidScheduleError, match=r"constant.lr must be a finite"):
        ss.constant(10**400)
    with pytest.raises(ss.InvalidScheduleError, match="scale must be a finite number"):
        -(10**400) * ss.hold()
    assert ss.hold() * 2**1000 == float(2**1000) * ss.hold()


def test_scales_that_cancel_leave_the_phase() -> None:
    assert 2 * (0.5 * ss.hold(3)) == ss.hold(3)
    assert 1 * ss.hold(3) == ss.hold(3)


def test_resolved_schedules_are_values_not_parts() -> None:
    r: Any = ss.hold(3).resolve()
    s: Any = ss.hold(3)
    with pytest.raises(TypeError):
        s * r
    with pytest.raises(TypeError):
        r * s
    with pytest.raises(TypeError):
        2 * r
    assert r.total_steps is None
    assert r.rates is not None
    assert ss.hold().resolve(total_steps=3).rates() == [1.0, 1.0, 1.0]
    assert eval(repr(r), {n: getattr(ss, n) for n in ss.__all__}) == r
    cut = ss.cosine(9).resolve(5, overflow="truncate")
    assert eval(repr(cut), {n: getattr(ss, n) for n in ss.__all__}) == cut


def test_clip_says_which_bound_is_double_and_ends_where_it_must() -> None:
    with pytest.raises(ss.InvalidScheduleError, match=r"clip.high must be left out"):
        ss.clip(ss.hold(), high=0.5, high_lr=0.1)
    with pytest.raises(ss.InvalidScheduleError, match="stays 0"):
        ss.clip(ss.hold(3), high=0.0) >> ss.warmup(3)


def test_skip_beyond_the_end_and_endless() -> None:
    assert ss.skip(ss.linear(4, to=0.5), 9)(0) == 0.5
    s = ss.skip(ss.linear(), 5)
    assert s.resolve(total_steps=10)(0) == 10 / 15
    behind = ss.skip(ss.linear(to=0.5), -20).resolve(total_steps=10)
    assert behind(3) == 0.5
    assert ss.skip(ss.step(4), 5)(0) == 0.1


def test_too_many_cycles_are_refused_before_they_fill_the_memory() -> None:
    with pytest.raises(ss.InvalidScheduleError, match="unroll into at most"):
        ss.repeat(ss.cosine(5), 10**6, stretch=1.1).resolve()
    with pytest.raises(ss.InvalidScheduleError, match="unroll into at most"):
        ss.repeat(ss.cosine(), 10**6, stretch=1.1).resolve(total_steps=100)
    with pytest.raises(ss.InvalidScheduleError, match="unroll into at most"):
        ss.step("0.0000155555%").resolve(total_steps=10**9)
    half = ss.repeat(ss.decay(1, to_lr=0.1), 150_000, shrink_peak=0.999999)
    with pytest.raises(ss.InvalidScheduleError, match="unroll into at most"):
        (half >> half).resolve()


def test_endless_cycles_that_shrink_need_a_horizon() -> None:
    with pytest.raises(ss.UnresolvedError, match="how many cycles"):
        ss.repeat(ss.cosine(5), stretch=0.5)(0)
    with pytest.raises(ss.UnresolvedError, match="length of step"):
        ss.step("0.5 epochs").resolve(horizon=ss.Horizon(steps_per_epoch=3))


def test_endless_cycles_that_grow_or_shrink_in_height() -> None:
    grows = ss.repeat(ss.cosine(5), stretch=2.0)
    assert [grows(5 * (2**k - 1)) for k in (1, 5, 40)] == [1.0, 1.0, 1.0]
    lower = 0.5 * ss.repeat(ss.linear(4), shrink_peak=0.5)
    assert lower([0, 3, 4, 8, 41]) == [0.5, 0.125, 0.25, 0.125, 0.5**11 * 0.75]
    steps = np.arange(5000)
    assert lower(steps) == pytest.approx(np.array(lower(range(5000))), rel=1e-14)
    assert lower.resolve(total_steps=8)(8) == 0.0
    assert lower.resolve(total_steps=9)(50) == 0.5**3 * 0.75


def test_cycles_that_grow_in_height_without_end() -> None:
    r = ss.repeat(ss.hold(16), shrink_peak=3.375).resolve()
    assert r.block(0, 4) == [1.0] * 4
    assert r(16) == 3.375
    long = ss.repeat(ss.hold(2**33)).resolve()
    assert jax.jit(long)(jnp.arange(3)).tolist() == [1.0] * 3


def test_a_tail_shorter_than_half_an_update_leaves_its_exit() -> None:
    rise = ss.warmup("20%", start=0.0) >> ss.hold(1)
    fall = ss.hold("10%") >> ss.decay("10%") >> ss.hold(1)
    first = ss.repeat(rise, 1, boundaries="real")
    last = ss.skip(ss.repeat(fall, 1, boundaries="real"), 1)
    assert ss.join(first, last, at=[1])(1) == 0.0


def test_real_ends_are_reached() -> None:
    r = ss.repeat(ss.cosine(1), 5, stretch=1.1, boundaries="real").resolve()
    assert r.end == 6.1051
    assert r(6) == pytest.approx(0.0126, abs=1e-3)
    assert ss.knots([(0, 0.0), (2.2, 1.0)])(2) == pytest.approx(2 / 2.2)
    assert ss.join(ss.hold(5) >> ss.hold(), ss.linear(4), at=[2])([0, 2, 4]) == [
        1.0,
        1.0,
        0.5,
    ]
    assert (0 * ss.wave(4, to_lr=0.1))(2) == pytest.approx(0.1)


def test_thousands_of_growing_cycles_keep_their_boundaries() -> None:
    r = ss.repeat(ss.cosine(10), 3000, stretch=1.003).resolve()
    exact = sum(10 * Fraction(1003, 1000) ** i for i in range(2000))
    start = int(exact + Fraction(1, 2))
    assert r(start) == 1.0
    assert r(start - 1) < 1e-4


def test_step_at_fractional_intervals_rounds_each_boundary() -> None:
    r = ss.step("25%", 0.5).resolve(total_steps=10)
    assert r.boundaries() == [0, 3, 5, 8, 10]
    r = ss.step("1 epoch", 0.5).resolve(horizon=ss.Horizon(steps=10, steps_per_epoch=3))
    assert r.boundaries() == [0, 10]
    assert r([2, 3, 6]) == [1.0, 0.5, 0.25]


def test_one_cycle_and_restarts_in_their_corners() -> None:
    with pytest.raises(ss.InvalidScheduleError, match="in updates or percent"):
        ss.one_cycle(100, "1 epoch")
    assert ss.one_cycle(100, 20)(20) == 1.0
    assert str(ss.warm_restarts(None, 3, warmup_steps=5)).startswith("repeat(warmup(5")
    with pytest.raises(ss.InvalidScheduleError, match="fewer than steps"):
        ss.warm_restarts(10, 3, warmup_steps=10)
    assert ss.wsd(None, 10, 5).resolve().end == 15


def test_wrapped_functions_are_checked_where_numbers_are() -> None:
    s = ss.opaque("bad", lambda d: -1.0)
    with pytest.raises(ss.InvalidScheduleError, match=r'opaque\("bad"\) must reach'):
        s(3)
    endless = ss.opaque("one", lambda d: 1.0)
    assert endless(10**9) == 1.0
    parts = (0.5 * endless) >> ss.hold(2)
    with pytest.raises(ss.UnresolvedError, match="total_steps"):
        parts(0)
    same = ss.minimum(endless, 2 * endless)
    assert same(3) == 1.0


def test_knots_in_units_must_still_be_in_order() -> None:
    s = ss.knots([("50%", 1.0), ("2 epochs", 0.5)])
    with pytest.raises(ss.InvalidScheduleError, match="positions that increase"):
        s.resolve(horizon=ss.Horizon(steps=100, steps_per_epoch=3))


def test_deep_mappings_and_wrong_types_in_texts() -> None:
    content: Any = {"kind": "hold"}
    for _ in range(400):
        content = {"kind": "chain", "parts": [content]}
    with pytest.raises(ss.InvalidScheduleError, match="nested at most"):
        ss.from_dict({"version": 1, **content})
    with pytest.raises(ss.InvalidScheduleError, match="average"):
        ss.parse("average(hold(), hold(), weights=5)")


def test_kinds_and_numbers_refuse_what_they_are_not() -> None:
    with pytest.raises(ss.InvalidScheduleError, match=r"Phase.kind must be one of"):
        kinds.of("nope")
    assert whole(np.arange(3)) is None
    with pytest.raises(KeyError):
        ss.hold()["nope"]


def test_long_and_zero_durations_and_signs() -> None:
    with pytest.raises(ss.InvalidScheduleError, match="be shorter"):
        ss.hold("1e29 tokens")
    assert ss.parse("skip(linear(4), -2)") == ss.skip(ss.linear(4), -2)
    with pytest.raises(ss.InvalidScheduleError, match="be one expression"):
        ss.parse("hold(0 5)")
    assert str(ss.warm_restarts(10)) == 'repeat(decay(10, shape="cosine"))'
    with pytest.raises(ss.UnresolvedError, match="total_steps"):
        ss.multistep(["50%"])(3)
    tiny = 1e-300 * ss.hold(1) >> 1e-300 * ss.exponential(3, to=0.5)
    assert tiny(2) == 0.0  # underflown, and still total
    assert PYTHON.remainder(7, 4) == 3


def test_arrays_of_unknown_frameworks_are_refused() -> None:
    class Strange:
        shape = (3,)

    with pytest.raises(ss.InvalidScheduleError, match="array of NumPy, torch, JAX"):
        ss.hold()(Strange())
    assert array_ops(Strange()) is None


def test_a_sorted_block_over_many_long_pieces() -> None:
    s = ss.knots([(i * 3000, 1.0 / (1 + i)) for i in range(30)])
    steps = np.arange(-5, 90_000)
    assert s(steps) == pytest.approx(np.array(s(range(-5, 90_000))), rel=1e-13)
    shuffled = np.random.default_rng(0).permutation(steps)
    assert (s(shuffled) == s(steps)[np.argsort(np.argsort(shuffled))]).all()


def test_many_cycles_in_every_backend() -> None:
    r = (ss.noise(3, 0.2, 7000) * ss.repeat(ss.linear(7), 1000)).resolve()
    steps = np.arange(7001)
    expected = np.array(r(range(7001)))
    assert r(steps) == pytest.approx(expected, rel=1e-12)
    variable = keras.Variable(steps, dtype="int32", trainable=False)
    assert np.asarray(r(variable)) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    with jax.enable_x64():
        got = np.asarray(jax.jit(r)(jnp.asarray(steps)))
    assert got == pytest.approx(expected, rel=1e-12)


def test_keras_hash_without_wrapping_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What backends with 64-bit integers take, run here on JAX with x64 enabled."""
    with jax.enable_x64():
        monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
        ops = KerasOps()
        steps = keras.ops.convert_to_tensor(np.arange(50), dtype="int64")
        halves = (jnp.asarray(40_000), jnp.asarray(50_001))
        got = np.asarray(ops.scatter(steps, *halves))
    wanted = [PYTHON.scatter(d, 40_000, 50_001) for d in range(50)]
    assert got.tolist() == wanted


def test_pictures_of_long_repeats_and_constants() -> None:
    assert "polyline" in ss.repeat(ss.cosine(3), 900, stretch=1.001)._repr_svg_()
    assert "polyline" in ss.constant(0.0)._repr_svg_()
    assert "polyline" in (0.1 * ss.hold())._repr_svg_()
