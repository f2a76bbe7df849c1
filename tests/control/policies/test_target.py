"""A target ends the run or starts the cooldown, once, and not by luck."""

from collections.abc import Callable
from typing import Any

import pytest

import stepsize as ss
from stepsize.control import Event, Trajectory
from stepsize.control.policies import Target
from stepsize.errors import InvalidScheduleError

Feed = Callable[..., Any]
VALID: dict[str, Any] = {"metric": "loss", "value": 1.0}


def test_the_next_update_is_the_last(feed: Feed) -> None:
    values = [3.0, 2.0, 1.0, 0.5, 2.0, 0.5]
    run = feed(Target("val_loss", 1.0), values, total_steps=100, strict=True)
    assert run.at == [2]
    change = run.changes[0][1]
    assert change.kind == "shorten"
    assert dict(change.values) == {"total_steps": 3, "mode": "keep"}
    assert change.source == "policy:target"
    assert change.reason == "val_loss is 1, and 1 was the target"
    event = Event(update=2, kind=change.kind, values=change.values)
    schedule = 0.1 * ss.cosine()
    lr = Trajectory(schedule, ss.Horizon(steps=100), (event,))
    assert lr(2) == schedule.resolve(total_steps=100)(2)


def test_an_open_run_ends_with_a_cooldown_of_one_update(feed: Feed) -> None:
    [(update, change)] = feed(Target("val_loss", 1.0), [0.5]).changes
    event = Event(update=update, kind=change.kind, values=change.values)
    lr = Trajectory(ss.constant(0.1), ss.Horizon(), (event,))
    assert change.values["steps"] == 1
    assert lr(0) == lr(1) == 0.1


def test_a_run_that_ends_anyway_is_left_alone(feed: Feed) -> None:
    run = feed(Target("val_loss", 1.0), [2.0, 0.5, 0.5], total_steps=2)
    assert run.at == []
    assert run.state["done"]


def test_a_cooldown_can_follow(feed: Feed) -> None:
    policy = Target("val_loss", -3.0, then="cooldown", length="10%", to=0.1)
    run = feed(policy, [-2.9, -3.1, -4.0], total_steps=101)
    assert run.at == [1]
    change = run.changes[0][1]
    assert change.kind == "cooldown"
    assert dict(change.values) == {"steps": 10, "to": 0.1, "shape": "1-sqrt"}


def test_luck_and_what_is_not_finite_do_not_count(feed: Feed) -> None:
    policy = Target("val_loss", 0.9, mode="max", times=2)
    nan, inf = float("nan"), float("inf")
    values = [0.95, 0.5, 0.95, nan, 0.95, inf, 0.95, None, 0.91]
    assert feed(policy, values).at == [8]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"metric": None}, r"Target\.metric must be a text"),
        ({"value": float("nan")}, r"Target\.value must be a finite number"),
        ({"mode": "up"}, r"Target\.mode must be one of"),
        ({"then": "pause"}, r'Target\.then must be one of "stop", "cooldown"'),
        ({"times": 0}, r"Target\.times must be an int >= 1"),
        ({"length": -1}, r"Target\.length must be"),
        ({"to": -1}, r"Target\.to must be"),
        ({"name": ""}, r"Target\.name must be a text"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        Target(**VALID | change)
