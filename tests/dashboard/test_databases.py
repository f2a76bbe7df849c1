"""Runs in a database: listed, drawn and steered as those in folders are."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient
from tests.dashboard.serving import BASE, Office, fresh, served
from tests.dashboard.test_stream import Reader
from tests.ledger import postgres
from tests.ledger.recorded import metric, run, scale, spec, steered
from tests.ledger.test_sql_store import needs_alchemy, needs_postgres

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.dashboard import Access, create_app
from stepsize.dashboard.index import Index
from stepsize.dashboard.watched import FRESH_SECONDS
from stepsize.ledger import Ledger
from stepsize.ledger.places import store_of
from stepsize.ledger.records import Note
from stepsize.ledger.sql_store import SqlStore
from stepsize.ledger.verify import verify

pytestmark = needs_alchemy


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as found:
        yield found


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=[needs_postgres, pytest.mark.slow]),
    ]
)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without runs."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/runs.db"
        return
    import psycopg

    found = request.getfixturevalue("server")
    name = f"runs_{abs(hash(request.node.name))}"
    plain = found.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    yield found.rpartition("/")[0] + f"/{name}"


def client_of(office: Office, address: str, role: str = "operator") -> TestClient:
    app = create_app(address, access=Access(office.file), steer=True)
    return TestClient(app, base_url=BASE, headers=office.bearer(role))


class Training:
    """A training whose ledger is in a database."""

    def __init__(self, place: str) -> None:
        self.optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=0.1)
        ledger = Ledger(place, metrics_every=1, poll_seconds=1e-9, flush_seconds=0.0)
        self.scheduler = Scheduler(
            self.optimizer,
            lr=0.1 * ss.warmup(10) >> ss.cosine(),
            total_steps=100,
            ledger=ledger,
        )
        self.used: list[float] = []
        self.optimizer.register_step_pre_hook(self._look)

    def _look(self, optimizer: Any, args: object, kwargs: object) -> None:
        self.used.append(optimizer.param_groups[0]["lr"])

    def updates(self, count: int) -> None:
        for _ in range(count):
            self.optimizer.step()
            self.scheduler.step(loss=1.0 / len(self.used))


def test_a_training_is_listed_drawn_and_steered(office: Office, address: str) -> None:
    training = Training(f"{address}#seven")
    training.updates(30)
    client = client_of(office, address)
    (line,) = client.get("/api/runs").json()["runs"]
    assert (line["name"], line["place"], line["state"]) == ("seven", "seven", "running")
    # the last update is recorded with its loss, which may still come
    assert (line["update"], line["rate"]) == (29, training.used[28])
    where = f"/api/runs/{line['id']}"
    assert "://" not in client.get(where).text
    asked: dict[str, Any] = {
        "verb": "cooldown",
        "values": {"steps": 20},
        "reason": "the deadline moved",
        "id": "deadline-1",
    }
    told = client.post(f"{where}/preview", json=asked).json()
    assert (told["now"]["ends"], told["then"]["ends"]) == (100, 49)
    asked["seen"] = told["seen"]
    answer = client.post(f"{where}/commands", json=asked)
    assert (answer.status_code, answer.json()["status"]) == (202, "open")
    assert client.post(f"{where}/commands", json=asked).status_code == 200
    while not training.scheduler.done:
        training.updates(1)
    training.scheduler.close()
    time.sleep(FRESH_SECONDS)
    given = client.get(f"{where}/commands/deadline-1").json()
    assert (given["status"], given["author"][:4]) == ("applied", "ope@")
    found = client.get(where).json()
    (event,) = found["events"]
    assert event["reason"] == "the deadline moved [command deadline-1]"
    assert (found["update"], found["state"]) == (given["update"] + 20, "closed")
    series = client.get(f"{where}/series?points=1000").json()["series"]
    assert series["lr/0"]["values"] == training.used
    assert series["loss"]["recorded"] == len(training.used)
    planned = client.get(f"{where}/curve?points=1000").json()
    assert planned["groups"]["0"][: len(training.used)] == training.used
    assert f'stepsize_updates{{run="seven",place="seven"}} {len(training.used)}' in (
        client.get("/metrics").text
    )
    checked = verify(store_of(f"{address}#seven"))
    assert (checked.findings, checked.rounded) == ((), 0)


def test_records_of_a_database_are_streamed(office: Office, address: str) -> None:
    store = SqlStore(address, "seven")
    store.append(*fresh(steered()))
    (run_,) = Index(address).runs()

    async def scenario(at: str) -> Reader:
        reader = Reader(at, office.bearer("viewer"))
        reading = asyncio.create_task(reader.read(f"?since={run_.identity}:31", 20, 3))
        await asyncio.sleep(0.6)
        store.append(Note(text="new"))
        assert await reading
        return reader

    app = create_app(address, access=Access(office.file))
    with served(app) as at:
        assert asyncio.run(scenario(at)).seen == {run_.identity: [31, 32, 33]}


def test_many_runs_are_listed_by_their_ends(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(30):
        name = f"run-{i:02}"
        many = [metric(u) for u in range(100)]
        store_of(f"{address}#{name}").append(*fresh([run(name), spec(), *many]))

    def read(*_: object) -> Any:
        raise AssertionError("a run was read from beginning to end")

    monkeypatch.setattr(SqlStore, "read", read)
    found = [one.glance() for one in Index(address).runs()]
    assert [one.name for one in found] == [f"run-{i:02}" for i in range(30)]
    assert {(one.update, one.state) for one in found} == {(100, "running")}


def test_a_list_asks_once_what_is_new(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [SqlStore(address, f"run-{i}") for i in range(5)]
    for store in stores:
        store.append(*fresh(steered()))
    index = Index(address)
    for one in index.runs():
        one.history()
    asked: list[str] = []
    read = SqlStore.read

    def counted(store: SqlStore, from_n: int = 0) -> Any:
        asked.append(store.run)
        return read(store, from_n)

    monkeypatch.setattr(SqlStore, "read", counted)
    time.sleep(FRESH_SECONDS)
    assert {one.update for _, one in index.glances()} == {30}
    assert asked == []
    stores[3].append(*fresh([metric(30, scale(20))]))
    found = {run_.name: one.update for run_, one in index.glances()}
    assert asked == ["run-3"]
    assert found == {f"run-{i}": 31 if i == 3 else 30 for i in range(5)}
