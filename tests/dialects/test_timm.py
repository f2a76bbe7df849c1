"""timm's schedulers in our words: equal at every step of drawn configurations."""

import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.dialects import timm as ours

peers = pytest.mark.peers
many = settings(max_examples=200, deadline=None)

LISTED = {
    "PlateauLRScheduler": "reads a metric: stepsize.control",
    "scheduler_kwargs": "makes no schedule: create_scheduler takes the same arguments",
}

LENGTHS = st.one_of(st.sampled_from((1, 2)), st.integers(1, 50))
COUNTS = st.one_of(st.sampled_from((0, 1, 2)), st.integers(0, 60))
RATES = st.sampled_from((1.0, 0.1, 3e-4, 0.123456789))
LOWEST = st.sampled_from((0.0, 1e-5, 0.01, 0.3))
FIRST = st.sampled_from((0.0, 1e-6, 0.05, 2.0))


@cache
def peer() -> Any:
    """Give timm.scheduler alone: `import timm` needs torchvision."""
    if "timm" not in sys.modules:
        found = find_spec("timm")
        assert found is not None, "hint: make test-all installs timm"
        package = ModuleType("timm")
        package.__path__ = list(found.submodule_search_locations or ())
        sys.modules["timm"] = package
    import timm.scheduler

    return timm.scheduler


def stepped(name: str, base_lr: float, steps: Sequence[int], **kwargs: Any) -> Any:
    """Give the rates that timm's scheduler writes, step by step."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=base_lr)
    scheduler = getattr(peer(), name)(optimizer, **kwargs)
    rates = []
    for t in steps:
        scheduler.step(t)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def difference(schedule: ss.Schedule, steps: Sequence[int], expected: Any) -> float:
    """Give the largest error relative to the peak; a zero that is not one is 1."""
    got, want = np.array(schedule(list(steps))), np.array(expected)
    if (got[want == 0] != 0).any():
        return 1.0
    peak = np.abs(want).max()
    return float(np.abs(got - want).max() / (peak or 1.0))


def keeps_laws(schedule: ss.Schedule, steps: Sequence[int]) -> None:
    assert ss.parse(str(schedule)) == schedule
    assert ss.from_dict(schedule.to_dict()) == schedule
    array = schedule(np.array(steps))
    assert np.abs(array - schedule(list(steps))).max() <= 1e-12 * max(array.max(), 1e-9)


def index(t: int, length: int, mul: float) -> int:
    """Give the cycle of a step, exactly."""
    start, size, i = Fraction(0), Fraction(length), 0
    while start + size <= t:
        start, size, i = start + size, size * Fraction(str(mul)), i + 1
    return i


def found(t: int, length: int, mul: float) -> bool:
    """Whether timm's floor(log(.)) finds the cycle of a step."""
    if mul == 1:
        return True
    inside = 1 - t / length * (1 - mul)
    return inside > 0 and math.floor(math.log(inside, mul)) == index(t, length, mul)


@st.composite
def cycles(draw: st.DrawFn) -> tuple[dict[str, Any], list[int]]:
    """Draw the arguments of a scheduler with cycles, and the steps to compare."""
    length, warm = draw(LENGTHS), draw(COUNTS)
    mul = draw(st.sampled_from((1.0, 1.0, 2.0, 1.5, 3.0, 1.1, 0.5, 0.8)))
    prefix = draw(st.booleans())
    kwargs = {
        "t_initial": length,
        "lr_min": draw(LOWEST),
        "cycle_mul": mul,
        "cycle_decay": draw(st.sampled_from((1.0, 0.1, 0.7, 1.2))),
        "cycle_limit": draw(st.integers(0, 5)),
        "warmup_t": warm,
        "warmup_lr_init": draw(FIRST),
        "warmup_prefix": prefix,
    }
    # beyond length / (1 - mul) timm takes the logarithm of a negative number
    last = 160
    if mul < 1:
        last = math.ceil(length / (1 - Fraction(str(mul)))) - 1
    ahead = warm if prefix else 0
    within = min(last, 160)
    curve = [t + ahead for t in range(within + 1) if found(t, length, mul)]
    return kwargs, sorted({*range(warm), *(t for t in curve if t >= warm)})


@peers
@given(cycles(), RATES, st.sampled_from((1.0, 0.5, 1.7)))
@many
def test_cosine(drawn: Any, base: float, k: float) -> None:
    kwargs, steps = drawn
    s = ours.CosineLRScheduler(**kwargs, k_decay=k, base_lr=base)
    expected = stepped("CosineLRScheduler", base, steps, **kwargs, k_decay=k)
    assert difference(s, steps, expected) <= 1e-12
    keeps_laws(s, steps)


@peers
@given(
    cycles(),
    RATES,
    st.sampled_from((1.0, 0.5, 1.7)),
    st.sampled_from((0.5, 1.0, 2.0, 0.0)),
)
@many
def test_poly(drawn: Any, base: float, k: float, power: float) -> None:
    kwargs, steps = drawn
    more: dict[str, Any] = {"k_decay": k, "power": power}
    s = ours.PolyLRScheduler(**kwargs, **more, base_lr=base)
    expected = stepped("PolyLRScheduler", base, steps, **kwargs, **more)
    assert difference(s, steps, expected) <= 1e-12
    keeps_laws(s, steps)


@peers
@given(cycles(), RATES, st.sampled_from(((-7.0, 3.0), (-6.0, 2.0), (0.5, 1.0))))
@many
def test_tanh(drawn: Any, base: float, bounds: tuple[float, float]) -> None:
    kwargs, steps = drawn
    if not found(kwargs["warmup_t"], kwargs["t_initial"], kwargs["cycle_mul"]):
        assume(kwargs["warmup_prefix"])  # timm's warmup aims at the curve at warmup_t
    more: dict[str, Any] = {"lb": bounds[0], "ub": bounds[1]}
    s = ours.TanhLRScheduler(**kwargs, **more, base_lr=base)
    expected = stepped("TanhLRScheduler", base, steps, **kwargs, **more)
    assert difference(s, steps, expected) <= 1e-12
    keeps_laws(s, steps)


@st.composite
def warmups(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "warmup_t": draw(COUNTS),
        "warmup_lr_init": draw(FIRST),
        "warmup_prefix": draw(st.booleans()),
    }


@peers
@given(
    st.one_of(LENGTHS, st.sampled_from((2.4, 1.1, 0.3, 2.5, 7.3, 3.3999999999999995))),
    st.sampled_from((1.0, 0.5, 0.97, 0.1, 0.0)),
    warmups(),
    RATES,
)
@many
def test_step(every: float, rate: float, warm: dict[str, Any], base: float) -> None:
    steps = range(200)
    kwargs = {"decay_t": every, "decay_rate": rate, **warm}
    s = ours.StepLRScheduler(**kwargs, base_lr=base)
    assert difference(s, steps, stepped("StepLRScheduler", base, steps, **kwargs)) <= (
        1e-12
    )
    keeps_laws(s, steps)


@peers
@given(
    st.lists(st.one_of(st.integers(0, 90), st.sampled_from((2.5, 30.0))), max_size=6),
    st.sampled_from((1.0, 0.5, 0.1, 0.0)),
    warmups(),
    RATES,
)
@many
def test_multistep(
    points: list[float], rate: float, warm: dict[str, Any], base: float
) -> None:
    steps = range(170)
    kwargs = {"decay_t": sorted(points), "decay_rate": rate, **warm}
    s = ours.MultiStepLRScheduler(**kwargs, base_lr=base)
    expected = stepped("MultiStepLRScheduler", base, steps, **kwargs)
    assert difference(s, steps, expected) <= 1e-12
    keeps_laws(s, steps)


def squared(fraction: float) -> float:
    return (1.0 - fraction) ** 2 + 0.25 * fraction


@st.composite
def wsds(draw: st.DrawFn) -> dict[str, Any]:
    length = draw(LENGTHS)
    warm = draw(COUNTS)
    names = ("linear", "1-sqrt", "cosine", "power", "exp", squared)
    stable = draw(st.sampled_from(("constant", "rsqrt", "power")))
    kwargs: dict[str, Any] = {
        "t_initial": length,
        "decay_t": draw(st.integers(1, length)),
        "lr_min": draw(st.sampled_from((0.0, 1e-4, 0.05, 0.5))),
        "stable_fn": stable,
        "stable_power": draw(st.sampled_from((0.5, 0.51, 1.0, 2.0))),
        "decay_fn": draw(st.sampled_from(names)),
        "decay_power": draw(st.sampled_from((0.5, 1.0, 2.0))),
        "decay_ratio": draw(st.sampled_from((0.1, 0.01, 0.5))),
        "warmup_t": warm,
        "warmup_lr_init": draw(FIRST),
    }
    if stable != "constant" and (not warm or draw(st.booleans())):
        kwargs["stable_timescale"] = draw(st.sampled_from((1, 7, 2.5, 1 / 3, 200.1)))
    return kwargs


@peers
@given(wsds(), RATES)
@settings(max_examples=300, deadline=None)
def test_wsd(kwargs: dict[str, Any], base: float) -> None:
    end = kwargs["warmup_t"] + kwargs["t_initial"]
    # with a function that does not end at 0 and a part of a step as time scale, we hold
    held = kwargs["decay_fn"] is squared and not isinstance(
        kwargs.get("stable_timescale", 1), int
    )
    steps = range(end + (1 if held else 5))
    s = ours.WSDLRScheduler(**kwargs, base_lr=base)
    assert difference(s, steps, stepped("WSDLRScheduler", base, steps, **kwargs)) <= (
        1e-12
    )
    if not callable(kwargs["decay_fn"]):
        keeps_laws(s, steps)


@peers
@given(
    st.sampled_from(
        ("cosine", "tanh", "step", "multistep", "poly", "wsd", "rsqrt", "constant")
    ),
    st.integers(12, 40),
    st.sampled_from((None, 3, 2.4, 0.3)),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from((0, 3)),
    st.sampled_from((None, 0.5, [0.2, 0.6], [0.4])),
)
@many
def test_factory(  # noqa: PLR0917 - drawn arguments
    sched: str,
    epochs: int,
    decay: float | None,
    warm: int,
    prefix: bool,
    updates: int,
    noise: Any,
) -> None:
    if sched in ("step", "multistep", "constant") and noise is not None:
        noise = [0.2, 0.6]
    if sched == "step" and decay == 0.3:
        decay = 30
    kwargs: dict[str, Any] = {
        "sched": sched,
        "num_epochs": epochs,
        "decay_epochs": decay,
        "decay_milestones": (5, 11),
        "warmup_epochs": warm,
        "warmup_prefix": prefix,
        "cycle_limit": 2,
        "noise": noise,
        "step_on_epochs": not updates,
        "updates_per_epoch": updates,
    }
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler, _ = peer().create_scheduler_v2(optimizer, **kwargs)
    expected, steps = [], range((2 * epochs + 9) * max(updates, 1))
    for t in steps:
        scheduler.step_update(t) if updates else scheduler.step(t)
        expected.append(optimizer.param_groups[0]["lr"])
    s = ours.create_scheduler_v2(**kwargs, base_lr=0.1)
    assert difference(s, steps, expected) <= 1e-12
    keeps_laws(s, steps)


@peers
def test_arguments_of_the_training_script() -> None:
    from argparse import Namespace

    given = {"sched": "step", "epochs": 30, "decay_epochs": 2.4, "decay_rate": 0.97}
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler, _ = peer().create_scheduler(Namespace(**given), optimizer)
    expected = []
    for t in range(40):
        scheduler.step(t)
        expected.append(optimizer.param_groups[0]["lr"])
    for args in (given, Namespace(**given)):
        s = ours.create_scheduler(args, base_lr=0.1)
        assert difference(s, range(40), expected) <= 1e-12
    kwargs = peer().scheduler_kwargs(Namespace(sched="cosine"))
    kwargs["patience_epochs"] = 5
    assert ours.create_scheduler({"sched": "cosine"}) == ours.create_scheduler_v2(
        **kwargs
    )


@peers
def test_every_public_name_is_here_or_listed() -> None:
    names = {
        name
        for name, value in vars(peer()).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert names == {*ours.__all__, *LISTED}


@peers
@given(st.sampled_from(((3.0, 1, 6), (3.0, 2, 7), (10.0, 1, 4), (1.25, 16, 5))))
@settings(max_examples=20, deadline=None)
def test_missed_restarts_only_on_request(drawn: tuple[float, int, int]) -> None:
    mul, length, limit = drawn
    kwargs = {"t_initial": length, "cycle_mul": mul, "cycle_limit": limit}
    starts = [length * (Fraction(str(mul)) ** i - 1) / (mul - 1) for i in range(limit)]
    missed = [
        int(start)
        for start in starts
        if start == int(start) and not found(int(start), length, mul)
    ]
    steps = range(int(max(missed)) + 30)
    for name, more in (
        ("CosineLRScheduler", {"lr_min": 0.01}),
        ("TanhLRScheduler", {"lr_min": 0.01, "ub": 1.0, "cycle_decay": 0.5}),
    ):
        make = getattr(ours, name)
        expected = stepped(name, 0.1, steps, **kwargs, **more)
        right = make(**kwargs, **more, base_lr=0.1)
        same = make(**kwargs, **more, base_lr=0.1, faithful=True)
        assert difference(same, steps, expected) <= 1e-12
        assert right.lawful
        assert not same.lawful
        for t in steps:
            differs = abs(right(t) - expected[t]) > 1e-6
            assert differs == (t in missed), t


def test_the_documented_miss() -> None:
    kwargs: dict[str, Any] = {"t_initial": 10, "cycle_mul": 3.0, "cycle_limit": 6}
    assert ours.CosineLRScheduler(**kwargs)(1210) == 1.0
    assert ours.CosineLRScheduler(**kwargs, faithful=True)(1210) == 0.0
    assert ours.PolyLRScheduler(**kwargs, faithful=True)(1210) == 0.0


@peers
@given(
    st.sampled_from(((3, 17), (0, 5), (9.5, 12.25), 4, (8, 8))),
    st.sampled_from((0.67, 0.1, 1.0)),
    st.sampled_from((1.0, 0.05, 0.0)),
    st.sampled_from((42, 0, 7, None)),
    st.sampled_from((0, 3)),
)
@settings(max_examples=60, deadline=None)
def test_noise(span: Any, pct: float, std: float, seed: int | None, warm: int) -> None:
    kwargs = {
        "t_initial": 15,
        "warmup_t": warm,
        "noise_range_t": span,
        "noise_pct": pct,
        "noise_std": std,
        "noise_seed": seed,
    }
    steps = range(25)
    for name, more in (
        ("CosineLRScheduler", {}),
        ("CosineLRScheduler", {"lr_min": 0.01}),
        ("StepLRScheduler", {}),
    ):
        if name == "StepLRScheduler":
            kwargs["decay_t"] = kwargs.pop("t_initial")
        if isinstance(span, int) and (more or "decay_t" in kwargs):
            continue
        s = getattr(ours, name)(**kwargs, **more, base_lr=0.1)
        expected = stepped(name, 0.1, steps, **kwargs, **more)
        assert difference(s, steps, expected) <= 1e-12
        keeps_laws(s, steps)


def test_numbers_that_need_no_peer() -> None:
    s = ours.CosineLRScheduler(t_initial=100, warmup_t=5, base_lr=0.1)
    assert s(0) == 0.0
    assert s(5) == pytest.approx(0.05 * (1 + math.cos(math.pi * 0.05)), rel=1e-12)
    assert s(100) == s(1000) == 0.0
    assert ours.MultiStepLRScheduler([10], 0.5)([8, 9]) == [1.0, 0.5]
    assert ours.StepLRScheduler(2.4, 0.5)(range(6)) == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]
    assert (2 * s)(50) == 2 * s(50)


def test_an_interval_in_updates_keeps_going() -> None:
    s = ours.StepLRScheduler(3002.4, 0.97)
    steps = [0, 3002, 3003, 6004, 6005, 15011, 15012, 300_240, 3_002_400]
    expected = [0.97 ** (t // 3002.4) for t in steps]
    assert difference(s, steps, expected) <= 1e-12
    late = ours.StepLRScheduler(1.1, 0.9)
    expected = [0.9 ** (t // 1.1) for t in range(5000)]
    assert difference(late, range(5000), expected) <= 1e-12


@pytest.mark.parametrize(
    "s",
    [
        ours.CosineLRScheduler(20, 0.01, 1.5, 0.7, 4, 5, 0.001, k_decay=1.3),
        ours.PolyLRScheduler(20, 0.5, 0.01, 2.0, 0.7, 3, 5, warmup_prefix=True),
        ours.TanhLRScheduler(20, cycle_limit=2, warmup_t=7),
        ours.StepLRScheduler(2.4, 0.97, 3),
        ours.MultiStepLRScheduler([3, 9], 0.1, 5, warmup_prefix=False),
        ours.WSDLRScheduler(40, 10, 0.01, "rsqrt", 2.5, warmup_t=4),
        ours.WSDLRScheduler(40, 10, 0.01, noise_range_t=(5, 20)),
    ],
    ids=str,
)
def test_under_jit_and_in_algebra(s: ss.Schedule) -> None:
    steps = np.arange(90)
    with jax.enable_x64(True):
        values = np.asarray(jax.jit(s)(jnp.asarray(steps)))
    assert difference(s, range(90), values) <= 1e-12
    assert s.resolve(total_steps=400)(50) == s(50)
    chained = s * (0.5 * ss.hold(200)) >> ss.hold()
    assert chained(50) == 0.5 * s(50)
    assert chained(10_000) == 0.5 * s(200)
    assert ss.parse(str(chained)) == chained


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ours.CosineLRScheduler(0), r"CosineLRScheduler\.t_initial must be an"),
        (lambda: ours.CosineLRScheduler(5, lr_min=-1), r"CosineLRScheduler\.lr_min"),
        (lambda: ours.CosineLRScheduler(5, cycle_mul=0), r"\.cycle_mul must be"),
        (lambda: ours.CosineLRScheduler(5, cycle_decay=0), r"\.cycle_decay must be"),
        (lambda: ours.CosineLRScheduler(5, cycle_limit=1.5), r"\.cycle_limit must be"),  # type: ignore[arg-type]
        (lambda: ours.CosineLRScheduler(5, k_decay=0), r"\.k_decay must be"),
        (lambda: ours.CosineLRScheduler(5, base_lr=0), r"\.base_lr must be"),
        (lambda: ours.CosineLRScheduler(5, warmup_t=-1), r"\.warmup_t must be"),
        (lambda: ours.PolyLRScheduler(5, power=-1), r"PolyLRScheduler\.power must"),
        (lambda: ours.TanhLRScheduler(5, lb=3, ub=3), r"TanhLRScheduler\.lb must"),
        (lambda: ours.TanhLRScheduler(5, cycle_limit=-1), r"\.cycle_limit must"),
        (lambda: ours.StepLRScheduler(0), r"StepLRScheduler\.decay_t must"),
        (lambda: ours.MultiStepLRScheduler([9, 3]), r"\.decay_t must be in order"),
        (lambda: ours.MultiStepLRScheduler("9"), r"\.decay_t must be a list"),  # type: ignore[arg-type]
        (lambda: ours.WSDLRScheduler(5, 6), r"WSDLRScheduler\.decay_t must be"),
        (lambda: ours.WSDLRScheduler(5, 2, stable_fn="x"), r"\.stable_fn must be"),
        (lambda: ours.WSDLRScheduler(5, 2, decay_fn="x"), r"\.decay_fn must be"),
        (lambda: ours.WSDLRScheduler(5, 2, decay_ratio=1), r"\.decay_ratio must be"),
        (lambda: ours.WSDLRScheduler(5, 2, stable_fn="rsqrt"), r"no warmup"),
        (lambda: ours.create_scheduler_v2("plateau"), r"stepsize\.control"),
        (lambda: ours.create_scheduler_v2("x"), r"\.sched must be one of"),
        (
            lambda: ours.create_scheduler_v2(step_on_epochs=False),
            r"\.updates_per_epoch must be",
        ),
        (lambda: ours.create_scheduler({}), r"create_scheduler\.args must have sched"),
        (lambda: ours.StepLRScheduler(5, noise_range_t=3), r"\.noise_range_t must be"),
        (
            lambda: ours.StepLRScheduler(5, noise_range_t=(1, 2, 3)),
            r"\.noise_range_t must be None",
        ),
        (
            lambda: ours.StepLRScheduler(5, noise_range_t=(1, 2), noise_pct=1.5),
            r"\.noise_pct must be",
        ),
        (
            lambda: ours.StepLRScheduler(5, noise_range_t=(1, 2), noise_seed=0.5),  # type: ignore[arg-type]
            r"\.noise_seed must be an int",
        ),
    ],
)
def test_bad_arguments_are_refused(make: Any, match: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=match):
        make()


def test_the_comparison_notices() -> None:
    s = ss.linear(4)
    right = [1.0, 0.75, 0.5, 0.25, 0.0]
    assert difference(s, range(5), right) == 0.0
    assert difference(s, range(5), [1.0, 0.75, 0.5 + 1e-11, 0.25, 0.0]) > 1e-12
    assert difference(s, range(5), [1.0, 0.75, 0.0, 0.25, 0.0]) == 1.0
