"""DeepSpeed's schedules, against its formulas stepped as its engine steps them."""

import json
import math
from collections.abc import Callable

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.dialects import deepspeed
from stepsize.errors import InvalidScheduleError

SIZES = st.one_of(st.sampled_from((0, 1, 2)), st.integers(0, 60))
FRACTIONS = st.one_of(st.sampled_from((0.0, 1.0)), st.floats(1e-9, 1.0))
RATES = st.one_of(st.sampled_from((0.0, 1.0, 1e-3)), st.floats(1e-9, 2.0))


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


class Peer:
    """A scheduler of the peer: b is -1 at first, and each update ends with a step."""

    def __init__(self, first: float, formula: Callable[[int], float]) -> None:
        self.b, self.value, self.formula = -1, first, formula

    def step(self) -> None:
        self.b += 1
        self.value = self.formula(self.b)


def stepped(first: float, formula: Callable[[int], float]) -> Callable[[int], float]:
    """Return the value of each update, from a run of 400."""
    peer = Peer(first, formula)
    used = []
    for _ in range(400):
        used.append(peer.value)
        peer.step()
    return used.__getitem__


def gamma(b: int, warm: int, kind: str) -> float:
    return math.log(b + 1) / math.log(warm) if kind == "log" else b / warm


def warmup(low: float, high: float, warm: int, kind: str) -> Callable[[int], float]:
    warm = max(2, warm)

    def lr(b: int) -> float:
        return low + (high - low) * (gamma(b, warm, kind) if b < warm else 1.0)

    return stepped(low, lr)


KINDS = st.sampled_from(("log", "linear"))


@given(RATES, FRACTIONS, SIZES, KINDS)
@settings(max_examples=200)
def test_warmup_is_the_peers(high: float, share: float, warm: int, kind: str) -> None:
    low = high * share
    schedule = deepspeed.WarmupLR(low, high, warm, kind)
    compare(schedule, warmup(low, high, warm, kind), 80)
    check_laws(schedule, 40)
    assert deepspeed.WarmupLR(low, None, warm, kind, base_lr=high) == schedule


@given(SIZES, RATES, FRACTIONS, SIZES, KINDS)
@settings(max_examples=200)
def test_warmup_decay_is_the_peers(
    total: int, high: float, share: float, warm: int, kind: str
) -> None:
    low, most = high * share, max(2, warm)

    def lr(b: int) -> float:
        g = gamma(b, most, kind)
        if b >= most:
            g = max(0.0, (total - b) / max(1.0, total - most))
        return low + (high - low) * g

    schedule = deepspeed.WarmupDecayLR(total, low, high, warm, kind)
    compare(schedule, stepped(low, lr), 80)
    check_laws(schedule, 40)


@given(SIZES, FRACTIONS, SIZES, FRACTIONS, KINDS, RATES)
@settings(max_examples=200)
def test_warmup_cosine_is_the_peers(  # noqa: PLR0917 - drawn
    total: int, start: float, warm: int, low: float, kind: str, base: float
) -> None:
    most = max(2, warm)

    def lr(b: int) -> float:
        if b < most:
            return base * (start + (1.0 - start) * gamma(b, most, kind))
        p = min(1.0, (b - most + 1) / max(1, total - most))
        return base * (low + (1.0 - low) * (1 + math.cos(math.pi * p)) / 2)

    schedule = deepspeed.WarmupCosineLR(total, start, warm, low, kind, base_lr=base)
    compare(schedule, stepped(0.0, lr), 80)
    check_laws(schedule, 40)


@given(
    RATES, st.one_of(st.sampled_from((1, 2)), st.integers(1, 50)), RATES, st.booleans()
)
@settings(max_examples=200)
def test_range_test_is_the_peers(
    low: float, size: int, rate: float, stairs: bool
) -> None:
    def lr(b: int) -> float:
        passed = (b + 1) / size
        return low * (1 + rate * (math.floor(passed) if stairs else passed))

    schedule = deepspeed.LRRangeTest(low, size, rate, stairs)
    compare(schedule, stepped(low, lr), 300)
    check_laws(schedule, 20)


def test_range_test_goes_on() -> None:
    for stairs in (False, True):
        schedule = deepspeed.LRRangeTest(1e-5, 7, 0.3, stairs)
        for t in (10**4, 10**6 + 3, 2**26 - 5):
            passed = t // 7 if stairs else t / 7
            assert schedule(t) == pytest.approx(1e-5 * (1 + 0.3 * passed), rel=1e-12)


class Cycle:
    """The peer's one-cycle, by its formulas."""

    def __init__(
        self, first: int, second: int | None, up: int, down: int | None
    ) -> None:
        self.first, self.second = first, first if second is None else second
        self.up, self.down = up, up if down is None else down
        self.total = self.first + self.second

    def height(self, b: int) -> float:
        t = b + 1
        x = 1.0 + t / self.total - math.floor(1 + t / self.total)
        ratio = self.first / self.total
        if x <= ratio:
            h, stairs = x / ratio, self.up
        else:
            h, stairs = (x - 1) / (ratio - 1), self.down
        if stairs:
            inside = t % self.total
            if inside <= self.first:
                place = inside * stairs / self.first
            else:
                place = (self.total - inside) * stairs / self.second
            h = math.floor(place) / stairs
        return h


@st.composite
def cycles(draw: st.DrawFn) -> tuple[int, int | None, int, int | None]:
    return (
        draw(st.one_of(st.sampled_from((1, 2)), st.integers(1, 40))),
        draw(st.one_of(st.none(), SIZES)),
        draw(st.one_of(st.just(0), SIZES)),
        draw(st.one_of(st.none(), SIZES)),
    )


@given(cycles(), RATES, RATES, RATES, SIZES, st.tuples(FRACTIONS, FRACTIONS), RATES)
@settings(max_examples=200)
def test_one_cycle_is_the_peers(  # noqa: PLR0917 - drawn
    shape: tuple[int, int | None, int, int | None],
    low: float,
    high: float,
    rate: float,
    size: int,
    moms: tuple[float, float],
    mom_rate: float,
) -> None:
    cycle = Cycle(*shape)
    first, second, up, down = shape
    least, most = (0.99 * mom for mom in moms)

    def lr(b: int) -> float:
        if b < cycle.total:
            return low + (high - low) * cycle.height(b)
        if not rate or not size:
            return low
        return low / (1 + rate * ((b - cycle.total + 1) / size))

    def momentum(b: int) -> float:
        if b < cycle.total:
            return most - (most - least) * cycle.height(b)
        if not mom_rate or not size:
            return most
        return most * (1 + mom_rate * ((b - cycle.total + 1) / size))

    arguments = (low, high, rate, first, second, up, down, size, True, least, most)
    schedule = deepspeed.OneCycle(*arguments, mom_rate)
    compare(schedule, stepped(low, lr), 200)
    check_laws(schedule, 40)
    grows = bool(mom_rate and size and most)
    faithful = deepspeed.OneCycle_momentum(*arguments, mom_rate, faithful=True)
    compare(faithful, stepped(least, momentum), 200)
    assert faithful.lawful != grows
    default = deepspeed.OneCycle_momentum(*arguments, mom_rate)
    there, held, run = [], 0.0, stepped(least, momentum)
    for t in range(200):
        value = run(t)
        held = value if value < 1 else held
        there.append(held)
    compare(default, there.__getitem__, 200)
    check_laws(default, 40)


def test_the_known_defect_of_momentum() -> None:
    arguments = (0.1, 1.0, 0.0, 2, 2, 0, 0, 1, True, 0.8, 0.9, 0.1)
    default = deepspeed.OneCycle_momentum(*arguments)
    assert default(5) == pytest.approx(0.99)
    assert default(6) == default(5)  # one more would be 1.08
    assert default.lawful
    faithful = deepspeed.OneCycle_momentum(*arguments, faithful=True)
    assert faithful(6) == pytest.approx(1.08)
    assert not faithful.lawful


def test_the_first_update_has_the_constructors_value() -> None:
    assert deepspeed.WarmupLR(0.1, 1.0, 10)(0) == deepspeed.WarmupLR(0.1, 1.0, 10)(1)
    assert deepspeed.WarmupCosineLR(10, 0.5, 3)(0) == 0.0
    momentum = deepspeed.OneCycle_momentum(0.1, 1.0, cycle_first_step_size=10)
    assert momentum(0) == 0.8
    assert momentum(1) == pytest.approx(0.89)


def test_a_linear_warmup_skips_the_peak_of_the_cosine() -> None:
    schedule = deepspeed.WarmupCosineLR(10, 0.0, 3, 0.0001, "linear")
    assert [round(schedule(t), 3) for t in range(1, 5)] == [0.0, 0.333, 0.667, 0.95]


@pytest.mark.parametrize(
    "schedule",
    [
        deepspeed.OneCycle(0.1, 1.0, 0.5, 10, 7, 3, 2, 4),
        deepspeed.LRRangeTest(1e-4, 5, 1.0, True),
        deepspeed.WarmupDecayLR(30, 0.1, 1.0, 7),
        deepspeed.WarmupCosineLR(30, 0.1, 7),
    ],
)
def test_under_jit(schedule: ss.Schedule) -> None:
    steps = np.arange(40)
    compiled = np.asarray(jax.jit(schedule)(steps))
    assert np.abs(compiled - schedule(steps)).max() < 1e-6


@pytest.mark.parametrize(
    ("build", "arguments", "match"),
    [
        (deepspeed.WarmupLR, (2.0, 1.0), "warmup_min_lr must be a finite number"),
        (deepspeed.WarmupLR, (0.0, -1.0), "warmup_max_lr must be a finite number"),
        (deepspeed.WarmupLR, (0.0, 1.0, -1), "warmup_num_steps must be an int >= 0"),
        (deepspeed.WarmupLR, (0.0, 1.0, 5, "exp"), "warmup_type must be one of"),
        (deepspeed.WarmupDecayLR, (1.5,), "total_num_steps must be an int >= 0"),
        (deepspeed.WarmupCosineLR, (9, 2.0), "warmup_min_ratio must be a finite"),
        (deepspeed.LRRangeTest, (0.1, 0), "step_size must be an int >= 1"),
        (deepspeed.LRRangeTest, (0.1, 1, -1.0), "step_rate must be a finite"),
        (deepspeed.OneCycle, (0.1, 1.0, 0.0, 0), "first_step_size must be an int >= 1"),
        (deepspeed.OneCycle, (0.1, 1.0, -0.5), "decay_lr_rate must be a finite"),
        (
            deepspeed.OneCycle_momentum,
            (0.1, 1.0, 0.0, 2, 2, 0, 0, 0, False),
            "cycle_momentum must be True",
        ),
        (
            deepspeed.OneCycle_momentum,
            (0.1, 1.0, 0.0, 2, 2, 0, 0, 0, True, 0.8, 1.0),
            "cycle_max_mom must be a finite number < 1",
        ),
    ],
)
def test_refusals(
    build: Callable[..., ss.Schedule], arguments: tuple[object, ...], match: str
) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        build(*arguments)


def test_every_schedule_of_the_peer_is_here() -> None:
    valid = {"LRRangeTest", "OneCycle", "WarmupLR", "WarmupDecayLR", "WarmupCosineLR"}
    assert set(deepspeed.__all__) == valid | {"OneCycle_momentum"}


def test_a_wrong_value_fails() -> None:
    with pytest.raises(AssertionError, match=r"0, 1\.0, 1\.00"):
        compare(ss.linear(4), lambda t: max(0.0, 1 - t / 4) + (t == 0) * 1e-11, 6)
    with pytest.raises(AssertionError, match="5, 1e-30"):
        compare(ss.knots([(0, 1.0), (5, 1e-30)]), lambda t: max(0.0, 1 - t / 5), 7)
