"""What a training is known by in the finder's cache: words, and digests of code."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import Any

PLAIN = (bool, int, float, str, bytes, type(None))
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+|0x[0-9a-fA-F]+")


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
