"""Rates that were found before, in a file, by what they depend on; not the data."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, final

from stepsize.errors import CorruptRecordError, FinderError, LedgerError, describe
from stepsize.finder.found import Found

FORMAT = "stepsize.found/1"
MOST_ENTRIES = 200
_DAY = 86_400.0
# Another one of these is another question: a rate found for it is no answer.
_MUST = ("architecture", "optimizer", "pretrained", "loss")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a found rate depends on, each in words.

    Attributes:
        architecture: Modules, shapes and types, as "Sequential, 8 970 parameters,
            5f2a...".
        optimizer: Its class.
        settings: All its settings but the rate.
        batch: Samples in an update, over all ranks.
        precision: Types of numbers that are calculated with.
        pretrained: Where the weights come from.
        loss: Which loss.
        horizon: Length of the training the rate is for.
        search: How thorough the search was.
    """

    architecture: str
    optimizer: str
    settings: str = ""
    batch: str = "unknown"
    precision: str = "float32"
    pretrained: str = "no"
    loss: str = "unknown"
    horizon: str = "unknown"
    search: str = "unknown"

    def differences(self, other: Key) -> tuple[str, ...]:
        """Return the names of the parts in which another key differs."""
        return tuple(
            one.name
            for one in fields(self)
            if getattr(self, one.name) != getattr(other, one.name)
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """A rate that was found before.

    Attributes:
        found: What was found.
        days: Its age. Unit: days; >= 0.
        stale: Why it may not be right any more, a clause each; empty if it is as good
            as measured now.
    """

    found: Found
    days: float
    stale: tuple[str, ...] = ()

    def reason(self) -> str:
        """Return a sentence that says so."""
        said = f"Found {_age(self.days)} and kept in the cache: nothing was measured."
        return f"{said} {self.warning()}." if self.stale else said

    def warning(self) -> str:
        """Return what is stale, without a full stop; "" if nothing is."""
        return f"It may be stale: {'; '.join(self.stale)}" if self.stale else ""


@final
@dataclass(frozen=True, slots=True)
class Cache:
    """Found rates in a JSON file: run once per architecture.

    A rate is returned for the same architecture, optimizer, loss and kind of start. If
    other parts of the key differ (the batch, say), or it is old, it is stale, and says
    why. The data are no part of the key: whether the rate transfers is for you to say.

    Two processes that write at the same moment may lose one of their entries, never
    the file; the newest 200 are kept.

    Attributes:
        path: The file; made, with its folder, by the first `put`. None: in the user's
            folder for caches.
        max_days: Age from which a rate is stale. Unit: days; > 0.

    Raises:
        FinderError: A value is outside its range.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> cache = Cache(Path(folder.name) / "found.json")
        >>> cache.get(Key(architecture="mlp", optimizer="Adam")) is None
        True
        >>> folder.cleanup()
    """

    path: Path
    max_days: float = 90.0
    clock: Callable[[], float] = time.time

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_days: float = 90.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the file's path."""
        if path is not None and not isinstance(path, (str, os.PathLike)):
            rule = "be the path of a file, or None"
            raise FinderError(describe("Cache.path", rule, path))
        if not max_days > 0:
            rule = "be > 0 (unit: days)"
            raise FinderError(describe("Cache.max_days", rule, max_days))
        file = _default_path() if path is None else Path(path)
        object.__setattr__(self, "path", file)
        object.__setattr__(self, "max_days", max_days)
        object.__setattr__(self, "clock", clock)

    def get(self, key: Key) -> Cached | None:
        """Return what was found for a key, or else for the one nearest to it.

        The nearest differs in the fewest parts, and is the newest of these.

        Raises:
            CorruptRecordError: The file is no cache.
            LedgerError: It cannot be read.
        """
        best: tuple[int, float, dict[str, Any], tuple[str, ...]] | None = None
        for entry in self._entries():
            there = _key(entry, self.path)
            parts = key.differences(there)
            if any(one in _MUST for one in parts):
                continue
            order = (len(parts), -entry["time"])
            if best is None or order < best[:2]:
                stale = tuple(
                    f"{one} was {getattr(there, one)}, now {getattr(key, one)}"
                    for one in parts
                )
                best = (*order, entry, stale)
        if best is None:
            return None
        _, _, entry, stale = best
        days = max(self.clock() - entry["time"], 0.0) / _DAY
        if days > self.max_days:
            stale += (f"it was found {_age(days)}",)
        return Cached(found=_found(entry, self.path), days=days, stale=stale)

    def put(self, key: Key, found: Found) -> None:
        """Keep what was found; what was found for the same key before goes.

        A result without a suggestion is not kept.

        Raises:
            CorruptRecordError: The file is no cache.
            LedgerError: It cannot be read or written.
        """
        if found.suggestion is None:
            return
        plain = asdict(key)
        entry = {"key": plain, "time": self.clock(), "found": found.to_dict()}
        kept = [one for one in self._entries() if one["key"] != plain]
        content = {"format": FORMAT, "entries": [*kept, entry][-MOST_ENTRIES:]}
        half = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            half.write_text(json.dumps(content), encoding="utf-8")
            half.replace(self.path)
        except OSError as error:
            raise self._unusable("written", error) from error

    def _entries(self) -> list[dict[str, Any]]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except UnicodeDecodeError as error:
            raise _damaged(self.path, str(error)) from error
        except OSError as error:
            raise self._unusable("read", error) from error
        try:
            content = json.loads(text)
        except ValueError as error:
            raise _damaged(self.path, str(error)) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise _damaged(self.path, _kind(content))
        entries = content.get("entries")
        if not isinstance(entries, list) or not all(_is_entry(one) for one in entries):
            raise _damaged(self.path, "its entries are incomplete")
        return entries

    def _unusable(self, how: str, error: OSError) -> LedgerError:
        rule, hint = f"be a file that can be {how}", "name another file"
        said = describe(os.fspath(self.path), rule, error.strerror, hint=hint)
        return LedgerError(said)


def _default_path() -> Path:
    """Return the file in the folder that the system has for caches."""
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    else:
        folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "stepsize" / "found.json"


def _kind(content: object) -> object:
    return content.get("format") if isinstance(content, dict) else type(content)


def _is_entry(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("key"), dict)
        and isinstance(one.get("time"), (int, float))
        and isinstance(one.get("found"), dict)
    )


def _key(entry: dict[str, Any], path: Path) -> Key:
    try:
        return Key(**entry["key"])
    except TypeError as error:
        raise _damaged(path, str(error)) from error


def _found(entry: dict[str, Any], path: Path) -> Found:
    try:
        return Found.from_dict(entry["found"])
    except FinderError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: object) -> CorruptRecordError:
    rule = f"be a cache of the format {FORMAT}"
    hint = "delete it, or name another file"
    return CorruptRecordError(describe(os.fspath(path), rule, why, hint=hint))


def _age(days: float) -> str:
    whole = int(days)
    if whole == 0:
        return "today"
    return "a day ago" if whole == 1 else f"{whole} days ago"
