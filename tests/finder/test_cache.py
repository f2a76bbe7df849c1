"""What is kept, what it is returned for, and what is said about it."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from stepsize.errors import CorruptRecordError, FinderError, LedgerError
from stepsize.finder.cache import MOST_ENTRIES, Cache, Key
from stepsize.finder.found import Found

KEY = Key(
    architecture="MLP", optimizer="AdamW", batch="32 samples", search="500 updates"
)
FOUND = Found(
    suggestion=0.01,
    low=0.005,
    high=0.02,
    status="ok",
    steps=480,
    spread=0.1,
    blowup=0.3,
    curve=None,
    probes=(),
    rules={"smith": 0.03},
    reasons=("it is best",),
)
DAY = 86_400.0


class Clock:
    """A clock that is set by hand."""

    now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Cache:
    return Cache(tmp_path / "deep" / "found.json", clock=clock)


def test_nothing_is_known_at_first(cache: Cache) -> None:
    assert cache.get(KEY) is None
    assert not cache.path.parent.exists()


def test_what_was_kept_is_returned(cache: Cache, clock: Clock) -> None:
    cache.put(KEY, FOUND)
    clock.now += 3.5 * DAY
    kept = Cache(cache.path, clock=clock).get(KEY)
    assert kept is not None
    assert kept.found == FOUND
    assert (kept.days, kept.stale) == (3.5, ())
    said = "Found 3 days ago and kept in the cache: nothing was measured."
    assert (kept.reason(), kept.warning()) == (said, "")
    assert [one.name for one in cache.path.parent.iterdir()] == ["found.json"]


@pytest.mark.parametrize(
    "part", [one.name for one in fields(Key) if one.name not in ("search",)]
)
def test_a_part_that_differs(cache: Cache, part: str) -> None:
    cache.put(KEY, FOUND)
    other: Any = replace(KEY, **{part: "other"})
    kept = cache.get(other)
    if part in ("architecture", "optimizer", "pretrained", "loss"):
        assert kept is None
        return
    assert kept is not None
    assert kept.found == FOUND
    was = getattr(KEY, part)
    assert kept.stale == (f"{part} was {was}, now other",)
    said = f"It may be stale: {part} was {was}, now other"
    assert kept.warning() == said
    assert kept.reason().endswith(f"nothing was measured. {said}.")


def test_the_nearest_and_the_newest(cache: Cache, clock: Clock) -> None:
    def put(lr: float, **parts: str) -> None:
        clock.now += 1.0
        changed: Any = replace(KEY, **parts)
        cache.put(changed, replace(FOUND, low=lr, suggestion=lr, high=lr))

    def suggestion(key: Key) -> float | None:
        kept = cache.get(key)
        assert kept is not None
        return kept.found.suggestion

    put(1.0, batch="64 samples", precision="bfloat16")
    assert suggestion(KEY) == 1.0
    put(2.0, batch="64 samples")
    put(3.0, batch="128 samples")
    put(4.0, batch="64 samples", precision="bfloat16")
    assert suggestion(KEY) == 3.0
    put(5.0)
    put(6.0, batch="256 samples")
    assert suggestion(KEY) == 5.0
    put(7.0)
    assert suggestion(KEY) == 7.0
    assert len(json.loads(cache.path.read_text())["entries"]) == 5


def test_what_is_old_is_stale(cache: Cache, clock: Clock) -> None:
    cache.put(KEY, FOUND)
    clock.now += 90 * DAY
    kept = cache.get(KEY)
    assert kept is not None
    assert not kept.stale
    clock.now += DAY
    kept = cache.get(KEY)
    assert kept is not None
    assert kept.stale == ("it was found 91 days ago",)
    kept = Cache(cache.path, max_days=100.0, clock=clock).get(KEY)
    assert kept is not None
    assert not kept.stale
    clock.now = 0.0  # a clock that was set back
    kept = cache.get(KEY)
    assert kept is not None
    assert kept.days == 0.0


def test_a_result_without_a_rate_is_not_kept(cache: Cache) -> None:
    nothing = replace(FOUND, suggestion=None, low=None, high=None, status="no_descent")
    cache.put(KEY, nothing)
    assert cache.get(KEY) is None


def test_the_file_does_not_grow_without_end(cache: Cache) -> None:
    for number in range(MOST_ENTRIES + 3):
        cache.put(replace(KEY, architecture=f"{number}"), FOUND)
    entries = json.loads(cache.path.read_text())["entries"]
    assert len(entries) == MOST_ENTRIES
    assert cache.get(replace(KEY, architecture="2")) is None
    assert cache.get(replace(KEY, architecture="3")) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"format": "stepsize.found/2", "entries": []}',
        b'{"format": "stepsize.found/1"}',
        b'{"format": "stepsize.found/1", "entries": [5]}',
        b'{"format": "stepsize.found/1", "entries": [{"key": {"colour": "red"}, '
        b'"time": 1, "found": {}}]}',
    ],
)
def test_a_damaged_file_is_an_error_and_stays(cache: Cache, content: bytes) -> None:
    cache.path.parent.mkdir()
    cache.path.write_bytes(content)
    with pytest.raises(CorruptRecordError, match=r"found\.json.*hint: delete it"):
        cache.get(KEY)
    if b"entries" not in content or b"[5]" in content:
        with pytest.raises(CorruptRecordError, match="must be a cache of the format"):
            cache.put(KEY, FOUND)
    assert cache.path.read_bytes() == content


def test_a_damaged_result_is_an_error(cache: Cache) -> None:
    cache.put(KEY, FOUND)
    text = cache.path.read_text()
    cache.path.write_text(text.replace('"status": "ok"', '"status": "fine"'))
    with pytest.raises(CorruptRecordError, match="status must be one of"):
        cache.get(KEY)


def test_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"can be read.*hint: name another file"):
        Cache(tmp_path).get(KEY)
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="be a file that can be"):
        Cache(tmp_path / "file" / "found.json").put(KEY, FOUND)


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache().path == tmp_path / "stepsize" / "found.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Cache().path == Path.home() / ".cache" / "stepsize" / "found.json"
    monkeypatch.setattr("sys.platform", "darwin")
    assert Cache().path.parts[-4:] == ("Library", "Caches", "stepsize", "found.json")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert Cache().path == tmp_path / "local" / "stepsize" / "found.json"


def test_values_are_checked() -> None:
    with pytest.raises(FinderError, match=r"Cache\.path must be the path"):
        Cache(5)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(FinderError, match=r"Cache\.max_days must be > 0"):
        Cache("a", max_days=0.0)
