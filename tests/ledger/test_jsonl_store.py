"""The file of a run: the suite of all stores, torn lines, damage, failing disks."""

import copy
import hashlib
import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest

from stepsize.errors import (
    ConflictError,
    CorruptRecordError,
    LedgerError,
    UnavailableError,
)
from stepsize.ledger import JsonlStore
from stepsize.ledger.places import existing, name_of, store_of, stores_below
from stepsize.ledger.records import Metric, Note
from stepsize.ledger.verify import verify
from stepsize.testing.store_suite import EVERY_KIND, StoreSuite, killed, text


class TestJsonlStore(StoreSuite):
    def place(self, folder: Path) -> str:
        return str(folder / "run")

    def edit(self, place: str, n: int, old: bytes, new: bytes) -> None:
        path = Path(place) / "ledger.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        assert lines[n].count(old) == 1
        lines[n] = lines[n].replace(old, new)
        path.write_bytes(b"".join(lines))


@pytest.fixture
def store(tmp_path: Path) -> JsonlStore:
    return JsonlStore(tmp_path / "run")


def notes(count: int, start: int = 0) -> list[Note]:
    return [Note(text=f"note {i}", time=1.5) for i in range(start, start + count)]


def texts(store: JsonlStore) -> list[str]:
    return [text(entry) for entry in store.read()]


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing(store: JsonlStore) -> None:
    said = killed(str(store.path.parent), 200, seed=1)
    assert (said["kills"], said["lost"]) == (200, [])


def test_lines_are_canonical_json_with_a_digest(store: JsonlStore) -> None:
    store.append(Note(text="é", time=1.5))
    head = '{"n":0,"record":{"kind":"note","text":"é","time":1.5},"version":1'
    digest = hashlib.sha256(("0" * 64 + head + "}").encode()).hexdigest()
    assert store.path.read_text() == f'{head},"sha256":"{digest}"}}\n'
    store.append(Note(text="b", time=2.5))
    second = store.path.read_text().splitlines()[1]
    head, _, last = second.partition(',"sha256":"')
    after = hashlib.sha256((digest + head + "}").encode()).hexdigest()
    assert last == after + '"}'


def test_every_cut_of_the_last_line_is_a_torn_line(store: JsonlStore) -> None:
    store.append(*notes(3))
    content = store.path.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(content)):
        store.path.write_bytes(content[:cut])
        again = JsonlStore(store.path.parent)
        whole = cut == len(content) - 1  # only the newline is missing
        assert texts(again) == ["note 0", "note 1"]
        codes = [one.code for one in verify(again).findings]
        assert codes == ([] if whole or cut == last else ["torn"])
        again.append(*notes(1, 9))
        found = texts(again)
        if whole:
            assert found == ["note 0", "note 1", "note 2", "note 9"]
        elif cut == last:
            assert found == ["note 0", "note 1", "note 9"]
        else:
            said = f"{cut - last} bytes of a last line were cut off"
            assert found[2].startswith(said)
            assert [*found[:2], *found[3:]] == ["note 0", "note 1", "note 9"]
        assert verify(again).sound


def test_zeros_after_a_power_failure_are_torn(store: JsonlStore) -> None:
    store.append(*notes(1))
    with store.path.open("ab") as file:
        file.write(b"\0" * 100)
    assert texts(store) == ["note 0"]
    store.append(*notes(1, 1))
    assert texts(store)[::2] == ["note 0", "note 1"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", r"must be a record; got '\{'\. hint: Input data was truncated"),
        (b"", r"must be a record; got ''"),
        (b"\xff", r"must be a record"),
        (b"[]", r"hint: Expected `object`"),
        (b"[" * 10_000, r"must be a record"),
        (b'{"n":1,"record":{"kind":"nod"},"version":1,"sha256":""}', r"'nod'"),
    ],
)
def test_damage_before_the_end_is_an_error(
    store: JsonlStore, line: bytes, why: str
) -> None:
    store.append(*notes(1))
    with store.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(CorruptRecordError, match=r"ledger\.jsonl, line 2, .*" + why):
        list(store.read())
    with pytest.raises(CorruptRecordError, match=r"line 2, .*" + why):
        store.append(*notes(1))
    assert verify(store).findings[0].code in ("damaged", "torn")


def test_another_version_says_which(store: JsonlStore) -> None:
    store.append(*notes(1))
    content = store.path.read_bytes().replace(b'"version":1', b'"version":7')
    store.path.write_bytes(content)
    with pytest.raises(CorruptRecordError, match=r"version 7; .* reads version 1"):
        list(store.read())


def test_missing_and_swapped_lines(store: JsonlStore) -> None:
    store.append(*notes(5))
    lines = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    with pytest.raises(CorruptRecordError, match="its place is 2, it says 3"):
        list(JsonlStore(store.path).read())
    found = verify(store)
    assert [(one.line, one.code) for one in found.findings] == [(3, "gap")]
    store.path.write_bytes(b"".join([lines[0], lines[2], lines[1], *lines[3:]]))
    assert {one.code for one in verify(store).findings} == {"gap"}


def test_lines_that_were_taken_out_while_it_was_open(store: JsonlStore) -> None:
    store.append(*notes(5))
    lines = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(b"".join(lines[:3]))
    with pytest.raises(CorruptRecordError, match="lines were taken out"):
        store.append(*notes(1))


def test_every_edit_of_a_byte_is_found(store: JsonlStore) -> None:
    store.append(*notes(2), EVERY_KIND[0], EVERY_KIND[2], *EVERY_KIND[4:7], *notes(2))
    assert verify(store).sound
    content = store.path.read_bytes()
    draw = random.Random(0)
    for place in range(len(content)):
        edited = bytearray(content)
        edited[place] ^= draw.randrange(1, 256)
        store.path.write_bytes(bytes(edited))
        assert not verify(store).sound, (place, content[place - 20 : place + 20])


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").mkdir()
    folder = JsonlStore(tmp_path)
    with pytest.raises(UnavailableError, match=r"JsonlStore\.path must be readable"):
        list(folder.read())
    with pytest.raises(UnavailableError, match=r"JsonlStore\.path must be writable"):
        folder.append(*notes(1))
    bad: Any = 3
    with pytest.raises(LedgerError, match=r"JsonlStore\.folder must be the path"):
        JsonlStore(bad)
    with pytest.raises(LedgerError, match=r"JsonlStore\.sync must be"):
        JsonlStore(tmp_path, bad)
    with pytest.raises(LedgerError, match=r"Ledger\.place must be"):
        store_of(bad)
    with pytest.raises(LedgerError, match=r"RUN must be the folder of a run"):
        existing(tmp_path / "none")


def test_a_write_that_fails_leaves_nothing_behind(
    store: JsonlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(*notes(1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UnavailableError, match="No space left on device"):
            store.append(*notes(1, 1))
        store.append(Metric.of(3))  # is not waited for
    store.append(*notes(1, 2))
    kinds = [type(entry.record).__name__ for entry in store.read()]
    assert kinds == ["Note", "Metric", "Note"]
    assert verify(store).sound


@pytest.mark.parametrize(
    ("sync", "records", "synced"),
    [
        ("lasting", [Note(text="a")], 1),
        ("lasting", [Metric.of(1)], 0),
        ("always", [Metric.of(1)], 1),
        ("never", [Note(text="a")], 0),
    ],
)
def test_what_is_waited_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sync: Any,
    records: list[Any],
    synced: int,
) -> None:
    store = JsonlStore(tmp_path, sync)
    store.append(Note(text="so that the file is there"))
    calls: list[int] = []
    monkeypatch.setattr(os, "fsync", calls.append)
    store.append(*records)
    assert len(calls) == synced


def test_copies_are_of_the_same_place(store: JsonlStore) -> None:
    store.append(*notes(1))
    for other in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        other.append(*notes(1, 1))
    assert texts(store) == ["note 0", "note 1", "note 1"]
    with pytest.raises(ConflictError):
        store.append(*notes(1), expected_n=1)


def test_names_and_places(store: JsonlStore, tmp_path: Path) -> None:
    assert name_of(store) == "run"
    assert name_of(store_of(tmp_path / "b" / "c.jsonl")) == "c"
    store.append(*notes(1))
    JsonlStore(tmp_path / "a" / "b").append(*notes(1))
    found = [place for place, _ in stores_below(str(tmp_path))]
    assert found == [str(tmp_path / "a" / "b"), str(tmp_path / "run")]
    with pytest.raises(LedgerError, match="FOLDER must be a folder, or the address"):
        stores_below(str(tmp_path / "none"))
    assert repr(store).startswith("JsonlStore('")
