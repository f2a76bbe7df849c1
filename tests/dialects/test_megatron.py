"""Megatron-LM's schedules, against its formulas evaluated step by step."""

import json
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.dialects import megatron
from stepsize.errors import InvalidScheduleError

SIZES = st.one_of(st.sampled_from((0, 1, 2)), st.integers(0, 60))
RATES = st.one_of(st.just(0.0), st.floats(1e-6, 1.0))
FRACTIONS = st.one_of(st.sampled_from((0.0, 1.0)), st.floats(1e-9, 1.0))


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


class Scheduler:
    """The peer's arithmetic: a counter of samples, and the two formulas."""

    def __init__(  # noqa: PLR0917 - as the peer's
        self,
        init: float,
        peak: float,
        low: float,
        warm: float,
        end: float,
        style: str,
        wd: tuple[float, float, float, str],
        tail: float | None = None,
        tail_style: str | None = None,
    ) -> None:
        self.init, self.peak, self.low = init, peak, low
        self.warm, self.end, self.style = warm, end, style
        self.wd, self.tail, self.tail_style = wd, tail, tail_style
        self.n = 0

    def lr(self) -> float:
        n, warm, end = self.n, self.warm, self.end
        if warm > 0 and n <= warm:
            return self.init + (self.peak - self.init) * float(n) / float(warm)
        if self.style == "constant":
            return self.peak
        if n > end:
            return self.low
        if self.style == "inverse-square-root":
            root = max(warm, 1) ** 0.5 / max(n, 1) ** 0.5
            return float(max(self.low, self.peak * root))
        r = (n - warm) / (end - warm)
        if self.style == "linear":
            c = 1.0 - r
        elif self.style == "cosine":
            c = 0.5 * (math.cos(math.pi * r) + 1.0)
        else:
            c = self._tail(n)
        return self.low + c * (self.peak - self.low)

    def _tail(self, n: int) -> float:
        assert self.tail is not None
        if n <= self.end - self.tail:
            return 1.0
        q = (n - self.end + self.tail) / self.tail
        tails: dict[str, float] = {
            "linear": 1.0 - q,
            "cosine": 0.5 * (math.cos(math.pi * q) + 1.0),
            "exponential": 2.0 * 0.5**q - 1.0,
            "minus_sqrt": 1.0 - math.sqrt(q),
        }
        return tails[str(self.tail_style)]

    def weight_decay(self) -> float:
        start, end, steps, style = self.wd
        if self.n > steps or style == "constant":
            return end
        r = self.n / steps
        if style == "cosine":
            r = 0.5 * (math.cos(math.pi * (1 - r)) + 1.0)
        return start + r * (end - start)

    def step(self, increment: int) -> None:
        self.n += increment


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, Any]:
    peak = draw(RATES)
    end = draw(st.one_of(st.sampled_from((1, 2)), st.integers(1, 80)))
    start_wd = draw(FRACTIONS)
    grown = draw(st.sampled_from(("linear", "cosine", "constant")))
    style = draw(
        st.sampled_from(("constant", "linear", "cosine", "inverse-square-root", "WSD"))
    )
    found: dict[str, Any] = {
        "init_lr": peak * draw(FRACTIONS),
        "max_lr": peak,
        "min_lr": peak * draw(FRACTIONS),
        "lr_warmup_steps": draw(
            st.one_of(st.integers(0, end - 1), st.floats(0.01, end - 0.01))
        ),
        "lr_decay_steps": end,
        "lr_decay_style": style,
        "start_wd": start_wd,
        "end_wd": start_wd if grown == "constant" else start_wd + draw(FRACTIONS),
        "wd_incr_steps": draw(st.integers(0 if grown == "constant" else 1, 60)),
        "wd_incr_style": grown,
    }
    if style == "WSD":
        found["wsd_decay_steps"] = draw(SIZES)
        found["lr_wsd_decay_style"] = draw(
            st.sampled_from(("linear", "cosine", "exponential", "minus_sqrt"))
        )
    return found


def peer(a: dict[str, Any]) -> Scheduler:
    names = ("start_wd", "end_wd", "wd_incr_steps", "wd_incr_style")
    init, peak, low, warm, end, style = tuple(a.values())[:6]
    start_wd, end_wd, steps, grown = (a[name] for name in names)
    wd = (start_wd, end_wd, steps, grown)
    tail, kind = a.get("wsd_decay_steps"), a.get("lr_wsd_decay_style")
    return Scheduler(init, peak, low, warm, end, style, wd, tail, kind)


def run(
    a: dict[str, Any], batches: Callable[[int], int], steps: int
) -> tuple[list[float], list[float]]:
    there = peer(a)
    rates, decays = [], []
    for t in range(steps):
        rates.append(there.lr())
        decays.append(there.weight_decay())
        there.step(batches(t))
    return rates, decays


@given(arguments(), st.one_of(st.just(1), st.integers(1, 9)))
@settings(max_examples=250)
def test_rate_and_weight_decay_are_the_peers(a: dict[str, Any], size: int) -> None:
    steps = 90 if size == 1 else 30
    rates, decays = run(a, lambda t: size, steps)
    rate = megatron.OptimizerParamScheduler(**a, increment=size)
    decay = megatron.OptimizerParamScheduler_weight_decay(**a, increment=size)
    compare(rate, rates.__getitem__, steps)
    compare(decay, decays.__getitem__, steps)
    check_laws(rate, 40)
    check_laws(decay, 40)


@given(
    arguments(), st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), max_size=4)
)
@settings(max_examples=200)
def test_rate_follows_a_growing_batch(
    a: dict[str, Any], stages: list[tuple[int, int]]
) -> None:
    points, update = [(0, 2)], 0
    for length, size in stages:
        update += length
        points.append((update, size))
    batch = ss.knots(points, "step")
    rates, decays = run(a, lambda t: int(batch(t)), 60)
    rate = megatron.OptimizerParamScheduler(**a, increment=batch)
    decay = megatron.OptimizerParamScheduler_weight_decay(**a, increment=batch)
    compare(rate, rates.__getitem__, 60)
    compare(decay, decays.__getitem__, 60)
    check_laws(rate, 40)


def ramp_by_hand(  # noqa: PLR0917 - the numbers of one ramp
    final: int, start: int, increment: int, samples: int, unit: int, steps: int
) -> list[int]:
    consumed, found = 0, []
    per_increment = samples / ((final - start) // increment)
    for _ in range(steps):
        size = final
        if consumed <= samples:
            size = start + int(consumed / per_increment) * increment
        size = size // unit * unit
        found.append(size)
        consumed += size
    return found


@given(
    st.integers(1, 12),
    st.integers(1, 8),
    st.integers(1, 6),
    st.integers(1, 400),
    st.sampled_from((1, 2, 3)),
)
@settings(max_examples=300)
def test_rampup_is_the_peers(
    start: int, increment: int, rises: int, samples: int, micro: int
) -> None:
    start = max(start, micro)
    final = start + increment * rises
    schedule = megatron.RampupBatchsizeNumMicroBatchesCalculator(
        final, micro, 1, True, 0, start, increment, samples
    )
    by_hand = ramp_by_hand(final, start, increment, samples, micro, 200)
    assert [int(value) for value in schedule.resolve().block(0, 200)] == by_hand
    check_laws(schedule, 50)
    same = megatron.init_num_microbatches_calculator(
        0, [start, increment, samples], final, micro, 1, True
    )
    assert same == schedule


@given(
    st.dictionaries(st.integers(1, 300), st.integers(1, 9), max_size=5),
    st.integers(1, 9),
    st.sampled_from((None, 1, 7)),
)
@settings(max_examples=300)
def test_step_schedule_is_the_peers(
    later: dict[int, int], first: int, length: int | None
) -> None:
    text = " ".join(
        f"{n * (length or 1)}:{size}" for n, size in {0: first, **later}.items()
    )
    schedule = megatron.StepBatchsizeNumMicroBatchesCalculator(
        1, 1, False, 0, text, length
    )
    consumed = 0
    for t in range(350):
        size = next(
            s
            for n, s in sorted({0: first, **later}.items(), reverse=True)
            if n <= consumed
        )
        assert schedule(t) == size
        consumed += size


def test_suffixes_of_the_step_schedule() -> None:
    read = megatron.init_num_microbatches_calculator
    by_hand = ss.knots([(0, 768), (250_000_000_000 // 4096 // 768 + 1, 1536)], "step")
    assert read(0, None, None, 1, 1, False, "0:768,250B:1.536K", 4096) == by_hand
    assert read(0, None, 32, 4, 8) == 32 * ss.hold()


def test_a_growing_batch_is_a_falling_rate() -> None:
    ramp = megatron.init_num_microbatches_calculator(0, [4, 4, 40], 12, 1, 1)
    for power in (0.0, 0.5, 1.0):
        factor = megatron.rate_equivalent(ramp, 6, power)
        consumed = 0
        sizes = {}
        for t in range(30):
            sizes[consumed] = ramp(t)
            consumed += int(ramp(t))
        for u in range(20):
            size = next(s for n, s in sorted(sizes.items(), reverse=True) if n <= u * 6)
            nearest = factor(u)
            # b(n) changes where the ramp changes, which is between its own updates
            assert nearest == pytest.approx((6 / size) ** power, rel=1e-15)


def test_a_whole_run_is_one_plain_chain() -> None:
    schedule = megatron.OptimizerParamScheduler(
        0.0,
        3e-4,
        3e-5,
        512,
        51200,
        "WSD",
        0.1,
        0.1,
        51200,
        "constant",
        wsd_decay_steps=10240,
        lr_wsd_decay_style="minus_sqrt",
        increment=512,
    )
    wanted = (
        '3e-4 * warmup(1, start=0.0) >> hold(79) >> decay(20, to=0.1, shape="1-sqrt")'
    )
    assert schedule == ss.parse(wanted)


def test_under_jit() -> None:
    schedule = megatron.OptimizerParamScheduler(
        0.0, 1.0, 0.1, 10.5, 80, "inverse-square-root", increment=3
    )
    steps = np.arange(40)
    compiled = np.asarray(jax.jit(schedule)(steps))
    assert np.abs(compiled - schedule(steps)).max() < 1e-6


GOOD: tuple[Any, ...] = (0.0, 1.0, 0.1, 2, 10, "linear", 0.1, 0.2, 5, "linear")


@pytest.mark.parametrize(
    ("position", "value", "match"),
    [
        (0, 2.0, "init_lr must be a finite number"),
        (1, -1.0, "max_lr must be a finite number"),
        (2, 2.0, "min_lr must be a finite number"),
        (3, 10, "lr_warmup_steps must be < lr_decay_steps"),
        (4, 0, "lr_decay_steps must be a finite number > 0"),
        (5, "cosin", "lr_decay_style must be one of"),
        (5, "WSD", 'wsd_decay_steps must be given with lr_decay_style "WSD"'),
        (7, 0.0, "end_wd must be >= start_wd"),
        (8, 0, "wd_incr_steps must be a finite number > 0"),
        (9, "constant", "end_wd must equal start_wd"),
    ],
)
def test_what_the_peer_asserts_is_an_error(
    position: int, value: object, match: str
) -> None:
    given_: list[Any] = [*GOOD]
    given_[position] = value
    for build in (
        megatron.OptimizerParamScheduler,
        megatron.OptimizerParamScheduler_weight_decay,
    ):
        with pytest.raises(InvalidScheduleError, match=match):
            build(*given_)


def test_more_refusals() -> None:
    build: Callable[..., ss.Schedule] = megatron.OptimizerParamScheduler
    with pytest.raises(InvalidScheduleError, match="override_opt_param_scheduler must"):
        build(*GOOD, True, True)
    with pytest.raises(InvalidScheduleError, match="lr_wsd_decay_style must be one of"):
        build(*GOOD[:5], "WSD", wsd_decay_steps=3)
    refused: list[Any] = [0, 1.5, 2 * ss.linear(5), 0.5 * ss.hold()]
    for increment in refused:
        with pytest.raises(InvalidScheduleError, match="increment must be an int >= 1"):
            build(*GOOD, increment=increment)
    ramp = megatron.RampupBatchsizeNumMicroBatchesCalculator
    with pytest.raises(InvalidScheduleError, match="a whole number of increments"):
        ramp(12, 1, 1, False, 0, 12, 4, 20)
    with pytest.raises(InvalidScheduleError, match="be multiples of 5 \\* 1 samples"):
        ramp(12, 5, 1, False, 0, 4, 4, 20)
    with pytest.raises(InvalidScheduleError, match="ramup_samples must be an int >= 1"):
        ramp(12, 1, 1, False, 0, 4, 4, 0)
    step = megatron.StepBatchsizeNumMicroBatchesCalculator
    for text, match in (
        ("0 768", "be a text"),
        ("5:768", "one of them 0"),
        ("0:7 5:8 5:9", "thresholds that differ"),
        ("0:0", "numbers >= 1"),
        ("0:x", "numbers >= 1"),
    ):
        with pytest.raises(InvalidScheduleError, match=match):
            step(1, 1, False, 0, text)
    with pytest.raises(InvalidScheduleError, match="must be False"):
        step(1, 1, True, 0, "0:7")
    start = megatron.init_num_microbatches_calculator
    with pytest.raises(
        InvalidScheduleError, match="rampup_batch_size must be left out"
    ):
        start(0, [1, 1, 1], 3, 1, 1, False, "0:7")
    with pytest.raises(InvalidScheduleError, match="be three numbers"):
        start(0, [1, 1], 3, 1, 1)
    with pytest.raises(InvalidScheduleError, match="rampup_batch_size must be ints"):
        start(0, [1, 1, "x"], 3, 1, 1)


SCHEDULES = {"OptimizerParamScheduler"}
CALCULATORS = {
    "ConstantNumMicroBatchesCalculator",
    "RampupBatchsizeNumMicroBatchesCalculator",
    "StepBatchsizeNumMicroBatchesCalculator",
    "init_num_microbatches_calculator",
}
NOT_OURS = {
    "NumMicroBatchesCalculator": "the abstract base",
    "ParamGroupOverride": "a group's max_lr and min_lr are given as the arguments",
    "get_canonical_lr_for_logging": "reads an optimizer",
}


def test_every_schedule_of_the_peer_is_here() -> None:
    own = {"OptimizerParamScheduler_weight_decay", "rate_equivalent"}
    assert set(megatron.__all__) == SCHEDULES | CALCULATORS | own
    assert not NOT_OURS.keys() & set(megatron.__all__)


def test_a_wrong_value_fails() -> None:
    with pytest.raises(AssertionError, match=r"0, 1\.0, 1\.00"):
        compare(ss.linear(4), lambda t: max(0.0, 1 - t / 4) + (t == 0) * 1e-11, 6)
    with pytest.raises(AssertionError, match="5, 1e-30"):
        compare(ss.knots([(0, 1.0), (5, 1e-30)]), lambda t: max(0.0, 1 - t / 5), 7)
