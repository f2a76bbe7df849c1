"""Runs are found, and each of their records is read once."""

import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from tests.dashboard.serving import fresh
from tests.ledger.recorded import metric, run, scale, spec, steered, written

from stepsize.dashboard.index import Index, identity_of
from stepsize.dashboard.watched import Watched
from stepsize.errors import CorruptRecordError, LedgerError
from stepsize.ledger import JsonlStore, glance
from stepsize.ledger.following import Follower
from stepsize.ledger.history import History
from stepsize.ledger.records import AnyRecord, Changed, End, Metric, Note
from stepsize.ledger.sql_store import SqlStore


def watched(folder: Path) -> Watched:
    return Watched("0" * 16, folder.name, JsonlStore(folder), folder.name)


def sleep_until_fresh() -> None:
    time.sleep(0.25)


# --- following ------------------------------------------------------------------------


@pytest.mark.parametrize("metrics", [True, False])
def test_each_record_comes_once(tmp_path: Path, metrics: bool) -> None:
    store = written(tmp_path, *steered())
    follower = Follower(store, metrics=metrics)
    first = list(follower.entries())
    assert list(follower.entries()) == []
    store.append(Note(text="more"), metric(30, scale(20)))
    more = list(follower.entries())
    assert [one.n for one in more] == [33, 34]
    every = [*first, *more]
    if metrics:
        assert every == list(store.read())
        return
    kinds = [type(one.record).__name__ for one in every]
    assert kinds == ["Run", "Spec", "Metric", "Changed", "Metric", "Note", "Metric"]


def test_without_metrics_a_run_stands_where_it_does_with_them(tmp_path: Path) -> None:
    store = written(tmp_path, *steered(), run(), spec(update=25), metric(25, scale(20)))
    one, other = (
        History(Follower(store, metrics=flag).entries()) for flag in (True, False)
    )
    assert one.events == other.events
    assert one.update == other.update == 26
    assert one.latest == other.latest
    assert one.entries == other.entries


def test_a_torn_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    store = written(tmp_path, *steered())
    path = tmp_path / "ledger.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    follower = Follower(store)
    assert [one.n for one in follower.entries()][-1] == 31
    path.write_bytes(whole)
    assert [one.n for one in follower.entries()] == [32]


def test_a_database_is_followed_too(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db", "seven")
    store.append(*steered())
    for flag in (True, False):
        follower = Follower(store, metrics=flag)
        history = History(follower.entries())
        assert history.update == 30
        assert not follower.replaced()
        assert list(follower.entries()) == []


# --- one run ------------------------------------------------------------------------


def test_a_run_that_began_anew_is_read_anew(tmp_path: Path) -> None:
    one = watched(tmp_path / "seven")
    written(tmp_path / "seven", *steered())
    assert one.history().update == 30
    shutil.rmtree(tmp_path / "seven")
    written(tmp_path / "seven", run("again"), spec(), metric(0))
    sleep_until_fresh()
    history, columns = one.opened()
    assert history.update == 1
    assert len(columns.series(columns.names()["loss"]).updates) == 1
    assert one.glance().name == "again"


def test_damage_is_told_until_it_is_mended(tmp_path: Path) -> None:
    written(tmp_path, *steered())
    path = tmp_path / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:9], b"{}\n", *lines[10:]]))
    one = watched(tmp_path)
    for _ in range(2):
        with pytest.raises(CorruptRecordError, match="line 10, must be a record"):
            one.opened()
    assert one.glance().state == "damaged"
    assert "line 10" in one.glance().damaged
    mended = path.with_name("new")
    mended.write_bytes(b"".join(lines))
    mended.replace(path)
    assert one.history().update == 30
    assert one.glance().state != "damaged"


def test_an_event_that_is_none_is_damage(tmp_path: Path) -> None:
    bad = Changed(event={"kind": "scale"})
    one = watched(tmp_path)
    written(tmp_path, run(), spec(), bad)
    with pytest.raises(CorruptRecordError, match="line 3"):
        one.history()
    assert "line 3" in one.glance().damaged


def test_records_since_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepsize.dashboard.watched._BATCH", 10)
    store = written(tmp_path, *steered())
    one = watched(tmp_path)
    n, found = one.since(30)
    assert (n, len(found)) == (33, 3)
    assert found[0].startswith(b'{"n":30,"record":{')
    assert one.since(33) == (33, [])
    assert one.since(10**9) == (33, [])
    n, found = one.since(0)
    assert (n, len(found)) == (10, 10)
    one._recent.clear()  # as after very many records
    assert one.since(0) == (n, found)
    assert one.since(30)[0] == 33
    store.append(Note(text="more"))
    sleep_until_fresh()
    assert one.since(33)[0] == 34


# --- where it stands ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "state"),
    [
        ([], "silent"),
        ([End(outcome="closed")], "closed"),
        ([End(outcome="failed", why="no memory")], "failed"),
        ([End(outcome="closed"), run("seven"), spec(update=30)], "running"),
        ([Note(text="still here")], "running"),
    ],
)
def test_both_ways_to_look_agree(
    records: list[AnyRecord], state: str, tmp_path: Path
) -> None:
    written(tmp_path, *steered(), *fresh(records))
    one = watched(tmp_path)
    short = one.glance()
    assert not one.read
    whole = glance.of_history(one.history(), "x")
    for name in ("name", "update", "rate", "loss", "time", "ended", "host", "state"):
        assert getattr(short, name) == getattr(whole, name), name
    assert (short.total, short.changes) == (None, None)
    assert (whole.total, whole.changes) == (100, 1)
    assert short.state == state


def test_the_ends_of_a_long_file_are_enough(tmp_path: Path) -> None:
    many = [Metric.of(u, {"lr": [0.5]}, {"loss": 2.0}) for u in range(2000)]
    written(tmp_path, run(), spec(), *many)
    assert (tmp_path / "ledger.jsonl").stat().st_size > 2 * (1 << 16)
    found = watched(tmp_path).glance()
    assert (found.name, found.update, found.rate, found.loss) == (
        "seven",
        2000,
        0.5,
        2.0,
    )


def test_an_empty_file_is_a_run(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").touch()
    found = watched(tmp_path).glance()
    assert (found.name, found.update, found.state) == (tmp_path.name, 0, "silent")


# --- all of them ----------------------------------------------------------------------


def test_ids_are_no_paths_and_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "a" / "seven", *steered())
    (run_,) = Index(str(tmp_path)).runs()
    assert run_.identity == identity_of(str(tmp_path / "a" / "seven"))
    assert run_.place == "a/seven"
    monkeypatch.chdir(tmp_path / "a")
    (same,) = Index(".").runs()
    assert (same.identity, same.place) == (run_.identity, "seven")


def test_runs_are_found_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepsize.dashboard.index._FIND_SECONDS", 0.0)
    index = Index(str(tmp_path))
    assert index.runs() == []
    written(tmp_path / "b", *steered())
    (one,) = index.runs()
    one.history()
    written(tmp_path / "a", *steered())
    assert [each.place for each in index.runs()] == ["a", "b"]
    assert index.runs()[1] is one
    with pytest.raises(LedgerError, match=r"run must be the id of a run"):
        index.run("../../etc")
    with pytest.raises(LedgerError, match="FOLDER must be a folder"):
        Index(os.fspath(tmp_path / "missing"))


def test_metrics_long_unused_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepsize.dashboard.index._OPENED", 2)
    for name in "abc":
        written(tmp_path / name, *steered())
    index = Index(str(tmp_path))
    for one in index.runs():
        index.open(one.identity).opened()
    first, second, third = index.runs()
    assert first.columns is None
    assert second.columns is not None
    assert third.columns is not None
    assert first.history().update == 30


def test_everything_is_read_in_the_background(tmp_path: Path) -> None:
    for name in "ab":
        written(tmp_path / name, *steered())
    (tmp_path / "b" / "ledger.jsonl").write_bytes(b"{\n")
    index = Index(str(tmp_path))
    index.warm()
    assert index._warm is not None
    index._warm.join(20)
    assert [one.glance().total for one in index.runs()] == [100, None]
    assert [name for name, _, _ in index.histories()] == ["seven"]


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/runs.db"
    SqlStore(address, "seven").append(*steered())
    (one,) = Index(address).runs()
    assert one.place == "seven"
    assert (one.glance().update, one.glance().total) == (30, None)
    assert one.history().update == 30
    assert one.glance().total == 100


def test_a_large_database_is_listed_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepsize.dashboard.index._LIST_SECONDS", 0.0)
    address = f"sqlite:///{tmp_path}/runs.db"
    SqlStore(address, "seven").append(*steered())
    SqlStore(address, "talk").append(*(Note(text="x") for _ in range(20)))
    index = Index(address)
    ((run_, found), (_, other)) = index.glances()
    assert (found.name, found.state, found.update) == ("seven", "silent", 30)
    assert (found.total, run_.read) == (None, False)
    assert (other.name, other.state) == (
        "talk",
        "unread",
    )  # its last records do not say
    index.warm()
    assert index._warm is not None
    index._warm.join(20)
    read = {run.name: one for run, one in index.glances()}
    assert (read["seven"].update, read["seven"].total) == (30, 100)
    assert read["talk"].state == "running"


def test_a_damaged_run_of_a_database_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepsize.dashboard.index._LIST_SECONDS", 5.0)
    address = f"sqlite:///{tmp_path}/runs.db"
    for name in ("seven", "six"):
        SqlStore(address, name).append(*steered())
    with sqlite3.connect(tmp_path / "runs.db") as database:
        last = "run = 'six' AND n = (SELECT max(n) FROM stepsize_records)"
        database.execute(f"UPDATE stepsize_records SET line = '{{' WHERE {last}")
    found = {run.name: one for run, one in Index(address).glances()}
    assert found["seven"].update == 30
    assert found["six"].state == "damaged"
