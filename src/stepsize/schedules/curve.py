"""A schedule laid out as a table of pieces, and its evaluation; nothing of phases.

A piece is where one expression holds: a `Leaf` (a formula with its numbers) or a
`Combination` of expressions. Numbers and arrays are evaluated by the same formulas.
Pieces of equal form differ only in their numbers, so an array gathers those and each
distinct form is evaluated once, whatever the number of pieces.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple, final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.formulas import FORMULAS, WEIGHTS, many_between
from stepsize.schedules.scalar import PYTHON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stepsize.schedules.scalar import Numeric, Ops

FOREVER = 2**53
"""Steps beyond it are counted as this one: float64 counts exactly up to here."""

Form = tuple[Any, ...]
"""What two expressions share when only their numbers differ. Hashable."""


@final
@dataclass(frozen=True, slots=True)
class Leaf:
    """A formula at d = t - origin (or origin - t, where it runs backwards).

    Attributes:
        shape: Name in `FORMULAS`, or a callable of the same signature.
        origin: Step at which d is 0. Unit: updates.
        numbers: What the formula takes after d.
        forwards: Whether d grows with t.
    """

    shape: str | Callable[..., Numeric]
    origin: float
    numbers: tuple[float, ...]
    forwards: bool = True

    @property
    def formula(self) -> Callable[..., Numeric]:
        """The function behind the shape."""
        return FORMULAS[self.shape] if isinstance(self.shape, str) else self.shape

    def at(self, t: float) -> float:
        """Return the value at a step."""
        d = t - self.origin if self.forwards else self.origin - t
        value: float = self.formula(PYTHON, d, *self.numbers)
        return value

    def values(self, start: int, stop: int) -> list[float]:
        """Return the values of the steps start, ..., stop - 1."""
        if self.shape == "constant":
            return [self.numbers[0]] * (stop - start)
        if not self.forwards:
            return [self.at(t) for t in range(start, stop)]
        origin, numbers, ops = self.origin, self.numbers, PYTHON
        if self.shape in WEIGHTS and isinstance(self.shape, str):
            return many_between(self.shape, ops, range(start, stop), origin, numbers)
        formula = self.formula
        return [formula(ops, t - origin, *numbers) for t in range(start, stop)]

    def form(self) -> Form:
        """Return what leaves with other numbers share with this one."""
        return (self.shape, self.forwards, len(self.numbers))

    def flat(self) -> list[float]:
        """Return the numbers that `evaluate` takes for this form, in order."""
        return [self.origin, *self.numbers]

    def mirrored(self, about: float) -> Leaf:
        """Return the leaf whose value at t is this one's at about - t."""
        return Leaf(self.shape, about - self.origin, self.numbers, not self.forwards)


COMBINE: dict[str, Callable[[Ops, Numeric, Numeric], Numeric]] = {
    "product": lambda ops, a, b: a * b,
    "sum": lambda ops, a, b: a + b,
    "minimum": lambda ops, a, b: ops.minimum(a, b),
    "maximum": lambda ops, a, b: ops.maximum(a, b),
}


@final
@dataclass(frozen=True, slots=True)
class Combination:
    """Expressions combined step by step.

    Attributes:
        how: A name in `COMBINE`, folded from the left.
        parts: The expressions.
    """

    how: str
    parts: tuple[Expression, ...]

    def at(self, t: float) -> float:
        """Return the value at a step."""
        combine = COMBINE[self.how]
        values = (part.at(t) for part in self.parts)
        return reduce(lambda a, b: combine(PYTHON, a, b), values)

    def values(self, start: int, stop: int) -> list[float]:
        """Return the values of the steps start, ..., stop - 1."""
        combine = COMBINE[self.how]
        columns = [part.values(start, stop) for part in self.parts]
        return reduce(
            lambda left, right: [
                combine(PYTHON, a, b) for a, b in zip(left, right, strict=True)
            ],
            columns,
        )

    def form(self) -> Form:
        """Return what combinations with other numbers share with this one."""
        return (self.how, tuple(part.form() for part in self.parts))

    def flat(self) -> list[float]:
        """Return the numbers that `evaluate` takes for this form, in order."""
        return [number for part in self.parts for number in part.flat()]

    def mirrored(self, about: float) -> Combination:
        """Return the expression whose value at t is this one's at about - t."""
        return Combination(self.how, tuple(part.mirrored(about) for part in self.parts))


Expression = Leaf | Combination


def constant(value: float) -> Leaf:
    """Return the expression that is `value` everywhere."""
    return Leaf("constant", 0, (value,))


def evaluate(form: Form, t: Numeric, numbers: Iterator[Numeric], ops: Ops) -> Numeric:
    """Evaluate a form at steps, with numbers (or columns of them) in `flat` order."""
    if len(form) == 2:  # noqa: PLR2004 - a combination
        how, parts = form
        combine = COMBINE[how]
        values = (evaluate(part, t, numbers, ops) for part in parts)
        return reduce(lambda a, b: combine(ops, a, b), values)
    shape, forwards, count = form
    origin = next(numbers)
    d = t - origin if forwards else origin - t
    formula = FORMULAS[shape] if isinstance(shape, str) else shape
    return formula(ops, d, *(next(numbers) for _ in range(count)))


class Piece(NamedTuple):
    """From `start` on (to the next piece), the value is that of `expression`."""

    start: float
    expression: Expression


@final
class Curve:
    """The whole table; made by `lowering.compile_curve`.

    Attributes:
        starts: Step at which each piece begins; the first is 0, they increase.
        expressions: The expression of each piece.
        end: Step from which the last value holds, or None if there is none.
    """

    __slots__ = ("_columns", "end", "expressions", "starts")

    def __init__(self, pieces: Sequence[Piece], end: float | None) -> None:
        """Take pieces in order; of several with one start the last holds."""
        kept: list[Piece] = []
        for piece in pieces:
            while kept and kept[-1].start >= piece.start:
                kept.pop()
            kept.append(piece)
        self.starts: tuple[float, ...] = tuple(piece.start for piece in kept)
        self.expressions: tuple[Expression, ...] = tuple(p.expression for p in kept)
        self.end = end
        self._columns: dict[Any, Any] = {}

    def at(self, t: float) -> float:
        """Return the value at a step, which must not be NaN."""
        last = FOREVER if self.end is None else self.end
        t = 0 if t < 0 else min(t, last)
        return self.expressions[bisect_right(self.starts, t) - 1].at(t)

    def block(self, start: int, stop: int) -> list[float]:
        """Return the values of the steps start, ..., stop - 1, to the bit as `at`."""
        last = FOREVER if self.end is None else math.ceil(self.end)
        values: list[float] = [self.at(0)] * (min(stop, 0) - start)
        t, inside = max(start, 0), min(stop, last)
        while t < inside:
            index = bisect_right(self.starts, t)
            after = inside
            if index < len(self.starts):
                after = min(inside, math.ceil(self.starts[index]))
            values += self.expressions[index - 1].values(t, after)
            t = after
        return values + [self.at(last)] * (stop - t) if stop > t else values

    def __call__(self, step: Numeric) -> Any:
        """Evaluate at a number, a sequence or an array of steps."""
        kind = type(step)
        if kind is int:
            return self.at(step)
        if kind is float:
            return self._at_float(step)
        if hasattr(step, "shape") and not _is_scalar(step):
            from stepsize.schedules import arrays

            return arrays.evaluate_array(self, step)
        if isinstance(step, (list, tuple, range)):
            return [self(one) for one in step]
        return self._at_float(_as_number(step))

    def _at_float(self, step: float) -> float:
        if step != step:  # noqa: PLR0124 - NaN is the one number that differs
            hint = "in an array NaN gives the first value"
            rule = "be a number (unit: updates)"
            raise InvalidScheduleError(describe("step", rule, step, hint=hint))
        return self.at(step)

    def forms(self) -> dict[Form, list[int]]:
        """Return the distinct forms, each with the indices of its pieces."""
        found: dict[Form, list[int]] = {}
        for index, expression in enumerate(self.expressions):
            found.setdefault(expression.form(), []).append(index)
        return found


@final
@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """A formula that plays a whole curve again and again, each time shrunk.

    value(d) = shrink^floor(d / length) * curve(d mod length)
    """

    curve: Curve
    length: float

    def __call__(self, ops: Ops, d: Numeric, shrink: Numeric) -> Numeric:
        """Return the value at d steps since the first cycle began."""
        phase = ops.remainder(d, self.length)
        if ops is PYTHON:
            value = self.curve.at(phase)
            if shrink == 1:
                return value
            return value * PYTHON.power(shrink, d // self.length)
        from stepsize.schedules import arrays

        value = arrays.evaluate_within(self.curve, phase, ops)  # type: ignore[arg-type]  # arrays come with ArrayOps
        if type(shrink) is float and shrink == 1:
            return value
        cycle = ops.floor(ops.divide(d - phase, self.length) + 0.5)
        return value * ops.power(shrink, cycle)


def _is_scalar(step: Numeric) -> bool:
    """Whether an array-like is a numpy scalar, which counts as a number."""
    return type(step).__module__ == "numpy" and not hasattr(step, "__setitem__")


def _as_number(step: object) -> float:
    from stepsize.schedules.durations import whole

    number = whole(step)
    if number is not None:
        return number
    refused = isinstance(step, str) or "bool" in type(step).__name__
    if hasattr(step, "__float__") and not refused:
        return float(step)
    rule = "be a number or an array of numbers (unit: updates)"
    raise InvalidScheduleError(describe("step", rule, step))
