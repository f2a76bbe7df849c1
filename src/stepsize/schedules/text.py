"""Schedules as text: the expression that builds them, and a parser that is no `eval`.

The grammar is a whitelist over Python's own `ast`: numbers, texts, lists and tuples,
calls of the constructors by name, and the operators `*`, `+` and `>>`. A scan of the
characters comes first, since `ast` itself dies on deep or endless input.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any, NoReturn

from stepsize.errors import InvalidScheduleError, StepsizeError, describe
from stepsize.schedules import kinds
from stepsize.schedules.schedule import (
    DEEPEST,
    MOST_PHASES,
    Chain,
    Phase,
    Scaled,
    Schedule,
)

MOST_CHARACTERS = 64 * 1024
_NESTING = 4 * DEEPEST
_OPERATORS = 5 * MOST_PHASES // 2
"""Each phase has a `>>` and perhaps a `*`; `ast` recurses to about 3000 of them."""

CONSTRUCTORS = {
    **{name: kinds._MODULES[name] for name in kinds.NAMES},
    **dict.fromkeys(
        (
            "hold",
            "warmup",
            "decay",
            "linear",
            "cosine",
            "polynomial",
            "exponential",
        ),
        "phases",
    ),
    **dict.fromkeys(
        ("constant", "wsd", "one_cycle", "one_cycle_momentum", "warm_restarts"), "named"
    ),
    **dict.fromkeys(("cyclic", "slanted_triangular"), "waves"),
    "untuned_warmup": "warmups",
    **dict.fromkeys(
        (
            "chebyshev",
            "flat_cosine",
            "hyperbolic",
            "infinite",
            "k_decay",
            "knee",
            "lowered_linear",
            "mirrored_cosine",
            "natural_exponential",
            "noam",
            "rex",
            "tanh",
            "wsd_s",
        ),
        "literature",
    ),
}
for _infix in ("product", "sum"):
    del CONSTRUCTORS[_infix]

_TOKEN = re.compile(
    r"""\s+
    | (?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<text>"[^"\\\n]*"|'[^'\\\n]*')
    | (?P<open>[(\[])
    | (?P<close>[)\]])
    | (?P<operator>>>|[-+*])
    | [,=]
    """,
    re.VERBOSE,
)

CHAIN, SUM, PRODUCT, ATOM = range(4)
"""Precedence of what an expression is, weakest first."""


def write(schedule: Schedule) -> str:
    """Return the expression that builds the schedule again."""
    return _written(schedule)[0]


def _written(schedule: Schedule) -> tuple[str, int]:
    if isinstance(schedule, Chain):
        return " >> ".join(_at_least(SUM, part) for part in schedule.parts), CHAIN
    if isinstance(schedule, Scaled):
        return f"{number(schedule.factor)} * {_at_least(ATOM, schedule.part)}", PRODUCT
    if not isinstance(schedule, Phase):  # pragma: no cover - three classes only
        raise TypeError(type(schedule).__name__)
    if schedule.kind in ("product", "sum"):
        sign, level = ("*", PRODUCT) if schedule.kind == "product" else ("+", SUM)
        left, right = schedule.operands
        return f"{_at_least(level, left)} {sign} {_at_least(level + 1, right)}", level
    return _call(schedule), ATOM


def _at_least(level: int, schedule: Schedule) -> str:
    text, own = _written(schedule)
    return text if own >= level else f"({text})"


def _call(phase: Phase) -> str:
    given = [write(operand) for operand in phase.operands]
    positional = True
    defaults = signature(phase.kind)
    for name, value in phase.args:
        if phase.kind == "opaque" and name == "function":
            positional = False
            continue
        default, keyword_only = defaults.get(name, (None, True))
        if value == default:
            positional = False
            continue
        bare = positional and not keyword_only
        # only what reads well bare: lengths, counts and points come first
        bare = bare and name not in _NAMED
        given.append(literal(value) if bare else f"{name}={literal(value)}")
        positional = bare
    return f"{phase.kind}({', '.join(given)})"


_NAMED = frozenset(
    ("to", "start", "shape", "stretch", "shrink_peak", "low", "high", "factor")
)


@cache
def signature(kind: str) -> dict[str, tuple[object, bool]]:
    """Return each argument of a kind: its default, and whether it needs its name."""
    parameters = inspect.signature(kinds.of(kind).build).parameters.values()
    after_operands = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return {
        p.name: (p.default, after_operands or p.kind is p.KEYWORD_ONLY)
        for p in parameters
        if p.kind is not p.VAR_KEYWORD  # parameters of shapes: the constructor's word
    }


def literal(value: object) -> str:
    """Return a number, text, None, bool or nested tuple as Python writes it."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return f'"{value}"' if '"' not in value else repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_item(item) for item in value)}]"
    raise TypeError(type(value).__name__)  # pragma: no cover - args are plain


def _item(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(literal(item) for item in value)})"
    return literal(value)


def number(value: float) -> str:
    """Return the shortest text of a number: 3e-4 rather than 0.0003."""
    plain = repr(value)
    if isinstance(value, int) or not math.isfinite(value) or value == 0:
        return plain
    _, digits, exponent = Decimal(plain).normalize().as_tuple()
    mantissa = "".join(map(str, digits))
    power = int(exponent) + len(mantissa) - 1
    point = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    scientific = f"{'-' if value < 0 else ''}{mantissa[0]}{point}e{power}"
    return scientific if len(scientific) < len(plain) else plain


def parse(
    text: str, *, functions: Mapping[str, Callable[[Any], Any]] | None = None
) -> Schedule:
    """Build the schedule that an expression describes: `parse(str(s)) == s`.

    Args:
        text: An expression of numbers, constructors and `*`, `+`, `>>`; at most 64 KiB.
        functions: What `opaque("name")` stands for, by name.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: The text is no such expression, or a value in it is
            outside its range.
        UnitError: A unit in it is unknown.

    Examples:
        >>> import stepsize as ss
        >>> ss.parse('3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-sqrt")')
        3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-sqrt")
    """
    if not isinstance(text, str):
        raise InvalidScheduleError(describe("parse.text", "be a text", text))
    scan(text)
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise _syntax(text, f"be one expression ({reason})") from None
    result = _Reader(text, functions or {}).value(tree.body)
    if not isinstance(result, Schedule):
        raise _syntax(text, "describe a schedule, not a plain value")
    return result


def scan(text: str) -> None:
    """Refuse text that is too long, too deep or has a foreign character.

    Raises:
        InvalidScheduleError: It has.
    """
    if len(text) > MOST_CHARACTERS:
        rule = f"be at most {MOST_CHARACTERS} characters long"
        raise InvalidScheduleError(describe("parse.text", rule, f"{len(text)} of them"))
    position = depth = operators = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            found = text[position]
            raise _syntax(text, f"not contain {found!r} (at character {position})")
        depth += (match.lastgroup == "open") - (match.lastgroup == "close")
        operators += match.lastgroup == "operator"
        if depth > _NESTING or operators > _OPERATORS:
            rule = f"have at most {MOST_PHASES} phases, nested at most {DEEPEST} deep"
            raise _syntax(text, rule)
        position = match.end()


def _syntax(text: str, rule: str) -> InvalidScheduleError:
    hint = 'an example: 3e-4 * warmup(500) >> hold() >> decay("20%")'
    return InvalidScheduleError(describe("parse.text", rule, text, hint=hint))


class _Reader:
    """Turns a syntax tree into a value, refusing every node that is not listed."""

    def __init__(
        self, text: str, functions: Mapping[str, Callable[[Any], Any]]
    ) -> None:
        self.text, self.functions = text, functions

    def value(self, node: ast.expr) -> Any:
        """Return what a node stands for."""
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.Call):
            return self._build(node)
        if isinstance(node, (ast.List, ast.Tuple)):
            return tuple(self.value(item) for item in node.elts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.value(node.operand)
            if isinstance(inner, (int, float)) and not isinstance(inner, bool):
                return -inner
            raise _syntax(self.text, "have signs before numbers only")
        if isinstance(node, ast.Constant):
            constant = node.value
            if constant is None or isinstance(constant, (bool, int, float, str)):
                return constant
        self._refuse(node)

    def _operation(self, node: ast.BinOp) -> Any:
        # A long chain leans to the left: walk it without recursion.
        spine = [node]
        while isinstance(spine[-1].left, ast.BinOp):
            spine.append(spine[-1].left)
        result = self.value(spine[-1].left)
        for step in reversed(spine):
            right = self.value(step.right)
            if not isinstance(result, Schedule) and not isinstance(right, Schedule):
                raise _syntax(self.text, "combine schedules, not plain values")
            try:
                if isinstance(step.op, ast.Mult):
                    result = result * right
                elif isinstance(step.op, ast.RShift):
                    result = result >> right
                elif isinstance(step.op, ast.Add):
                    result = result + right
                else:
                    self._refuse(step)
            except TypeError:
                rule = "combine schedules with *, >> and +, and numbers with * only"
                raise _syntax(self.text, rule) from None
        return result

    def _build(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name):
            self._refuse(node)
        name = node.func.id
        if name not in CONSTRUCTORS:
            from difflib import get_close_matches

            close = get_close_matches(name, CONSTRUCTORS, n=1)
            hint = f"perhaps {close[0]!r} is meant" if close else ""
            rule = f"use the names {', '.join(sorted(CONSTRUCTORS))}"
            raise InvalidScheduleError(describe("parse.text", rule, name, hint=hint))
        build = constructor(name)
        given = [self.value(argument) for argument in node.args]
        named = {}
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in named:
                self._refuse(node)
            named[keyword.arg] = self.value(keyword.value)
        if name == "opaque" and len(given) == 1 and isinstance(given[0], str):
            given.append(self.functions.get(given[0]))
        return call(build, name, given, named)

    def _refuse(self, node: ast.AST) -> NoReturn:
        kind = type(node).__name__
        rule = (
            f"use numbers, texts, calls of constructors, *, + and >> only, not {kind}"
        )
        raise _syntax(self.text, rule)


def constructor(name: str) -> Callable[..., Any]:
    """Return the public constructor of that name, which is in `CONSTRUCTORS`."""
    module = import_module(f"stepsize.schedules.{CONSTRUCTORS[name]}")
    build: Callable[..., Any] = getattr(module, name)
    return build


def call(
    build: Callable[..., Any], name: str, given: list[Any], named: dict[str, Any]
) -> Any:
    """Call a constructor with arguments read from outside.

    Raises:
        InvalidScheduleError: They do not fit its signature, or break its rules.
    """
    try:
        inspect.signature(build).bind(*given, **named)
    except TypeError as error:
        rule = f"take arguments of {name}{_shown(build)}"
        raise InvalidScheduleError(describe(name, rule, str(error))) from None
    try:
        return build(*given, **named)
    except StepsizeError:
        raise
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        rule = "have arguments of the right kinds"
        raise InvalidScheduleError(describe(name, rule, str(error))) from error


def _shown(build: Callable[..., Any]) -> str:
    names = [
        f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name
        for p in inspect.signature(build).parameters.values()
    ]
    return f"({', '.join(names)})"
