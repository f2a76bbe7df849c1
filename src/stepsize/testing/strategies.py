"""Hypothesis strategies of random schedules; every kind of phase is in them.

`schedules()` composes whatever the algebra allows, up to a size; `resolved()` adds a
horizon over which they fit. Nothing here asserts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import assume, reject
from hypothesis import strategies as st

import stepsize as ss

FRACTIONS = st.sampled_from((0.0, 0.01, 0.1, 1 / 3, 0.5, 0.9, 1.0, 1.5))
POSITIVE = st.one_of(
    st.sampled_from((1e-5, 3e-4, 0.1, 0.5, 1.0, 2.0)), st.floats(1e-6, 10.0)
)
LENGTHS = st.one_of(
    st.integers(1, 40), st.sampled_from(("5%", "10%", "12.5%", "1 epoch", "64 samples"))
)
ELASTIC = st.one_of(st.none(), LENGTHS)
TO_ZERO = (
    "linear",
    "cosine",
    "polynomial",
    "1-sqrt",
    "1-square",
    "mirrored-cosine",
    "rex",
    "tanh",
    "hyperbolic",
    "shifted-exponential",
)
TO_MORE = ("exponential", "exponential-hyperbolic", "harmonic")
HORIZON = {"steps_per_epoch": 7, "samples_per_step": 16, "tokens_per_step": 1000}


@st.composite
def phases(draw: st.DrawFn, *, leaf: st.SearchStrategy[Any] = ELASTIC) -> ss.Schedule:
    """Draw one plain phase of any kind.

    Args:
        draw: Given by Hypothesis.
        leaf: What durations are drawn from.
    """
    makers: list[Callable[[], ss.Schedule]] = [
        lambda: ss.hold(draw(leaf), weight=draw(st.sampled_from((1.0, 2.0)))),
        lambda: ss.warmup(
            draw(leaf),
            draw(st.one_of(st.none(), st.sampled_from((0.0, 0.1, 1.0)))),
            draw(st.sampled_from(("linear", "cosine", "polynomial", "1-sqrt", "log"))),
        ),
        lambda: ss.warmup(draw(leaf), 0.01, "exponential", fixed=draw(st.booleans())),
        lambda: ss.decay(draw(leaf), draw(FRACTIONS), draw(st.sampled_from(TO_ZERO))),
        lambda: ss.decay(draw(leaf), 0.05, draw(st.sampled_from(TO_MORE))),
        lambda: ss.k_decay(draw(leaf), 0.1, 1.7),
        lambda: ss.wave(draw(leaf), 0.1, draw(st.sampled_from((0.5, 1.0, 2.3)))),
        lambda: ss.polynomial_cycles(7, 0.1, 1.5, draw(leaf)),
        lambda: ss.power_law(0.51, 5, draw(leaf)),
        lambda: ss.inverse_time(0.7, 3, draw(leaf), staircase=draw(st.booleans())),
        lambda: ss.exponential_warmup(9.0, draw(leaf)),
        lambda: ss.radam_warmup(0.98, draw(leaf)),
        lambda: ss.decay(draw(leaf), to_lr=draw(POSITIVE)),
        lambda: ss.step(draw(st.integers(1, 20)), 0.5, draw(leaf)),
        lambda: ss.multistep([3, 3, 9], 0.3, draw(leaf)),
        lambda: ss.geometric(0.97, 1, draw(leaf)),
        lambda: ss.inverse_sqrt(draw(st.integers(1, 50)), draw(leaf)),
        lambda: ss.knots(
            [(0, 0.2), (3.5, 1.0), (11, draw(FRACTIONS))],
            draw(st.sampled_from(("linear", "cosine", "step"))),
        ),
        lambda: ss.table([1.0, 0.25, 0.7]),
        lambda: ss.noise(draw(st.integers(0, 2**32 - 1)), 0.3, draw(leaf)),
        lambda: ss.jump(draw(st.sampled_from((0.0, 0.3, 1.0)))),
        lambda: ss.jump(to_lr=draw(POSITIVE)),
    ]
    return draw(st.sampled_from(makers))()


@st.composite
def schedules(draw: st.DrawFn, *, depth: int = 3) -> ss.Schedule:
    """Draw a schedule composed of phases by every operator and combinator.

    Args:
        draw: Given by Hypothesis.
        depth: How deep combinators may be nested; 0 gives plain phases.
    """
    if depth == 0:
        return draw(phases())
    inner = schedules(depth=depth - 1)
    how = draw(st.sampled_from(("phase", *_COMPOSE, "chain", "chain", "scale")))
    if how == "phase":
        return draw(phases())
    try:
        return _COMPOSE[how](draw, inner)
    except ss.InvalidScheduleError:
        reject()  # a composition that the rules refuse, such as 0 >> warmup


def _cycle(draw: st.DrawFn, inner: st.SearchStrategy[ss.Schedule]) -> ss.Schedule:
    return ss.repeat(
        draw(inner),
        draw(st.integers(1, 4)),
        stretch=draw(st.sampled_from((0.5, 1.0, 1.3, 2.0))),
        shrink_peak=draw(st.sampled_from((0.5, 1.0))),
        boundaries=draw(st.sampled_from(("integer", "real"))),
    )


_COMPOSE: dict[str, Callable[[st.DrawFn, Any], ss.Schedule]] = {
    "chain": lambda draw, inner: draw(inner) >> draw(inner),
    "scale": lambda draw, inner: draw(POSITIVE) * draw(inner),
    "product": lambda draw, inner: draw(inner) * draw(inner),
    "sum": lambda draw, inner: draw(inner) + draw(inner),
    "minimum": lambda draw, inner: ss.minimum(draw(inner), draw(inner)),
    "maximum": lambda draw, inner: ss.maximum(draw(inner), draw(inner)),
    "average": lambda draw, inner: ss.average(
        draw(inner), draw(inner), weights=[1.0, 2.0]
    ),
    "repeat": _cycle,
    "many": lambda draw, inner: ss.repeat(draw(inner), draw(st.integers(64, 70))),
    "clip": lambda draw, inner: ss.clip(draw(inner), low=0.1, high=0.8),
    "join": lambda draw, inner: ss.join(
        draw(inner), draw(inner), at=[draw(st.integers(0, 30))]
    ),
    "reverse": lambda draw, inner: ss.reverse(draw(inner)),
    "skip": lambda draw, inner: ss.skip(draw(inner), draw(st.integers(-5, 20))),
}


@st.composite
def resolved(draw: st.DrawFn, *, depth: int = 3) -> ss.ResolvedSchedule:
    """Draw a schedule that fits into a horizon, resolved.

    Args:
        draw: Given by Hypothesis.
        depth: As in `schedules`.
    """
    schedule = draw(schedules(depth=depth))
    horizon = ss.Horizon(steps=draw(st.sampled_from((1, 7, 100, 1000))), **HORIZON)
    overflow = draw(st.sampled_from(("error", "truncate")))
    try:
        return schedule.resolve(horizon=horizon, overflow=overflow)
    except ss.InvalidScheduleError:
        assume(False)
        raise
