"""A plateau can end the run, or start it afresh."""

from collections.abc import Callable
from typing import Any

import pytest

import stepsize as ss
from stepsize.control import Event, Trajectory
from stepsize.control.policies import CooldownOnPlateau, Plateau, RestartOnPlateau
from stepsize.errors import InvalidScheduleError, UnitError

Feed = Callable[..., Any]
QUICK = Plateau(patience=4)
FLAT = [1.0] * 60
FALLING = [2.0 - 0.02 * index for index in range(60)]


def test_a_cooldown_starts_once(feed: Feed) -> None:
    policy = CooldownOnPlateau(QUICK, length="25%")
    run = feed(policy, FLAT, total_steps=100, strict=True)
    assert run.at == [8]
    change = run.changes[0][1]
    assert change.kind == "cooldown"
    assert dict(change.values) == {"steps": 23, "to": 0.0, "shape": "1-sqrt"}
    assert change.source == "policy:cooldown-on-plateau"
    assert change.reason.startswith("val_loss: the trend promises")
    assert feed(policy, FALLING).at == []


def test_the_length_is_of_what_is_left_or_was_made(feed: Feed) -> None:
    def steps(length: int | str, total: int | None) -> Any:
        policy = CooldownOnPlateau(QUICK, length=length)
        run = feed(policy, FLAT, total_steps=total)
        return run.changes[0][1].values["steps"]

    assert steps(30, 100) == steps(30, None) == 30
    assert steps("50%", 108) == 50
    assert steps("50%", None) == 4
    assert steps("50%", 9) == 1
    assert steps("50%", 8) == 1


def test_the_cooldown_ends_the_trajectory(feed: Feed) -> None:
    run = feed(CooldownOnPlateau(QUICK, to=0.1, length=10), FLAT, total_steps=100)
    [(update, change)] = run.changes
    event = Event(update=update, kind=change.kind, values=change.values)
    lr = Trajectory(ss.constant(0.1), ss.Horizon(steps=100), (event,))
    assert lr.block(0, 9) == [0.1] * 9
    assert lr(18) == pytest.approx(0.01)
    assert lr(40) == lr(18)


def test_restarts_shrink_and_end(feed: Feed) -> None:
    policy = RestartOnPlateau(QUICK, length=5, peak=0.8, shrink_peak=0.5, times=3)
    run = feed(policy, FLAT, total_steps=100, strict=True)
    assert run.at == [8, 17, 26]
    assert [change.values["to"] for _, change in run.changes] == [0.8, 0.4, 0.2]
    assert {change.kind for _, change in run.changes} == {"rewarm"}
    assert run.changes[0][1].source == "policy:restart-on-plateau"
    assert feed(policy, FALLING, total_steps=100).at == []
    assert len(feed(RestartOnPlateau(QUICK), FLAT).at) == 6


def test_there_is_no_restart_without_room_for_its_decay(feed: Feed) -> None:
    policy = RestartOnPlateau(QUICK, length=50)
    assert feed(policy, FLAT, total_steps=58).at == []
    assert feed(policy, FLAT, total_steps=59).at == [8]
    assert feed(policy, FLAT).at[0] == 8


def test_the_rise_is_that_of_the_trajectory(feed: Feed) -> None:
    run = feed(RestartOnPlateau(QUICK, length=5, peak=0.5), FLAT[:10], total_steps=100)
    [(update, change)] = run.changes
    event = Event(update=update, kind=change.kind, values=change.values)
    lr = Trajectory(0.2 * ss.cosine(), ss.Horizon(steps=100), (event,))
    assert lr(update + 5) == pytest.approx(0.1)
    assert lr(100) == 0


@pytest.mark.parametrize("policy", [CooldownOnPlateau, RestartOnPlateau])
@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"when": "val_loss"}, InvalidScheduleError, r"\.when must be a Plateau; got"),
        ({"length": 0}, InvalidScheduleError, r"\.length must be"),
        ({"length": "120%"}, InvalidScheduleError, r"\.length must be .* up to"),
        (
            {"length": "2 epochs"},
            InvalidScheduleError,
            r"\.length must be .* percentage",
        ),
        ({"length": "2 moons"}, UnitError, r"\.length must have a unit"),
        ({"name": ""}, InvalidScheduleError, r"\.name must be a text"),
    ],
)
def test_a_wrong_field_is_named(
    policy: Any, change: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=policy.__name__ + match):
        policy(**change)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"peak": 0}, r"RestartOnPlateau\.peak must be a finite number > 0"),
        ({"shrink_peak": 2}, r"RestartOnPlateau\.shrink_peak must be .* <= 1"),
        ({"times": 0}, r"RestartOnPlateau\.times must be an int >= 1"),
    ],
)
def test_a_wrong_restart_is_named(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        RestartOnPlateau(**change)


def test_a_wrong_end_is_named() -> None:
    with pytest.raises(InvalidScheduleError, match=r"CooldownOnPlateau\.to must be"):
        CooldownOnPlateau(to=-0.5)
    with pytest.raises(InvalidScheduleError, match=r"shape must be one of"):
        CooldownOnPlateau(shape="flat")
