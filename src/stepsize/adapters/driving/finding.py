"""What the drivers of the finder share: the cache, and how functions are known to it.

Not here: batches, which are in `streams`; the search, which is `stepsize.finder`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any, Protocol

from stepsize.errors import AdapterError, describe
from stepsize.finder import Found, Progress
from stepsize.finder.cache import Cache, Cached, Key

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
PLAIN = (bool, int, float, str, bytes, type(None))
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+|0x[0-9a-fA-F]+")


class FinderWarning(UserWarning):
    """A finder leaves a trace, or what it returns may not be what was asked for."""


class Once(Protocol):
    """Several processes of which one does something for all."""

    def once(self, action: Callable[[], Any]) -> Any:
        """Return what the action returned, on all of them."""


# --- the cache ----------------------------------------------------------------------


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


# --- words for its key --------------------------------------------------------------


def searched(steps: int, *, fast: bool, validated: bool = False) -> str:
    """Return how thorough a search is, in words."""
    if fast:
        return "fast"
    return f"{steps} updates{', validation' if validated else ''}"


def counted(number: int | None, unit: str) -> str:
    """Return a number with its unit, or that it is not known."""
    return "unknown" if number is None else f"{number} {unit}"


def sized(kind: str, numbers: int, lines: Iterable[str]) -> str:
    """Return an architecture in words, as "Sequential, 8 970 parameters, 5f2a..."."""
    size = f"{numbers:,}".replace(",", " ")
    return f"{kind}, {size} parameters, {digest(lines)}"


def function_name(function: Any) -> str:
    """Return what a function is known by: its name, and a digest of its code.

    The plain values that it closes over count, and the functions; see `code_lines`.
    """
    if isinstance(function, functools.partial):
        given = [*function.args, *function.keywords.items()]
        plain = json.dumps(given, default=without_address)
        return f"{function_name(function.func)} with {plain}"
    inner = getattr(function, "__func__", function)
    if not isinstance(inner, FunctionType):
        inner = getattr(inner, "__wrapped__", inner)  # as jax.jit leaves it
    if isinstance(inner, FunctionType):
        lines = digest(code_lines(inner))
        return f"{inner.__module__}.{inner.__qualname__}, {lines}"
    return str(getattr(function, "__name__", type(function).__qualname__))


def code_lines(function: FunctionType) -> list[str]:
    """Return what a function does: its code, and what it closes over.

    Of the latter plain values and functions, also in tuples; of anything else the type,
    since a list may be where the function keeps what it did.
    """
    lines: list[str] = []
    seen: set[int] = set()

    def add(one: Any) -> None:
        if isinstance(one, PLAIN):
            lines.append(repr(one))
        elif id(one) in seen:
            return
        elif isinstance(one, FunctionType):
            seen.add(id(one))
            lines.extend(_code(one.__code__))
            for cell in one.__closure__ or ():
                add(_content(cell))
            add(one.__defaults__)
            add(tuple((one.__kwdefaults__ or {}).items()))
        elif isinstance(one, tuple):
            seen.add(id(one))
            for item in one:
                add(item)
        elif isinstance(one, functools.partial):
            add((one.func, one.args, *one.keywords.items()))
        else:
            lines.append(type(one).__qualname__)

    add(function)
    return lines


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not set yet
        return None


def _code(code: CodeType) -> list[str]:
    lines = [code.co_code.hex(), *code.co_names]
    for one in code.co_consts:
        if isinstance(one, CodeType):
            lines += _code(one)
        elif isinstance(one, PLAIN):
            lines.append(repr(one))
    return lines


def digest(lines: Iterable[str]) -> str:
    """Return 12 characters that lines are known by."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def without_address(one: object) -> str:
    """Return its text without the address of an object in it."""
    return _ADDRESS.sub("", str(one))
