"""What every store of a ledger must do, as tests.

class TestMine(StoreSuite):
    def place(self, folder: Path) -> str: ...
    def edit(self, place: str, n: int, old: bytes, new: bytes) -> None: ...

Run as a module, it is the writer that is killed: see `killed`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stepsize.control.events import Event
from stepsize.errors import ConflictError, LedgerError
from stepsize.ledger.chain import Entry
from stepsize.ledger.places import store_of
from stepsize.ledger.records import (
    Advice,
    Answer,
    Changed,
    Command,
    Finder,
    Metric,
    Note,
    Run,
    Source,
    Spec,
)
from stepsize.ledger.store import HasEnds, Store
from stepsize.ledger.verify import verify

EVERY_KIND = (
    Run.here("a run", ranks=4, tags={"commit": "1a2b"}),
    Spec(
        update=0,
        groups=("encoder", "head"),
        parts=({"schedule": {"kind": "hold"}, "horizon": {"steps": 5}},),
        sources={"lr": (Source(0, 2.0, "float32"), None)},
    ),
    Changed.of(Event(update=3, kind="scale", values={"factor": 0.5}, reason="é < \n")),
    Metric.of(3, {"lr": [0.1, None]}, {"loss": float("nan"), "top": float("-inf")}),
    Finder(found={"lr": 3e-4}, text="the steepest point"),
    Advice(text="warm up longer", source="arXiv:2110.04369", followed=False),
    Command(id="1", verb="scale", values={"factor": 0.5}, author="ada@here"),
    Answer(command="1", status="applied", update=3, events=(0,)),
    Note(text="the data were shuffled anew", late=True),
)
"""A record of every kind."""


class StoreSuite:
    """The tests; a subclass says where a store is.

    Attributes:
        kills: How often a writer is killed.
    """

    kills = 3

    def place(self, folder: Path) -> str:
        """Return what `store_of` opens in any process: a store without records."""
        raise NotImplementedError

    def edit(self, place: str, n: int, old: bytes, new: bytes) -> None:
        """Replace bytes of a record, behind the store's back."""
        raise NotImplementedError

    @pytest.fixture
    def at(self, tmp_path: Path) -> str:
        """The place of a store without records."""
        return self.place(tmp_path)

    def test_a_store_without_records(self, at: str) -> None:
        """It is sound, and has nothing to read."""
        store = store_of(at)
        assert isinstance(store, Store)
        assert list(store.read()) == []
        assert list(store.read(5)) == []
        assert verify(store).sound

    def test_records_of_every_kind_come_back_as_they_were(self, at: str) -> None:
        """In any process, NaN and other letters included."""
        store = store_of(at)
        made = store.append(*EVERY_KIND)
        assert [entry.record for entry in made] == list(EVERY_KIND)
        assert [entry.n for entry in made] == list(range(len(EVERY_KIND)))
        assert list(store.read()) == list(made)
        assert list(store_of(at).read()) == list(made)
        assert store.append() == ()

    def test_reading_begins_where_it_is_asked_to(self, at: str) -> None:
        """From every place on, for who wrote and for who did not."""
        store = store_of(at)
        for start in range(0, 9, 3):
            store.append(*(Note(text=str(start + i)) for i in range(3)))
        for reader in (store, store_of(at)):
            for n in range(10):
                found = [text(one) for one in reader.read(n)]
                assert found == [str(i) for i in range(n, 9)]

    def test_its_ends_are_read_alone(self, at: str) -> None:
        """The first record and the last ones, of a store that has `ends`."""
        store = store_of(at)
        if not isinstance(store, HasEnds):
            pytest.skip("this store has no ends: it is read from the beginning")
        assert store.ends() == ()
        made = store.append(Note(text="0"))
        assert store.ends() == made
        for start in range(1, 2001, 500):
            made += store.append(
                *(Note(text=f"{start + i} {'x' * 100}") for i in range(500))
            )
        found = store.ends()
        assert (found[0], found[-1]) == (made[0], made[-1])
        assert 1 < len(found) < len(made)
        assert found[1:] == made[1 - len(found) :]

    def test_the_expected_place_decides_who_was_first(self, at: str) -> None:
        """`expected_n` is a compare-and-swap."""
        one, other = store_of(at), store_of(at)
        one.append(Note(text="a"), expected_n=0)
        with pytest.raises(ConflictError, match=r"expected_n must be 1, the next"):
            other.append(Note(text="b"), expected_n=0)
        other.append(Note(text="b"), Note(text="c"), expected_n=1)
        with pytest.raises(ConflictError, match=r"expected_n must be 3, the next"):
            one.append(Note(text="d"), expected_n=1)
        assert [text(entry) for entry in one.read()] == ["a", "b", "c"]

    @pytest.mark.parametrize("value", [float("nan"), object(), 1j])
    def test_what_is_no_json_is_refused_whole(self, at: str, value: Any) -> None:
        """Nothing of the call is written."""
        store = store_of(at)
        bad = Finder(found={"value": value})
        with pytest.raises(LedgerError, match=r"Finder must be made of JSON"):
            store.append(Note(text="a"), bad)
        assert list(store.read()) == []

    @pytest.mark.parametrize("value", ["a note", None, {"kind": "note"}])
    def test_what_is_no_record_is_refused_whole(self, at: str, value: Any) -> None:
        """Nothing of the call is written."""
        store = store_of(at)
        with pytest.raises(LedgerError, match=r"record must be one of"):
            store.append(Note(text="a"), value)
        assert list(store.read()) == []

    def test_writers_in_turn_see_what_the_other_wrote(self, at: str) -> None:
        """Two open stores seal one chain."""
        one, other = store_of(at), store_of(at)
        for i in range(10):
            (one, other)[i % 2].append(Note(text=str(i)))
        assert [entry.n for entry in one.read()] == list(range(10))
        assert [text(entry) for entry in other.read()] == [str(i) for i in range(10)]
        assert verify(one).sound

    def test_two_processes_write_at_once(self, at: str) -> None:
        """No record is lost or torn, and each keeps its order."""
        call = [sys.executable, "-m", "stepsize.testing.store_suite", "write", at]
        writers = [subprocess.Popen([*call, name, "20"]) for name in ("a", "b")]
        assert [writer.wait(120) for writer in writers] == [0, 0]
        store = store_of(at)
        texts = [text(entry) for entry in store.read()]
        for name in ("a", "b"):
            own = [one for one in texts if one.startswith(name)]
            assert own == [f"{name}{i}" for i in range(20)]
        found = verify(store)
        assert (found.records, found.findings) == (40, ())

    def test_an_edited_record_is_found(self, at: str) -> None:
        """`verify` names its line."""
        store = store_of(at)
        made = store.append(*(Note(text=f"note {i}") for i in range(5)))
        head = made[-1].sha256
        assert verify(store, head[:16]).sound
        self.edit(at, 2, b"note 2", b"note 7")
        found = verify(store_of(at))
        assert [(one.line, one.code) for one in found.findings] == [(3, "edited")]
        assert not found.sound

    def test_a_store_written_anew_has_another_head(self, at: str) -> None:
        """A digest kept elsewhere tells."""
        store = store_of(at)
        head = store.append(Note(text="a"), Note(text="b"))[-1].sha256
        assert verify(store, head).sound
        found = verify(store, "0" * 63 + "1")
        assert [one.code for one in found.findings] == ["head"]

    def test_no_acknowledged_record_is_lost_when_a_writer_is_killed(
        self, at: str
    ) -> None:
        """Killed at random moments, in the middle of a line too."""
        said = killed(at, self.kills, seed=0)
        assert said["kills"] == self.kills
        assert said["lost"] == []
        assert said["acknowledged"] >= self.kills
        store = store_of(at)
        store.append(Note(text="the end"))
        found = verify(store)
        assert found.findings == ()
        assert found.records > said["acknowledged"]


def text(entry: Entry) -> str:
    """Return the text of a note."""
    assert isinstance(entry.record, Note)
    return entry.record.text


def killed(place: str, kills: int, seed: int) -> dict[str, Any]:
    """Kill a writer again and again, at random moments, in processes of their own.

    Args:
        place: Of the store.
        kills: How often.
        seed: Of the moments.

    Returns:
        {"kills", "acknowledged": how many records, "lost": those of them that are not
        there}.
    """
    call = [sys.executable, "-m", "stepsize.testing.store_suite", "kill", place]
    done = subprocess.run(
        [*call, str(kills), str(seed)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _kill(place: str, kills: int, seed: int) -> dict[str, Any]:
    draw = random.Random(seed)
    acknowledged: list[str] = []
    for life in range(kills):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _write_on(place, life, writing)
        os.close(writing)
        said = os.read(reading, 1)  # it has begun
        time.sleep(draw.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while part := os.read(reading, 1 << 16):
            said += part
        os.close(reading)
        acknowledged += [f"{life}.{i}" for i in range(len(said))]
    there = [
        entry.record.text
        for entry in store_of(place).read()
        if isinstance(entry.record, Note)
    ]
    known = set(there)
    lost = [one for one in acknowledged if one not in known]
    return {"kills": kills, "acknowledged": len(acknowledged), "lost": lost}


def _write_on(place: str, life: int, told: int) -> None:
    store = store_of(place)
    i = 0
    while True:
        store.append(Note(text=f"{life}.{i}"), Metric.of(i))
        os.write(told, b"x")
        i += 1


def main(argv: list[str]) -> None:
    """Write, or be killed."""
    task, place, *rest = argv
    if task == "write":
        store = store_of(place)
        for i in range(int(rest[1])):
            store.append(Note(text=f"{rest[0]}{i}"))
    else:
        sys.stdout.write(json.dumps(_kill(place, int(rest[0]), int(rest[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
