"""Several policies as one: order, silence in the cooldown, names."""

from collections.abc import Callable
from typing import Any

import pytest

from stepsize.control.policies import (
    CooldownOnPlateau,
    Deadline,
    Plateau,
    Target,
    Together,
)
from stepsize.errors import InvalidScheduleError

Feed = Callable[..., Any]
FLAT = [1.0] * 60


def test_one_decides_at_a_time_and_the_first_first(feed: Feed) -> None:
    one = Plateau(patience=4, factor=0.1, name="one")
    two = Plateau(patience=4, factor=0.5, name="two")
    run = feed(Together(one, two), FLAT[:20], strict=True)
    who = [(at, change.source) for at, change in run.changes]
    assert who == [
        (8, "policy:one"),
        (9, "policy:two"),
        (17, "policy:one"),
        (19, "policy:two"),
    ]


def test_nothing_cuts_in_a_cooldown(feed: Feed) -> None:
    policy = Together(
        Deadline(1000),
        Target("val_loss", 0.5),
        CooldownOnPlateau(Plateau(patience=4), length=20),
        Together(Target("val_loss", 0.25, name="lower"), name="inner"),
        Plateau(patience=2),
    )
    values = [2.0 - 0.02 * i for i in range(10)] + [1.8] * 20 + [0.2] * 3
    run = feed(policy, values, total_steps=200, strict=True)
    kinds = [change.kind for _, change in run.changes]
    first = kinds.index("cooldown")
    assert kinds[first + 1 :] == ["shorten", "shorten"]
    assert run.state["cooling"]


@pytest.mark.parametrize("policies", [(), (Plateau(), Plateau("accuracy"))])
def test_names_are_there_and_differ(policies: tuple[Plateau, ...]) -> None:
    with pytest.raises(
        InvalidScheduleError, match=r"Together\.policies must be .* own"
    ):
        Together(*policies)
    with pytest.raises(InvalidScheduleError, match=r"Together\.name must be a text"):
        Together(Plateau(), name="")
