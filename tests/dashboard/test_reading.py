"""What the API says of runs."""

import math
from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.serving import Office, fresh, long_run
from tests.ledger.recorded import metric, run, scale, spec, steered

from stepsize.dashboard import create_app
from stepsize.errors import LedgerError
from stepsize.ledger import JsonlStore
from stepsize.ledger.history import History
from stepsize.ledger.records import Changed, End, Metric, Note


def test_the_list(office: Office) -> None:
    office.add("a/seven")
    office.add("six", *fresh([run("six"), spec(), metric(0)]), End(outcome="closed"))
    client = office.client("viewer")
    found = client.get("/api/runs").json()
    assert found["found"] == 2
    assert found["states"] == {"running": 1, "closed": 1}
    six, seven = found["runs"]
    assert (six["name"], six["state"], six["update"]) == ("six", "closed", 1)
    assert (seven["name"], seven["place"], seven["update"]) == ("seven", "a/seven", 30)
    assert seven["loss"] == pytest.approx(1 / 30)
    assert seven["id"] == office.id("a/seven")
    for asked, names in (
        ("search=SEV", ["seven"]),
        ("search=a/", ["seven"]),
        ("state=closed", ["six"]),
        ("limit=1", ["six"]),
        ("limit=1&offset=1", ["seven"]),
        ("search=none", []),
    ):
        answer = client.get(f"/api/runs?{asked}").json()
        assert [one["name"] for one in answer["runs"]] == names, asked


def test_one_run(office: Office) -> None:
    name = office.add("seven")
    told = office.client("viewer").get(f"/api/runs/{name}").json()
    assert (told["n"], told["update"], told["total"], told["step"]) == (33, 30, 100, 30)
    assert (told["seen"], told["held"], told["steerable"]) == (0, False, True)
    assert told["tags"] == {"commit": "1a2b"}
    assert told["series"] == ["loss", "lr/encoder", "lr/head"]
    assert told["spec"]["groups"] == ["encoder", "head"]
    (part,) = told["spec"]["parts"]
    assert part["schedule"] == '0.1 * warmup(10) >> decay(shape="cosine")'
    (event,) = told["events"]
    assert (event["update"], event["kind"], event["source"], event["reason"]) == (
        20,
        "scale",
        "operator:ada",
        "it is noisy",
    )


def test_series_are_what_was_recorded(office: Office) -> None:
    name = office.add("seven")
    client = office.client("viewer")
    found = client.get(f"/api/runs/{name}/series").json()["series"]
    assert list(found) == ["loss", "lr/encoder", "lr/head"]
    assert found["loss"]["updates"] == list(range(30))
    rates = History(JsonlStore(office.runs / "seven").read()).rates()
    due = [rates.at(update) for update in range(30)]
    assert found["lr/encoder"]["values"] == [one[0] for one in due]
    assert found["lr/head"]["values"] == [one[1] for one in due]
    part = client.get(f"/api/runs/{name}/series?name=loss&first=10&last=12").json()
    assert part["series"]["loss"]["updates"] == [9, 10, 11, 12, 13]
    answer = client.get(f"/api/runs/{name}/series?name=nothing")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "the run has no series 'nothing'"}


def test_few_points_of_many(office: Office) -> None:
    name = office.add("long", *long_run("long", 3000))
    asked = f"/api/runs/{name}/series?name=loss&points=100"
    loss = office.client("viewer").get(asked).json()["series"]["loss"]
    assert loss["recorded"] == 3000
    assert len(loss["updates"]) <= 102
    assert (loss["updates"][0], loss["updates"][-1]) == (0, 2999)


def test_values_that_are_not_finite_are_null(office: Office) -> None:
    name = office.add(
        "bad",
        run(),
        spec(),
        Metric.of(0, None, {"loss": math.nan}),
        Metric.of(1, None, {"loss": math.inf}),
    )
    client = office.client("viewer")
    loss = client.get(f"/api/runs/{name}/series").json()["series"]["loss"]
    assert loss == {"updates": [0, 1], "values": [None, None], "recorded": 2}
    assert client.get(f"/api/runs/{name}").json()["loss"] is None


def test_the_planned_curve(office: Office) -> None:
    name = office.add("seven")
    client = office.client("viewer")
    curve = client.get(f"/api/runs/{name}/curve?points=10").json()
    assert curve["ends"] == 100
    assert {0, 19, 20, 30, 100} <= set(curve["updates"])
    rates = History(JsonlStore(office.runs / "seven").read()).rates()
    for index, update in enumerate(curve["updates"]):
        values = [curve["groups"][one][index] for one in ("encoder", "head")]
        assert tuple(values) == rates.at(update)
    assert client.get(f"/api/runs/{name}/curve?name=beta").status_code == 404


def test_records_latest_first(office: Office) -> None:
    name = office.add("seven", *steered(), Note(text="by the way", source="ada"))
    client = office.client("viewer")
    told = client.get(f"/api/runs/{name}/records?limit=2").json()
    assert told["found"] == 4
    note, change = told["records"]
    assert (note["who"], note["what"], note["why"]) == ("ada", "note", "by the way")
    assert change["what"] == "scale(factor=0.5, over=0)"
    assert change["after"] == pytest.approx(change["before"] / 2)


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([run(), Metric.of(0, None, {"loss": 1.0})], "run must have a spec"),
        (steered(), None),
        (
            [run(), spec(), *(metric(u) for u in range(10))],
            "run must have at least 20 recorded losses",
        ),
        ([run(), spec(), metric(99)], "run must have updates left"),
        (
            [run(), spec(), *(metric(u, loss=-1.0) for u in range(60))],
            "run.losses must be finite and > 0",
        ),
    ],
)
def test_a_forecast_or_why_there_is_none(
    office: Office, records: list[Any], why: str | None
) -> None:
    name = office.add("seven", *records)
    told = office.client("viewer").get(f"/api/runs/{name}/forecast").json()
    if why is not None:
        assert told["available"] is False
        assert why in told["why"]
        return
    # half the rate within thirty updates, which no law explains
    assert isinstance(told["available"], bool)


def test_a_forecast_of_a_run_that_follows_a_law(office: Office) -> None:
    losses = [3 + 20 / math.sqrt(u + 50) for u in range(1200)]
    records = [metric(u, loss=loss) for u, loss in enumerate(losses)]
    name = office.add("lawful", run(), spec(total=2000), *records)
    told = office.client("viewer").get(f"/api/runs/{name}/forecast").json()
    assert told["available"] is True, told["why"]
    assert (told["updates"][0], told["updates"][-1]) == (1200, 2000)
    assert told["low"][-1] < told["mean"][-1] < told["high"][-1]
    assert 2.8 < told["mean"][-1] < losses[-1]
    assert told["fitted"] == 1200
    assert any("peak" in one for one in told["notes"])


def test_prometheus(office: Office) -> None:
    office.add("seven")
    answer = office.client("viewer").get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'stepsize_updates{run="seven",place="seven"} 30' in answer.text.splitlines()


def test_a_run_with_a_function_is_shown_without_a_plan(office: Office) -> None:
    name = office.add("odd", run("odd"), Metric.of(0, {"lr": [0.1]}, {"loss": 1.0}))
    client = office.client("viewer")
    told = client.get(f"/api/runs/{name}").json()
    assert "must have a spec" in told["unplanned"]
    assert (told["spec"], told["steerable"]) == (None, False)
    assert client.get(f"/api/runs/{name}/curve").status_code == 404
    found = client.get(f"/api/runs/{name}/series").json()["series"]
    assert list(found) == ["loss", "lr/group 0"]


def test_a_damaged_run_says_so(office: Office) -> None:
    name = office.add("seven")
    path = office.runs / "seven" / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"n":3,', b'"n":9,'))
    client = office.client("viewer")
    for where in ("", "/series", "/records", "/curve"):
        answer = client.get(f"/api/runs/{name}{where}")
        assert answer.status_code == 409
        assert "line 4, must be a record" in answer.json()["detail"]
    (line,) = client.get("/api/runs").json()["runs"]
    assert line["state"] in ("damaged", "running")
    assert client.get("/metrics").status_code == 200


def test_what_is_new_is_seen(office: Office) -> None:
    name = office.add("seven")
    client = office.client("viewer")
    assert client.get(f"/api/runs/{name}").json()["n"] == 33
    JsonlStore(office.runs / "seven").append(Changed.of(scale(31, sequence=1)))
    for _ in range(100):
        told = client.get(f"/api/runs/{name}").json()
        if told["n"] == 34:
            break
    assert [one["update"] for one in told["events"]] == [20, 31]


def test_without_tokens_everybody_reads_and_nobody_steers(office: Office) -> None:
    name = office.add("seven")
    client = office.client(access=None, steer=False)
    assert client.get("/api/session").json() == {
        "needs_token": False,
        "steering": False,
        "name": None,
        "role": None,
    }
    assert client.get(f"/api/runs/{name}").json()["steerable"] is False
    for action in ("preview", "commands"):
        answer = client.post(f"/api/runs/{name}/{action}", json={"verb": "hold"})
        assert answer.status_code == 403
        assert "only reads" in answer.json()["detail"]
    assert client.post("/api/login", json={"token": "x"}).status_code == 401


def test_steering_needs_tokens(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="steer must come with tokens"):
        create_app(tmp_path, steer=True)


def test_a_run_of_which_only_a_note_is_known(office: Office) -> None:
    name = office.add("seven", *fresh([Note(text="it waits for a machine")]))
    client = office.client("viewer")
    told = client.get(f"/api/runs/{name}").json()
    assert (told["update"], told["series"], told["spec"]) == (0, [], None)
    (record,) = client.get(f"/api/runs/{name}/records").json()["records"]
    assert record["why"] == "it waits for a machine"
    assert client.get(f"/api/runs/{name}/series").json()["series"] == {}
    assert client.get(f"/api/runs/{name}/curve").status_code == 404
    assert client.get(f"/api/runs/{name}/forecast").json()["available"] is False
    assert "stepsize_updates" in client.get("/metrics").text
