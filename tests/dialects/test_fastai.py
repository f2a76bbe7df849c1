"""fastai's schedules in our words, against its formulas; fastai is not installed."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.dialects import fastai as ours

many = settings(max_examples=200, deadline=None)

# what fastai/callback/schedule.py exports or patches onto Learner
THEIRS = (
    "SuggestionMethod annealer sched_lin sched_cos sched_no sched_exp SchedLin "
    "SchedCos SchedNo SchedExp SchedPoly combine_scheds combined_cos ParamScheduler "
    "LRFinder valley slide minimum steep fit_one_cycle fit_flat_cos fit_sgdr fine_tune "
    "lr_find plot_sched plot_lr_find ReduceLROnPlateau"
)
LISTED = {
    "SuggestionMethod": "reads a range test: stepsize.finder",
    "valley": "reads a range test: stepsize.finder",
    "slide": "reads a range test: stepsize.finder",
    "minimum": "reads a range test: stepsize.finder",
    "steep": "reads a range test: stepsize.finder",
    "plot_lr_find": "draws a range test",
    "plot_sched": "draws what was recorded",
    "annealer": "makes annealers of functions: opaque",
    "ParamScheduler": "applies schedules: the adapters",
    "ReduceLROnPlateau": "reads a metric: stepsize.control",
}
SECOND = {"fit_one_cycle_momentum", "fine_tune_momentum"}

Function = Callable[[float], float]


def lin(s: float, e: float) -> Function:
    return lambda pos: s + pos * (e - s)


def cos(s: float, e: float) -> Function:
    return lambda pos: s + (1 + math.cos(math.pi * (1 - pos))) * (e - s) / 2


def no(s: float, e: float) -> Function:
    return lambda pos: s


def exp(s: float, e: float) -> Function:
    return lambda pos: s * (e / s) ** pos


def combined(pcts: Sequence[float], scheds: Sequence[Function]) -> Function:
    """Combine as fastai does, but in double precision."""
    starts = [math.fsum(pcts[:i]) for i in range(len(pcts) + 1)]

    def at(pos: float) -> float:
        # a boundary that is hit up to rounding is hit
        hits = [i for i, start in enumerate(starts) if pos >= start - 1e-12]
        index = min(hits[-1], len(pcts) - 1)
        width = starts[index + 1] - starts[index]
        inside = max(pos - starts[index], 0.0) / width if width else 1.0
        return scheds[index](inside)

    return at


def single(pcts: Sequence[float], scheds: Sequence[Function]) -> Function:
    """Combine as fastai does, to the letter: positions go through float32."""
    bounds = torch.cumsum(torch.tensor([0.0, *pcts]), 0)

    def at(pos: float) -> float:
        index = min(int((pos >= bounds).nonzero().max()), len(bounds) - 2)
        inside = (pos - bounds[index]) / (bounds[index + 1] - bounds[index])
        return scheds[index](inside.item())

    return at


def batches(function: Function, n_epoch: int, n_iter: int) -> list[float]:
    """Give the value of each batch: the position grows by a share of the whole."""
    total = n_epoch * n_iter
    return [function(batch / total) for batch in range(total)]


def difference(schedule: Any, expected: Sequence[float]) -> float:
    """Give the largest error relative to the peak; a zero that is not one is 1."""
    got, want = np.array(schedule(range(len(expected)))), np.array(expected)
    if (got[want == 0] != 0).any():
        return 1.0
    peak = np.abs(want).max()
    return float(np.abs(got - want).max() / (peak or 1.0))


def keeps_laws(schedule: ss.Schedule, total: int) -> None:
    assert ss.parse(str(schedule)) == schedule
    assert ss.from_dict(schedule.to_dict()) == schedule
    r = schedule.resolve(total_steps=total)
    array, rates = r(np.arange(total + 3)), np.array(r(range(total + 3)))
    assert np.abs(array - rates).max() <= 1e-12 * max(rates.max(), 1e-9)
    assert schedule.lawful


VALUES = st.sampled_from((0.0, 1e-6, 0.01, 0.1, 1.0, 3.0))
POSITIVE = st.sampled_from((1e-6, 0.01, 0.1, 1.0))
EPOCHS = st.one_of(st.sampled_from((1, 2)), st.integers(1, 6))
ITERS = st.one_of(st.sampled_from((1, 2)), st.integers(1, 30))
SHARES = st.sampled_from((0.0, 0.25, 0.3, 0.5, 0.75, 0.99, 1 / 3, 1.0))


@given(VALUES, VALUES, st.sampled_from((0.5, 1.0, 2.0, 3.3)), st.integers(1, 60))
@many
def test_annealers(start: float, end: float, power: float, total: int) -> None:
    pairs: list[tuple[ss.Schedule, ss.Schedule, Function]] = [
        (ours.SchedLin(start, end), ours.sched_lin(start, end), lin(start, end)),
        (ours.SchedCos(start, end), ours.sched_cos(start, end), cos(start, end)),
        (ours.SchedNo(start, end), ours.sched_no(start, end), no(start, end)),
    ]
    if start and end:
        pairs.append(
            (ours.SchedExp(start, end), ours.sched_exp(start, end), exp(start, end))
        )
    poly = ours.SchedPoly(start, end, power)
    pairs.append((poly, poly, lambda pos: start + (end - start) * pos**power))
    for one, two, function in pairs:
        expected = batches(function, 1, total)
        assert one == two
        assert difference(one.resolve(total_steps=total), expected) <= 1e-12
        keeps_laws(one, total)
    fixed = ours.SchedCos(start, end, total_steps=total)
    assert difference(fixed, batches(cos(start, end), 1, total)) <= 1e-12
    assert fixed(total + 5) == fixed(total) == pytest.approx(end, rel=1e-14)


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=5),
    st.lists(st.tuples(VALUES, VALUES, st.booleans()), min_size=5, max_size=5),
    st.integers(1, 80),
)
@many
def test_combinations(
    weights: list[int], pieces: list[tuple[float, float, bool]], total: int
) -> None:
    pcts = [weight / sum(weights) for weight in weights]
    chosen = pieces[: len(pcts)]
    theirs = [(cos if bent else lin)(a, b) for a, b, bent in chosen]
    scheds = [(ours.SchedCos if bent else ours.SchedLin)(a, b) for a, b, bent in chosen]
    s = ours.combine_scheds(pcts, scheds)
    got = s.resolve(total_steps=total)
    expected = combined(pcts, theirs)
    assert difference(got, batches(expected, 1, total)) <= 1e-11
    keeps_laws(s, total)


@given(EPOCHS, ITERS, POSITIVE, SHARES, st.sampled_from((1.0, 5.0, 25.0, 0.5)))
@many
def test_one_cycle(
    epochs: int, n_iter: int, peak: float, share: float, div: float
) -> None:
    pcts = [share, 1 - share]
    curves = [cos(peak / div, peak), cos(peak, peak / 1e5)]
    moms = [cos(0.95, 0.85), cos(0.85, 0.95)]
    s = ours.fit_one_cycle(epochs, peak, div, pct_start=share, n_iter=n_iter)
    m = ours.fit_one_cycle_momentum(epochs, pct_start=share, n_iter=n_iter)
    total = epochs * n_iter
    assert difference(s, batches(combined(pcts, curves), epochs, n_iter)) <= 1e-12
    assert difference(m, batches(combined(pcts, moms), epochs, n_iter)) <= 1e-12
    if 0 < share < 1:
        assert difference(s, batches(single(pcts, curves), epochs, n_iter)) <= 2e-5
        assert difference(m, batches(single(pcts, moms), epochs, n_iter)) <= 2e-5
    keeps_laws(s, total)
    elastic = ours.fit_one_cycle(epochs, None, div, pct_start=share, base_lr=peak)
    assert elastic.resolve(total_steps=total)(range(total)) == s(range(total))
    assert (2 * s)(total // 2) == pytest.approx(2 * s(total // 2), rel=1e-14)


@given(EPOCHS, ITERS, POSITIVE, SHARES)
@many
def test_flat_cos(epochs: int, n_iter: int, peak: float, share: float) -> None:
    pcts = [share, 1 - share]
    curves = [cos(peak, peak), cos(peak, peak / 1e5)]
    s = ours.fit_flat_cos(epochs, peak, pct_start=share, n_iter=n_iter)
    assert difference(s, batches(combined(pcts, curves), epochs, n_iter)) <= 1e-12
    keeps_laws(s, epochs * n_iter)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(2, 3), ITERS, POSITIVE)
@many
def test_sgdr(cycles: int, length: int, mult: int, n_iter: int, peak: float) -> None:
    epochs = length * (mult**cycles - 1) // (mult - 1)
    pcts = [length * mult**i / epochs for i in range(cycles)]
    expected = combined(pcts, [cos(peak, 0)] * cycles)
    s = ours.fit_sgdr(cycles, length, peak, mult, n_iter=n_iter)
    assert difference(s, batches(expected, epochs, n_iter)) <= 1e-12
    assert s(epochs * n_iter) == 0.0
    keeps_laws(s, epochs * n_iter)


@given(EPOCHS, st.integers(0, 3), ITERS, POSITIVE, st.integers(1, 4))
@many
def test_fine_tune(
    epochs: int, frozen: int, n_iter: int, base: float, groups: int
) -> None:
    rates = [
        base / 2 / 100 * 100 ** (i / (groups - 1)) if groups > 1 else base / 2
        for i in range(groups)
    ]
    for group, rate in enumerate(rates):
        top = base if group == groups - 1 else base / 10
        first = combined([0.99, 1 - 0.99], [cos(top / 25, top), cos(top, top / 1e5)])
        later = combined([0.3, 0.7], [cos(rate / 5, rate), cos(rate, rate / 1e5)])
        expected = batches(first, frozen, n_iter) if frozen else []
        expected += batches(later, epochs, n_iter)
        s = ours.fine_tune(
            epochs, base, frozen, n_iter=n_iter, group=group, n_groups=groups
        )
        assert difference(s, expected) <= 1e-12
        keeps_laws(s, len(expected))
    one, two = combined([0.99, 0.01], MOMS), combined([0.3, 0.7], MOMS)
    expected = batches(one, frozen, n_iter) if frozen else []
    m = ours.fine_tune_momentum(epochs, base, frozen, n_iter=n_iter)
    assert difference(m, expected + batches(two, epochs, n_iter)) <= 1e-12


MOMS = [cos(0.95, 0.85), cos(0.85, 0.95)]


@given(POSITIVE, st.sampled_from((1e-3, 10.0)), st.integers(0, 200))
@many
def test_range_test(start: float, end: float, num_it: int) -> None:
    steps = max(num_it, 6)
    s = ours.LRFinder(start, end, num_it)
    expected = [start * (end / start) ** (t / steps) for t in range(steps)]
    assert difference(s, expected) <= 1e-12
    assert ours.lr_find(start, end, num_it) == s


def test_every_public_name_is_here_or_listed() -> None:
    assert set(THEIRS.split()) == {*ours.__all__, *LISTED} - SECOND


@pytest.mark.parametrize(
    "s",
    [
        ours.fit_one_cycle(2, 0.1, n_iter=45),
        ours.fit_flat_cos(3, 0.1, n_iter=20),
        ours.fit_sgdr(3, 1, 0.1, n_iter=10),
        ours.fine_tune(2, n_iter=20),
        ours.LRFinder(num_it=70),
        ours.SchedPoly(0.0, 1.0, 2.5, total_steps=50),
    ],
    ids=str,
)
def test_under_jit_and_in_algebra(s: ss.Schedule) -> None:
    with jax.enable_x64(True):
        values = np.asarray(jax.jit(s)(jnp.arange(90)))
    assert difference(s, list(values)) <= 1e-12
    chained = s * (0.5 * ss.hold(200)) >> ss.hold()
    assert chained(50) == 0.5 * s(50)
    assert ss.parse(str(chained)) == chained


def test_combinations_nest() -> None:
    inner = ours.combine_scheds([0.5, 0.5], [ours.SchedLin(0, 1), ours.SchedLin(1, 0)])
    s = ours.combine_scheds([0.5, 0.5], [inner, inner], total_steps=8)
    assert s(range(9)) == [0.0, 0.5, 1.0, 0.5, 0.0, 0.5, 1.0, 0.5, 0.0]


FAST: Any = ours


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: FAST.SchedLin(-1, 1), r"SchedLin\.start must be"),
        (lambda: FAST.SchedExp(0, 1), r"SchedExp\.start must be a finite number > 0"),
        (lambda: FAST.SchedPoly(0, 1, 0), r"SchedPoly\.power must be"),
        (lambda: FAST.SchedCos(0, 1, total_steps=0), r"SchedCos\.total_steps must"),
        (lambda: FAST.combine_scheds([0.5], [ss.hold()]), r"pcts must have the sum 1"),
        (lambda: FAST.combine_scheds([1.0], []), r"pcts must be 0 shares"),
        (lambda: FAST.combined_cos(1.5, 0, 1, 0), r"combined_cos\.pct must"),
        (lambda: FAST.fit_one_cycle(0), r"fit_one_cycle\.n_epoch must be an int >= 1"),
        (lambda: FAST.fit_one_cycle(1, 0.0), r"fit_one_cycle\.lr_max must be"),
        (lambda: FAST.fit_one_cycle(1, n_iter=0), r"fit_one_cycle\.n_iter must be"),
        (
            lambda: FAST.fit_one_cycle_momentum(1, moms=(0.9, 0.8)),
            r"moms must be three numbers",
        ),
        (lambda: FAST.fit_sgdr(2, 1, cycle_mult=1), r"for equal cycles use repeat"),
        (
            lambda: FAST.fine_tune(1, n_iter=5, group=2, n_groups=2),
            r"fine_tune\.group must be an int in",
        ),
        (lambda: FAST.LRFinder(0.0), r"LRFinder\.start_lr must be"),
    ],
)
def test_bad_arguments_are_refused(make: Any, match: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=match):
        make()


def test_an_elastic_one_names_what_is_missing() -> None:
    with pytest.raises(ss.UnresolvedError, match="total_steps"):
        ours.fit_one_cycle(3)(0)


def test_the_comparison_notices() -> None:
    right = [1.0, 0.75, 0.5, 0.25, 0.0]
    assert difference(ss.linear(4), right) == 0.0
    assert difference(ss.linear(4), [1.0, 0.75, 0.5 + 1e-11, 0.25, 0.0]) > 1e-12
    assert difference(ss.linear(4), [1.0, 0.75, 0.0, 0.25, 0.0]) == 1.0
