"""The order of a model's layers, from the names of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from stepsize.errors import InvalidScheduleError, describe

LEAST = 2
"""Numbered blocks from which a model counts as a stack of them."""


def layers_of(
    names: Sequence[str], patterns: Sequence[str | Sequence[str]] | None = None
) -> tuple[tuple[str, ...], ...]:
    """Return the parameters of every layer, from the input to the head.

    Without patterns, the layers are what is registered before the numbered blocks
    (embeddings), every block, and what is left (last norm and head). The blocks are
    those of the part of the model that numbers most of them, as in
    `encoder.layer.11.output.dense.weight`.

    Args:
        names: Names of parameters in the order of the model.
        patterns: Shell patterns of names for every layer, from the input on; a list
            of patterns makes one layer. Each name goes to the first that matches.

    Returns:
        Names by layer. None is lost and none appears twice.

    Raises:
        InvalidScheduleError: There are no numbered blocks, or patterns leave a name
            out or match nothing.

    Examples:
        >>> layers_of(["embed.weight", "blocks.0.w", "blocks.1.w", "head.weight"])
        (('embed.weight',), ('blocks.0.w',), ('blocks.1.w',), ('head.weight',))
    """
    if not names or not all(isinstance(name, str) for name in names):
        hint = "give model= as a mapping of names to shapes, or as the module"
        raise InvalidScheduleError(
            describe("layers.names", "be names of parameters", names, hint=hint)
        )
    if patterns is not None:
        return _by_patterns(names, patterns)
    stack = _stack(names)
    if stack is None:
        rule = "number their blocks, as in blocks.0.weight"
        hint = "say the order with layers=[pattern, pattern, ...] from the input on"
        raise InvalidScheduleError(
            describe("layers.names", rule, list(names[:3]), hint=hint)
        )
    blocks: dict[int, list[str]] = {}
    before: list[str] = []
    after: list[str] = []
    for name in names:
        index = _index(name, stack)
        if index is not None:
            blocks.setdefault(index, []).append(name)
        else:
            (after if blocks else before).append(name)
    groups = [before, *(blocks[index] for index in sorted(blocks)), after]
    return tuple(tuple(group) for group in groups)


def _by_patterns(
    names: Sequence[str], patterns: Sequence[str | Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    wanted = [(one,) if isinstance(one, str) else tuple(one) for one in patterns]
    groups: list[list[str]] = [[] for _ in wanted]
    for name in names:
        for group, globs in zip(groups, wanted, strict=True):
            if any(fnmatchcase(name, glob) for glob in globs):
                group.append(name)
                break
        else:
            rule = "cover every parameter"
            hint = "end with a pattern for the rest"
            raise InvalidScheduleError(
                describe("layers.patterns", rule, name, hint=hint)
            )
    for group, globs in zip(groups, wanted, strict=True):
        if not group:
            rule = "each match a parameter that none before it matches"
            raise InvalidScheduleError(describe("layers.patterns", rule, globs))
    return tuple(tuple(group) for group in groups)


def _stack(names: Sequence[str]) -> str | None:
    """Return the prefix under which most numbers stand, the outermost on a tie."""
    found: dict[str, set[int]] = {}
    for name in names:
        parts = name.split(".")
        for place, part in enumerate(parts):
            if part.isdigit():
                found.setdefault(".".join(parts[:place]), set()).add(int(part))
    many = {prefix: len(numbers) for prefix, numbers in found.items()}
    if not many or max(many.values()) < LEAST:
        return None
    return min(many, key=lambda prefix: (-many[prefix], prefix.count("."), prefix))


def _index(name: str, stack: str) -> int | None:
    prefix = f"{stack}." if stack else ""
    if not name.startswith(prefix):
        return None
    part = name[len(prefix) :].split(".", 1)[0]
    return int(part) if part.isdigit() else None
