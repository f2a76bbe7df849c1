"""A schedule as a value: its algebra, its text and its call; no formula of a shape.

Three classes make every schedule:

    Phase   one kind ("warmup", "repeat", "product") with its arguments and operands
    Scaled  a number times a phase
    Chain   phases one after the other, each handed the last value of the one before

They are frozen, compare and hash by content, and print as the expression that builds
them. What a kind means (its length, its curve, its zeros) is in `kinds`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from stepsize.errors import InvalidScheduleError, UnresolvedError, describe
from stepsize.schedules import kinds
from stepsize.schedules.horizon import Horizon

if TYPE_CHECKING:
    from collections.abc import Callable

    from stepsize.schedules.curve import Curve
    from stepsize.schedules.scalar import Numeric

MOST_PHASES = 1000
DEEPEST = 100


class Schedule:
    """A learning rate (or any hyperparameter) as a function of the step.

    Build one from phases (`warmup`, `hold`, `decay`, ...) and these operators:

        k * s     every value times k (k >= 0), for a number
        a >> b    a, then b, which is handed a's last value
        a * b     product, step by step; binds to the phase beside it
        a + b     sum, step by step

    `resolve` gives elastic and relative durations their lengths. Calling evaluates.
    """

    __slots__ = ()
    # numpy scalars must leave `np.float64(3e-4) * s` to us
    __array_ufunc__ = None

    _size: int
    _depth: int

    def __mul__(self, other: object) -> Schedule:
        """Return this schedule times a number, or times another schedule."""
        if isinstance(other, ResolvedSchedule):
            return NotImplemented
        if isinstance(other, Schedule):
            return Phase("product", (self, other), ())
        number = _number(other)
        return NotImplemented if number is None else scaled(number, self)

    def __rmul__(self, other: object) -> Schedule:
        """Return a number times this schedule."""
        number = _number(other)
        return NotImplemented if number is None else scaled(number, self)

    def __add__(self, other: object) -> Schedule:
        """Return the sum with another schedule, step by step."""
        if not isinstance(other, Schedule):
            return NotImplemented
        return Phase("sum", (self, other), ())

    def __rshift__(self, other: object) -> Schedule:
        """Return this schedule, then another one that is handed its last value."""
        if not isinstance(other, Schedule):
            return NotImplemented
        return chain(self, other)

    def __str__(self) -> str:
        """Return the expression that builds this schedule again."""
        from stepsize.schedules.text import write

        return write(self)

    def __repr__(self) -> str:
        """Return the same text as `str`."""
        return str(self)

    @property
    def lawful(self) -> bool:
        """Whether it keeps the laws; False where `faithful` reproduces a defect."""
        return all(
            phase.kind != "faithful" and all(one.lawful for one in phase.operands)
            for part in parts_of(self)
            for phase in [part.part if isinstance(part, Scaled) else part]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-plain mapping from which `from_dict` builds this schedule."""
        from stepsize.schedules.plain import to_dict

        return to_dict(self)

    def resolve(
        self,
        total_steps: int | None = None,
        *,
        horizon: Horizon | None = None,
        overflow: str = "error",
    ) -> ResolvedSchedule:
        """Give every duration its length in updates.

        Args:
            total_steps: Updates in all, short for `Horizon(steps=total_steps)`.
            horizon: The horizon, where durations need its conversions.
            overflow: What to do when fixed and relative durations together exceed the
                horizon: "error", or "truncate" to cut the schedule there.

        Returns:
            A schedule that has a value at every step.

        Raises:
            InvalidScheduleError: The durations exceed the horizon.
            UnresolvedError: A duration needs the horizon and none was given.
            UnitError: A unit lacks its conversion.
        """
        if total_steps is not None and horizon is not None:
            rule = "be left out when horizon is given"
            raise InvalidScheduleError(
                describe("resolve.total_steps", rule, total_steps)
            )
        if total_steps is not None:
            horizon = Horizon(steps=total_steps)
        if horizon is not None and not isinstance(horizon, Horizon):
            hint = f"resolve(total_steps={horizon!r})" if type(horizon) is int else ""
            raise InvalidScheduleError(
                describe("resolve.horizon", "be a Horizon", horizon, hint=hint)
            )
        return ResolvedSchedule(self, horizon or Horizon(), overflow)

    def __call__(self, step: Numeric) -> Any:
        """Evaluate at a step, or at an array of steps.

        Only a schedule whose lengths need no horizon has values before `resolve`.

        Args:
            step: An int or float, a NumPy, torch, JAX or Keras array of any shape, or
                a sequence of numbers. Unit: updates.

        Returns:
            A float for a number, a list for a sequence, an array for an array.

        Raises:
            UnresolvedError: A duration is elastic or relative.
        """
        return self._curve_of_itself()(step)

    def _curve_of_itself(self) -> Curve:
        raise NotImplementedError  # pragma: no cover - the three classes below have it

    def _repr_svg_(self) -> str:
        """Draw the curve where a notebook asks for it."""
        from stepsize.schedules.plot import draw

        return draw(self)


class _Node(Schedule):
    """What the three classes share: limits at construction and a cached curve."""

    __slots__ = ()

    def _set_limits(self, children: tuple[Schedule, ...]) -> None:
        size = 1 + sum(child._size for child in children)
        depth = 1 + max((child._depth for child in children), default=0)
        if size > MOST_PHASES:
            rule = f"have at most {MOST_PHASES} phases and combinators"
            hint = "use repeat, knots or table"
            raise InvalidScheduleError(describe("Schedule", rule, size, hint=hint))
        if depth > DEEPEST:
            rule = f"be nested at most {DEEPEST} deep"
            raise InvalidScheduleError(describe("Schedule", rule, depth))
        object.__setattr__(self, "_size", size)
        object.__setattr__(self, "_depth", depth)

    def _curve_of_itself(self) -> Curve:
        curve: Curve | None = self._curve  # type: ignore[attr-defined]  # a slot below
        if curve is None:
            from stepsize.schedules.lowering import compile_curve

            curve = compile_curve(self, Horizon())
            object.__setattr__(self, "_curve", curve)
        return curve


@final
@dataclass(frozen=True, slots=True, weakref_slot=True, repr=False)
class Phase(_Node):
    """One kind of phase or combinator; made by its constructor, not by hand.

    Attributes:
        kind: Name of the kind, which is that of its constructor.
        operands: The schedules it combines; () for a plain phase.
        args: Its other arguments as (name, value) pairs in the constructor's order.
    """

    kind: str
    operands: tuple[Schedule, ...]
    args: tuple[tuple[str, Any], ...]
    _size: int = field(init=False, compare=False, default=0)
    _depth: int = field(init=False, compare=False, default=0)
    _curve: Any = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Check the limits."""
        self._set_limits(self.operands)

    def __getitem__(self, name: str) -> Any:
        """Return the argument of that name."""
        for key, value in self.args:
            if key == name:
                return value
        raise KeyError(name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content only, not the cached curve."""
        return Phase, (self.kind, self.operands, self.args)


@final
@dataclass(frozen=True, slots=True, weakref_slot=True, repr=False)
class Scaled(_Node):
    """A number times a phase; made by `k * s`, which pushes k to the first phase."""

    factor: float
    part: Phase
    _size: int = field(init=False, compare=False, default=0)
    _depth: int = field(init=False, compare=False, default=0)
    _curve: Any = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Check the limits: the number itself counts as nothing."""
        self._set_limits(())
        object.__setattr__(self, "_size", self.part._size)
        object.__setattr__(self, "_depth", self.part._depth)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content only, not the cached curve."""
        return Scaled, (self.factor, self.part)


@final
@dataclass(frozen=True, slots=True, weakref_slot=True, repr=False)
class Chain(_Node):
    """Phases one after the other; made by `a >> b`, which flattens chains."""

    parts: tuple[Phase | Scaled, ...]
    _size: int = field(init=False, compare=False, default=0)
    _depth: int = field(init=False, compare=False, default=0)
    _curve: Any = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Check the limits."""
        self._set_limits(self.parts)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content only, not the cached curve."""
        return Chain, (self.parts,)


@final
@dataclass(frozen=True, slots=True, weakref_slot=True, repr=False)
class ResolvedSchedule:
    """A schedule whose every duration has its length: it has a value at every step.

    Before step 0 it has its first value, after its end its last value, exactly; it is
    never NaN and never raises for a number. Made by `Schedule.resolve`.

    Attributes:
        schedule: The schedule.
        horizon: What gave its durations their lengths.
        overflow: "error" or "truncate", as in `Schedule.resolve`.

    Raises:
        InvalidScheduleError, UnresolvedError, UnitError: See `Schedule.resolve`.

    Examples:
        >>> import stepsize as ss
        >>> r = (0.5 * ss.warmup(3) >> ss.cosine()).resolve(total_steps=9)
        >>> [round(r(step), 3) for step in (-1, 0, 3, 6, 9, 99)]
        [0.125, 0.125, 0.5, 0.25, 0.0, 0.0]
    """

    schedule: Schedule
    horizon: Horizon
    overflow: str = "error"
    _curve: Any = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Lay out the phases."""
        from stepsize.schedules.lowering import compile_curve

        curve = compile_curve(self.schedule, self.horizon, overflow=self.overflow)
        object.__setattr__(self, "_curve", curve)

    @property
    def total_steps(self) -> int | None:
        """Updates in the horizon, or None where the schedule needed none."""
        return self.horizon.total_steps

    @property
    def end(self) -> float | None:
        """Step from which the last value holds (an int unless boundaries are real)."""
        end: float | None = self._curve.end
        return end

    def __call__(self, step: Numeric) -> Any:
        """Evaluate at a step or an array of steps; see `Schedule.__call__`."""
        return self._curve(step)

    def resolve(
        self,
        total_steps: int | None = None,
        *,
        horizon: Horizon | None = None,
        overflow: str | None = None,
    ) -> ResolvedSchedule:
        """Resolve the schedule again: itself, unless the horizon is another.

        So code that resolves what it is given takes schedules of both kinds.

        Args:
            total_steps: As in `Schedule.resolve`; nothing keeps the horizon.
            horizon: Likewise.
            overflow: Likewise; None keeps it.

        Raises:
            InvalidScheduleError, UnresolvedError, UnitError: See `Schedule.resolve`.
        """
        kept = self.overflow if overflow is None else overflow
        if total_steps is None and horizon is None:
            horizon = self.horizon
        elif total_steps is not None and total_steps == self.total_steps:
            total_steps, horizon = None, self.horizon
        again = self.schedule.resolve(total_steps, horizon=horizon, overflow=kept)
        return self if again == self else again

    def block(self, start: int, stop: int) -> list[float]:
        """Return `[self(step) for step in range(start, stop)]`, to the bit, faster."""
        block: list[float] = self._curve.block(start, stop)
        return block

    def rates(self) -> list[float]:
        """Return the value of every update of the horizon.

        Raises:
            UnresolvedError: The horizon has no number of updates.
        """
        if self.total_steps is None:
            rule = "be given to list every value"
            raise UnresolvedError(describe("resolve.total_steps", rule, None))
        return self.block(0, self.total_steps)

    def boundaries(self) -> list[float]:
        """Return the steps at which a phase begins, from 0, the end included."""
        starts: list[float] = list(self._curve.starts)
        return starts

    def __repr__(self) -> str:
        """Return an expression that builds this value again."""
        more = "" if self.overflow == "error" else f", overflow={self.overflow!r}"
        return f"({self.schedule}).resolve(horizon={self.horizon!r}{more})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content only, not the cached curve."""
        return ResolvedSchedule, (self.schedule, self.horizon, self.overflow)

    def _repr_svg_(self) -> str:
        """Draw the curve where a notebook asks for it."""
        from stepsize.schedules.plot import draw

        return draw(self)


def scaled(number: float, schedule: Schedule) -> Schedule:
    """Return number * schedule, with the number folded into the first phase.

    Raises:
        InvalidScheduleError: The number is negative, NaN or infinite, or is 0 where
            the phase it meets could only stay 0.
    """
    if not 0 <= number < math.inf:
        rule = "be a finite number >= 0"
        hint = "a rate cannot be negative" if number < 0 else ""
        raise InvalidScheduleError(describe("scale", rule, number, hint=hint))
    if number == 1:
        return schedule
    if isinstance(schedule, Chain):
        first = scaled(number, schedule.parts[0])
        rest = schedule.parts[1:]
        _check_zeros((first, *rest))
        return Chain((first, *rest))  # type: ignore[arg-type]  # scaled phases are no chains
    if isinstance(schedule, Scaled):
        folded = number * schedule.factor
        if folded == math.inf:
            got = f"{number!r} * {schedule.factor!r}"
            raise InvalidScheduleError(describe("scale", "stay finite", got))
        if folded == 1:
            return schedule.part
        return _scaled_phase(folded, schedule.part)
    if isinstance(schedule, Phase):
        if schedule.kind == "product":
            first, second = schedule.operands
            return Phase("product", (scaled(number, first), second), ())
        return _scaled_phase(number, schedule)
    raise TypeError(type(schedule).__name__)  # pragma: no cover - three classes only


def _scaled_phase(number: float, phase: Phase) -> Scaled:
    if number == 0 and kinds.of(phase.kind).multiplies(phase):
        raise _stays_zero(phase)
    return Scaled(number, phase)


def chain(*schedules: Schedule) -> Schedule:
    """Return the schedules one after the other, flattened.

    Raises:
        InvalidScheduleError: A phase is handed 0 and could only stay there.
    """
    parts = tuple(part for schedule in schedules for part in parts_of(schedule))
    _check_zeros(parts)
    return parts[0] if len(parts) == 1 else Chain(parts)


def parts_of(schedule: Schedule) -> tuple[Phase | Scaled, ...]:
    """Return the phases of a chain, or the one phase that the schedule is."""
    if isinstance(schedule, Chain):
        return schedule.parts
    return (schedule,)  # type: ignore[return-value]  # the other two classes


def ends_at_zero(schedule: Schedule, *, entry_zero: bool = False) -> bool:
    """Whether the declared last value is 0, given whether it is handed 0."""
    zero = entry_zero
    for part in parts_of(schedule):
        if isinstance(part, Scaled):
            zero = zero or part.factor == 0
            part = part.part  # noqa: PLW2901 - the phase inside
        zero = kinds.of(part.kind).ends_at_zero(part, entry_zero=zero)
    return zero


def leading_scale(schedule: Schedule) -> float:
    """Return the product of the leading scales: the peak, for an entry of 1."""
    first = parts_of(schedule)[0]
    if isinstance(first, Scaled):
        return first.factor * leading_scale(first.part)
    return kinds.of(first.kind).leading_scale(first)


def _check_zeros(parts: tuple[Schedule, ...]) -> None:
    zero = False
    for part in parts:
        phase = part.part if isinstance(part, Scaled) else part
        if zero and isinstance(phase, Phase) and kinds.of(phase.kind).multiplies(phase):
            raise _stays_zero(phase)
        zero = ends_at_zero(part, entry_zero=zero)


def _stays_zero(phase: Phase) -> InvalidScheduleError:
    hint = (
        "end the phase before it above 0, use repeat for restarts, jump(to=...) to go "
        "back to a share of the peak, or give an absolute to_lr"
    )
    rule = f"be handed a value above 0: {phase.kind} multiplies it, so it stays 0"
    return InvalidScheduleError(describe(phase.kind, rule, 0.0, hint=hint))


def _number(value: object) -> float | None:
    """Return a real number as a built-in float, anything else as None."""
    if isinstance(value, (bool, str, bytes, Schedule)):
        return None
    if isinstance(value, (int, float)):
        return float(value) if abs(value) < 1e308 else _huge(value)  # noqa: PLR2004
    convert: Callable[[], float] | None = getattr(value, "__float__", None)
    if convert is None or getattr(value, "shape", ()) != ():
        return None
    return float(convert())


def _huge(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int beyond floats: refused as infinite by the caller
        return math.inf if value > 0 else -math.inf
