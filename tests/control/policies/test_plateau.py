"""The own plateau: right where the others are wrong, calm in noise, pure."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepsize.control.policies import Observation, Plateau
from stepsize.errors import InvalidScheduleError, StepsizeError

NAN = float("nan")
Feed = Callable[..., Any]


def falling(count: int, step: float = 0.05) -> list[float]:
    return [2.0 - step * index for index in range(count)]


def noisy(draw: random.Random, count: int, slope: float, knee: int) -> list[float]:
    """Give a metric that falls by `slope` noises an observation, until the knee."""
    return [100 - slope * min(i, knee) + draw.gauss(0, 1) for i in range(count)]


# --- defects of the others ---------------------------------------------------------


@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0, -1e6, 1e-9])
def test_a_flat_metric_of_any_sign_is_cut(level: float, feed: Feed) -> None:
    assert feed(Plateau(patience=4), [level] * 10).at == [8]
    assert feed(Plateau(patience=4, mode="max"), [level] * 10).at == [8]


def test_a_negative_metric_that_improves_is_never_cut(feed: Feed) -> None:
    values = [-1.0 - 0.1 * index for index in range(60)]
    assert feed(Plateau(patience=4), values).at == []
    assert feed(Plateau(patience=4, mode="max"), [-v for v in values]).at == []


def test_a_negative_metric_that_gets_worse_is_cut(feed: Feed) -> None:
    values = [-1.0 + 0.02 * index for index in range(20)]
    run = feed(Plateau(patience=4), values)
    assert run.at[0] == 8
    assert run.state["best"] == -1.0  # the best one, not a ratcheted one


def test_nan_is_no_observation_and_is_counted(feed: Feed) -> None:
    run = feed(Plateau(patience=2), [1.0] + [NAN, float("inf")] * 50)
    assert run.at == []
    assert run.state["ignored"] == 100
    assert run.state["best"] == 1.0
    mixed = [value for good in falling(40) for value in (good, NAN)]
    assert feed(Plateau(patience=2), mixed, strict=True).at == []


def test_nan_can_count_as_bad(feed: Feed) -> None:
    policy = Plateau(patience=4, nan="bad")
    assert feed(policy, [NAN] * 30).at == []  # nothing to compare with
    run = feed(policy, falling(10) + [NAN] * 30, strict=True)
    assert run.at
    rising = feed(
        Plateau(patience=4, nan="bad", mode="max"),
        [-v for v in falling(10)] + [NAN] * 9,
    )
    assert rising.at


def test_nan_can_raise(feed: Feed) -> None:
    with pytest.raises(
        StepsizeError, match=r"metrics\['val_loss'\] must be finite; got"
    ):
        feed(Plateau(nan="raise"), [1.0, NAN])


def test_tiny_rates_are_cut(feed: Feed) -> None:
    run = feed(Plateau(patience=2, factor=0.1), [1.0] * 40, rate=1e-9)
    assert run.rates[-1] < 1e-12


def test_no_cut_goes_below_min_lr(feed: Feed) -> None:
    run = feed(Plateau(patience=2, factor=0.1, min_lr=0.02), [1.0] * 60)
    assert run.rates[-1] == pytest.approx(0.02, rel=1e-12)
    assert [change.values["factor"] for _, change in run.changes] == pytest.approx(
        [0.2]
    )
    below = feed(Plateau(patience=2, min_lr=0.02), [1.0] * 60, rate=0.001)
    assert below.at == []


def test_no_product_of_cuts_goes_below_min_factor(feed: Feed) -> None:
    run = feed(Plateau(patience=2, factor=0.5, min_factor=0.2), [1.0] * 60)
    assert run.rates[-1] == pytest.approx(0.02, rel=1e-12)
    assert len(run.at) == 3


def test_a_rate_of_zero_is_left_alone(feed: Feed) -> None:
    assert feed(Plateau(patience=2), [1.0] * 60, rate=0.0).at == []


def test_a_missing_metric_is_no_observation(feed: Feed) -> None:
    run = feed(Plateau(patience=2), [1.0, 1.0, 1.0, *[None] * 100])
    assert run.at == []
    assert run.state["seen"] == 3
    other = feed(Plateau("accuracy", patience=2), [1.0] * 50)
    assert other.state == Plateau().start()


def test_warmup_is_not_judged(feed: Feed) -> None:
    assert feed(Plateau(patience=4), [1.0] * 60, warmup=50).at == [58]


def test_record_lows_by_luck_are_no_progress(feed: Feed) -> None:
    lucky = [-1.0 - 0.01 * i if i % 4 == 3 else 1.0 for i in range(40)]
    assert feed(Plateau(patience=4, convention="torch"), lucky).at == []
    assert feed(Plateau(patience=4), lucky).at[0] <= 10


def test_a_noisy_flat_metric_is_cut_and_a_noisy_falling_one_is_not(feed: Feed) -> None:
    draw, runs = random.Random(0), 40
    flat = [feed(Plateau(), noisy(draw, 100, 0.0, 0)).at for _ in range(runs)]
    assert all(cuts and cuts[0] <= 60 for cuts in flat)
    knee = [feed(Plateau(), noisy(draw, 100, 0.4, 40)).at for _ in range(runs)]
    assert all(cuts and cuts[0] >= 40 for cuts in knee)
    slow = [noisy(draw, 100, 0.1, 100) for _ in range(runs)]
    ours = sum(bool(feed(Plateau(margin=1e-6), one).at) for one in slow)
    theirs = sum(
        bool(feed(Plateau(margin=1e-6, convention="torch"), one).at) for one in slow
    )
    assert ours <= 0.4 * runs < 0.8 * runs <= theirs


# --- its own words -----------------------------------------------------------------


def test_hold_off_delays_the_next_trend(feed: Feed) -> None:
    free = feed(Plateau(patience=3), [1.0] * 40).at
    held = feed(Plateau(patience=3, hold_off=4), [1.0] * 40).at
    assert free[0] == held[0] == 5
    assert free[1] - free[0] == 6
    assert held[1] - held[0] == 10


def test_margins_say_what_is_too_little(feed: Feed) -> None:
    values = falling(40, 0.001)
    assert feed(Plateau(patience=4), values).at == []
    assert feed(Plateau(patience=4, margin=0.01), values).at
    assert feed(Plateau(patience=4, margin=0, margin_abs=0.01), values).at
    assert feed(Plateau(patience=4, margin=0.001), values).at == []


def test_patience_in_updates_does_not_depend_on_how_often_one_looks(feed: Feed) -> None:
    policy = Plateau(patience=100, patience_unit="updates", hold_off=50)
    for every in (1, 5, 20):
        at = [every * index for index in feed(policy, [1.0] * 600, every=every).at]
        assert 195 <= at[0] <= 240, every
        assert 250 <= at[1] - at[0] <= 320, every
    # seldom: the five last, however old
    rare = Plateau(patience=100, patience_unit="updates")
    assert feed(rare, [1.0] * 8, every=1000).at == [5]
    assert feed(rare, falling(30), every=1000).at == []


def test_two_observations_before_one_update_count_once(feed: Feed) -> None:
    policy = Plateau(patience=2, patience_unit="updates")
    run = feed(policy, [1.0] * 20, every=0)
    assert run.at == []
    assert run.state["xs"] == [0]


def test_averages_come_before_everything(feed: Feed) -> None:
    wave = [1.0, 3.0] * 40
    policy = Plateau(patience=3, average=2)
    assert feed(policy, wave, strict=True).at[0] == 11
    bad = Plateau(patience=3, average=2, nan="bad", convention="optax")
    assert feed(bad, [1.0, 3.0] + [NAN, 0.1] * 3, strict=True).at == [7]


def test_the_reason_says_what_was_seen(feed: Feed) -> None:
    (_, change), *_ = feed(Plateau(patience=4), [1.0] * 10).changes
    assert change.source == "policy:plateau"
    assert change.kind == "scale"
    assert change.reason == (
        "val_loss: the trend promises 0 over 4 observations, within its doubt (0) or "
        "the margin (0.0001); best 1"
    )


# --- properties --------------------------------------------------------------------

POLICIES = st.builds(
    Plateau,
    mode=st.sampled_from(("min", "max")),
    patience=st.integers(1, 5),
    hold_off=st.integers(0, 3),
    average=st.integers(1, 3),
    nan=st.sampled_from(("ignore", "bad")),
    convention=st.sampled_from((None, "torch", "keras", "optax")),
    min_lr=st.sampled_from((0.0, 0.01)),
)
VALUES = st.lists(
    st.one_of(st.none(), st.floats(), st.sampled_from((1.0, 0.5, -1.0))), max_size=40
)


@given(POLICIES, VALUES)
def test_observe_is_pure_and_the_state_survives_json_at_any_moment(
    feed: Feed, policy: Plateau, values: list[float | None]
) -> None:
    plain, strict = feed(policy, values), feed(policy, values, strict=True)
    assert strict.changes == plain.changes
    assert strict.state == plain.state
    assert all(0 < change.values["factor"] < 1 for _, change in plain.changes)
    assert all(rate >= policy.min_lr for rate in plain.rates)


@given(POLICIES)
def test_a_configuration_survives_its_plain_form(policy: Plateau) -> None:
    assert Plateau.from_dict(policy.to_dict()) == policy
    assert hash(Plateau.from_dict(policy.to_dict())) == hash(policy)


@given(st.lists(st.floats(-10, 10), min_size=20, max_size=40), st.integers(-3, 3))
def test_scale_of_the_metric_does_not_matter(
    feed: Feed, values: list[float], power: int
) -> None:
    policy = Plateau(patience=4)
    scaled = [value * 2.0**power for value in values]
    assert feed(policy, scaled).at == feed(policy, values).at


# --- errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"metric": ""}, r"Plateau\.metric must be a text that is not empty; got ''"),
        ({"name": 3}, r"Plateau\.name must be a text"),
        ({"mode": "low"}, r'Plateau\.mode must be one of "min", "max"; got'),
        ({"nan": "drop"}, r"Plateau\.nan must be one of"),
        ({"convention": "jax"}, r"Plateau\.convention must be one of"),
        (
            {"patience": 0},
            r"Plateau\.patience must be an int >= 1 \(unit: observations",
        ),
        (
            {"patience": 0, "convention": "optax"},
            r"Plateau\.patience must be an int >= 1",
        ),
        ({"patience": -1, "convention": "torch"}, r"Plateau\.patience must .* >= 0"),
        ({"patience_unit": "epochs"}, r"Plateau\.patience_unit must be one of"),
        (
            {"patience_unit": "updates", "convention": "torch"},
            r'Plateau\.patience_unit must be "observations" with a convention',
        ),
        ({"factor": 0}, r"Plateau\.factor must be a finite number > 0"),
        ({"factor": 1}, r"Plateau\.factor must be < 1; got 1\.0"),
        ({"factor": 2}, r"Plateau\.factor must be .* <= 1"),
        ({"margin": -1}, r"Plateau\.margin must be .* >= 0 and <= 1"),
        ({"margin_abs": NAN}, r"Plateau\.margin_abs must be a finite number"),
        ({"hold_off": 1.5}, r"Plateau\.hold_off must be an int >= 0"),
        ({"min_lr": -1}, r"Plateau\.min_lr must .* \(unit: lr\)"),
        ({"min_factor": 2}, r"Plateau\.min_factor must be .* <= 1"),
        ({"least_change": -1}, r"Plateau\.least_change must .* \(unit: lr\)"),
        ({"average": 0}, r"Plateau\.average must be an int >= 1"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        Plateau(**change)


def test_it_reads_only_its_own_metric() -> None:
    seen = Observation(update=0, step=0, rate=0.1, peak=0.1, metrics={"loss": 1.0})
    policy = Plateau()
    state = policy.start()
    assert policy.observe(state, seen) == (state, ())
