"""The ledger of a run: what is kept, and a disk that fails."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stepsize.control import Event, EventSink
from stepsize.errors import CorruptRecordError, LedgerError, UnavailableError
from stepsize.ledger import JsonlStore, Ledger, LedgerWarning
from stepsize.ledger import outbox as module
from stepsize.ledger.chain import Entry
from stepsize.ledger.records import AnyRecord, Changed, End, Metric, Note, Run
from stepsize.ledger.verify import verify


class Flaky:
    """A store whose disk can be full."""

    def __init__(self, folder: Path) -> None:
        self.inner = JsonlStore(folder)
        self.full = False
        self.tries = 0

    def append(
        self, *records: AnyRecord, expected_n: int | None = None
    ) -> tuple[Entry, ...]:
        self.tries += 1
        if self.full:
            raise UnavailableError("disk must have room; got none.")
        return self.inner.append(*records, expected_n=expected_n)

    def read(self, from_n: int = 0) -> Iterator[Entry]:
        return self.inner.read(from_n)

    def lines(self) -> Iterator[bytes]:
        return self.inner.lines()


def scale(update: int, sequence: int = 0) -> Event:
    values = {"factor": 0.5}
    return Event(update=update, kind="scale", values=values, sequence=sequence)


def kinds(ledger: Ledger) -> list[str]:
    return [type(entry.record).__name__ for entry in ledger.store.read()]


def test_it_is_a_sink(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "run")
    assert isinstance(ledger, EventSink)
    assert ledger.events() == []
    assert not (tmp_path / "run").exists()
    ledger.append(scale(3))
    ledger.append(scale(5, 1))
    assert ledger.events() == [scale(3), scale(5, 1)]
    assert Ledger(tmp_path / "run").events() == ledger.events()
    assert kinds(ledger) == ["Run", "Changed", "Changed"]
    ledger.close()
    ledger.close()
    assert kinds(ledger)[3:] == ["End"]


def test_metrics_wait_but_keep_their_place(tmp_path: Path) -> None:
    with Ledger(tmp_path, flush_seconds=1e9) as ledger:
        ledger.note("first")
        ledger.metric(0, {"lr": [0.1]}, loss=1.0)
        assert (ledger.unsaved, kinds(ledger)) == (1, ["Note"])
        ledger.append(scale(1))
        assert ledger.unsaved == 0
        assert kinds(ledger)[1:] == ["Run", "Metric", "Changed"]
        ledger.metric(1, loss=float("inf"))
        *_, last = ledger.entries()
        assert isinstance(last.record, Metric)
        assert last.record.values == {"loss": "inf"}
    with Ledger(tmp_path / "b", flush_seconds=0.0) as ledger:
        ledger.metric(0)
        assert kinds(ledger) == ["Run", "Metric"]


def test_advice_and_searches_are_records(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.finder({"lr": 3e-4, "edge": float("nan"), "all": (1, 2)}, "steepest")
        ledger.advice("warm up longer", source="arXiv:2110.04369", followed=True)
    found = [entry.record for entry in ledger.store.read()]
    plain = {"lr": 3e-4, "edge": "nan", "all": [1, 2]}
    assert getattr(found[0], "found", None) == plain
    assert getattr(found[1], "followed", None) is True


def test_a_full_disk_loses_no_event_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    store = Flaky(tmp_path)
    ledger = Ledger(store, name="run", flush_seconds=0.0)
    ledger.append(scale(1))
    store.full = True
    with pytest.warns(LedgerWarning, match=r"The training goes on.* disk must have"):
        ledger.append(scale(2, 1))
    ledger.append(scale(3, 2))  # it was told once
    ledger.metric(3, loss=1.0)
    assert ledger.events() == [scale(1), scale(2, 1), scale(3, 2)]
    assert ledger.unsaved == 3
    store.full = False
    ledger.append(scale(4, 3))
    assert ledger.unsaved == 0
    records = [entry.record for entry in store.read()][2:]
    note, *rest = records
    assert isinstance(note, Note)
    assert "2 records that are marked late were in memory only" in note.text
    assert [type(one).__name__ for one in rest] == ["Changed"] * 2 + [
        "Metric",
        "Changed",
    ]
    assert [one.late for one in rest] == [True, True, False, False]
    assert Ledger(tmp_path).events() == ledger.events()
    ledger.close()


def test_while_it_fails_it_is_not_tried_all_the_time(tmp_path: Path) -> None:
    store = Flaky(tmp_path)
    ledger = Ledger(store, flush_seconds=0.0)
    store.full = True
    with pytest.warns(LedgerWarning):
        ledger.append(scale(1))
    for update in range(1000):
        ledger.metric(update)
    assert store.tries < 10
    store.full = False
    ledger._outbox._tried = 0.0
    ledger.close()
    assert kinds(ledger)[:3] == ["Run", "Note", "Changed"]


def test_what_is_left_at_the_end_is_told_in_full(tmp_path: Path) -> None:
    store = Flaky(tmp_path)
    ledger = Ledger(store, name="seven")
    store.full = True
    with pytest.warns(LedgerWarning):
        ledger.append(scale(1))
    ledger._ending = None
    with pytest.warns(LedgerWarning, match="run 'seven' could not be written") as told:
        ledger.close()
    assert '"kind": "scale"' in str(told[0].message)


def test_metrics_are_dropped_before_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    store = Flaky(tmp_path)
    store.full = True
    ledger = Ledger(store)
    with pytest.warns(LedgerWarning):
        ledger.append(scale(1))
    for update in range(25):
        ledger.metric(update)
    assert ledger.unsaved <= 12
    assert ledger.events() == [scale(1)]
    store.full = False
    ledger._outbox._tried = 0.0
    ledger.flush()
    note = [entry.record for entry in store.read()][1]
    assert isinstance(note, Note)
    assert "22 metrics were dropped" in note.text
    ledger.close()


def test_a_bad_record_harms_no_other(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        with pytest.raises(LedgerError, match=r"Finder must be made of JSON"):
            ledger.finder({"model": object()})
        ledger.note("fine")
        with pytest.raises(ValueError, match="could not convert"):
            ledger.metric(1, loss="high")  # type: ignore[arg-type]  # the point
    assert kinds(ledger) == ["Note"]


def test_an_update_is_any_integer_that_is_not_negative(tmp_path: Path) -> None:
    with Ledger(tmp_path, flush_seconds=0) as ledger:
        ledger.metric(np.int64(3), loss=np.float32(0.5))  # type: ignore[arg-type]  # NumPy's
        for update in (-1, 1.5, "3"):
            with pytest.raises(
                LedgerError, match=r"Metric\.update must be an int >= 0"
            ):
                ledger.metric(update, loss=1.0)  # type: ignore[arg-type]  # the point
    metric = next(e.record for e in ledger.entries() if isinstance(e.record, Metric))
    assert (metric.update, metric.values) == (3, {"loss": 0.5})


def test_a_damaged_ledger_is_an_error_before_anything_is_trained(
    tmp_path: Path,
) -> None:
    (tmp_path / "ledger.jsonl").write_text("{\n")
    ledger = Ledger(tmp_path)
    with pytest.raises(CorruptRecordError, match="line 1"):
        ledger.events()
    with pytest.raises(CorruptRecordError, match="line 1"):
        ledger.append(scale(1))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"metrics_every": 0}, r"Ledger\.metrics_every must be an int >= 1"),
        ({"metrics_every": True}, r"Ledger\.metrics_every must be an int >= 1"),
        ({"flush_seconds": "5"}, r"Ledger\.flush_seconds must be >= 0"),
        ({"poll_seconds": "1"}, r"Ledger\.poll_seconds must be > 0, or None"),
        ({"name": 7}, r"Ledger\.name must be a text that is not empty; got 7"),
        ({"name": ""}, r"Ledger\.name must be a text that is not empty; got ''"),
        ({"name": "\udc80"}, r"Ledger\.name must be a text"),
        ({"tags": {"seed": 3}}, r"Ledger\.tags\['seed'\] must be a text; got 3"),
        ({"tags": "seed"}, r"Ledger\.tags must be a mapping of texts; got 'seed'"),
        ({"bounds": 3}, r"Ledger\.bounds must be a Bounds, or the path of its file"),
        ({"flush_seconds": -1.0}, r"Ledger\.flush_seconds must be >= 0"),
        ({"poll_seconds": 0.0}, r"Ledger\.poll_seconds must be > 0"),
        ({"bounds": "none.yaml"}, r"none\.yaml must be readable"),
        ({"place": ""}, r"Ledger\.place must be a run's folder"),
    ],
)
def test_bad_values(tmp_path: Path, values: dict[str, Any], match: str) -> None:
    with pytest.raises(LedgerError, match=match):
        Ledger(**{"place": tmp_path, **values})


def test_copies_are_the_same_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, name="a", metrics_every=3, tags={"commit": "1"})
    assert copy.deepcopy(ledger) is copy.copy(ledger) is ledger
    other = pickle.loads(pickle.dumps(ledger))
    assert (other.name, other.metrics_every, other.tags) == ("a", 3, {"commit": "1"})
    assert repr(other) == repr(ledger)


FULL = """
import resource, sys, warnings
from stepsize.control import Event
from stepsize.ledger import Ledger, LedgerWarning, outbox as module
warnings.simplefilter("error")
warnings.simplefilter("always", LedgerWarning)
module.RETRY_SECONDS = 0.0
ledger = Ledger(sys.argv[1], flush_seconds=0.0)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
for update in range(60):
    if update == 20:  # from here on a line is cut in the middle
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), most))
    if update == 50:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    values = {"factor": 0.5}
    event = Event(update=update, kind="scale", values=values, sequence=update)
    ledger.append(event)
ledger.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no limits of files")
@pytest.mark.parametrize("room", [9000, 9100, 9333])
def test_a_disk_that_is_really_full_and_has_room_again(
    tmp_path: Path, room: int
) -> None:
    call = [sys.executable, "-c", FULL, str(tmp_path), str(room)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stderr
    store = JsonlStore(tmp_path)
    assert [event.update for event in Ledger(tmp_path).events()] == list(range(60))
    late = [
        entry.record.event["update"]
        for entry in store.read()
        if isinstance(entry.record, Changed) and entry.record.late
    ]
    assert late
    assert late == list(range(late[0], late[-1] + 1))
    assert 20 <= late[0] < late[-1] <= 50
    assert verify(store).findings == ()


END = """
import sys
from stepsize.ledger import Ledger
ledger = Ledger(sys.argv[1], flush_seconds=1e9)
ledger.note("began")
ledger.metric(3, loss=0.5)
"""


def test_the_end_of_the_process_writes_what_waits(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", END, str(tmp_path)], check=True)
    records = [entry.record for entry in JsonlStore(tmp_path).read()]
    assert [type(one) for one in records] == [Note, Run, Metric, End]
    assert records[-1] == End(outcome="exited", time=records[-1].time)


def test_a_closed_ledger_that_is_written_to_ends_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, flush_seconds=1e9)
    ledger.note("a")
    ledger.close()
    ledger.metric(1)
    ledger.close()
    ledger.note("a")
    ledger.close()
    assert kinds(ledger) == ["Note", "Run", "Metric", "End", "Note", "End"]


def test_a_training_that_raises_says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def train() -> None:
        with ledger:
            ledger.append(scale(1))
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        train()
    *_, changed, last = (entry.record for entry in ledger.store.read())
    assert isinstance(changed, Changed)
    assert isinstance(last, End)
    assert (last.outcome, last.why) == ("failed", "RuntimeError: out of memory")
