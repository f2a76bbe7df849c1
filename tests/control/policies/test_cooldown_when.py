"""`CooldownWhen` follows its law, starts when it pays, and says when it cannot know."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.planner.fit.curves import TRUTH, rates

from stepsize.control.policies import Change, CooldownWhen, Forecast, Observation
from stepsize.control.policies import from_dict as policy_of
from stepsize.errors import InvalidScheduleError

FIELDS = {name: getattr(TRUTH, name) for name in TRUTH.__slots__}
LAW = Forecast(**FIELDS, first=400)
PEAK = 1e-3


def replay(
    policy: CooldownWhen,
    *,
    steps: int = 10_000,
    total: int | None = None,
    off: float = 0,
) -> tuple[int, list[Change], dict[str, Any]]:
    """Hold the peak until the policy decides; read the loss at every 100th update."""
    made = rates("constant", steps=steps)
    losses = TRUTH.loss(made, range(0, steps, 100))
    state: Any = policy.start()
    said: list[Change] = []
    for update in range(steps):
        metrics = {}
        if update % 100 == 0:
            metrics["loss"] = float(losses[update // 100]) + off
            state = json.loads(json.dumps(state, allow_nan=False))
        seen = Observation(
            update=update,
            step=update,
            rate=float(made[update]),
            peak=PEAK,
            metrics=metrics,
            total_steps=total,
            in_warmup=update < 200,
        )
        state, asked = policy.observe(state, seen)
        said += asked
        if any(change.kind == "cooldown" for change in asked):
            return update, said, state
    return steps, said, state


def final(start: int, length: int) -> float:
    """Return what the law really gives for a linear cooldown."""
    made = rates("constant", steps=start + length)
    made[start:] *= [1 - a / length for a in range(length)]
    return float(TRUTH.loss(made, [start + length])[0])


def test_starts_when_the_target_is_within_reach() -> None:
    target = final(5000, 1000)
    update, said, _ = replay(CooldownWhen(LAW, target=target))
    assert update == pytest.approx(5000, abs=250)
    change = said[-1]
    assert change.source == "policy:cooldown-when"
    assert dict(change.values) == {"steps": update // 5, "to": 0.0, "shape": "linear"}
    assert "is the target" in change.reason
    assert final(update, update // 5) == pytest.approx(target, abs=2e-3)


def test_a_run_above_its_law_starts_later() -> None:
    policy = CooldownWhen(LAW, target=final(5000, 1000))
    late, _, state = replay(policy, off=0.02)
    assert late >= 5400
    assert state["off"] == pytest.approx(0.02, abs=2e-3)


def test_starts_when_an_update_brings_less_than_its_price() -> None:
    price = (final(4000, 1000) - final(4080, 1000)) / 80
    policy = CooldownWhen(LAW, price=price, length=1000)
    update, said, _ = replay(policy)
    assert update == pytest.approx(4000, abs=400)
    assert "less than the price" in said[-1].reason
    assert replay(replace(policy, price=2 * price))[0] < update


def test_with_a_horizon_starts_where_all_that_is_left_is_best() -> None:
    total = 10_000
    update, said, _ = replay(CooldownWhen(LAW), total=total)
    assert dict(said[-1].values)["steps"] == total - update
    best = min(range(1000, total, 250), key=lambda start: final(start, total - start))
    assert final(update, total - update) < final(best, total - best) + 3e-4


def test_without_horizon_target_or_price_it_waits() -> None:
    assert replay(CooldownWhen(LAW), steps=3000)[1] == []


def test_says_once_that_a_law_without_decay_knows_nothing() -> None:
    unseen = replace(LAW, lowest=1.0)
    update, said, _ = replay(CooldownWhen(unseen, target=9.0), steps=2000)
    assert update == 2000
    assert [change.kind for change in said] == ["note"]
    assert said[0].reason.startswith("not identifiable yet")


def test_advice_without_action_is_a_note() -> None:
    policy = CooldownWhen(LAW, target=final(3000, 600), acts=False)
    update, said, state = replay(policy, steps=4000)
    assert update == 4000
    assert [change.kind for change in said] == ["note"]
    assert "would start" in said[0].reason
    assert state["done"]


def test_gaps_between_observations_are_filled() -> None:
    policy = CooldownWhen(LAW, target=-1.0)
    made = rates("constant")
    dense: Any = policy.start()
    sparse: Any = policy.start()
    for update in range(3001):
        seen = Observation(
            update=update, step=update, rate=float(made[update]), peak=PEAK
        )
        dense, _ = policy.observe(dense, seen)
        if update < 200 or update % 25 == 0:
            sparse, _ = policy.observe(sparse, seen)
    assert policy.predicted(sparse, seen, 500) == pytest.approx(
        policy.predicted(dense, seen, 500), abs=1e-3
    )
    real = final(3000, 500)
    assert policy.predicted(dense, seen, 500) == pytest.approx(real, abs=2e-3)


def test_to_dict_and_back() -> None:
    policy = CooldownWhen(LAW, metric="val", price=1e-6, length=50)
    again = policy_of(json.loads(json.dumps(policy.to_dict())))
    assert again == policy


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"law": None}, r"CooldownWhen\.law must be a Forecast"),
        ({"metric": ""}, r"CooldownWhen\.metric must be a text"),
        ({"price": 0}, r"CooldownWhen\.price must be"),
        ({"every": 0}, r"CooldownWhen\.every must be an int >= 1"),
        ({"acts": 1}, r"CooldownWhen\.acts must be True or False"),
        ({"shape": "round"}, r"shape"),
        ({"law": {"floor": 1}}, r"Forecast\.from_dict must have the fields"),
        ({"law": FIELDS | {"speed": 0.0}}, r"Forecast\.speed must be"),
    ],
)
def test_fields_are_checked(change: dict[str, Any], match: str) -> None:
    given = {"law": LAW} | change
    with pytest.raises(InvalidScheduleError, match=match):
        CooldownWhen(given.pop("law"), **given)
