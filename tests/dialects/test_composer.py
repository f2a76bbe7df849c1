"""Composer's schedulers, against their formulas evaluated batch by batch."""

import json
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.dialects import composer
from stepsize.dialects.composer.times import Run
from stepsize.errors import InvalidScheduleError

FACTORS = st.one_of(st.sampled_from((0.0, 1.0)), st.floats(1e-9, 2.0))
BATCH, TOKENS, EPOCH = 3, 8, 7
LENGTHS = {"ba": 1, "sp": BATCH, "tok": TOKENS}
STEPS = 120


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


def read(time: str) -> tuple[float, str]:
    """Split a time into its number and its unit."""
    for unit in ("ep", "ba", "sp", "tok", "dur"):
        if time.endswith(unit):
            return float(time.removesuffix(unit)), unit
    raise AssertionError(time)


class State:
    """The peer's state: how long the run is, and how it converts times."""

    def __init__(self, longest: str, ratio: float) -> None:
        value, self.unit = read(longest)
        self.longest = int(int(value) * ratio)
        self.ratio = ratio

    def convert(self, time: str, *, scale: bool = True) -> tuple[int, str]:
        value, unit = read(time)
        if unit == "dur":
            if self.unit == "ep":
                return int(value * EPOCH * self.longest), "ba"
            return int(value * self.longest), self.unit
        if unit == "ep":
            value, unit = int(value) * EPOCH, "ba"
        return int(value * self.ratio) if scale else int(value), unit


def now(t: int, unit: str) -> int:
    return t * LENGTHS[unit]


def keywords(longest: str, ratio: float, base: float = 1.0) -> Run:
    return {
        "max_duration": longest,
        "dataloader_len": EPOCH,
        "samples_per_batch": BATCH,
        "tokens_per_batch": TOKENS,
        "scale_schedule_ratio": ratio,
        "base_lr": base,
    }


@st.composite
def times(
    draw: st.DrawFn, units: tuple[str, ...] = ("ep", "ba", "sp", "tok", "dur")
) -> str:
    unit = draw(st.sampled_from(units))
    if unit == "dur":
        return f"{draw(st.sampled_from((0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0)))}dur"
    most = {"ep": 9, "ba": 60, "sp": 180, "tok": 480}[unit]
    return f"{draw(st.one_of(st.sampled_from((1, 2)), st.integers(1, most)))}{unit}"


RUNS = st.tuples(
    st.sampled_from(("8ep", "50ba", "160sp", "403tok")),
    st.sampled_from((1.0, 0.5, 2.0, 0.77)),
)


def refused(build: Callable[..., ss.Schedule], *arguments: object, **run: Any) -> None:
    with pytest.raises(InvalidScheduleError, match="be at least one whole unit"):
        build(*arguments, **run)


@given(times(), st.one_of(st.sampled_from((0.0, 1.0, 0.1)), st.floats(0.2, 1.5)), RUNS)
@settings(max_examples=300)
def test_step(time: str, gamma: float, run: tuple[str, float]) -> None:
    size, unit = State(*run).convert(time)
    if not size:
        return refused(composer.StepScheduler, time, gamma, **keywords(*run))
    # growth at fractions of updates is limited
    assume(gamma <= 1 or size % LENGTHS[unit] == 0)
    schedule = composer.StepScheduler(time, gamma, **keywords(*run, 0.5))
    compare(schedule, lambda t: 0.5 * gamma ** (now(t, unit) // size), STEPS)
    return check_laws(schedule, 20)


@given(st.lists(times(), max_size=5), st.sampled_from((0.0, 0.1, 1.0, 1.3)), RUNS)
@settings(max_examples=300)
def test_multistep(milestones: list[str], gamma: float, run: tuple[str, float]) -> None:
    state = State(*run)
    points = [state.convert(time) for time in milestones]

    def factor(t: int) -> float:
        return gamma ** sum(now(t, unit) >= value for value, unit in points)

    schedule = composer.MultiStepScheduler(milestones, gamma, **keywords(*run))
    compare(schedule, factor, STEPS)
    check_laws(schedule, 20)


@given(FACTORS, times(), RUNS)
@settings(max_examples=200)
def test_constant(alpha: float, time: str, run: tuple[str, float]) -> None:
    end, unit = State(*run).convert(time)
    schedule = composer.ConstantScheduler(alpha, time, **keywords(*run))
    compare(schedule, lambda t: alpha if now(t, unit) < end else 1.0, STEPS)
    check_laws(schedule, 20)


@given(FACTORS, FACTORS, times(), RUNS)
@settings(max_examples=300)
def test_linear(first: float, last: float, time: str, run: tuple[str, float]) -> None:
    end, unit = State(*run).convert(time)
    if not end:
        return refused(composer.LinearScheduler, first, last, time, **keywords(*run))
    schedule = composer.LinearScheduler(first, last, time, **keywords(*run))
    compare(
        schedule, lambda t: first + min(1.0, now(t, unit) / end) * (last - first), STEPS
    )
    return check_laws(schedule, 20)


@given(st.one_of(st.sampled_from((0.0, 1.0, 1e-5)), st.floats(0.2, 1.5)), times(), RUNS)
@settings(max_examples=300)
def test_exponential(gamma: float, time: str, run: tuple[str, float]) -> None:
    end, unit = State(*run).convert(time)
    if not end:
        return refused(composer.ExponentialScheduler, gamma, time, **keywords(*run))
    schedule = composer.ExponentialScheduler(gamma, time, **keywords(*run))
    compare(schedule, lambda t: gamma ** (now(t, unit) / end), 60)
    return check_laws(schedule, 20)


def cosine(x: float, low: float) -> float:
    return low + (1 - low) * (1 + math.cos(min(max(x, 0.0), 1.0) * math.pi)) / 2


@given(times(), FACTORS, RUNS)
@settings(max_examples=200)
def test_cosine(time: str, low: float, run: tuple[str, float]) -> None:
    end, unit = State(*run).convert(time)
    if not end:
        return refused(composer.CosineAnnealingScheduler, time, low, **keywords(*run))
    schedule = composer.CosineAnnealingScheduler(time, low, **keywords(*run))
    compare(schedule, lambda t: cosine(now(t, unit) / end, low), STEPS)
    return check_laws(schedule, 20)


@given(
    times(),
    st.one_of(st.sampled_from((1.0, 2.0, 0.5, 1.5)), st.floats(0.3, 3.0)),
    FACTORS,
    RUNS,
)
@settings(max_examples=300)
def test_warm_restarts(
    time: str, mult: float, low: float, run: tuple[str, float]
) -> None:
    build = composer.CosineAnnealingWarmRestartsScheduler
    state = State(*run)
    first, unit = state.convert(time)
    if not first:
        return refused(build, time, mult, low, **keywords(*run))
    gone = False

    def factor(t: int) -> float:
        nonlocal gone
        length, end = first, first
        while end <= now(t, unit):
            length = int(mult * length)
            if length == 0:  # the peer raises here
                gone = True
                return low
            end += length
        return cosine((now(t, unit) - (end - length)) / length, low)

    schedule = build(time, mult, low, **keywords(*run))
    # an endless run needs endless cycles only where their lengths go on repeating
    steps = {"ep": EPOCH, "ba": 1, "sp": 1 / BATCH, "tok": 1 / TOKENS}[state.unit]
    compare(schedule, factor, int(state.longest * steps))
    return check_laws(schedule, 20)


@given(
    st.one_of(st.sampled_from((0.0, 1.0, 2.0)), st.floats(0.1, 4.0)),
    times(),
    FACTORS,
    RUNS,
)
@settings(max_examples=200)
def test_polynomial(
    power: float, time: str, low: float, run: tuple[str, float]
) -> None:
    end, unit = State(*run).convert(time)
    if not end:
        return refused(composer.PolynomialScheduler, power, time, **keywords(*run))
    schedule = composer.PolynomialScheduler(power, time, low, **keywords(*run))

    def factor(t: int) -> float:
        left: float = (1 - min(1.0, now(t, unit) / end)) ** power
        return low + left * (1.0 - low)

    compare(schedule, factor, STEPS)
    return check_laws(schedule, 20)


WARM = ("multistep", "constant", "linear", "cosine", "polynomial")


@given(
    st.sampled_from(WARM),
    st.one_of(times(), st.sampled_from(("0ba", "0sp", "0ep"))),
    st.one_of(st.just("1dur"), times()),
    st.tuples(FACTORS, FACTORS),
    st.booleans(),
    RUNS,
)
@settings(max_examples=800)
def test_with_warmup(  # noqa: PLR0917 - drawn
    kind: str,
    warm: str,
    time: str,
    factors: tuple[float, float],
    scale: bool,
    run: tuple[str, float],
) -> None:
    state, more = State(*run), keywords(*run, 0.5)
    until, unit = state.convert(warm, scale=False)
    slope, _ = state.convert(warm, scale=scale)
    end, end_unit = state.convert(time)
    first, last = factors
    builds: dict[str, Callable[[], ss.Schedule]] = {
        "multistep": lambda: composer.MultiStepWithWarmupScheduler(
            warm, [time, "20ba"], 0.3, scale, **more
        ),
        "constant": lambda: composer.ConstantWithWarmupScheduler(
            warm, first, time, scale, **more
        ),
        "linear": lambda: composer.LinearWithWarmupScheduler(
            warm, first, last, time, scale, **more
        ),
        "cosine": lambda: composer.CosineAnnealingWithWarmupScheduler(
            warm, time, last, scale, **more
        ),
        "polynomial": lambda: composer.PolynomialWithWarmupScheduler(
            warm, 1.7, time, last, scale, **more
        ),
    }
    longest, longest_unit = state.longest, state.unit
    if longest_unit == "ep":
        longest, longest_unit = longest * EPOCH, "ba"
    short = end_unit == longest_unit and end < longest
    bad = (kind != "multistep" and (unit != end_unit or short)) or (until and not slope)
    if bad:
        with pytest.raises(InvalidScheduleError, match=r"t_max must|t_warmup must"):
            builds[kind]()
        return
    points = [(end, end_unit), state.convert("20ba")]

    def factor(t: int) -> float:
        top = first if kind in ("constant", "linear") else 1.0
        if now(t, unit) < until:
            return top * min(1.0, now(t, unit) / slope)
        if kind == "multistep":
            return math.pow(0.3, sum(now(t, one) >= value for value, one in points))
        f = min(1.0, (now(t, unit) - until) / (end - until)) if end > until else 0.0
        if kind == "constant":
            return first
        if kind == "linear":
            return first + f * (last - first)
        if kind == "cosine":
            return cosine(f, last)
        left: float = (1 - f) ** 1.7
        return last + left * (1.0 - last)

    schedule = builds[kind]()
    compare(schedule, lambda t: 0.5 * factor(t), STEPS)
    check_laws(schedule, 20)


def test_what_the_run_lacks_is_named() -> None:
    with pytest.raises(InvalidScheduleError, match="max_duration must be given"):
        composer.LinearScheduler()
    with pytest.raises(InvalidScheduleError, match="dataloader_len must be given"):
        composer.ExponentialScheduler(0.9)
    with pytest.raises(InvalidScheduleError, match="samples_per_batch must be given"):
        composer.StepScheduler("10sp")
    with pytest.raises(InvalidScheduleError, match="tokens_per_batch must be given"):
        composer.StepScheduler("10tok")


@pytest.mark.parametrize(
    ("run", "match"),
    [
        ({"max_duration": "1dur"}, "max_duration must be a time"),
        ({"max_duration": "0ba"}, "max_duration must be a time"),
        ({"max_duration": "9ba", "scale_schedule_ratio": 0.1}, "at least 1 after"),
        ({"scale_schedule_ratio": 0.0}, "scale_schedule_ratio must be a finite"),
        ({"base_lr": -1.0}, "base_lr must be a finite"),
        ({"dataloader_len": 0}, "dataloader_len must be an int >= 1"),
        ({"max_duratoin": "9ba"}, "StepScheduler must have names of max_duration"),
    ],
)
def test_bad_runs(run: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        composer.StepScheduler("1ba", **run)


def test_bad_times_and_values() -> None:
    for time in ("5", 5, "5sec", "-1ba", "1.5ba", "xba", "infba", None):
        with pytest.raises(InvalidScheduleError, match="step_size must be a text of"):
            composer.StepScheduler(time)  # type: ignore[arg-type]
    with pytest.raises(InvalidScheduleError, match="milestones must be a list"):
        composer.MultiStepScheduler("5ba")
    with pytest.raises(InvalidScheduleError, match="power must be a finite"):
        composer.PolynomialScheduler(-1.0, "5ba")
    with pytest.raises(InvalidScheduleError, match="step_size must be a whole number"):
        composer.StepScheduler("1000000007tok", tokens_per_batch=2**22)
    with pytest.raises(InvalidScheduleError, match="t_mult must make at most"):
        composer.CosineAnnealingWarmRestartsScheduler("1000ba", 1.0011)


def test_an_interval_without_a_simple_fraction_needs_the_end() -> None:
    size, batch = 10_007, 1024
    schedule = composer.StepScheduler(
        f"{size}sp", 0.5, samples_per_batch=batch, max_duration="200ba"
    )
    compare(schedule, lambda t: 0.5 ** (t * batch // size), 200)


def test_a_time_object_of_the_peer_is_read() -> None:
    class Time:
        def to_timestring(self) -> str:
            return "5ba"

    same = composer.StepScheduler("5ba")
    assert composer.StepScheduler(Time()) == same  # type: ignore[arg-type]


def test_a_polynomial_holds_its_floor_after_the_end() -> None:
    # before 0.20 the peer extrapolated (1 - t / t_max) ** power
    schedule = composer.PolynomialScheduler(2.0, "4ba", 0.1)
    assert schedule.resolve().block(4, 8) == [0.1] * 4


@pytest.mark.parametrize(
    "schedule",
    [
        composer.StepScheduler("10sp", 0.9, samples_per_batch=3),
        composer.CosineAnnealingWarmRestartsScheduler("10sp", samples_per_batch=3),
        composer.PolynomialWithWarmupScheduler(
            "10sp", t_max="70sp", samples_per_batch=3
        ),
    ],
)
def test_under_jit(schedule: ss.Schedule) -> None:
    steps = np.arange(40)
    compiled = np.asarray(jax.jit(schedule)(steps))
    # boundaries between updates are rounded to float32 there
    assert np.abs(compiled - schedule(steps)).max() < 1e-5


NOT_OURS = {
    "ComposerScheduler": "the protocol",
    "compile_composer_scheduler": "makes a torch scheduler of one",
}


def test_every_schedule_of_the_peer_is_here() -> None:
    names = {
        *("Step", "MultiStep", "Constant", "Linear", "Exponential"),
        *("CosineAnnealing", "CosineAnnealingWarmRestarts", "Polynomial"),
        *("MultiStepWithWarmup", "ConstantWithWarmup", "LinearWithWarmup"),
        *("CosineAnnealingWithWarmup", "PolynomialWithWarmup"),
    }
    assert set(composer.__all__) == {f"{name}Scheduler" for name in names}
    assert not NOT_OURS.keys() & set(composer.__all__)


def test_a_wrong_value_fails() -> None:
    with pytest.raises(AssertionError, match=r"0, 1\.0, 1\.00"):
        compare(ss.linear(4), lambda t: max(0.0, 1 - t / 4) + (t == 0) * 1e-11, 6)
    with pytest.raises(AssertionError, match="5, 1e-30"):
        compare(ss.knots([(0, 1.0), (5, 1e-30)]), lambda t: max(0.0, 1 - t / 5), 7)
