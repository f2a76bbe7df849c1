"""What policies are shown and ask for: checked, plain, read-only."""

import json
from decimal import Decimal
from typing import Any

import pytest

from stepsize.control import Event
from stepsize.control.kinds import KINDS
from stepsize.control.policies import (
    Change,
    CooldownOnPlateau,
    Deadline,
    Greedy,
    Observation,
    Plateau,
    Policy,
    RestartOnPlateau,
    Target,
    Together,
    from_dict,
)
from stepsize.control.policies.changes import cooldown, resize, rewarm, scale
from stepsize.errors import InvalidScheduleError

SEEN: dict[str, Any] = {"update": 3, "step": 3, "rate": 0.1, "peak": 0.2}
POLICIES: list[Policy] = [
    Plateau("loss", mode="max", patience=3),
    Plateau(convention="keras"),
    Greedy(patience=2, max_lr=1.0),
    CooldownOnPlateau(Plateau(patience=3), length=50),
    RestartOnPlateau(times=2),
    Deadline(3600, length="10%"),
    Target("accuracy", 0.9, mode="max", then="cooldown"),
    Together(Deadline(60), Plateau(), Together(Greedy(), name="inner")),
]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_survives_its_plain_form(policy: Policy) -> None:
    plain = json.loads(json.dumps(policy.to_dict(), allow_nan=False))
    assert from_dict(plain) == policy
    assert type(policy).from_dict(plain) == policy
    assert hash(from_dict(plain)) == hash(policy)
    json.dumps(policy.start(), allow_nan=False)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_damaged_plain_form_is_refused(policy: Policy) -> None:
    plain = policy.to_dict()
    for wrong in (None, {"policy": "Oracle"}, {"version": 1}):
        with pytest.raises(
            InvalidScheduleError, match="must be a mapping whose policy"
        ):
            from_dict(wrong)  # type: ignore[arg-type]  # the point of the test
    for damaged in (None, plain | {"version": 2}, plain | {"policy": "Oracle"}):
        with pytest.raises(InvalidScheduleError, match=r"\.from_dict must "):
            type(policy).from_dict(damaged)  # type: ignore[arg-type]  # as above
    with pytest.raises(InvalidScheduleError, match="fields that to_dict writes"):
        type(policy).from_dict(plain | {"colour": "red"})


def test_an_observation_holds_built_in_read_only_values() -> None:
    seen = Observation(**SEEN | {"metrics": {"loss": Decimal("0.5"), "n": 3}})
    assert dict(seen.metrics) == {"loss": 0.5, "n": 3.0}
    assert type(seen.metrics["loss"]) is float
    with pytest.raises(TypeError):
        seen.metrics["loss"] = 1.0  # type: ignore[index]  # the point of the test
    assert (seen.seconds, seen.total_steps, seen.in_warmup) == (None, None, False)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"update": -1}, r"Observation\.update must be an int >= 0; got -1"),
        ({"update": True}, r"Observation\.update must be an int >= 0; got True"),
        ({"step": 1.5}, r"Observation\.step must be an int; got 1\.5"),
        ({"total_steps": -5}, r"Observation\.total_steps must be an int >= 0"),
        ({"rate": None}, r"Observation\.rate must be a finite number; got None"),
        ({"rate": "0.1"}, r"Observation\.rate must be a finite number; got '0\.1'"),
        ({"peak": float("inf")}, r"Observation\.peak must be a finite number"),
        ({"seconds": float("nan")}, r"Observation\.seconds must be a finite number"),
        ({"metrics": [1.0]}, r"Observation\.metrics must be a mapping"),
        (
            {"metrics": {"loss": None}},
            r"Observation\.metrics\['loss'\] must be a number; got None\. hint: leave",
        ),
        ({"metrics": {"loss": True}}, r"metrics\['loss'\] must be a number; got True"),
    ],
)
def test_a_wrong_observation_is_named(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        Observation(**SEEN | change)


@pytest.mark.parametrize(
    "change",
    [
        scale(0.5, "why", "policy:plateau"),
        cooldown(20, 0.1, "1-sqrt", "why", "clock:deadline"),
        rewarm(20, 0.5, "why", "policy:restart"),
        resize(100, 80, "stretch", "why", "clock:deadline"),
        resize(100, 120, "stretch", "why", "clock:deadline"),
        resize(100, 80, "keep", "why", "policy:target"),
    ],
    ids=lambda change: change.kind,
)
def test_every_change_makes_an_event(change: Change) -> None:
    event = Event(
        update=5,
        kind=change.kind,
        values=change.values,
        source=change.source,
        reason=change.reason,
        target=change.target,
    )
    assert change.kind in KINDS
    assert {key: event.values[key] for key in change.values} == dict(change.values)
    with pytest.raises(TypeError):
        change.values["steps"] = 3  # type: ignore[index]  # the point of the test
