"""What an observing guard says of recorded losses."""

import math
from itertools import pairwise
from typing import Any

import pytest
from tests.control.guard.watched import Watched, falling, level

from stepsize.control import Guard
from stepsize.control.guard.replay import replay
from stepsize.errors import InvalidScheduleError

HARMED = [*falling(170), *level(60, 2.5)]


def rows(losses: list[float], **more: float) -> list[dict[str, float]]:
    return [{"loss": loss, **more} for loss in losses]


def test_verdicts_follow_each_other_without_a_gap() -> None:
    found = replay(Guard(), rows([*HARMED, math.nan, math.nan, *level(50, 0.5)]))
    assert found[0].first == 1
    assert found[-1].last == 282
    assert all(other.first == one.last + 1 for one, other in pairwise(found))
    assert all(one[2:4] != other[2:4] for one, other in pairwise(found))
    assert [one.word for one in found[:5]] == ["ok", "suspect", "harm", "ok", "harm"]
    assert found[4][:4] == (231, 232, "harm", "the loss is nan")


def test_it_is_what_an_observing_guard_notes() -> None:
    run = Watched(Guard(mode="observe")).see(HARMED)
    harms = [one for one in replay(Guard(), rows(HARMED)) if one.word == "harm"]
    assert [one.first for one in harms] == [update for update, *_ in run.told()]
    assert [f"would go back to a snapshot: {one.reason}" for one in harms] == run.notes


def test_the_mode_of_the_guard_does_not_matter() -> None:
    assert replay(Guard(mode="observe"), rows(HARMED)) == replay(Guard(), rows(HARMED))


def test_the_share_that_was_lost_is_what_the_threshold_is_compared_with() -> None:
    losses = [*falling(170, noise=0.0), *level(60, 1.0, noise=0.0)]
    found = replay(Guard(), rows(losses))
    gained = losses[0] - losses[163]  # the upper median of the last 12
    suspect = next(one for one in found if one.word == "suspect")
    assert suspect.lost == pytest.approx((1.0 - losses[163]) / gained, rel=1e-12)
    assert found[0].lost is not None
    assert found[0].lost <= Guard().harm
    share = (1.0 - losses[163]) / gained
    begun = [
        next(
            one.first
            for one in replay(Guard(harm=harm), rows(losses))
            if one.word != "ok"
        )
        for harm in (share - 1e-9, share + 1e-9)
    ]
    assert begun[0] < begun[1]  # the second only by the median of 32


def test_updates_may_be_missing_or_begin_at_zero() -> None:
    every = [{"loss": loss, "update": 10 * i} for i, loss in enumerate(HARMED)]
    found = replay(Guard(), every)
    assert (found[0].first, found[-1].last) == (0, 2290)
    assert next(one for one in found if one.word == "harm").first == 1830


def test_in_the_last_cooldown_only_what_is_not_finite_is_harm() -> None:
    late = [*rows(HARMED[:170], lr=0.1), *rows(HARMED[170:], lr=0.002)]
    assert {one.word for one in replay(Guard(), late)} == {"ok", "suspect"}
    late.append({"loss": math.inf, "lr": 0.002})
    assert replay(Guard(), late)[-1].word == "harm"


def test_other_measurements_count() -> None:
    found = replay(Guard(), [*rows(falling(30)), {"loss": 0.5, "nonfinite": 2.0}])
    assert found[-1].reason == "2 weights or moments of the optimizer are not finite"


def test_of_nothing_it_says_nothing() -> None:
    assert replay(Guard(), []) == []
    (only,) = replay(Guard(), [{"grad_norm": 1.0}])
    assert (only.word, only.lost) == ("ok", None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([{"update": -1}], r"replay\.update must be whole and at least 0.*got -1"),
        ([{"update": 1.5}], r"replay\.update must be whole and at least 0.*got 1\.5"),
        ([{"update": math.nan}], r"replay\.update must be whole.*got nan"),
        ([{"update": math.inf}], r"replay\.update must be whole.*got inf"),
        ([{"update": "3"}], r"replay\.update must be whole.*got '3'"),
        ([{"update": 5}, {"update": 5}], r"above the one before it, 5 \(unit: updates"),
        ([{"loss": "low"}], r"Observation\.metrics\['loss'\] must be a number"),
        ([{"loss": 1.0, "lr": math.nan}], r"replay\.lr must be a finite number"),
        ([{"loss": 1.0, "lr": "x"}], r"replay\.lr must be a finite number.*got 'x'"),
    ],
)
def test_bad_rows(wrong: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InvalidScheduleError, match=message):
        replay(Guard(), wrong)
