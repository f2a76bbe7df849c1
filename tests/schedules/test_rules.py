"""The exact rules of phases: ends, zeros, peaks, lengths, combinators; by hand."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stepsize as ss


def near(values: Any) -> Any:
    return pytest.approx(values, rel=1e-14, abs=0)


# --- shapes against their formulas ------------------------------------------------

DECAYS: dict[str, Any] = {
    "linear": lambda p: 1 - p,
    "cosine": lambda p: (1 + math.cos(math.pi * p)) / 2,
    "polynomial": lambda p: (1 - p) ** 2,
    "1-sqrt": lambda p: 1 - math.sqrt(p),
    "1-square": lambda p: 1 - p**2,
}


@pytest.mark.parametrize("shape", DECAYS)
@pytest.mark.parametrize("n", [1, 2, 3, 100])
def test_decay_shapes(shape: str, n: int) -> None:
    s = 0.4 * ss.decay(n, to=0.25, shape=shape)
    for d in range(n):
        w = DECAYS[shape](d / n)
        assert s(d) == pytest.approx(0.4 * w + 0.1 * (1 - w), rel=1e-13)
    assert s(0) == 0.4
    assert s(n) == s(n + 1) == 0.1


def test_warmup_shapes() -> None:
    assert ss.warmup(4)(range(5)) == near([0.2, 0.4, 0.6, 0.8, 1.0])
    assert ss.warmup(4, 0.0)(range(5)) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert ss.warmup(2, 0.5, "cosine")(range(3)) == near([0.5, 0.75, 1.0])
    assert ss.warmup(2, 0.01, "exponential")(range(3)) == near([0.01, 0.1, 1.0])
    assert ss.warmup(2, 0.0, "polynomial", power=3)(range(3)) == [0.0, 0.125, 1.0]


def test_decays_without_an_end() -> None:
    assert ss.step(3, 0.5)(range(7)) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert ss.multistep([2, 2, 4], 0.5)(range(5)) == [1, 1, 0.25, 0.25, 0.125]
    assert ss.geometric(0.5, 2)(range(3)) == near([1, 0.5**0.5, 0.5])
    assert ss.inverse_sqrt(4)([0, 12]) == [1, 0.5]
    noam = ss.warmup(100, 0.0) >> ss.inverse_sqrt(100)
    assert noam([50, 100, 400, 10_000]) == near([0.5, 1.0, 0.5, 0.1])


def test_cosine_has_no_cancellation_near_its_end() -> None:
    n = 100_000
    r = ss.cosine(n).resolve()
    d = np.array([n - 1, n - 2, n - 10], np.float32)
    exact = [math.sin(math.pi * k / 2 / n) ** 2 for k in (1, 2, 10)]
    assert r(d) == pytest.approx(exact, rel=1e-6)


def test_one_cycle_is_torch_and_fastai_convention_of_peak_and_ends() -> None:
    s = 0.1 * ss.one_cycle(100)
    assert s(0) == near(0.1 / 25)
    assert s(30) == 0.1
    assert s(100) == near(0.1 / 25 / 1e4)
    assert s == 0.1 * ss.parse(str(ss.one_cycle(100)))
    assert ss.one_cycle() == ss.one_cycle(None, "30%")


def test_wsd_is_three_phases() -> None:
    s = 3e-4 * ss.wsd(500)
    assert str(s) == '3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-sqrt")'
    r = s.resolve(total_steps=10_000)
    assert r.boundaries() == [0, 500, 8000, 10_000]
    assert r(500) == r(7999) == 3e-4
    assert ss.wsd() == ss.hold() >> ss.decay("20%", shape="1-sqrt")


# --- ends and zeros ---------------------------------------------------------------


def test_absolute_ends_are_exact_and_untouched_by_scales() -> None:
    s = 3e-4 * ss.decay(10, to_lr=3e-5)
    assert s(10) == 3e-5 != 3e-4 * 0.1
    assert (2 * s)(10) == 3e-5
    assert (3e-4 * ss.hold(1) >> ss.jump(to_lr=1e-5) >> ss.hold(1))(1) == 1e-5


@pytest.mark.parametrize(
    "build",
    [
        lambda: ss.cosine(5) >> ss.warmup(5),
        lambda: ss.cosine(5) >> ss.linear(5),
        lambda: ss.cosine(5) >> ss.hold(3) >> ss.step(2),
        lambda: ss.linear(5) >> ss.repeat(ss.cosine(5), 2),
        lambda: ss.jump(0.0) >> ss.warmup(5),
        lambda: ss.table([1.0, 0.0]) >> ss.decay(3, to=0.5),
        lambda: ss.hold(2) * ss.linear(5) >> ss.decay(3, to=0.5),
        lambda: ss.reverse(ss.warmup(5, 0.0)) >> ss.linear(5),
        lambda: 0 * ss.warmup(5),
        lambda: (0 * ss.hold(3)) >> ss.warmup(5),
        lambda: 0 * (ss.hold(3) >> ss.warmup(5)),
    ],
)
def test_a_phase_that_could_only_stay_zero_is_refused(build: Any) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=r"stays 0.*repeat.*jump"):
        build()


def test_what_may_follow_zero() -> None:
    assert (ss.cosine(2) >> ss.hold(5))(4) == 0.0
    assert (0.5 * ss.linear(2) >> ss.jump(to=1.0) >> ss.linear(2))(2) == 0.5
    assert (ss.linear(2) >> ss.decay(2, to_lr=0.3))(range(5)) == near(
        [1, 0.5, 0, 0.15, 0.3]
    )
    assert (0 * ss.hold())(7) == 0.0
    assert ss.constant(0.0) == 0 * ss.hold()
    assert ss.clip(ss.linear(2), low=0.1) >> ss.linear(2)


# --- the peak ---------------------------------------------------------------------


def test_peak_is_the_scale_of_the_enclosing_chain() -> None:
    s = 0.4 * ss.warmup(2) >> ss.linear(2, to=0.5) >> ss.jump(to=0.5) >> ss.hold(2)
    assert s(4) == 0.2
    cycle = 0.5 * ss.linear(2, to=0.5) >> ss.jump(to=0.5) >> ss.hold(1)
    r = ss.repeat(0.8 * cycle, 2, shrink_peak=0.5)
    assert [r(2), r(5)] == near([0.2, 0.1])
    clipped = ss.clip(3e-4 * ss.linear(4), low=0.5)
    assert clipped(4) == 1.5e-4
    inside = 0.2 * ss.hold(1) >> ss.clip(ss.linear(4), low=0.5)
    assert inside(4) == 0.1


def test_clip_bounds_both_ways() -> None:
    s = ss.clip(0.5 * ss.linear(4), low_lr=0.2, high=0.8)
    assert s(range(5)) == near([0.4, 0.375, 0.25, 0.2, 0.2])
    assert (2 * s)(4) == 0.2


# --- lengths ----------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=6),
    st.integers(1, 5000),
    st.integers(1, 3),
)
def test_boundaries_are_rounded_sums_and_meet_the_total(
    percents: list[int], total: int, elastic: int
) -> None:
    if sum(percents) > 100:
        percents = [p * 100 // sum(percents) or 1 for p in percents][:100]
    parts = [ss.hold(f"{p}%") for p in percents] + [ss.hold()] * elastic
    s: ss.Schedule = parts[0]
    for part in parts[1:]:
        s = s >> 0.9 * part
    r = s.resolve(total_steps=total, overflow="truncate")
    assert r.end == total
    exact = [Fraction(sum(percents[:i]) * total, 100) for i in range(len(percents))]
    wanted = {math.floor(e + Fraction(1, 2)) for e in exact}
    assert wanted - {total} <= set(r.boundaries())


def test_elastic_phases_share_what_is_left_by_weight() -> None:
    s = ss.warmup(10) >> ss.hold(weight=3.0) >> ss.linear()
    assert s.resolve(total_steps=50).boundaries() == [0, 10, 40, 50]


def test_percentages_are_of_the_nearest_span() -> None:
    cycle = ss.warmup("10%") >> ss.linear()
    assert ss.repeat(cycle, 2).resolve(total_steps=200).boundaries() == [
        0,
        10,
        100,
        110,
        200,
    ]
    fixed = ss.repeat(ss.warmup("10%") >> ss.linear(90), 2)
    assert fixed.resolve().boundaries() == [0, 10, 100, 110, 200]
    assert (ss.warmup("10%") >> cycle * ss.hold()).resolve(
        total_steps=200
    ).boundaries() == [0, 20, 40, 200]


@pytest.mark.parametrize("boundaries", ["integer", "real"])
@pytest.mark.parametrize("shape", ["linear", "1-sqrt", "polynomial"])
@pytest.mark.parametrize("n", [2, 20])  # unrolled; played again and again
def test_what_percentages_leave_of_a_cycle_holds_its_last_value(
    n: int, shape: str, boundaries: str
) -> None:
    length = 100
    cycle = ss.decay("5%", to=0.2) >> ss.warmup("10%", start=0.5, shape=shape)
    r = ss.repeat(cycle, n, boundaries=boundaries).resolve(total_steps=n * length)
    alone = cycle.resolve(total_steps=length)
    expected = [alone(t) for t in range(length)]
    assert expected[15:] == [expected[15]] * 85
    assert r.block(0, n * length) == near(expected * n)
    array = r(np.arange(n * length))
    assert array.tolist() == near(expected * n)


def test_a_single_phase_keeps_its_share_of_a_cycle() -> None:
    r = ss.repeat(ss.linear("20%"), 2).resolve(total_steps=20)
    assert r.block(0, 20) == near([1.0, 0.5, *[0.0] * 8] * 2)
    with pytest.raises(ss.InvalidScheduleError, match="of the cycle; got '160%'"):
        ss.repeat(ss.decay("80%", to=0.5) >> ss.hold("80%"), 2).resolve(total_steps=20)


def test_stretch_scales_whole_cycles_unless_fixed() -> None:
    cycle = ss.warmup(10) >> ss.linear(90)
    r = ss.repeat(cycle, 2, stretch=2.0).resolve()
    assert r.boundaries() == [0, 10, 100, 120, 300]
    cycle = ss.warmup(10, fixed=True) >> ss.linear(90)
    r = ss.repeat(cycle, 2, stretch=2.0).resolve()
    assert r.boundaries() == [0, 10, 100, 110, 300]
    assert ss.warm_restarts(100, 2, stretch=2.0, warmup_steps=10).resolve().end == 300


def test_restart_boundaries_are_exact() -> None:
    r = ss.repeat(ss.cosine(10), stretch=10.0).resolve(total_steps=20_000)
    assert r(1110) == r(11_110) == 1.0
    r = ss.repeat(ss.cosine(10), stretch=3.0).resolve(total_steps=5000)
    assert r(1210) == 1.0
    r = ss.repeat(ss.cosine(10), stretch=2.0).resolve(total_steps=200_000)
    assert r(81_910) == 1.0
    big = ss.repeat(ss.cosine(7)).resolve(total_steps=10**15)
    assert big(7 * 10**13) == 1.0
    assert big(np.array([7 * 10**13, 7 * 10**13 + 1]))[0] == 1.0


def test_restarts_with_any_stretch_and_shrinking_peaks() -> None:
    r = (0.1 * ss.repeat(ss.cosine(10), 3, stretch=1.5, shrink_peak=0.5)).resolve()
    assert r.boundaries() == [0, 10, 25, 48]  # 10, 15, 22.5: summed, then rounded
    assert [r(0), r(10), r(25)] == near([0.1, 0.05, 0.025])
    real = ss.repeat(ss.linear(10), 3, stretch=1.25, boundaries="real").resolve()
    assert real.boundaries() == [0, 10, 22.5, 38.125]
    assert real(23) == near(1 - 0.5 / 15.625)
    shorter = ss.repeat(ss.linear(8), 3, stretch=0.5).resolve()
    assert shorter.boundaries() == [0, 8, 12, 14]


def test_many_equal_cycles_equal_the_unrolled_ones() -> None:
    cycle = ss.warmup(3) >> ss.cosine(8, to=0.1)
    many = (0.3 * ss.repeat(cycle, 100)).resolve()
    few = (0.3 * ss.repeat(cycle, 100, shrink_peak=1 + 1e-16)).resolve()
    slow = [(0.3 * cycle)(t % 11) for t in range(1100)]
    assert many(range(1100)) == few(range(1100)) == slow
    assert many(1100) == few(1100) == cycle(11) * 0.3
    cut = ss.repeat(cycle).resolve(total_steps=1000)
    assert cut(999) == cycle(999 % 11)
    assert cut(1000) == cut(5000) == cycle(1000 % 11)


def test_overflow_raises_with_the_numbers_or_truncates() -> None:
    s = ss.warmup(60) >> ss.hold("50%") >> ss.linear()
    with pytest.raises(ss.InvalidScheduleError, match=r"fit into 100 .* got 110 upd"):
        s.resolve(total_steps=100)
    cut = s.resolve(total_steps=100, overflow="truncate")
    assert cut.end == 100
    assert cut(99) == 1.0
    with pytest.raises(ss.InvalidScheduleError, match="fit into 5 updates"):
        ss.cosine(10).resolve(total_steps=5)
    assert ss.cosine(10).resolve(total_steps=5, overflow="truncate")(9) == near(0.5)


def test_a_phase_of_no_steps_still_hands_on_its_exit() -> None:
    s = ss.decay("1%", to=0.5) >> ss.hold()
    assert s.resolve(total_steps=10)(0) == 0.5


# --- calling unresolved -----------------------------------------------------------


@pytest.mark.parametrize(
    "s",
    [
        ss.cosine(),
        ss.warmup("5%") >> ss.hold(10),
        ss.hold() >> ss.linear(10),
        ss.warmup("3 epochs") >> ss.hold(),
        ss.repeat(ss.cosine(), 3),
        ss.reverse(ss.hold()),
        ss.minimum(ss.linear("5%"), ss.linear(3)),
    ],
    ids=str,
)
def test_unresolved_schedules_raise_and_name_total_steps(s: ss.Schedule) -> None:
    with pytest.raises(ss.UnresolvedError, match=r"total_steps"):
        s(3)
    with pytest.raises(ss.UnresolvedError, match=r"total_steps"):
        s(np.arange(3))


def test_what_needs_no_horizon_can_be_called() -> None:
    assert (0.1 * ss.warmup(4) >> ss.hold())(1000) == 0.1
    assert (0.1 * ss.warmup(4) >> ss.cosine(4))(1000) == 0.0
    assert ss.repeat(ss.cosine(5))(500) == 1.0


# --- combinators ------------------------------------------------------------------


def test_products_bind_to_the_phase_beside_them() -> None:
    a, b, c = ss.hold(2), ss.hold(2), 0.5 * ss.hold(4)
    assert a >> b * c == a >> (b * c)
    assert (a >> b) * c != a >> b * c
    assert ((a >> b) * c)(range(4)) == [0.5] * 4
    assert 3 * (a * c) == (3 * a) * c


def test_the_longest_fixed_operand_sets_the_span() -> None:
    s = ss.linear(4) * ss.linear(2, to=0.5)
    assert s(range(5)) == near([1, 0.5625, 0.25, 0.125, 0])
    s = ss.hold() * ss.linear(4) + ss.hold(2)
    assert s.resolve().end == 4
    assert ss.maximum(ss.linear(4), 0.3 * ss.hold(8)).resolve().end == 8


def test_the_entry_goes_to_the_first_factor_and_to_every_summand() -> None:
    half = 0.5 * ss.hold(1)
    assert (half >> ss.linear(4) * (0.1 * ss.hold()))(1) == near(0.05)
    assert (half >> ss.hold(2) + ss.hold(2))(1) == 1.0
    assert (half >> ss.average(ss.hold(2), 3 * ss.hold(2)))(1) == 1.0
    assert (half >> ss.minimum(ss.hold(2), 3 * ss.hold(2)))(1) == 0.5


def test_reverse_and_skip() -> None:
    s = ss.warmup(3) >> ss.table([0.9, 0.8]) >> ss.linear(4, to=0.5)
    n = 9
    assert ss.reverse(s)(range(n + 1)) == [s(n - t) for t in range(n + 1)]
    assert ss.skip(s, 4)(range(9)) == [s(t + 4) for t in range(9)]
    assert ss.skip(s, -2)(range(9)) == [s(max(t - 2, 0)) for t in range(9)]
    assert ss.skip(s, 4).resolve().end == 5
    assert ss.reverse(s)(2.5) == s(6.5)


def test_knots_between_steps() -> None:
    s = ss.knots([(1.5, 0.0), (3.5, 1.0), (4.5, 0.5)], "cosine")
    assert s(range(7)) == near(
        [0, 0, (1 - math.cos(math.pi / 4)) / 2, 0.8535533905932737, 0.75, 0.5, 0.5]
    )
    late = ss.hold("12.5%") >> ss.knots([(0, 0.2), (3.5, 1.0), (11, 0.0)])
    r = late.resolve(total_steps=100)  # the knots lie at 12.5, 16 and 23.5
    assert [r(13), r(16), r(23), r(24)] == near([0.2 + 0.4 / 3.5, 1, 0.5 / 7.5, 0])
    s = ss.knots([(0, 1.0), ("50%", 0.5), ("100%", 0.0)], "step")
    assert s.resolve(total_steps=4)(range(5)) == [1.0, 1.0, 0.5, 0.5, 0.0]


def test_opaque_schedules_say_their_name_and_need_the_function() -> None:
    def harmonic(d: Any) -> Any:
        return 1 / (1 + d)

    s = 0.5 * ss.opaque("harmonic", harmonic, 10)
    assert str(s) == '0.5 * opaque("harmonic", steps=10)'
    assert s(1) == 0.25
    assert s(np.arange(2)).tolist() == [0.5, 0.25]
    assert ss.parse(str(s), functions={"harmonic": harmonic}) == s
    assert ss.from_dict(s.to_dict(), functions={"harmonic": harmonic}) == s
    with pytest.raises(ss.InvalidScheduleError, match="functions="):
        ss.parse(str(s))
    with pytest.raises(ss.InvalidScheduleError, match="functions="):
        ss.from_dict(s.to_dict())


def test_a_picture_for_notebooks_has_axes_and_the_text() -> None:
    svg = (3e-4 * ss.wsd(500)).resolve(total_steps=10_000)._repr_svg_()
    assert svg.startswith("<svg")
    for label in (">update<", ">rate<", ">10000<", ">0.0003<", "warmup(500)"):
        assert label in svg
    assert "(log)" in ss.exponential(100, to=1e-4)._repr_svg_()
    assert "drawn over 1000" in ss.cosine()._repr_svg_()
