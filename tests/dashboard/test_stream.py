"""The stream of records: live, resumed, and without loss."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.dashboard.serving import Office, fresh, served
from tests.ledger.recorded import metric, run, spec

from stepsize.dashboard import revoke_token
from stepsize.ledger import JsonlStore
from stepsize.ledger.records import Metric, Note


class Reader:
    """A client of the stream, as a browser is one."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        self.address, self.headers = address, headers
        self.last = ""
        self.seen: dict[str, list[int]] = {}
        self.twice = 0
        self.late = False  # whether it was cut off, and not ended by the server
        self.problems: list[str] = []

    async def read(self, query: str, seconds: float, enough: int) -> bool:
        """Read for a while; whether so many records were seen. Closes like a fault."""
        headers = dict(self.headers)
        if self.last:
            headers["last-event-id"] = self.last
        async with httpx.AsyncClient(timeout=30.0) as client:
            url = f"{self.address}/api/stream{query}"
            async with client.stream("GET", url, headers=headers) as answer:
                assert answer.status_code == 200
                kind = answer.headers["content-type"]
                assert kind.startswith("text/event-stream")
                try:
                    async with asyncio.timeout(seconds):
                        async for event in _events(answer):
                            self._take(event)
                            if self.count >= enough:
                                return True
                except TimeoutError:
                    self.late = True
        return self.count >= enough

    @property
    def count(self) -> int:
        return sum(len(one) for one in self.seen.values())

    def _take(self, event: dict[str, str]) -> None:
        if event.get("event") == "problem":
            self.problems.append(json.loads(event["data"])["problem"])
        elif "data" in event:
            self.last = event["id"]
            told = json.loads(event["data"])
            places = self.seen.setdefault(told["run"], [])
            known = set(places)
            for one in told["entries"]:
                if one["n"] in known:
                    self.twice += 1
                else:
                    places.append(one["n"])


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    found: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            key, _, value = line.partition(": ")
            found[key] = value
        elif found:
            yield found
            found = {}


def test_records_come_and_go_on_where_they_were(office: Office) -> None:
    name = office.add("seven")
    store = JsonlStore(office.runs / "seven")

    async def scenario(address: str) -> Reader:
        reader = Reader(address, office.bearer("viewer"))
        assert await reader.read(f"?since={name}:30", 10, 3)
        assert reader.seen[name] == [30, 31, 32]
        assert reader.last == f"{name}:33"
        store.append(Note(text="while nobody listened"), Note(text="more"))
        assert await reader.read(f"?since={name}:30", 10, 5)
        reading = asyncio.create_task(reader.read("", 10, 6))
        await asyncio.sleep(0.6)
        store.append(Note(text="while somebody listens"))
        assert await reading
        return reader

    with served(office.app()) as address:
        reader = asyncio.run(scenario(address))
    assert reader.seen[name] == [30, 31, 32, 33, 34, 35]
    assert reader.twice == 0


def test_without_a_place_only_what_is_new_comes(office: Office) -> None:
    name = office.add("seven")

    async def scenario(address: str) -> Reader:
        reader = Reader(address, office.bearer("viewer"))
        reading = asyncio.create_task(reader.read(f"?run={name}", 10, 1))
        await asyncio.sleep(0.8)
        JsonlStore(office.runs / "seven").append(Note(text="new"))
        assert await reading
        return reader

    with served(office.app()) as address:
        assert asyncio.run(scenario(address)).seen == {name: [33]}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("?since=seven:1", 422),
        ("?since=../..:1", 422),
        ("?run=" + "0" * 16, 404),
        ("?run=x", 404),
        ("?since=" + "0" * 16 + ":1", 404),
        ("?" + "&".join(["run=" + "0" * 16] * 101), 422),
    ],
)
def test_streams_of_nothing(office: Office, query: str, status: int) -> None:
    answer = office.client("viewer").get(f"/api/stream{query}")
    assert answer.status_code == status


def test_damage_is_told_in_the_stream(office: Office) -> None:
    name = office.add("seven")
    path = office.runs / "seven" / "ledger.jsonl"

    async def scenario(address: str) -> Reader:
        reader = Reader(address, office.bearer("viewer"))
        reading = asyncio.create_task(reader.read(f"?since={name}:33", 3, 1))
        await asyncio.sleep(0.6)
        with path.open("ab") as file:
            file.write(b'{"n":33}\n')
        await reading
        return reader

    with served(office.app()) as address:
        (problem,) = asyncio.run(scenario(address)).problems
    assert "line 34" in problem


def test_a_token_taken_back_ends_the_stream(office: Office) -> None:
    name = office.add("seven")

    async def scenario(address: str) -> Reader:
        reader = Reader(address, office.bearer("viewer"))
        reading = asyncio.create_task(reader.read(f"?run={name}", 30, 1))
        await asyncio.sleep(0.5)
        revoke_token(office.file, "vie")
        await reading
        return reader

    with served(office.app()) as address:
        assert not asyncio.run(scenario(address)).late


@pytest.mark.slow
def test_fifty_live_runs_to_twenty_clients_without_loss(office: Office) -> None:
    runs = [f"run-{i:02}" for i in range(50)]
    ids = [office.add(one, *fresh([run(one), spec(), metric(0)])) for one in runs]
    rounds, each = 40, 10
    total = 50 * rounds * each

    async def write() -> None:
        stores = [JsonlStore(office.runs / one, sync="never") for one in runs]
        for step in range(rounds):
            for store in stores:
                first = 1 + step * each
                rows = [Metric.of(first + i, None, {"loss": 1.0}) for i in range(each)]
                await asyncio.to_thread(store.append, *rows)
            await asyncio.sleep(0.05)

    async def follow(reader: Reader, pause: float) -> None:
        query = "?since=" + ",".join(f"{one}:3" for one in ids)
        # each is cut off again and again, and goes on
        for _ in range(100):
            if await reader.read(query, pause, total):
                return

    async def scenario(address: str) -> list[Reader]:
        readers = [Reader(address, office.bearer("viewer")) for _ in range(20)]
        tasks: list[Any] = [write()]
        tasks += [follow(one, 2.0 + i % 5) for i, one in enumerate(readers)]
        await asyncio.gather(*tasks)
        return readers

    with served(office.app()) as address:
        readers = asyncio.run(scenario(address))
    due = list(range(3, 3 + rounds * each))
    for reader in readers:
        assert sorted(reader.seen) == sorted(ids)
        assert all(places == due for places in reader.seen.values())
