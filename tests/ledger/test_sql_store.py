"""Databases: the suite of all stores over SQLite, and over a real PostgreSQL."""

import importlib
import importlib.util
import multiprocessing
import os
import pickle
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ledger import postgres
from tests.ledger.recorded import steered

from stepsize.errors import (
    CorruptRecordError,
    FrameworkMissingError,
    LedgerError,
    UnavailableError,
)
from stepsize.ledger import Ledger
from stepsize.ledger.places import name_of, store_of, stores_below
from stepsize.ledger.records import Note
from stepsize.ledger.sql_store import SqlStore, all_ends, names, tips
from stepsize.ledger.verify import verify
from stepsize.testing.store_suite import StoreSuite, killed

FREE = "CI" not in os.environ  # there, what is missing is a failure
needs_alchemy = pytest.mark.skipif(
    FREE and importlib.util.find_spec("sqlalchemy") is None,
    reason="SQLAlchemy is not installed: pip install 'stepsize[sql]'",
)
needs_postgres = pytest.mark.skipif(
    FREE
    and (
        postgres.binary("postgres") is None
        or importlib.util.find_spec("psycopg") is None
    ),
    reason="there is no PostgreSQL server here, or no psycopg",
)


@needs_alchemy
class TestSqlite(StoreSuite):
    def place(self, folder: Path) -> str:
        return f"sqlite:///{folder}/runs.db#seven"

    def edit(self, place: str, n: int, old: bytes, new: bytes) -> None:
        path = place.removeprefix("sqlite:///").removesuffix("#seven")
        with sqlite3.connect(path) as connection:
            connection.execute(
                "UPDATE stepsize_records SET line = replace(line, ?, ?) WHERE n = ?",
                (old.decode(), new.decode(), n),
            )
        connection.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgres.server() as found:
        yield found


@needs_alchemy
@needs_postgres
@pytest.mark.slow
class TestPostgres(StoreSuite):
    count = 0
    address = ""

    @pytest.fixture(autouse=True)
    def _server(self, address: str) -> None:
        TestPostgres.address = address

    def place(self, folder: Path) -> str:
        TestPostgres.count += 1
        return f"{self.address}#run {self.count}"

    def edit(self, place: str, n: int, old: bytes, new: bytes) -> None:
        sqlalchemy = importlib.import_module("sqlalchemy")
        where, _, run = place.partition("#")
        text = sqlalchemy.text(
            "UPDATE stepsize_records SET line = replace(line, :old, :new) "
            "WHERE n = :n AND run = :run"
        )
        values = {"old": old.decode(), "new": new.decode(), "n": n, "run": run}
        engine = sqlalchemy.create_engine(where)
        with engine.begin() as connection:
            connection.execute(text, values)
        engine.dispose()

    def test_two_hundred_kills_lose_nothing(self, at: str) -> None:
        said = killed(at, 200, seed=1)
        assert (said["kills"], said["lost"]) == (200, [])

    def test_a_forked_process_has_connections_of_its_own(self, at: str) -> None:
        store = store_of(at)
        store.append(Note(text="the parent's"))
        child = multiprocessing.get_context("fork").Process(target=_notes, args=(at,))
        child.start()
        _notes(at)
        child.join(60)
        assert child.exitcode == 0
        assert len(list(store.read())) == 101
        assert verify(store).sound


def _notes(place: str) -> None:
    for number in range(50):
        store_of(place).append(Note(text=str(number)))


@needs_alchemy
@pytest.mark.slow
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    said = killed(f"sqlite:///{tmp_path}/runs.db#seven", 200, seed=1)
    assert (said["kills"], said["lost"]) == (200, [])


@needs_alchemy
class TestDatabase:
    def test_runs_do_not_mix(self, tmp_path: Path) -> None:
        address = f"sqlite:///{tmp_path}/runs.db"
        for name in ("b", "a"):
            store_of(f"{address}#{name}").append(*steered())
        assert names(address) == ["a", "b"]
        found = [place for place, _ in stores_below(address)]
        assert found == [f"{address}#a", f"{address}#b"]
        for name in ("a", "b"):
            store = store_of(f"{address}#{name}")
            assert verify(store).sound
            assert name_of(store) == name

    def test_a_ledger_in_a_database(self, tmp_path: Path) -> None:
        place = f"sqlite:///{tmp_path}/runs.db#seven"
        with Ledger(place) as ledger:
            ledger.note("a")
        assert ledger.name == "seven"
        assert len(list(store_of(place).read())) == 1
        assert pickle.loads(pickle.dumps(ledger)).store.run == "seven"

    def test_a_missing_record_is_an_error(self, tmp_path: Path) -> None:
        store = SqlStore(f"sqlite:///{tmp_path}/runs.db", "seven")
        store.append(*(Note(text=str(i)) for i in range(5)))
        with sqlite3.connect(tmp_path / "runs.db") as connection:
            connection.execute("DELETE FROM stepsize_records WHERE n = 2")
        connection.close()
        with pytest.raises(CorruptRecordError, match="its place is 3, and 2 is due"):
            list(store.read())
        assert [one.code for one in verify(store).findings] == ["gap"]

    def test_a_damaged_record_is_an_error(self, tmp_path: Path) -> None:
        store = SqlStore(f"sqlite:///{tmp_path}/runs.db", "seven")
        store.append(Note(text="a"))
        with sqlite3.connect(tmp_path / "runs.db") as connection:
            connection.execute("UPDATE stepsize_records SET line = '{'")
        connection.close()
        with pytest.raises(CorruptRecordError, match="seven, record 0, must be"):
            list(store.read())
        with pytest.raises(CorruptRecordError, match="seven, record 0, must be"):
            store.append(Note(text="b"))

    def test_what_cannot_be_used_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UnavailableError, match=r"SqlStore\.address must be a data"):
            store_of(f"sqlite:///{tmp_path}/none/runs.db#a")
        with pytest.raises(LedgerError, match=r"SqlStore\.address must be the address"):
            store_of("nonsense://#a")
        with pytest.raises(LedgerError, match=r"SqlStore\.run must be a text of 1"):
            store_of(f"sqlite:///{tmp_path}/runs.db")

    def test_no_password_is_told(self) -> None:
        address = "postgresql+psycopg://ada:secret@127.0.0.1:1/runs"
        with pytest.raises(UnavailableError) as failed:
            store_of(f"{address}#a")
        assert "secret" not in str(failed.value)
        assert "ada:***@127.0.0.1" in str(failed.value)

    def test_a_missing_driver_is_named(self) -> None:
        with pytest.raises(FrameworkMissingError, match=r"stepsize\[sql\]"):
            store_of("mysql+pymysql://host/runs#a")


def test_without_sqlalchemy_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(FrameworkMissingError, match=r"pip install 'stepsize\[sql\]'"):
        store_of("sqlite:///runs.db#seven")


@needs_alchemy
def test_the_last_place_of_each_run_is_known(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/runs.db"
    assert tips(address) == {}
    for name, count in (("b", 3), ("a", 1), ("c'", 7)):
        store_of(f"{address}#{name}").append(*(Note(text="x") for _ in range(count)))
    assert tips(address) == {"a": 0, "b": 2, "c'": 6}
    assert list(tips(address)) == names(address) == ["a", "b", "c'"]


@needs_alchemy
def test_the_ends_of_all_runs_are_asked_for_at_once(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/runs.db"
    assert all_ends(address) == {}
    for name, count in (("b", 11), ("a", 1), ("c'", 30)):
        store_of(f"{address}#{name}").append(*(Note(text="x") for _ in range(count)))
    places = {name: [one.n for one in ends] for name, ends in all_ends(address).items()}
    assert places == {"a": [0], "b": [*range(11)], "c'": [0, *range(20, 30)]}
