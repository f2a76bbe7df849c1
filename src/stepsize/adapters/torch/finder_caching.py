"""A cache of found rates in a training of one or several processes: rank 0 has it."""

from __future__ import annotations

import os
from typing import Any

from stepsize.adapters.torch.ranks import Ranks
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found
from stepsize.finder.cache import Cache, Cached, Key

CacheLike = Cache | str | os.PathLike[str] | bool | None


def as_cache(given: CacheLike) -> Cache | None:
    """Return the cache meant by a path, or by True: that in the user's folder.

    Raises:
        AdapterError: It is none of these.
    """
    if given is None or given is False:
        return None
    if isinstance(given, Cache):
        return given
    if given is True:
        return Cache()
    if isinstance(given, (str, os.PathLike)):
        return Cache(given)
    rule = "be a Cache, the path of a file, True, or None"
    raise AdapterError(describe("find_lr.cache", rule, given))


def recall(cache: Cache, key: Key, group: Ranks | None) -> Cached | None:
    """Return what was found before, the same on all ranks.

    Raises:
        LedgerError: The file cannot be used; on other ranks an AdapterError.
    """
    if group is None:
        return cache.get(key)

    def get() -> dict[str, Any] | None:
        kept = cache.get(key)
        if kept is None:
            return None
        return {"found": kept.found.to_dict(), "days": kept.days, "stale": kept.stale}

    plain = group.once(get)
    if plain is None:
        return None
    found = Found.from_dict(plain["found"])
    return Cached(found=found, days=plain["days"], stale=tuple(plain["stale"]))


def remember(cache: Cache, key: Key, found: Found, group: Ranks | None) -> None:
    """Keep what was found.

    Raises:
        LedgerError: The file cannot be used; on other ranks an AdapterError.
    """
    if group is None:
        cache.put(key, found)
    else:
        group.once(lambda: cache.put(key, found))
