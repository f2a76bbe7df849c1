"""Schedules as JSON-plain mappings: what is stored in checkpoints and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules import kinds
from stepsize.schedules.schedule import (
    DEEPEST,
    Chain,
    Phase,
    Scaled,
    Schedule,
    chain,
    scaled,
)
from stepsize.schedules.text import call

VERSION = 1
Functions = Mapping[str, Callable[[Any], Any]]


def to_dict(schedule: Schedule) -> dict[str, Any]:
    """Return a mapping of texts, numbers, lists and mappings.

    The outermost has "version"; every one has "kind", then what the kind needs:

        {"kind": "chain", "parts": [...]}
        {"kind": "scale", "factor": k, "of": {...}}
        {"kind": "warmup", "steps": 500, ...}        arguments by name
        {"kind": "repeat", "of": [{...}], "n": 3, ...}   operands in "of"
    """
    return {"version": VERSION, **_plain(schedule)}


def _plain(schedule: Schedule) -> dict[str, Any]:
    if isinstance(schedule, Chain):
        return {"kind": "chain", "parts": [_plain(part) for part in schedule.parts]}
    if isinstance(schedule, Scaled):
        return {
            "kind": "scale",
            "factor": schedule.factor,
            "of": _plain(schedule.part),
        }
    if not isinstance(schedule, Phase):  # pragma: no cover - three classes only
        raise TypeError(type(schedule).__name__)
    content: dict[str, Any] = {"kind": schedule.kind}
    if schedule.operands:
        content["of"] = [_plain(operand) for operand in schedule.operands]
    for name, value in schedule.args:
        if name != "function":
            content[name] = _listed(value)
    return content


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(item) for item in value]
    return value


def from_dict(
    content: Mapping[str, Any], *, functions: Functions | None = None
) -> Schedule:
    """Build the schedule that `to_dict` described: `from_dict(to_dict(s)) == s`.

    Args:
        content: What `to_dict` returned, perhaps through JSON.
        functions: What `opaque` phases stand for, by name.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: The content is of another version or breaks a rule.
        UnitError: A unit in it is unknown.

    Examples:
        >>> import stepsize as ss
        >>> s = 0.1 * ss.warmup(5) >> ss.cosine()
        >>> ss.from_dict(s.to_dict()) == s
        True
    """
    if not isinstance(content, Mapping):
        rule = "be a mapping made by to_dict"
        raise InvalidScheduleError(describe("from_dict.content", rule, content))
    rest = dict(content)
    version = rest.pop("version", None)
    if version != VERSION:
        rule = f"have version {VERSION}"
        raise InvalidScheduleError(describe("from_dict.content", rule, version))
    return _built(rest, functions or {}, 0)


def _built(content: Any, functions: Functions, depth: int) -> Schedule:
    if not isinstance(content, Mapping) or not isinstance(content.get("kind"), str):
        rule = 'be a mapping with a "kind"'
        raise InvalidScheduleError(describe("from_dict.content", rule, content))
    if depth > 3 * DEEPEST:
        rule = f"be nested at most {DEEPEST} deep"
        raise InvalidScheduleError(describe("from_dict.content", rule, depth))
    rest = dict(content)
    kind = rest.pop("kind")
    if kind == "chain":
        parts = _many(rest, "parts", kind)
        return chain(*(_built(part, functions, depth + 1) for part in parts))
    if kind == "scale":
        factor = rest.get("factor")
        plain_number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not plain_number or set(rest) != {"factor", "of"}:
            rule = 'have a number "factor" and a mapping "of"'
            raise InvalidScheduleError(describe("from_dict.scale", rule, rest))
        return scaled(float(factor), _built(rest["of"], functions, depth + 1))  # type: ignore[arg-type]  # checked
    operands = [
        _built(part, functions, depth + 1)
        for part in (_many(rest, "of", kind, pop=True) if "of" in rest else [])
    ]
    build = kinds.of(kind).build
    if kind == "opaque":
        rest["function"] = functions.get(str(rest.get("name")))
    named = {str(name): value for name, value in rest.items()}
    result: Schedule = call(build, kind, operands, named)
    return result


def _many(
    content: dict[str, Any], name: str, kind: str, *, pop: bool = False
) -> list[Any]:
    parts = content.pop(name) if pop else content.get(name)
    if not isinstance(parts, (list, tuple)) or not parts:
        rule = f'have a list "{name}" that is not empty'
        raise InvalidScheduleError(describe(f"from_dict.{kind}", rule, parts))
    return list(parts)
