"""Each kind of event, against its formula; and what it refuses."""

import math
from typing import Any

import numpy as np
import pytest

import stepsize as ss
from stepsize.control import Event, Target, Trajectory
from stepsize.errors import InvalidScheduleError, UnitError, UnresolvedError

N = 100
COSINE = 0.1 * ss.cosine()
WSD = 0.1 * ss.warmup(10) >> ss.hold() >> ss.decay("20%", shape="1-sqrt")


def _with(lr: Trajectory, update: int, kind: str, **values: Any) -> Trajectory:
    source = values.pop("source", "operator:ada")
    event = Event(update=update, kind=kind, values=values, source=source)
    return lr.with_event(event, made=update)


def _start(schedule: ss.Schedule = COSINE, steps: int | None = N) -> Trajectory:
    return Trajectory(schedule, ss.Horizon(steps=steps))


# --- cooldown -------------------------------------------------------------------------


def test_a_cooldown_falls_from_the_present_value_and_ends_the_run() -> None:
    base = _start(WSD)
    lr = _with(base, 40, "cooldown", steps=20, to=0.1, shape="linear")
    for a in range(21):
        p = a / 20
        assert lr(40 + a) == pytest.approx((1 - p) * 0.1 + p * 0.01, rel=1e-14)
    assert lr(60) == lr(999) == 0.1 * 0.1
    assert (lr.total_steps, lr.left_at(40), lr.left_at(60)) == (60, 20, 0)
    assert (base.total_steps, lr.left_at(39)) == (N, 61)


@pytest.mark.parametrize("update", [0, 5, 50, 99, 150])
@pytest.mark.parametrize("schedule", [WSD, ss.repeat(COSINE, 3) * ss.hold()])
def test_a_cooldown_falls_from_wherever_it_is(
    schedule: ss.Schedule, update: int
) -> None:
    base = _start(schedule)
    lr = _with(base, update, "cooldown", steps="10%")
    length = max(math.floor((N - update) / 10 + 0.5), 1)
    assert lr(update) == base(update)
    assert lr(update + length) == 0
    for a in range(length):
        wanted = (1 - math.sqrt(a / length)) * base(update)
        assert lr(update + a) == pytest.approx(wanted, rel=1e-14)


def test_a_cooldown_to_lr_is_exact_and_takes_over_the_scales() -> None:
    lr = _with(_start(WSD), 20, "scale", factor=0.3)
    lr = _with(lr, 30, "cooldown", steps=10, to_lr=1e-5, shape="cosine")
    assert lr(30) == 0.1 * 0.3
    assert lr(40) == 1e-5
    lr = _with(lr, 35, "scale", factor=0.5)
    assert lr(40) == 1e-5 * 0.5


def test_a_cooldown_takes_a_shape_parameter() -> None:
    lr = _with(_start(WSD), 50, "cooldown", steps=10, shape="polynomial", power=3.0)
    assert lr(55) == pytest.approx(0.1 * 0.5**3, rel=1e-14)


def test_a_cooldown_from_zero() -> None:
    over = _start(0.1 * ss.linear(50))
    even = _with(over, 60, "cooldown", steps=10, to_lr=0.02, shape="linear")
    assert even(65) == pytest.approx(0.01, rel=1e-14)
    assert _with(over, 60, "cooldown", steps=10).block(60, 80) == [0.0] * 20
    up = _with(over, 60, "cooldown", steps=10, to_lr=0.02, shape="exponential")
    assert up.block(60, 71) == pytest.approx([0.002 * a for a in range(11)], rel=1e-12)
    up = _with(
        over, 60, "cooldown", steps=10, to_lr=0.02, shape="exponential-hyperbolic"
    )
    assert up(70) == 0.02


def test_a_cooldown_in_units_and_in_percent_needs_the_conversion() -> None:
    horizon = ss.Horizon(steps=N, tokens_per_step=1000)
    event = Event(update=10, kind="cooldown", values={"steps": "5e3 tokens"})
    assert Trajectory(WSD, horizon, (event,)).total_steps == 15
    with pytest.raises(UnitError, match=r"Horizon\.tokens_per_step must be given"):
        _start(WSD).with_event(event, made=0)
    open_end = _start(ss.constant(0.1), None)
    with pytest.raises(UnresolvedError, match=r"cooldown\.steps must be in updates"):
        _with(open_end, 10, "cooldown", steps="10%")
    assert _with(open_end, 10, "cooldown", steps=7).total_steps == 17
    assert open_end.left_at(5) is None


# --- another horizon ------------------------------------------------------------------


def test_stretch_keeps_progress_without_a_jump() -> None:
    lr = _with(_start(), 40, "extend", total_steps=160)
    for t in range(40, 161):
        wanted = 0.1 * (1 + math.cos(math.pi * (40 + (t - 40) * 60 / 120) / N)) / 2
        assert lr(t) == pytest.approx(wanted, rel=1e-12, abs=1e-17)
    assert lr(40) == _start()(40)
    assert lr(160) == 0
    assert lr.total_steps == 160
    again = _with(lr, 100, "shorten", total_steps=130)
    assert again(100) == lr(100)
    assert again(115) == lr(130)
    assert again(130) == 0


def test_adopt_is_the_curve_of_the_new_horizon() -> None:
    lr = _with(_start(), 40, "extend", total_steps=200, mode="adopt")
    assert lr.block(40, 220) == COSINE.resolve(200).block(40, 220)
    assert lr.block(0, 40) == COSINE.resolve(N).block(0, 40)


def test_bridge_goes_over_to_it() -> None:
    lr = _with(_start(), 40, "extend", total_steps=200, mode="bridge", over=20)
    new, value = COSINE.resolve(200), COSINE.resolve(N)(40)
    assert lr(40) == value
    for a in range(20):
        w = (20 - a) / 20
        assert lr(40 + a) == pytest.approx(w * value + (1 - w) * new(40 + a), rel=1e-14)
    assert lr.block(60, 210) == new.block(60, 210)
    percent = _with(_start(), 40, "extend", total_steps=200, mode="bridge")
    assert percent(56) == new(56)
    assert percent(55) != new(55)
    # what comes in the middle of a bridge bends what is after it
    middle = _with(lr, 50, "extend", total_steps=300, mode="stretch")
    assert middle.block(0, 61) == lr.block(0, 61)
    assert middle(60 + 240) == 0
    cooled = _with(lr, 50, "cooldown", steps=4, shape="linear")
    assert cooled(52) == pytest.approx(lr(50) / 2, rel=1e-14)


def test_keep_moves_the_end_of_the_run_only() -> None:
    lr = _with(_start(), 40, "shorten", total_steps=80, mode="keep")
    assert lr.block(0, 120) == _start().block(0, 120)
    assert (lr.total_steps, lr.left_at(70)) == (80, 10)


def test_a_horizon_stretches_a_cooldown_and_leaves_scales_and_holds() -> None:
    lr = _with(_start(WSD), 40, "cooldown", steps=20, shape="linear")
    lr = _with(lr, 50, "scale", factor=0.5)
    lr = _with(lr, 50, "hold")
    lr = _with(lr, 52, "extend", total_steps=70, mode="adopt")
    assert lr(55) == lr(52) == pytest.approx(0.1 * (20 / 30) * 0.5, rel=1e-14)
    assert lr.held_at(55)
    lr = _with(lr, 60, "release")
    assert (lr.step_at(60), lr.step_at(80), lr(80)) == (50, 70, 0)


@pytest.mark.parametrize("mode", ["stretch", "bridge", "adopt"])
def test_what_has_fixed_lengths_cannot_absorb_another_horizon(mode: str) -> None:
    fixed = _start(0.1 * ss.warmup(5) >> ss.cosine(95))
    with pytest.raises(InvalidScheduleError, match=r'extend\.mode must be "keep"'):
        _with(fixed, 10, "extend", total_steps=200, mode=mode)
    assert _with(fixed, 10, "extend", total_steps=200, mode="keep").total_steps == 200


def test_what_has_ended_cannot_be_stretched() -> None:
    with pytest.raises(InvalidScheduleError, match="replace or rewarm gives it"):
        _with(_start(), 100, "extend", total_steps=200)
    late = _with(_start(), 100, "extend", total_steps=200, mode="adopt")
    assert late(100) == pytest.approx(0.05, rel=1e-14)


def test_a_new_horizon_must_fit() -> None:
    with pytest.raises(UnresolvedError, match="replace a number of steps, and none"):
        _with(_start(ss.constant(1.0), None), 3, "extend", total_steps=9)
    for kind, total in (("extend", 100), ("extend", 99), ("shorten", 100)):
        with pytest.raises(InvalidScheduleError, match=rf"{kind}\.total_steps must be"):
            _with(_start(), 3, kind, total_steps=total)
    with pytest.raises(InvalidScheduleError, match=r"be < 100 and > 50 .*hint: to go"):
        _with(_start(), 50, "shorten", total_steps=50)
    tight = _start(ss.hold(50) >> ss.cosine())
    with pytest.raises(InvalidScheduleError, match="fit into 40 updates"):
        _with(tight, 10, "shorten", total_steps=40, mode="adopt")


# --- rewarm and replace ---------------------------------------------------------------


def test_a_rewarm_rises_to_the_peak_and_decays_to_the_end() -> None:
    base = _start()
    lr = _with(base, 60, "rewarm", steps=10, end=0.1, shape="linear")
    v = base(60)
    for a in range(10):
        wanted = (1 - a / 10) * v + (a / 10) * 0.1
        assert lr(60 + a) == pytest.approx(wanted, rel=1e-14)
    for b in range(31):
        wanted = (1 - b / 30) * 0.1 + (b / 30) * 0.01
        assert lr(70 + b) == pytest.approx(wanted, rel=1e-14)
    assert lr(60) == v
    assert lr(500) == 0.1 * 0.1


def test_a_rewarm_keeps_the_cuts_and_may_extend() -> None:
    lr = _with(_start(), 20, "scale", factor=0.5)
    both = _with(lr, 60, "rewarm", steps="10%", to=0.5, total_steps=160)
    assert both(70) == pytest.approx(0.1 * 0.5 * 0.5, rel=1e-14)
    assert (both.total_steps, both(160)) == (160, 0)
    exact = _with(lr, 60, "rewarm", steps=10, to_lr=0.07)
    assert exact(70) == 0.07
    assert _with(exact, 80, "rewarm", steps=5)(85) == 0.1


def test_a_rewarm_from_zero_without_end_and_of_nothing() -> None:
    lr = _with(_start(), 100, "rewarm", steps=4, total_steps=108)
    assert lr.block(100, 105) == pytest.approx([0, 0.025, 0.05, 0.075, 0.1])
    open_end = _with(_start(0.1 * ss.inverse_sqrt(4), None), 100, "rewarm", steps=4)
    assert open_end(10**6) == 0.1
    nothing = _with(_start(0.0 * ss.hold()), 10, "rewarm", steps=4)
    assert nothing.block(0, N) == [0.0] * N


def test_a_rewarm_must_leave_a_decay() -> None:
    with pytest.raises(InvalidScheduleError, match=r"rewarm\.total_steps must leave"):
        _with(_start(), 95, "rewarm", steps=5)
    lenient = Event(update=95, kind="rewarm", values={"steps": 5})
    lr = Trajectory(COSINE, ss.Horizon(steps=N), (lenient,))
    assert (lr(100), lr(200), lr.total_steps) == (0.1, 0.1, 100)


def test_a_replacement_begins_anew_or_at_the_present_step() -> None:
    new = 0.03 * ss.warmup(10) >> ss.linear()
    lr = _with(_start(), 40, "replace", schedule=new)
    assert lr.block(40, 120) == new.resolve(60).block(0, 80)
    lr = _with(_start(), 40, "replace", schedule=str(new), at="step", total_steps=150)
    assert lr.block(40, 160) == new.resolve(150).block(40, 160)
    assert lr.total_steps == 150


def test_a_replacement_may_be_bridged_and_keep_the_scales() -> None:
    new = ss.constant(0.02)
    cut = _with(_start(), 20, "scale", factor=0.5)
    drop = _with(cut, 40, "replace", schedule=new, over=10)
    assert drop(40) == cut(40)
    assert drop(45) == pytest.approx((cut(40) + 0.02) / 2, rel=1e-14)
    assert drop(50) == 0.02
    keep = _with(cut, 40, "replace", schedule=new, over="50%", scales="keep")
    assert keep(40) == cut(40)
    assert keep(70) == 0.01
    open_end = _start(ss.constant(0.1), None)
    assert _with(open_end, 9, "replace", schedule=new)(10) == 0.02


def test_a_replacement_must_fit_and_be_readable() -> None:
    with pytest.raises(
        InvalidScheduleError, match=r"replace\.total_steps must be > 40"
    ):
        _with(_start(), 40, "replace", schedule=COSINE, total_steps=40)
    with pytest.raises(InvalidScheduleError, match="fit into 60 updates"):
        _with(_start(), 40, "replace", schedule=ss.warmup(90) >> ss.cosine())
    with pytest.raises(UnresolvedError, match="total_steps"):
        _with(_start(ss.constant(1.0), None), 40, "replace", schedule=COSINE)
    with pytest.raises(
        InvalidScheduleError, match=r"opaque\.function must be callable"
    ):
        _with(_start(), 4, "replace", schedule=ss.opaque("mine", lambda d: 1.0))


# --- hold, release, rewind, note ------------------------------------------------------


def test_a_hold_stops_the_clock_but_no_scale() -> None:
    base = _start()
    held = _with(base, 30, "hold")
    assert held.block(30, 90) == [base(30)] * 60
    assert [held.step_at(u) for u in (29, 30, 80)] == [29, 30, 30]
    assert held.left_at(80) == 70
    cut = _with(held, 40, "scale", factor=0.5, over=2)
    assert cut.block(40, 43) == pytest.approx(
        [base(30), base(30) * 0.5**0.5, base(30) * 0.5], rel=1e-14
    )
    clock = _with(held, 50, "release")
    assert clock.block(50, 130) == base.block(30, 110)
    assert (clock.left_at(50), clock.held_at(50)) == (70, False)
    catch = _with(held, 50, "release", resume="catch-up")
    assert catch.block(50, 130) == base.block(50, 130)


def test_a_cooldown_ends_a_hold() -> None:
    lr = _with(_with(_start(), 30, "hold"), 50, "cooldown", steps=10)
    assert (lr.held_at(50), lr.step_at(60), lr(60)) == (False, 40, 0)


def test_a_hold_and_a_release_come_in_turn() -> None:
    held = _with(_start(), 30, "hold")
    with pytest.raises(InvalidScheduleError, match="stands still since 30"):
        _with(held, 40, "hold")
    with pytest.raises(InvalidScheduleError, match="release must follow a hold"):
        _with(_start(), 40, "release")
    twice = tuple(
        Event(update=u, kind=kind, values={}, sequence=u)
        for u, kind in ((10, "release"), (20, "hold"), (30, "hold"), (35, "release"))
    )
    lr = Trajectory(COSINE, ss.Horizon(steps=N), twice)
    assert [lr.step_at(u) for u in (19, 25, 36)] == [19, 20, 21]


def test_a_rewind_voids_what_policies_did() -> None:
    base = _start()
    lr = _with(base, 20, "scale", factor=0.5, source="policy:plateau")
    lr = _with(lr, 40, "scale", factor=0.1, source="policy:plateau")
    lr = _with(lr, 45, "scale", factor=0.7, source="guard")
    before = lr
    lr = _with(lr, 50, "rewind", to=30, source="guard")
    assert lr.block(0, 50) == before.block(0, 50)
    assert lr(50) == base(50) * (0.5 * 0.7)
    assert lr.step_at(60) == 60
    assert len(lr.events) == 4


def test_a_rewind_of_the_clock_plays_the_curve_again() -> None:
    base = _start()
    lr = _with(base, 50, "rewind", to=30, clock="rewind", source="guard")
    lr = _with(lr, 50, "scale", factor=0.5, source="guard")
    assert lr.block(50, 130) == [v * 0.5 for v in base.block(30, 110)]
    assert (lr.step_at(50), lr.left_at(50)) == (30, 70)


def test_a_rewind_before_a_persons_cooldown_plays_what_led_to_it() -> None:
    base = _with(_start(), 20, "scale", factor=0.5)
    cooled = _with(base, 40, "cooldown", steps=20)
    lr = _with(cooled, 50, "rewind", to=35, clock="rewind", source="guard")
    plain = _start()
    assert lr.block(50, 55) == [v * 0.5 for v in plain.block(35, 40)]
    assert lr.block(55, 80) == cooled.block(40, 65)
    # another one there replaces it, also where that had not begun yet
    again = _with(lr, 52, "cooldown", steps=4, shape="linear")
    assert again(52) == lr(52)
    assert again(54) == pytest.approx(lr(52) / 2, rel=1e-14)
    assert again(99) == 0
    back = _with(again, 54, "rewind", to=36, clock="rewind", source="guard")
    assert back.block(54, 55) == lr.block(51, 52)
    assert back(55) == again(52)
    # a longer horizon leaves what comes before the cooldown alone
    longer = _with(lr, 51, "extend", total_steps=80)
    assert longer.block(0, 55) == lr.block(0, 55)
    assert longer(55 + 40) == 0
    held = _with(lr, 51, "hold")
    assert held.block(51, 70) == [lr(51)] * 19


def test_a_policys_cooldown_is_voided_and_peoples_stay() -> None:
    base = _start()
    lr = _with(base, 40, "cooldown", steps=20, source="policy:cooldown")
    lr = _with(lr, 45, "extend", total_steps=90, source="operator:ada")
    lr = _with(lr, 50, "rewind", to=40, source="guard")
    assert lr(50) != base(50)  # the extension now stretches the schedule itself
    assert lr.total_steps == 90
    assert lr(90) == 0


def test_a_rewind_goes_back() -> None:
    with pytest.raises(InvalidScheduleError, match=r"rewind\.to must be at most 50"):
        _with(_start(), 50, "rewind", to=51)


def test_a_note_changes_nothing() -> None:
    lr = _with(_start(), 50, "note")
    assert lr.block(0, 120) == _start().block(0, 120)


def test_events_of_other_targets_are_admitted() -> None:
    event = Event(update=3, kind="release", values={}, target=Target("momentum"))
    lr = _start().with_event(event, made=0)
    assert lr.block(0, N) == _start().block(0, N)


# --- values ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "match"),
    [
        ("cooldown", {}, r"cooldown\.steps must be an int >= 1 .*; got None"),
        ("cooldown", {"steps": 0}, r"cooldown\.steps must be positive"),
        ("cooldown", {"steps": 5, "to": -1}, r"cooldown\.to must be a finite number"),
        ("cooldown", {"steps": 5, "to": 0.1, "to_lr": 1}, r"cooldown\.to must be left"),
        ("cooldown", {"steps": 5, "shape": "x"}, r"cooldown\.shape must be one of"),
        ("cooldown", {"steps": 5, "beta": 1}, r"cooldown\.beta must be left out"),
        (
            "cooldown",
            {"steps": 5, "shape": "exponential"},
            r"cooldown\.to must be > 0 with shape",
        ),
        ("extend", {}, r"extend\.total_steps must be an int >= 1 .*; got None"),
        ("extend", {"total_steps": 1.5}, r"extend\.total_steps must be an int >= 1"),
        ("extend", {"total_steps": 5, "mode": "x"}, r"extend\.mode must be one of"),
        ("shorten", {"total_steps": 5, "over": 0}, r"shorten\.over must be positive"),
        ("shorten", {"steps": 5}, r"shorten\.values must have no other names than"),
        ("rewarm", {"steps": 5, "to": 0}, r"rewarm\.to must be a finite number > 0"),
        ("rewarm", {"steps": 5, "to": 2, "to_lr": 1}, r"rewarm\.to must be left out"),
        ("rewarm", {"steps": 5, "end": -1}, r"rewarm\.end must be a finite number"),
        ("rewarm", {"steps": 5, "total_steps": 0}, r"rewarm\.total_steps must be"),
        ("replace", {}, r"replace\.schedule must be a Schedule or its text; got None"),
        ("replace", {"schedule": "warmup("}, "warmup"),
        ("replace", {"schedule": "hold()", "at": "x"}, r"replace\.at must be one of"),
        ("hold", {"steps": 5}, r"hold\.values must have no other names than none"),
        ("release", {"resume": "x"}, r"release\.resume must be one of"),
        ("rewind", {}, r"rewind\.to must be an int >= 0 .*; got None"),
        ("rewind", {"to": 1, "clock": 2}, r"rewind\.clock must be one of"),
        ("note", {"withdraws": -1}, r"note\.withdraws must be an int >= 0"),
    ],
)
def test_a_wrong_value_is_named(kind: str, values: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        Event(update=1, kind=kind, values=values)


def test_an_array_meets_scales_that_ease_and_that_do_not() -> None:
    lr = _with(_start(), 10, "scale", factor=0.3, over=20)
    lr = _with(lr, 12, "scale", factor=0.5, over=4)
    lr = _with(lr, 20, "scale", factor=0.7)
    found = lr(np.arange(40))
    assert found == pytest.approx(lr.block(0, 40), rel=1e-13)


def test_an_array_of_updates_is_of_ints() -> None:
    lr = _start()
    assert lr(np.array([3, 250], dtype=np.uint8)).tolist() == [lr(3), lr(250)]
    assert lr(np.int64(3)) == lr(np.array(3)) == lr(3)
    with pytest.raises(
        InvalidScheduleError, match=r"update must be an int or an array"
    ):
        lr(np.array([1.0]))
    assert lr(np.array([], dtype=int)).shape == (0,)
