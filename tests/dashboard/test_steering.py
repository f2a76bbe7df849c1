"""Commands from the dashboard: judged, given once, answered by the training."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.serving import Office, fresh
from tests.ledger.recorded import metric, run, scale, steered

from stepsize.control import Event
from stepsize.errors import UnavailableError
from stepsize.ledger import JsonlStore, Ledger
from stepsize.ledger.bounds import Bounds, load_bounds
from stepsize.ledger.history import History
from stepsize.ledger.records import Answer, Changed, Command, Run
from stepsize.ledger.station import Station

COOLDOWN = {"verb": "cooldown", "values": {"steps": 10}, "reason": "the deadline moved"}


def commands(office: Office, name: str) -> list[Command]:
    records = [one.record for one in JsonlStore(office.runs / name).read()]
    return [one for one in records if isinstance(one, Command)]


def test_a_command_is_a_record_with_its_author_and_its_reason(office: Office) -> None:
    name = office.add("seven")
    client = office.client("operator")
    answer = client.post(f"/api/runs/{name}/commands", json=COOLDOWN)
    assert answer.status_code == 202
    told = answer.json()
    (command,) = commands(office, "seven")
    assert (command.verb, command.values["steps"], command.reason) == (
        "cooldown",
        10,
        "the deadline moved",
    )
    assert command.author.startswith("ope@")
    assert (told["id"], told["author"], told["status"]) == (
        command.id,
        command.author,
        "open",
    )
    assert command.expires == pytest.approx(time.time() + 3600, abs=600)
    asked = client.get(f"/api/runs/{name}/commands/{command.id}").json()
    assert asked == told
    missing = client.get(f"/api/runs/{name}/commands/none")
    assert missing.status_code == 404
    store = JsonlStore(office.runs / "seven")
    store.append(Answer(command=command.id, status="applied", update=31, why="done"))
    client = office.client("viewer")
    asked = client.get(f"/api/runs/{name}/commands/{command.id}").json()
    assert (asked["status"], asked["update"], asked["why"]) == ("applied", 31, "done")


def test_the_same_id_is_given_once(office: Office) -> None:
    name = office.add("seven")
    client = office.client("operator")
    asked = COOLDOWN | {"id": "mine-1"}
    where = f"/api/runs/{name}/commands"
    statuses = [client.post(where, json=asked).status_code for _ in range(3)]
    assert statuses == [202, 200, 200]
    assert len(commands(office, "seven")) == 1
    other = asked | {"values": {"steps": 20}}
    answer = client.post(where, json=other)
    assert answer.status_code == 409
    assert answer.json() == {"detail": "the id mine-1 is that of another command"}
    assert office.client("admin").post(where, json=asked).status_code == 409
    assert len(commands(office, "seven")) == 1


def test_a_deadline_that_is_over_is_not_asked(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = office.add("seven")
    client = office.client("operator")
    at = time.time() + 1000
    asked = {"verb": "deadline", "values": {"at": at}, "reason": "by then", "id": "d"}
    assert client.post(f"/api/runs/{name}/commands", json=asked).status_code == 202
    monkeypatch.setattr(time, "time", lambda: at + 1)
    again = client.post(f"/api/runs/{name}/commands", json=asked)
    assert again.status_code == 200  # the connection broke; it was given in time
    for route in ("preview", "commands"):
        answer = client.post(f"/api/runs/{name}/{route}", json=asked | {"id": "e"})
        assert answer.status_code == 422
        assert "deadline.at must be a time to come" in answer.json()["detail"]
    assert len(commands(office, "seven")) == 1


def test_what_the_training_is_told_to_check_is_recorded(office: Office) -> None:
    name = office.add("seven")
    more: dict[str, Any] = {"expected_step": 30, "tolerance": 5, "seen": 0}
    more |= {"expires_seconds": 60.0, "hyperparameter": "lr", "groups": "enc*"}
    office.client("operator").post(f"/api/runs/{name}/commands", json=COOLDOWN | more)
    (command,) = commands(office, "seven")
    assert (command.expected_step, command.tolerance, command.seen) == (30, 5, 0)
    assert command.groups == "enc*"
    assert command.expires == pytest.approx(time.time() + 60, abs=30)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"verb": "jump"}, "body.verb: Input should be 'scale', 'cooldown'"),
        ({"values": {"steps": -1}}, "cooldown.steps must be"),
        ({"values": {"stops": 10}}, "stops"),
        ({"values": {"steps": [1]}}, "body.values.steps"),
        ({"values": {}}, "cooldown.steps must be"),
        ({"reason": ""}, "a command says why"),
        ({"reason": "  "}, "a command says why"),
        ({"reason": "x" * 2001}, "body.reason: String should have at most 2000"),
        ({"id": "../x"}, "body.id"),
        ({"expires_seconds": -1}, "body.expires_seconds"),
        ({"expires_seconds": 1e400}, "body.expires_seconds"),
        ({"author": "root@host"}, "body.author: Extra inputs are not permitted"),
        ({"seen": "0.5"}, "body.seen"),
    ],
)
def test_what_is_no_command_is_not_recorded(
    office: Office, change: dict[str, Any], match: str
) -> None:
    name = office.add("seven")
    body = json.dumps(COOLDOWN | change)  # with Infinity, which is no JSON
    answer = office.client("operator").post(
        f"/api/runs/{name}/commands",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422
    assert match in answer.json()["detail"]
    assert commands(office, "seven") == []


def test_a_preview_shows_both_curves_and_records_nothing(office: Office) -> None:
    name = office.add("seven")
    client = office.client("operator")
    before = (office.runs / "seven" / "ledger.jsonl").read_bytes()
    told = client.post(f"/api/runs/{name}/preview", json=COOLDOWN).json()
    assert (told["update"], told["step"], told["seen"]) == (30, 30, 0)
    assert (told["now"]["ends"], told["then"]["ends"]) == (100, 40)
    assert told["refused"] == ""
    history = History(JsonlStore(office.runs / "seven").read())
    rates = history.rates()
    now, then = told["now"], told["then"]
    for index, update in enumerate(now["updates"]):
        assert now["groups"]["encoder"][index] == rates.at(update)[0]
    last = then["updates"].index(max(then["updates"]))
    assert then["groups"]["encoder"][last] == 0.0
    same = [u for u in now["updates"] if u < 30]
    for update in same:
        first, second = (c["updates"].index(update) for c in (now, then))
        assert now["groups"]["head"][first] == then["groups"]["head"][second]
    assert (office.runs / "seven" / "ledger.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"verb": "release"}, "release must follow a hold"),
        ({"verb": "extend", "values": {"total_steps": 5}}, "extend.total_steps"),
        (COOLDOWN | {"hyperparameter": "momentum"}, "hyperparameter must be one of lr"),
        (COOLDOWN | {"groups": "tail"}, "groups must match one of"),
    ],
)
def test_a_preview_of_what_makes_no_sense(
    office: Office, asked: dict[str, Any], match: str
) -> None:
    name = office.add("seven")
    answer = office.client("operator").post(f"/api/runs/{name}/preview", json=asked)
    assert answer.status_code == 422
    assert match in answer.json()["detail"]


def test_a_wish_has_no_curve(office: Office) -> None:
    name = office.add("seven")
    client = office.client("operator")
    told = client.post(f"/api/runs/{name}/preview", json={"verb": "stop"}).json()
    assert (told["now"], told["then"], told["what"]) == (None, None, "stop")


BOUNDS = "people: ['ope@*']\nfactor: [0.5, 1.5]\nlr: [0.0, 0.2]\n"


def bounded(office: Office, text: str = BOUNDS) -> str:
    folder = office.runs / "seven"
    folder.mkdir()
    (folder / "steering.yaml").write_text(text)
    digest = load_bounds(folder / "steering.yaml").sha256()
    first, *rest = fresh(steered())
    assert isinstance(first, Run)
    started = Run.here(first.run, bounds=digest)
    return office.add("seven", started, *rest)


@pytest.mark.parametrize(
    ("role", "asked", "match"),
    [
        ("operator", {"verb": "scale", "values": {"factor": 0.6}}, ""),
        ("operator", {"verb": "scale", "values": {"factor": 0.4}}, "not between 0.5"),
        ("admin", {"verb": "scale", "values": {"factor": 0.6}}, "may not steer"),
        (
            "operator",
            {"verb": "rewarm", "values": {"steps": 20, "to": 50.0}},
            "above 0.2",
        ),
    ],
)
def test_a_preview_tells_what_the_bounds_say(
    office: Office, role: str, asked: dict[str, Any], match: str
) -> None:
    name = bounded(office)
    told = (
        office.client(role)
        .post(f"/api/runs/{name}/preview", json=asked | {"reason": "a test"})
        .json()
    )
    assert told["bounds"] is True
    assert match in told["refused"]
    assert bool(match) == bool(told["refused"])


def test_bounds_edited_since_are_not_those_that_hold(office: Office) -> None:
    name = bounded(office)
    client = office.client("operator")
    for text in ("people: ['*']\n", "nonsense: 1\n"):
        (office.runs / "seven" / "steering.yaml").write_text(text)
        told = client.post(f"/api/runs/{name}/preview", json=COOLDOWN).json()
        assert (told["bounds"], told["refused"]) == (False, "")


def judge(folder: Path, **more: Any) -> list[Answer]:
    """Have a training's own judge look at all that was asked."""
    ledger = Ledger(folder, bounds=more.pop("bounds", None))
    station = Station(ledger)
    history = History(ledger.store.read())
    assert history.spec is not None
    while True:
        order = station.look(history.spec, history.events, 31)
        if order is None:
            break
        station.answer(order, 31, ())
    ledger.close()
    records = [one.record for one in ledger.store.read()]
    return [one for one in records if isinstance(one, Answer)]


def test_the_training_enforces_bounds_and_refusals_are_recorded(office: Office) -> None:
    name = bounded(office)
    for role, asked in (
        ("operator", {"verb": "scale", "values": {"factor": 0.6}, "reason": "noisy"}),
        ("operator", {"verb": "scale", "values": {"factor": 0.1}, "reason": "noisy"}),
        ("admin", COOLDOWN),
        ("operator", COOLDOWN | {"seen": -1}),
        ("operator", COOLDOWN | {"expected_step": 90}),
    ):
        where = f"/api/runs/{name}/commands"
        assert office.client(role).post(where, json=asked).status_code == 202
    answers = judge(
        office.runs / "seven", bounds=Bounds(people=("ope@*",), factor=(0.5, 1.5))
    )
    assert [one.status for one in answers] == ["applied", *["refused"] * 4]
    whys = [one.why for one in answers]
    assert "not between 0.5" in whys[1]
    assert "may not steer" in whys[2]
    assert "changed after its author looked" in whys[3]
    assert "meant for step 90" in whys[4]
    found = office.client("viewer").get(f"/api/runs/{name}/records").json()["records"]
    refused = [one for one in found if one["what"].startswith("refused")]
    assert len(refused) == 4


def test_a_command_that_nobody_answers_expires(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = office.add("seven")
    client = office.client("operator")
    asked = COOLDOWN | {"id": "one", "expires_seconds": 60}
    client.post(f"/api/runs/{name}/commands", json=asked)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 100)
    told = client.get(f"/api/runs/{name}/commands/one").json()
    assert told["status"] == "expired"


def test_a_second_change_is_shown_after_the_first(office: Office) -> None:
    late = Changed.of(scale(60, sequence=1))
    name = office.add("seven", *fresh([*steered(), late]))
    told = office.client("operator").post(f"/api/runs/{name}/preview", json=COOLDOWN)
    # the event is on disk before the metrics that led to it
    assert (told.json()["update"], told.json()["seen"]) == (60, 1)


def test_a_run_without_a_spec_cannot_be_previewed(office: Office) -> None:
    name = office.add("odd", run("odd"), metric(0))
    answer = office.client("operator").post(f"/api/runs/{name}/preview", json=COOLDOWN)
    assert answer.status_code == 422
    assert "must have a spec" in answer.json()["detail"]


def test_a_disk_that_fails_is_no_fault_of_who_asks(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = office.add("seven")

    def fail(*_: object, **__: object) -> None:
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(JsonlStore, "append", fail)
    answer = office.client("operator").post(f"/api/runs/{name}/commands", json=COOLDOWN)
    assert (answer.status_code, answer.json()["detail"]) == (503, "the disk is full")


def test_hold_is_seen(office: Office) -> None:
    hold = Event(update=30, kind="hold", sequence=1, source="operator:ada")
    name = office.add("seven", *fresh([*steered(), Changed.of(hold)]))
    assert office.client("viewer").get(f"/api/runs/{name}").json()["held"] is True
    told = office.client("operator").post(
        f"/api/runs/{name}/preview", json={"verb": "release"}
    )
    assert told.status_code == 200
