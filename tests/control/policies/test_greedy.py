"""Greedy: as transformers' `GreedyLR`, and right where that is not."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepsize.control.policies import Greedy
from stepsize.errors import InvalidScheduleError, StepsizeError

Feed = Callable[..., Any]
NAN = float("nan")
OPEN: dict[str, Any] = {"min_factor": 1e-300, "max_factor": 1e300}


def series(draw: random.Random) -> list[float]:
    """Give a positive metric with falls, plateaus and ties."""
    level, values = draw.uniform(1, 20), []
    for _ in range(draw.randint(10, 60)):
        if draw.random() < 0.7:
            level *= draw.uniform(0.9, 1.0)
        values.append(level + draw.choice((0.0, 0.0, 0.5)))
    return (
        [round(value * 64) / 64 for value in values] if draw.random() < 0.5 else values
    )


@pytest.mark.peers
def test_transformers_decides_the_same(feed: Feed) -> None:
    import torch
    from transformers.optimization import GreedyLR

    draw, changes = random.Random(0), 0
    weight = torch.nn.Parameter(torch.zeros(1))
    for _ in range(1000):
        values, mode = series(draw), draw.choice(("min", "max"))
        relative, margin = draw.random() < 0.5, draw.choice((0.0, 1e-6, 1 / 64))
        words: dict[str, Any] = {
            "factor": draw.choice((0.5, 0.95)),
            "patience": draw.randint(0, 4),
            "min_lr": draw.choice((0.0, 0.05, 0.2)),
            "max_lr": draw.choice((0.5, 1.0)),
        }
        average = draw.choice((1, 1, 3))
        hold_off, hold_off_raise = draw.randint(0, 3), draw.randint(0, 3)
        reset_after = draw.choice((1, 2, 500))
        theirs = GreedyLR(
            torch.optim.SGD([weight], lr=0.1),
            mode=mode,
            threshold=margin,
            threshold_mode="rel" if relative else "abs",
            cooldown=hold_off,
            warmup=hold_off_raise,
            smooth=average > 1,
            window_size=average,
            reset_start=reset_after,
            **words,
        )
        ours = feed(
            Greedy(
                mode=mode,
                margin=margin if relative else 0.0,
                margin_abs=0.0 if relative else margin,
                hold_off=hold_off,
                hold_off_raise=hold_off_raise,
                average=average,
                reset_after=reset_after,
                least_change=1e-8,
                **words,
                **OPEN,
            ),
            values,
            rate=0.1,
        )
        rates = []
        for value in values:
            theirs.step(value)
            rates.append(theirs.optimizer.param_groups[0]["lr"])
        assert ours.rates == pytest.approx(rates, rel=1e-9, abs=0)
        changes += len(ours.at)
    assert changes > 1000


def test_progress_raises_and_its_absence_cuts(feed: Feed) -> None:
    falling = [2.0 - 0.1 * index for index in range(8)]
    run = feed(Greedy(patience=1, factor=0.5), falling, strict=True)
    assert run.at == [1, 3, 5, 7]
    assert {change.values["factor"] for _, change in run.changes} == {2.0, 1.25}
    flat = feed(Greedy(patience=1, factor=0.5, max_factor=1.0), [1.0] * 8)
    assert flat.at == [2, 4, 6]
    assert flat.changes[0][1].source == "policy:greedy"
    assert "2 without progress in a row; best 1" in flat.changes[0][1].reason


def test_hold_off_delays_the_next_change(feed: Feed) -> None:
    words: dict[str, Any] = {"patience": 1, "max_factor": 1.0}
    assert feed(Greedy(hold_off=2, **words), [1.0] * 12).at == [2, 6, 10]
    falling = [2.0 - 0.1 * index for index in range(12)]
    raised = feed(Greedy(patience=1, hold_off_raise=1), falling, strict=True)
    assert raised.at == [1, 4, 7, 10]


def test_a_small_rate_can_be_cut_with_the_bounds_by_default(feed: Feed) -> None:
    assert feed(Greedy(patience=2), [1.0] * 40, rate=2e-5).rates[-1] < 2e-5
    lowest = feed(Greedy(patience=0), [1.0] * 400, rate=2e-5).rates[-1]
    assert lowest == pytest.approx(2e-7)


def test_bounds_never_turn_a_change_round(feed: Feed) -> None:
    below = Greedy(patience=0, min_lr=0.5, max_lr=0.9)
    assert feed(below, [1.0] * 9, rate=0.1).rates[-1] <= 0.1 / 0.95
    above = Greedy(patience=0, min_lr=0.01, max_lr=0.05)
    rising = [1.0 - 0.01 * index for index in range(9)]
    assert feed(above, rising, rate=0.1).at == []


def test_negative_metrics_missing_ones_and_nan(feed: Feed) -> None:
    policy = Greedy(patience=3, margin=0.01, margin_abs=0.0, max_factor=1.0)
    assert feed(policy, [-1.0 - 0.1 * i for i in range(20)]).at == []
    assert feed(policy, [-1.0 + 0.001 * i for i in range(20)]).at
    assert feed(policy, [1.0, *[None] * 20]).at == []
    ignored = feed(policy, [1.0] + [NAN] * 20, strict=True)
    assert ignored.at == []
    assert ignored.state["ignored"] == 20
    assert feed(Greedy(patience=3, nan="bad"), [1.0] + [NAN] * 20, strict=True).at
    with pytest.raises(StepsizeError, match="must be finite; got nan"):
        feed(Greedy(nan="raise"), [NAN])


def test_warmup_and_a_rate_of_zero_are_left_alone(feed: Feed) -> None:
    assert feed(Greedy(patience=0), [1.0] * 9, warmup=9).at == []
    assert feed(Greedy(patience=0), [1.0] * 9, rate=0.0).at == []


def test_a_reset_goes_back_to_the_schedule(feed: Feed) -> None:
    policy = Greedy(
        patience=0, factor=0.5, min_lr=0.05, reset_after=2, hold_off=0, max_factor=1.0
    )
    run = feed(policy, [1.0] * 4, strict=True)
    assert run.rates == pytest.approx([0.1, 0.05, 0.1, 0.1])
    stuck = Greedy(patience=0, min_lr=0.1, max_factor=1.0, reset_after=1)
    never = feed(stuck, [1.0] * 4)
    assert never.at == []


@given(
    st.lists(st.one_of(st.none(), st.floats(), st.floats(-2, 2)), max_size=40),
    st.integers(0, 2),
    st.sampled_from((None, 2)),
)
def test_observe_is_pure_and_bounded(
    feed: Feed, values: list[float | None], patience: int, reset_after: int | None
) -> None:
    policy = Greedy(
        patience=patience,
        factor=0.5,
        min_lr=0.01,
        max_lr=0.5,
        average=2,
        reset_after=reset_after,
        nan="bad",
    )
    plain, strict = feed(policy, values), feed(policy, values, strict=True)
    assert strict.changes == plain.changes
    assert all(0.01 * 0.999 <= rate <= 0.5 * 1.001 for rate in plain.rates)


def test_one_huge_value_is_forgotten(feed: Feed) -> None:
    policy = Greedy(patience=3, average=2, nan="bad")
    huge = feed(policy, [1.7e308, 1.7e308, *[1.0] * 30], strict=True)
    assert huge.at == feed(policy, [9.0, 9.0, *[1.0] * 30], strict=True).at


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"metric": ""}, r"Greedy\.metric must be a text"),
        ({"mode": "low"}, r"Greedy\.mode must be one of"),
        ({"nan": "drop"}, r"Greedy\.nan must be one of"),
        ({"factor": 1}, r"Greedy\.factor must be < 1"),
        ({"factor": 0}, r"Greedy\.factor must be a finite number > 0"),
        ({"patience": -1}, r"Greedy\.patience must be an int >= 0"),
        ({"margin": 2}, r"Greedy\.margin must be"),
        ({"margin_abs": -1}, r"Greedy\.margin_abs must be"),
        ({"hold_off": -1}, r"Greedy\.hold_off must be"),
        ({"hold_off_raise": -1}, r"Greedy\.hold_off_raise must be"),
        ({"min_factor": 0}, r"Greedy\.min_factor must be"),
        ({"max_factor": 0.5}, r"Greedy\.max_factor must be"),
        ({"min_lr": -1}, r"Greedy\.min_lr must be"),
        ({"min_lr": 0.5, "max_lr": 0.5}, r"Greedy\.max_lr must be .* > 0\.5"),
        ({"least_change": -1}, r"Greedy\.least_change must be"),
        ({"average": 0}, r"Greedy\.average must be"),
        ({"reset_after": 0}, r"Greedy\.reset_after must be"),
        ({"name": ""}, r"Greedy\.name must be a text"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        Greedy(**change)
