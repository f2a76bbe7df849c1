"""optax' schedules at every count against the dialect's schedules."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.dialects import optax as dialect

pytestmark = pytest.mark.peers
optax = pytest.importorskip("optax", reason="only `make test-all` installs optax")

TOLERANCE = 1e-12

values = st.one_of(
    st.sampled_from([0.0, 1.0, 0.1, 3e-4]),
    st.floats(1e-6, 10.0, allow_subnormal=False),
)
positive = values.filter(bool)
sizes = st.one_of(st.integers(0, 3), st.integers(0, 40))
lengths = st.one_of(st.integers(1, 3), st.integers(1, 40))
begins = st.one_of(st.just(0), st.integers(-3, 10))
powers = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(0.5, 4.0))
many = settings(max_examples=200)


def run(schedule: Callable[[Any], Any], steps: int) -> list[float]:
    """Evaluate an optax schedule at every count, in float64.

    `steps` should not vary within a test: JAX compiles for each number.
    """
    with jax.enable_x64(True):
        counts = jnp.arange(steps)
        found = jax.vmap(lambda count: jnp.asarray(schedule(count), jnp.float64))(
            counts
        )
        return [float(value) for value in np.asarray(found)]


def agree(schedule: ss.Schedule, expected: list[float]) -> None:
    """Compare at every step, relative to the peak; exact zeros stay exact."""
    got = schedule(range(len(expected)))
    peak = max(map(abs, expected)) or 1.0
    for step, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
        assert abs(ours - theirs) <= TOLERANCE * peak, (step, ours, theirs)
        assert theirs != 0 or ours == 0, (step, ours)


def keeps_the_laws(schedule: ss.Schedule) -> None:
    """Text, mapping and arrays say the same schedule."""
    assert ss.parse(str(schedule)) == schedule
    assert ss.from_dict(schedule.to_dict()) == schedule
    listed = schedule(range(60))
    limit = 1e-12 * (max(listed) or 1.0)
    np.testing.assert_allclose(schedule(np.arange(60)), listed, rtol=0, atol=limit)


def same(
    ours: ss.Schedule, theirs: Callable[[Any], Any], steps: int = 60
) -> ss.Schedule:
    agree(ours, run(theirs, steps))
    keeps_the_laws(ours)
    return ours


def test_the_comparison_refuses_a_wrong_value() -> None:
    expected = run(optax.linear_schedule(1.0, 0.0, 4), 5)
    agree(ss.linear(4), expected)
    with pytest.raises(AssertionError, match=r"2, 0\.5"):
        agree(ss.linear(4), [*expected[:2], 0.5 + 2e-12, *expected[3:]])
    with pytest.raises(AssertionError, match="4, 1e-15"):
        agree(ss.linear(4, to=1e-15), expected)


LISTED = {
    "inject_hyperparams": "takes schedules, is none",
    "inject_stateful_hyperparams": "takes schedules, is none",
    "InjectHyperparamsState": "a state",
    "InjectStatefulHyperparamsState": "a state",
    "Schedule": "a type",
    "StatefulSchedule": "a type",
    "WrappedSchedule": "a type",
}


def test_every_schedule_of_optax_is_here_or_listed() -> None:
    found = {
        name
        for name, value in vars(optax.schedules).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert found >= {"sgdr_schedule", "cosine_decay_schedule"}
    assert found == set(dialect.__all__) | set(LISTED)
    flat = {name for name in vars(optax) if name.endswith("_schedule")}
    assert flat - {"scale_by_schedule"} <= set(dialect.__all__)


@pytest.mark.parametrize("name", dialect.__all__)
def test_arguments_are_those_of_optax(name: str) -> None:
    theirs = inspect.signature(
        getattr(optax, name, None) or vars(optax.schedules)[name]
    )
    ours = inspect.signature(getattr(dialect, name))
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@given(values)
def test_constant(value: float) -> None:
    same(dialect.constant_schedule(value), optax.constant_schedule(value))


@many
@given(values, values, powers, sizes, begins)
def test_polynomial(
    first: float, last: float, power: float, steps: int, begin: int
) -> None:
    args = (first, last, power, steps, begin)
    same(dialect.polynomial_schedule(*args), optax.polynomial_schedule(*args))


@many
@given(values, values, st.integers(-1, 40), begins)
def test_linear(first: float, last: float, steps: int, begin: int) -> None:
    args = (first, last, steps, begin)
    same(dialect.linear_schedule(*args), optax.linear_schedule(*args))


scales = st.one_of(st.just(0.0), st.floats(0.01, 3.0))


@many
@given(values, st.none() | st.dictionaries(st.integers(-3, 50), scales, max_size=5))
def test_piecewise_constant(first: float, points: dict[int, float] | None) -> None:
    same(
        dialect.piecewise_constant_schedule(first, points),
        optax.piecewise_constant_schedule(first, points),
    )


@many
@given(
    values,
    st.integers(-1, 40),
    st.one_of(st.just(0.0), st.just(1.0), st.floats(0.3, 1.2)),
    begins,
    st.booleans(),
    st.none() | values,
)
def test_exponential(  # noqa: PLR0917
    first: float,
    steps: int,
    factor: float,
    begin: int,
    stairs: bool,
    last: float | None,
) -> None:
    args = (first, steps, factor, begin, stairs, last)
    same(dialect.exponential_decay(*args), optax.exponential_decay(*args))


fractions = st.one_of(st.just(0.0), st.floats(1e-4, 1.5))


@many
@given(values, lengths, fractions, powers)
def test_cosine(first: float, steps: int, alpha: float, power: float) -> None:
    args = (first, steps, alpha, power)
    ours = same(
        dialect.cosine_decay_schedule(*args), optax.cosine_decay_schedule(*args)
    )
    assert ours(10**9) == ours(steps)


@many
@given(
    st.sampled_from(["linear", "cosine"]),
    values,
    st.none() | st.dictionaries(st.integers(0, 50), scales, max_size=5),
)
def test_piecewise_interpolate(
    how: str, first: float, points: dict[int, float] | None
) -> None:
    same(
        dialect.piecewise_interpolate_schedule(how, first, points),
        optax.piecewise_interpolate_schedule(how, first, points),
    )


shares = st.one_of(st.sampled_from([0.0, 0.29, 0.3, 1.0]), st.floats(0.0, 1.0))
divs = st.floats(0.5, 100.0)


@many
@given(lengths, values, shares, shares, divs, st.floats(0.5, 1e4))
def test_linear_onecycle(  # noqa: PLR0917
    steps: int, peak: float, start: float, final: float, div: float, last: float
) -> None:
    args = (steps, peak, start, final, div, last)
    same(dialect.linear_onecycle_schedule(*args), optax.linear_onecycle_schedule(*args))


@many
@given(lengths, values, shares, divs, st.floats(0.5, 1e4))
def test_cosine_onecycle(
    steps: int, peak: float, start: float, div: float, last: float
) -> None:
    args = (steps, peak, start, div, last)
    same(dialect.cosine_onecycle_schedule(*args), optax.cosine_onecycle_schedule(*args))


@many
@given(values, values, sizes)
def test_warmup_constant(first: float, last: float, steps: int) -> None:
    args = (first, last, steps)
    same(dialect.warmup_constant_schedule(*args), optax.warmup_constant_schedule(*args))


def test_warmup_constant_of_no_steps_stays_at_the_first_value() -> None:
    assert dialect.warmup_constant_schedule(0.0, 1.0, 0)(100) == 0.0


@many
@given(values, values, sizes, lengths, values, powers)
def test_warmup_cosine(  # noqa: PLR0917
    first: float, peak: float, warm: int, fall: int, last: float, power: float
) -> None:
    args = (first, peak, warm, warm + fall, last, power)
    same(
        dialect.warmup_cosine_decay_schedule(*args),
        optax.warmup_cosine_decay_schedule(*args),
        90,
    )


@many
@given(
    values,
    values,
    sizes,
    st.integers(-1, 30),
    st.one_of(st.just(0.0), st.just(1.0), st.floats(0.3, 1.2)),
    begins,
    st.booleans(),
    st.none() | values,
)
def test_warmup_exponential(  # noqa: PLR0917
    first: float,
    peak: float,
    warm: int,
    steps: int,
    factor: float,
    begin: int,
    stairs: bool,
    last: float | None,
) -> None:
    args = (first, peak, warm, steps, factor, begin, stairs, last)
    same(
        dialect.warmup_exponential_decay_schedule(*args),
        optax.warmup_exponential_decay_schedule(*args),
        90,
    )


@st.composite
def cycles(draw: st.DrawFn) -> dict[str, Any]:
    warm = draw(sizes)
    return {
        "init_value": draw(values),
        "peak_value": draw(values),
        "warmup_steps": warm,
        "decay_steps": warm + draw(lengths),
        "end_value": draw(values),
    }


@many
@given(st.lists(cycles(), min_size=1, max_size=4))
def test_sgdr(kwargs: list[dict[str, Any]]) -> None:
    same(dialect.sgdr_schedule(kwargs), optax.sgdr_schedule(kwargs), 120)


@many
@given(st.data(), positive, st.integers(1, 4))
def test_join(data: st.DataObject, first: float, count: int) -> None:
    ours: list[ss.Schedule] = []
    theirs: list[Any] = []
    for _ in range(count):
        steps, last = data.draw(lengths), data.draw(values)
        makers = [
            (dialect.linear_schedule, optax.linear_schedule, (first, last, steps)),
            (
                dialect.cosine_decay_schedule,
                optax.cosine_decay_schedule,
                (first, steps),
            ),
            (dialect.exponential_decay, optax.exponential_decay, (first, steps, 0.7)),
        ]
        mine, peer, args = data.draw(st.sampled_from(makers))
        ours.append(mine(*args))
        theirs.append(peer(*args))
    boundaries = sorted(
        data.draw(st.lists(sizes, min_size=count - 1, max_size=count - 1))
    )
    same(
        dialect.join_schedules(ours, boundaries),
        optax.join_schedules(theirs, boundaries),
    )


def test_join_takes_functions() -> None:
    def fade(count: Any) -> Any:
        return 1 / (1 + count)

    joined = dialect.join_schedules([dialect.constant_schedule(0.5), fade], [2])
    assert joined(range(4)) == [0.5, 0.5, 1.0, 0.5]
    assert dialect.join_schedules([fade], [])(1) == 0.5


@pytest.mark.parametrize(
    "schedule",
    [
        dialect.warmup_cosine_decay_schedule(0.0, 1.0, 10, 100),
        dialect.polynomial_schedule(0.0, 1.0, 2.0, 30, 5),
        dialect.piecewise_interpolate_schedule("cosine", 0.5, {10: 2.0, 30: 0.1}),
        dialect.exponential_decay(0.1, 7, 0.5, staircase=True, end_value=0.01),
        dialect.sgdr_schedule(
            [
                {
                    "init_value": 0.0,
                    "peak_value": p,
                    "warmup_steps": 3,
                    "decay_steps": 20,
                }
                for p in (1.0, 0.5)
            ]
        ),
    ],
)
def test_schedules_serve_optax_and_compose(schedule: ss.Schedule) -> None:
    listed = schedule(range(60))
    with jax.enable_x64(True):
        jitted = jax.jit(schedule)
        got = [float(jitted(jnp.asarray(step))) for step in range(60)]
    np.testing.assert_allclose(got, listed, rtol=0, atol=1e-12 * max(listed))
    assert (2 * schedule)(7) == pytest.approx(2 * schedule(7))
    assert (ss.hold(4) >> schedule)(11) == pytest.approx(schedule(7))
    assert ss.join(ss.hold(), schedule, at=[4])(11) == schedule(7)
    optimizer = optax.sgd(schedule)
    state = optimizer.init(jnp.zeros(()))
    update, _ = optimizer.update(jnp.ones(()), state)
    assert float(update) == pytest.approx(-listed[0], rel=1e-6)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: dialect.constant_schedule(-1.0), "constant_schedule.value"),
        (lambda: dialect.linear_schedule(-0.1, 0.0, 5), "linear_schedule.init_value"),
        (lambda: dialect.linear_schedule(0.1, 0.0, 2.5), "transition_steps must be an"),  # type: ignore[arg-type]
        (lambda: dialect.polynomial_schedule(1.0, 0.0, -1.0, 5), "schedule.power"),
        (
            lambda: dialect.piecewise_constant_schedule(1.0, {5: -1.0}),
            "piecewise_constant_schedule.boundaries_and_scales",
        ),
        (lambda: dialect.exponential_decay(1.0, 5, -0.5), "decay_rate"),
        (lambda: dialect.cosine_decay_schedule(1.0, 0), "decay_steps must be an int"),
        (lambda: dialect.cosine_decay_schedule(1.0, 5, -0.1), "schedule.alpha"),
        (
            lambda: dialect.piecewise_interpolate_schedule("cubic", 1.0),
            'interpolate_type must be one of "linear"',
        ),
        (
            lambda: dialect.piecewise_interpolate_schedule("linear", 1.0, {-1: 1.0}),
            "boundaries_and_scales must be an int >= 0",
        ),
        (lambda: dialect.linear_onecycle_schedule(0, 1.0), "transition_steps"),
        (lambda: dialect.cosine_onecycle_schedule(0, 1.0), "transition_steps"),
        (lambda: dialect.cosine_onecycle_schedule(5, 1.0, div_factor=0.0), "div"),
        (
            lambda: dialect.warmup_cosine_decay_schedule(0.0, 1.0, 10, 10),
            r"decay_steps must be an int > warmup_steps \(10\), which it includes",
        ),
        (lambda: dialect.sgdr_schedule([]), "have at least one cycle"),
        (lambda: dialect.sgdr_schedule([{"peak": 1.0}]), "be arguments of warmup"),
        (lambda: dialect.join_schedules([], []), "have at least one schedule"),
        (lambda: dialect.join_schedules([3], []), "be schedules or functions"),  # type: ignore[list-item]
        (
            lambda: dialect.join_schedules([ss.hold()] * 3, [9, 5]),
            "boundaries must be 2 steps in order",
        ),
    ],
)
def test_refused(make: Callable[[], ss.Schedule], match: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=match):
        make()


def test_the_cosine_formula_is_that_of_the_docstring() -> None:
    ours = dialect.cosine_decay_schedule(0.5, 10, 0.1, 2.0)
    for step in range(11):
        cosine = (0.5 + math.cos(math.pi * step / 10) / 2) ** 2.0
        assert ours(step) == pytest.approx(0.5 * (0.9 * cosine + 0.1), rel=1e-12)
