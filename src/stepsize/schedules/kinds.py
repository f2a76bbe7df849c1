"""What every kind of phase must say of itself, and where each is defined.

A kind's module is imported when a schedule first uses it, so that `import stepsize`
and a first schedule stay cheap. Not here: any formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, final

from stepsize.errors import InvalidScheduleError, describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from stepsize.schedules.layout import Laid, Measure, Place, Span
    from stepsize.schedules.schedule import Phase, Schedule

_MODULES = {
    "hold": "phase_curves",
    "warmup": "phase_curves",
    "decay": "phase_curves",
    "step": "drops",
    "multistep": "drops",
    "geometric": "drops",
    "inverse_sqrt": "drops",
    "power_law": "drops",
    "inverse_time": "drops",
    "wave": "waves",
    "polynomial_cycles": "waves",
    "exponential_warmup": "warmups",
    "radam_warmup": "warmups",
    "knots": "knots",
    "table": "knots",
    "opaque": "free",
    "noise": "free",
    "jump": "combinators",
    "clip": "combinators",
    "product": "pointwise",
    "sum": "pointwise",
    "minimum": "pointwise",
    "maximum": "pointwise",
    "average": "pointwise",
    "join": "joins",
    "faithful": "joins",
    "repeat": "cycles",
    "reverse": "combinators",
    "skip": "combinators",
}

NAMES = tuple(_MODULES)


def _passes_zero(phase: Phase, *, entry_zero: bool) -> bool:
    return entry_zero


def _always(phase: Phase) -> bool:
    return True


def _one(phase: Phase) -> float:
    return 1.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The meaning of one kind of phase.

    Attributes:
        build: Its constructor: text and dict forms call it with the arguments.
        measure: Its length, as far as it is known before the elastic parts are.
        lower: Its curve over the place it was given.
        multiplies: Whether a value of 0 handed to it can only stay 0.
        ends_at_zero: Whether its declared last value is 0.
        leading_scale: The product of the scales at its head: its peak for an entry 1.
    """

    build: Callable[..., Schedule]
    measure: Callable[[Phase, Span], Measure]
    lower: Callable[[Phase, Place], Laid]
    multiplies: Callable[[Phase], bool] = _always
    ends_at_zero: Callable[..., bool] = _passes_zero
    leading_scale: Callable[[Phase], float] = _one


@cache
def of(name: str) -> Kind:
    """Return the kind of that name.

    Raises:
        InvalidScheduleError: There is none.
    """
    if name not in _MODULES:
        rule = f"be one of {', '.join(NAMES)}"
        raise InvalidScheduleError(describe("Phase.kind", rule, name))
    module: Any = import_module(f"stepsize.schedules.{_MODULES[name]}")
    kind: Kind = module.KINDS[name]
    return kind
