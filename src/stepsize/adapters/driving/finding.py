"""What the drivers of the finder share: what they pass on to it, and its cache.

Not here: batches, which are in `streams`; words for the cache, in `digests`; the
search, which is `stepsize.finder`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol, TypedDict

from stepsize.errors import AdapterError, describe
from stepsize.finder import Found, Progress
from stepsize.finder.cache import Cache, Cached, Key
from stepsize.finder.planning import DEFAULT_STEPS
from stepsize.schedules.durations import whole

CacheLike = Cache | str | os.PathLike[str] | bool | None
Tell = Callable[[Progress], None]

USED_UP = (
    "the batches of a one-shot iterator are used up by the finder: a training that "
    "goes on with it begins later. hint: give what the iterator was made of."
)
UNEVEN = (
    "The rates are those of the param group with the largest one; the others keep "
    "their ratio to it."
)


class FinderWarning(UserWarning):
    """A finder leaves a trace, or what it returns may not be what was asked for."""


class Search(TypedDict, total=False):
    """What a driver passes on to `stepsize.finder.find`.

    Attributes:
        steps: Most updates to make; `stepsize.finder.planned` says beforehand what on.
            Unit: updates (not batches, where they accumulate); int >= 1; 500.
        fast: Whether to make one ramp of at most 100, and no probes; False.
        horizon: Length of the training that the rate is for, None if not known. Unit:
            updates.
        low: Where the ramp begins. Unit: lr; finite, > 0; 1e-7.
        high: Where it ends at the latest. Unit: lr; finite, > `low`; 10.
        tell: Called after each update with a `stepsize.finder.Progress`.
    """

    steps: int
    fast: bool
    horizon: int | None
    low: float
    high: float
    tell: Tell | None


def checked(search: Search, validation: object = None, *, seed: object = 0) -> Search:
    """Return what a driver was given for the search, if it can be passed on.

    Args:
        search: By name.
        validation: Batches to be looked at often.
        seed: Of the order of batches.

    Raises:
        AdapterError: A name is unknown, `validation` can be looked at only once, or
            `seed` is no int.
    """
    check_seed(seed, "find_lr")
    for name in search:
        if name not in Search.__annotations__:
            rule = f"be one of its own, or of {', '.join(Search.__annotations__)}"
            raise AdapterError(describe("find_lr's arguments", rule, name))
    if isinstance(validation, Iterator):  # `iter` of a loader would draw a seed
        rule = "be an iterable that can be begun anew, as a list or a loader is"
        kind = type(validation).__name__
        raise AdapterError(describe("find_lr.validation", rule, kind))
    return search


def check_seed(seed: object, owner: str) -> None:
    """Raise unless a seed is an int.

    Raises:
        AdapterError: It is none.
    """
    if whole(seed) is None:
        raise AdapterError(describe(f"{owner}.seed", "be an int", seed))


def searched(search: Search, *, validated: bool = False) -> str:
    """Return how thorough a search is, and where it looks, in words."""
    said = f"{search.get('steps', DEFAULT_STEPS)} updates"
    if search.get("fast", False):
        said = "fast"
    elif validated:
        said += ", validation"
    ends = (("low", search.get("low")), ("high", search.get("high")))
    return ", ".join([said, *(f"{name} {lr}" for name, lr in ends if lr is not None)])


class Once(Protocol):
    """Several processes of which one does something for all."""

    def once(self, action: Callable[[], Any]) -> Any:
        """Return what the action returned, on all of them."""


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


def cached(
    cache: Cache | None,
    key: Callable[[], Key],
    measure: Callable[[], Found],
    group: Once | None = None,
    *,
    say: Callable[[str], None] | None = None,
) -> Found:
    """Return what a cache has for a key, or else measure, and keep it there.

    Args:
        cache: Or None: measure.
        key: Returns the key; not called without a cache.
        measure: Returns what is found now.
        group: The processes that find together: one of them has the file.
        say: Takes the message that a rate may be stale. None: it is a FinderWarning
            for the caller of `find_lr`, who calls this.

    Raises:
        LedgerError: The file cannot be used; on other processes an AdapterError.
    """
    if cache is None:
        return measure()
    known = key()
    kept = _recall(cache, known, group)
    if kept is None:
        found = measure()
        if group is None:
            cache.put(known, found)
        else:
            group.once(lambda: cache.put(known, found))
        return found
    if kept.stale:
        hint = "delete the file, or leave cache out, to measure again"
        message = f"{kept.warning()}. hint: {hint}."
        if say is None:
            warnings.warn(message, FinderWarning, stacklevel=3)
        else:
            say(message)
    return replace(kept.found, reasons=(kept.reason(), *kept.found.reasons))


def _recall(cache: Cache, key: Key, group: Once | None) -> Cached | None:
    """Return what was found before, the same in all processes."""
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
