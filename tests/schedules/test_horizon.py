"""Horizons, their conversions and the step planner."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stepsize as ss
from stepsize.schedules.durations import Duration, duration, of


def test_total_steps_from_either_form() -> None:
    assert ss.Horizon(steps=10).total_steps == 10
    assert ss.Horizon(epochs=2.5, steps_per_epoch=3).total_steps == 8  # half up
    assert ss.Horizon(epochs=2, steps_per_epoch=3, steps=6).total_steps == 6
    assert ss.Horizon(epochs=3).total_steps is None
    assert ss.Horizon().total_steps is None


def test_durations_convert_exactly() -> None:
    h = ss.Horizon(
        steps=1000, steps_per_epoch=7.5, tokens_per_step=4096, samples_per_step=32
    )
    assert h.updates(of("3 epochs")) == Fraction(45, 2)
    assert h.updates(of("2e9 tokens")) == Fraction(2 * 10**9, 4096)
    assert h.updates(of("1e6 samples")) == 31250
    assert h.updates(of("12.5%")) == 125
    assert h.updates(of(7)) == 7
    with pytest.raises(ss.UnitError, match=r"Horizon\.steps must be given"):
        ss.Horizon().updates(of("5%"))


@pytest.mark.parametrize(
    ("given_text", "canonical"),
    [
        ("500", None),
        (" 20 % ", "20%"),
        ("20.0%", "20%"),
        ("3 epochs", "3 epochs"),
        ("1 Epochs", "1 epoch"),
        ("2e9 tokens", "2000000000 tokens"),
        ("2000000000 tokens", "2000000000 tokens"),
        ("0.1%", "0.1%"),
        ("1234567890123456789 tokens", "1234567890123456789 tokens"),
        ("0.12345678901234567 epochs", "0.12345678901234567 epochs"),
        ("1e20 tokens", "1e+20 tokens"),
        ("500 steps", 500),
        ("5e2 updates", 500),
    ],
)
def test_canonical_durations(given_text: str, canonical: Any) -> None:
    if canonical is None:
        with pytest.raises(ss.InvalidScheduleError, match="a number and a unit"):
            duration(given_text, "x")
        return
    assert duration(given_text, "x") == canonical
    assert duration(canonical, "x") == canonical


@given(st.fractions(Fraction(1, 10**6), 10**9), st.sampled_from(["%", "epochs"]))
def test_any_decimal_amount_survives_its_text(amount: Fraction, unit: str) -> None:
    decimal = Fraction(round(amount * 10**9), 10**9)
    if decimal:
        assert of(str(Duration(decimal, unit))) == Duration(decimal, unit)


PLANS: list[tuple[dict[str, Any], int, Any]] = [
    # arguments, updates, updates in an epoch
    ({"dataset_size": 1000, "batch_size": 10, "epochs": 3}, 300, 100),
    ({"dataset_size": 1001, "batch_size": 10, "epochs": 3}, 303, 101),
    (
        {"dataset_size": 1001, "batch_size": 10, "epochs": 3, "drop_last": True},
        300,
        100,
    ),
    # 1001 samples on 4 ranks: 251 each, 26 micro-batches, 7 updates of 4
    (
        {
            "dataset_size": 1001,
            "batch_size": 10,
            "epochs": 2,
            "world_size": 4,
            "accumulation": 4,
        },
        14,
        7,
    ),
    (
        {
            "dataset_size": 1001,
            "batch_size": 10,
            "epochs": 2,
            "world_size": 4,
            "accumulation": 4,
            "remainder": "drop",
        },
        12,
        6,
    ),
    (
        {
            "dataset_size": 1001,
            "batch_size": 10,
            "epochs": 2,
            "world_size": 4,
            "accumulation": 4,
            "remainder": "carry",
        },
        13,
        6.5,
    ),
    (
        {
            "dataset_size": 1001,
            "batch_size": 10,
            "epochs": 2,
            "world_size": 4,
            "accumulation": 4,
            "drop_last": True,
        },
        14,
        7,
    ),
    ({"dataset_size": 100, "batch_size": 10, "epochs": 0.5}, 5, 10),
    ({"dataset_size": 100, "batch_size": 10, "steps": 77}, 77, 10),
]


@pytest.mark.parametrize(("arguments", "updates", "per_epoch"), PLANS)
def test_the_step_planner(
    arguments: dict[str, Any], updates: int, per_epoch: Any
) -> None:
    h = ss.Horizon.plan(**arguments, tokens_per_sample=128)
    assert h.total_steps == updates
    assert h.steps_per_epoch == per_epoch
    batch = 10 * arguments.get("world_size", 1) * arguments.get("accumulation", 1)
    assert h.samples_per_step == batch
    assert h.tokens_per_step == 128 * batch


@given(
    st.integers(1, 500),
    st.integers(1, 40),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["update", "drop", "carry"]),
)
def test_the_planner_counts_what_a_loop_counts(  # noqa: PLR0917 - one draw each
    data: int,
    batch: int,
    accumulate: int,
    ranks: int,
    epochs: int,
    drop: bool,
    rest: Any,
) -> None:
    share = data // ranks if drop else -(-data // ranks)
    updates = held = 0
    for _ in range(epochs):
        left = share
        while left >= batch or (left > 0 and not drop):
            left -= batch
            held += 1
            if held == accumulate:
                updates, held = updates + 1, 0
        if rest == "update" and held:
            updates, held = updates + 1, 0
        if rest == "drop":
            held = 0
    plan = {"dataset_size": data, "batch_size": batch, "accumulation": accumulate}
    try:
        h = ss.Horizon.plan(
            **plan, world_size=ranks, epochs=epochs, drop_last=drop, remainder=rest
        )
    except ss.InvalidScheduleError:
        assert updates == 0
        return
    assert h.total_steps == updates


def test_plain_forms() -> None:
    h = ss.Horizon(epochs=2, steps_per_epoch=3, tokens_per_step=1e5)
    assert ss.Horizon.from_dict(h.to_dict()) == h
    assert eval(repr(h), {"Horizon": ss.Horizon}) == h
    with pytest.raises(ss.InvalidScheduleError, match="names of epochs, samples"):
        ss.Horizon.from_dict({"step": 5})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"steps": 0}, "Horizon.steps must be a finite number > 0"),
        ({"steps": True}, "Horizon.steps must be a finite number > 0"),
        ({"steps": 2.5}, "Horizon.steps must be an int >= 1"),
        ({"steps": 2**60}, "Horizon.steps must be an int >= 1"),
        ({"epochs": -1}, "Horizon.epochs must be a finite number > 0"),
        ({"steps_per_epoch": float("nan")}, "Horizon.steps_per_epoch must"),
        ({"tokens_per_step": "4096"}, "Horizon.tokens_per_step must"),
        ({"samples_per_step": [4]}, "Horizon.samples_per_step must"),
        ({"epochs": 0.1, "steps_per_epoch": 2}, "Horizon.epochs must make at least"),
        ({"steps": 5, "epochs": 2, "steps_per_epoch": 3}, "steps must equal epochs"),
    ],
)
def test_bad_horizons(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=words):
        ss.Horizon(**arguments)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"epochs": None}, "plan.epochs must be given, or steps"),
        ({"steps": 5}, "plan.epochs must be given, or steps"),
        ({"epochs": -1}, "plan.epochs must be a finite number > 0"),
        ({"dataset_size": 0}, "plan.dataset_size must be an int >= 1"),
        ({"batch_size": 2.5}, "plan.batch_size must be an int >= 1"),
        ({"world_size": 0}, "plan.world_size must be an int >= 1"),
        ({"accumulation": -1}, "plan.accumulation must be an int >= 1"),
        ({"remainder": "keep"}, 'plan.remainder must be "update", "drop" or "carry"'),
        ({"batch_size": 200, "drop_last": True}, "leave at least one update"),
    ],
)
def test_bad_plans(changed: dict[str, Any], words: str) -> None:
    arguments = {"dataset_size": 100, "batch_size": 10, "epochs": 1, **changed}
    with pytest.raises(ss.InvalidScheduleError, match=words):
        ss.Horizon.plan(**arguments)
