"""Events: plain, frozen values that refuse what they cannot mean."""

import copy
import json
import pickle
from typing import Any

import pytest

from stepsize.control import Event, Target, append
from stepsize.errors import InvalidScheduleError

CUT: dict[str, Any] = {"update": 3, "kind": "scale", "values": {"factor": 0.5}}


def test_an_event_is_frozen_hashable_and_complete() -> None:
    event = Event(**CUT)
    assert dict(event.values) == {"factor": 0.5, "over": 0}
    with pytest.raises(TypeError):
        event.values["factor"] = 2.0  # type: ignore[index]  # the point of the test
    with pytest.raises(AttributeError):
        event.update = 4  # type: ignore[misc]  # the point of the test
    assert len({event, Event(**CUT)}) == 1
    assert event != Event(**CUT | {"values": {"factor": 0.25}})


def test_an_event_survives_json_pickle_and_copy() -> None:
    event = Event(
        **CUT | {"values": {"factor": 0.1, "over": 7}},
        sequence=2,
        source="policy:plateau",
        reason="no progress for 10 evaluations",
        time=1.5e9,
        target=Target("weight_decay", "encoder*"),
    )
    assert Event.from_dict(json.loads(json.dumps(event.to_dict()))) == event
    assert pickle.loads(pickle.dumps(event)) == event
    assert copy.deepcopy(event) == event


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"update": -1},
            r"Event\.update must be an int >= 0 \(unit: updates\); got -1",
        ),
        ({"update": 1.5}, r"Event\.update must be an int"),
        ({"update": True}, r"Event\.update must be an int"),
        ({"sequence": -1}, r"Event\.sequence must be an int >= 0; got -1"),
        ({"kind": "boom"}, r"Event\.kind must be one of cooldown, .*; got 'boom'"),
        ({"values": 3}, r"Event\.values must be a mapping"),
        ({"values": {}}, r"scale\.factor must be a finite number > 0; got None"),
        ({"values": {"factor": 0}}, r"scale\.factor must be .* > 0; got 0"),
        ({"values": {"factor": float("nan")}}, r"scale\.factor must .*; got nan"),
        ({"values": {"factor": float("inf")}}, r"scale\.factor must .*; got inf"),
        ({"values": {"factor": "2"}}, r"scale\.factor must .*; got '2'"),
        ({"values": {"factor": 1, "over": -1}}, r"scale\.over must be an int >= 0"),
        ({"values": {"factor": 1, "over": 0.5}}, r"scale\.over must be an int >= 0"),
        ({"values": {"factor": 1, "by": 2}}, r"no other names .*; got \['by'\]"),
        ({"source": None}, r"Event\.source must be a text; got None"),
        ({"reason": 1}, r"Event\.reason must be a text; got 1"),
        ({"time": float("nan")}, r"Event\.time must be a finite number or None"),
        ({"target": "lr"}, r"Event\.target must be a Target; got 'lr'"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        Event(**CUT | change)


@pytest.mark.parametrize(
    ("plain", "match"),
    [
        (None, "version 1"),
        ({"version": 2}, "version 1"),
        ({"version": 1, "update": 3}, "fields that to_dict writes"),
        (Event(**CUT).to_dict() | {"colour": "red"}, "fields that to_dict writes"),
        (Event(**CUT).to_dict() | {"target": {"x": 1}}, "fields that to_dict writes"),
    ],
)
def test_a_damaged_mapping_is_refused(plain: Any, match: str) -> None:
    with pytest.raises(InvalidScheduleError, match=match):
        Event.from_dict(plain)


@pytest.mark.parametrize(
    ("target", "hyperparameter", "group", "hit"),
    [
        (Target(), "lr", None, True),
        (Target(), "lr", "head", True),
        (Target(), "weight_decay", "head", False),
        (Target("lr", "enc*"), "lr", "encoder", True),
        (Target("lr", "enc*"), "lr", "Encoder", False),
        (Target("lr", "enc*"), "lr", None, False),
        (Target("betas[0]"), "betas[0]", "x", True),
    ],
)
def test_targets_match_by_name(
    target: Target, hyperparameter: str, group: str | None, hit: bool
) -> None:
    assert target.matches(hyperparameter, group) is hit


@pytest.mark.parametrize("field", ["hyperparameter", "groups"])
def test_a_target_needs_texts(field: str) -> None:
    with pytest.raises(InvalidScheduleError, match=rf"Target\.{field} must be a text"):
        Target(**{field: ""})


def test_append_numbers_events_and_refuses_the_past() -> None:
    events = append((), Event(**CUT), made=3)
    events = append(events, Event(**CUT), made=3)
    assert [event.sequence for event in events] == [0, 1]
    with pytest.raises(InvalidScheduleError, match="at least 4, the next update"):
        append(events, Event(**CUT), made=4)
